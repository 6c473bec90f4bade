"""A plan in a file: what somebody has read and agreed to, and what it was made from. Pure.

It holds no values of a release, only what differs, as shown; the values are made again from the same file and chart,
which the fingerprint holds fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfmc.errors import ConflictError, UsageError
from dfmc.planning.fingerprint import Fingerprint
from dfmc.planning.steps import Plan
from dfmc.topology.model import API_VERSION

KIND = "SavedPlan"
# Another number when a reader of this one would misunderstand it.
FORMAT = 1


@dataclass(frozen=True)
class SavedPlan:
    """A plan as it was shown.

    Attributes:
        topology: Name of the topology.
        made: When, in UTC, for people.
        only: The clusters it is for; empty means all.
        adopt: Whether it takes over what is not dfmc's.
        allow: Names of the risks that were accepted.
        fingerprint: What it was made from.
        steps: Each step that writes, with its differences in words.
        prune: Whether it removes what is not in the file any more.
    """

    topology: str
    made: str
    only: tuple[str, ...]
    adopt: bool
    allow: tuple[str, ...]
    fingerprint: Fingerprint
    steps: Mapping[str, tuple[str, ...]]
    prune: bool = False

    def refuse_stale(self, plan: Plan, now: Fingerprint) -> None:
        """Refuse to carry it out when the world is not the one it was made from.

        Args:
            plan: Made from the world as it is now.
            now: The fingerprint of that world.

        Raises:
            ConflictError: ``why`` names every difference.
        """
        changes = self.fingerprint.changes(now) or _other_steps(self.steps, described_steps(plan))
        if changes:
            raise self.stale(changes)

    def stale(self, changes: Sequence[str]) -> ConflictError:
        """Return the error that names what has changed."""
        return ConflictError(
            "the saved plan is out of date",
            where=self.topology,
            why="\n".join(changes),
            left="nothing was changed",
            next_step="dfmc plan --out FILE makes a new one",
        )


def described_steps(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the steps that write, by id, with action, note and differences in words; passwords are masked in them."""
    return {
        step.id: (step.action.value, *([step.note] if step.note else []), *map(str, step.changes))
        for step in plan.mutations
    }


def _other_steps(before: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return steps that are not as planned although every fact is: credentials from elsewhere have another value."""
    return tuple(
        f"{step_id} would do something else by now (a credential that the file refers to?)"
        for step_id in dict.fromkeys((*before, *now))
        if before.get(step_id) != now.get(step_id)
    )


def saved_document(saved: SavedPlan) -> dict[str, Any]:
    """Return it as JSON's types."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "format": FORMAT,
        "topology": saved.topology,
        "made": saved.made,
        "only": list(saved.only),
        "adopt": saved.adopt,
        "allow": list(saved.allow),
        "prune": saved.prune,
        "fingerprint": {name: dict(facts) for name, facts in saved.fingerprint.facts.items()},
        "steps": {step_id: list(words) for step_id, words in saved.steps.items()},
    }


def read_saved(document: Any, file: str) -> SavedPlan:  # noqa: ANN401 - whatever JSON held
    """Return the saved plan that a JSON document is.

    Args:
        document: As decoded.
        file: Its name, for errors.

    Raises:
        UsageError: It is no saved plan, or one of another format.
    """
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise UsageError(f"{file} is no saved plan", next_step=f"dfmc plan --out {file} writes one")
    if (document.get("apiVersion"), document.get("format")) != (API_VERSION, FORMAT):
        why = f"it says {document.get('apiVersion')}, format {document.get('format')}"
        raise UsageError(f"{file} was saved by another dfmc", why=why, next_step="make the plan again")
    try:
        return SavedPlan(
            topology=_text(document["topology"]),
            made=_text(document["made"]),
            only=tuple(map(_text, document["only"])),
            adopt=document["adopt"] is True,
            allow=tuple(map(_text, document["allow"])),
            fingerprint=Fingerprint({name: _texts(facts) for name, facts in document["fingerprint"].items()}),
            steps={step_id: tuple(map(_text, words)) for step_id, words in document["steps"].items()},
            prune=document.get("prune") is True,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{file} is a damaged plan", why=str(error), next_step="make the plan again") from error


def _texts(facts: Mapping[object, object]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in facts.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} stands where a text should")
    return value
