"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.completing import cluster_labels, cluster_names
from dfmc.errors import UsageError

if TYPE_CHECKING:
    from dfmc.cli.invocation import Invocation
    from dfmc.planning.consent import Consent
    from dfmc.topology.load import LoadedTopology

DEFAULT_FILE = "topology.yaml"

FileArgument = Annotated[
    str | None, typer.Argument(metavar="FILE", help="Topology file; - is standard input.", show_default=False)
]
FileOption = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--file",
        metavar="FILE",
        envvar="DFMC_FILE",
        help=f"Topology file; - is standard input.  [default: {DEFAULT_FILE}]",
        show_default=False,
    ),
]
ClusterOption = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--cluster",
        metavar="NAME",
        help="Only this cluster of the file; may be repeated.",
        show_default=False,
        autocompletion=cluster_names,
    ),
]
SelectorOption = Annotated[
    list[str] | None,
    typer.Option(
        "-l",
        "--selector",
        metavar="SELECTOR",
        help="Only clusters whose labels match: env=prod, tier!=edge, 'region in (eu,us)', gpu, !old; may be repeated.",
        show_default=False,
        autocompletion=cluster_labels,
    ),
]
TimeoutOption = Annotated[
    str,
    typer.Option(
        metavar="DURATION", envvar="DFMC_TIMEOUT", help="How long a cluster may take to become ready: 90s, 15m, 1h."
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(metavar="N", envvar="DFMC_CONCURRENCY", min=1, max=256, help="How many steps run at once.")
]
AdoptOption = Annotated[
    bool,
    typer.Option("--adopt", help="Take over releases, records and Services of these names that dfmc did not make."),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="RISK",
        show_default=False,
        help="Accept a risk that the plan is refused for: downgrade, recreate, database-upgrade, other-chart; may be "
        "repeated.",
    ),
]
PruneOption = Annotated[
    bool,
    typer.Option("--prune", help="Also remove what is left of clusters that are not in the file any more (orphans)."),
]
LockTimeoutOption = Annotated[
    str,
    typer.Option(
        "--lock-timeout",
        metavar="DURATION",
        envvar="DFMC_LOCK_TIMEOUT",
        help="How long to wait for another run on this topology: 0s, 90s, 15m.",
    ),
]
YesOption = Annotated[bool, typer.Option("-y", "--yes", envvar="DFMC_YES", help="Do not ask.")]


class DataOutput(StrEnum):
    """Text for people or JSON for programs."""

    TEXT = "text"
    JSON = "json"


def example(*lines: str) -> str:
    """Return the last lines of a command's help."""
    return "\b\nExample" + ("s" if len(lines) > 1 else "") + ":\n" + "\n".join(f"  {line}" for line in lines)


def chosen_file(argument: str | None, option: str | None, context: typer.Context) -> str:
    """Return the topology file of a command that takes it as argument and as option.

    Raises:
        UsageError: Both were given and differ.
    """
    from_variable = option is not None and source_of(context, "file_option") == "ENVIRONMENT"
    if argument is not None and option is not None and argument != option and not from_variable:
        raise UsageError(f"two files are given: {argument} and -f {option}", next_step="give one of them")
    return argument or option or DEFAULT_FILE


def source_of(context: typer.Context, parameter: str) -> str:
    """Return where a parameter's value came from: COMMANDLINE, ENVIRONMENT, DEFAULT, ..."""
    source = context.get_parameter_source(parameter)
    return source.name if source is not None else ""


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds(text: str, option: str, *, zero: bool = False) -> float:
    """Read a duration such as 90s, 15m, 1h or 1h30m.

    Raises:
        UsageError: It is none; or it is zero, unless ``zero`` allows that.
    """
    if zero and text.strip() in ("0", "0s"):
        return 0.0
    found = _DURATION.fullmatch(text.strip())
    hours, minutes, rest = found.groups() if found else (None, None, None)
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)
    if total <= 0:
        raise UsageError(f"{option}: {text!r} is no duration", next_step="write it like 90s, 15m or 1h30m")
    return total


def chosen_clusters(loaded: LoadedTopology, cluster: list[str] | None, selector: list[str] | None) -> tuple[str, ...]:
    """Return the names of the clusters that ``-c`` and ``-l`` leave; empty stands for all.

    Raises:
        UsageError: A selector cannot be read, or nothing matches.
    """
    from dfmc.topology.selectors import selected_names

    return selected_names(loaded.topology, loaded.file, cluster or (), selector or ())


def consent_of(adopt: bool, allow: list[str] | None, *, prune: bool = False, is_partial: bool = False) -> Consent:
    """Return what the command line consents to.

    Raises:
        UsageError: There is no risk of a name; or --prune is wanted for some clusters alone.
    """
    if prune and is_partial:
        raise UsageError(
            "--prune takes neither -c nor -l", why="what is not in the file can only be told from the whole file"
        )
    from dfmc.planning.consent import Consent
    from dfmc.planning.upgrades import Risk

    unknown = [name for name in allow or () if name not in list(Risk)]
    if unknown:
        raise UsageError(f"--allow: no risk is called {unknown[0]!r}", next_step=f"there are {', '.join(Risk)}")
    return Consent(adopt=adopt, allow=frozenset(allow or ()), prune=prune)


def key_values(pairs: list[str] | None, option: str) -> dict[str, str]:
    """Read repeated ``key=value`` texts.

    Raises:
        UsageError: One has no ``=`` or no key, or a key comes twice.
    """
    found: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"{option}: {pair!r} is not KEY=VALUE")
        if key in found:
            raise UsageError(f"{option}: {key} is given twice")
        found[key] = value
    return found


def invocation_of(context: typer.Context) -> Invocation:
    """Return the invocation, told which command it is."""
    invocation: Invocation = context.obj
    invocation.command = context.command_path.partition(" ")[2] or "dfmc"
    return invocation
