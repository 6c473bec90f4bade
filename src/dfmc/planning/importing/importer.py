"""import_topology: from what was found to the text of a file and what is to be said about it."""

from __future__ import annotations

from dataclasses import dataclass

from dfmc.errors import DfmcError
from dfmc.planning.importing.document import draft, whole
from dfmc.planning.importing.explaining import Reasons, adoption_plan, explained
from dfmc.planning.importing.found import Found, Wishes
from dfmc.planning.importing.text import text_of
from dfmc.planning.importing.world import sort_out
from dfmc.topology.model import Topology
from dfmc.values.passwords import PUBLIC_DEFAULTS
from dfmc.values.secret_keys import secrets_in


@dataclass(frozen=True)
class Imported:
    """A file, and what was found on the way to it.

    Attributes:
        text: Of the file.
        central: Name of the manager's entry.
        names: Of all entries.
        warnings: What somebody should look at, in sentences.
        adopts: ``up`` has something to take over, or to change.
    """

    text: str
    central: str
    names: tuple[str, ...]
    warnings: tuple[str, ...]
    adopts: bool = True


def import_topology(found: Found, wishes: Wishes) -> Imported:
    """Return the topology file of what was found; the same world gives the same text.

    Raises:
        DfmcError: A credential would stand in the text.
    """
    world = sort_out(found)
    made = draft(found, world, wishes)
    topology = Topology.model_validate(whole(made))
    reasons: dict[str, Reasons] = {world.central.name: {}}
    try:
        plan = adoption_plan(topology, found, world)
    except DfmcError as error:
        made.notes[world.central.name].append(f"up --adopt would be refused: {error}")
    else:
        for name, failure in plan.failures.items():
            made.notes[name].append(f"up --adopt would be refused: {failure}")
        reasons = explained(topology, plan, made.left_out)
    unread = tuple(f"{what} could not be read: {error}" for what, error in sorted(found.unread.items()))
    left_out = (*world.left_out, *unread)
    is_official = wishes.repository is None and wishes.chart_path is None
    text = text_of(made, reasons, left_out, is_official=is_official)
    _refuse_secrets(text, found)
    warnings = tuple(f"{name}: {note}" for name, notes in made.notes.items() for note in notes)
    names = tuple(member.name for member in world.members)
    return Imported(text, world.central.name, names, (*warnings, *left_out), adopts=bool(reasons))


def _refuse_secrets(text: str, found: Found) -> None:
    """The last guard: nothing that stands where a credential does in a release may be in the file."""
    releases = (found.central, *found.releases)
    secrets = {secret for one in releases for secret in secrets_in(one.release.values) if len(secret) >= 8}
    secrets |= {value for value in (found.stored.values.values() if found.stored else ()) if len(value) >= 8}
    if any(secret in text for secret in secrets - PUBLIC_DEFAULTS):
        raise DfmcError(
            "the file would hold a credential of a release",
            why="a password of the releases stands in another value of theirs as well",
            left="nothing was written",
            next_step="change that password, or that value, with helm; then import again",
        )
