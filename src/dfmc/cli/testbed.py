"""``dfmc testbed``: Kubernetes clusters to try dfmc on, without a container engine."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import DataOutput, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.invocation import Invocation
    from dfmc.testbed.layout import ChartChoice

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make Kubernetes clusters to try dfmc on: real control planes, simulated nodes, real Dragonfly managers and "
    "schedulers.",
    epilog=example('dfmc testbed up topology.yaml && eval "$(dfmc testbed env)"'),
)


class Provider(StrEnum):
    """What the clusters are made of."""

    KWOK = "kwok"


class Clients(StrEnum):
    """What runs behind clients and seed clients."""

    AUTO = "auto"
    REAL = "real"
    SIMULATED = "simulated"


class HelmMajor(StrEnum):
    """Which helm ``testbed env`` names."""

    THREE = "3"
    FOUR = "4"


ProviderOption = Annotated[
    Provider, typer.Option(envvar="DFMC_TESTBED_PROVIDER", help="What the clusters are made of.")
]
DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="DFMC_TESTBED",
        help="Where the bed keeps everything.  [default: under XDG_STATE_HOME]",
        show_default=False,
    ),
]


@app.command(epilog=example("dfmc testbed up topology.yaml"))
def up(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="Topology file whose contexts to make; default: the guide's.", show_default=False
        ),
    ] = None,
    provider: ProviderOption = Provider.KWOK,
    chart: Annotated[
        str,
        typer.Option(
            metavar="PATH|official", envvar="DFMC_TEST_CHART", help="A real chart instead of the bed's stand-in."
        ),
    ] = "stand-in",
    helm: Annotated[HelmMajor, typer.Option(help="Which helm `testbed env` names.")] = HelmMajor.THREE,
    clients: Annotated[
        Clients,
        typer.Option(
            envvar="DFMC_TESTBED_CLIENTS",
            help="Whether Dragonfly's clients run; auto: as the bed was made, a new one where their program is there.",
        ),
    ] = Clients.AUTO,
    directory: DirectoryOption = None,
) -> None:
    """Bring up the contexts that a topology file names, and a copy of the file that points at the bed's chart."""
    from dfmc.testbed import bed
    from dfmc.testbed.layout import BedRequest, default_directory

    invocation = invocation_of(context)
    state = bed.up(
        BedRequest(
            topology=file,
            chart=_chart_choice(chart),
            directory=directory or default_directory(),
            helm=3 if helm is HelmMajor.THREE else 4,
            clients=clients.value,
        ),
        _reporter(invocation),
    )
    where = f" --directory {directory}" if directory else ""
    invocation.terminal.say(
        f"bed up: context{'s' if len(state.contexts) > 1 else ''} {', '.join(state.contexts)}",
        f'next  eval "$(dfmc testbed env{where})"; dfmc up',
    )


def _chart_choice(text: str) -> ChartChoice:
    if text in ("stand-in", ""):
        return "stand-in"
    return "official" if text == "official" else Path(text)


@app.command(epilog=example("dfmc testbed down"))
def down(context: typer.Context, provider: ProviderOption = Provider.KWOK, directory: DirectoryOption = None) -> None:
    """Stop the bed and delete everything it made; built programs stay in the cache."""
    from dfmc.testbed import bed
    from dfmc.testbed.layout import default_directory

    invocation = invocation_of(context)
    where = directory or default_directory()
    was_there = bed.down(where, _reporter(invocation))
    invocation.terminal.say(f"{where}: {'bed deleted' if was_there else 'there is no bed'}")


@app.command(epilog=example("dfmc testbed status -o json"))
def status(
    context: typer.Context,
    provider: ProviderOption = Provider.KWOK,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
    directory: DirectoryOption = None,
) -> None:
    """Show what runs; ends with 1 when something does not."""
    from dfmc.errors import FindingsError
    from dfmc.output.testbed import testbed_document, testbed_lines
    from dfmc.testbed import bed
    from dfmc.testbed.layout import default_directory

    terminal = invocation_of(context).terminal
    found = bed.status(directory or default_directory())
    if output is DataOutput.JSON:
        terminal.answer_document(testbed_document(found))
    elif found["exists"]:
        terminal.answer(*testbed_lines(found))
    if not found["running"]:
        what = "something of the bed does not run" if found["exists"] else f"there is no bed in {found['directory']}"
        raise FindingsError(what, next_step="dfmc testbed up")


@app.command(epilog=example('eval "$(dfmc testbed env)"'))
def env(context: typer.Context, provider: ProviderOption = Provider.KWOK, directory: DirectoryOption = None) -> None:
    """Print the exports with which dfmc, helm and kubectl work on the bed."""
    import shlex

    from dfmc.errors import PreflightError
    from dfmc.testbed import bed
    from dfmc.testbed.layout import default_directory

    where = directory or default_directory()
    state = bed.find(where)
    if state is None:
        raise PreflightError("there is no bed", where=str(where), next_step="dfmc testbed up")
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in bed.env(state).items())
    invocation_of(context).terminal.write_exactly(exports)


@app.command(epilog=example("dfmc testbed binaries"))
def binaries(
    context: typer.Context,
    client: Annotated[
        bool, typer.Option("--client", help="Dragonfly's Rust client too: 20 to 45 minutes, once; needs cargo.")
    ] = False,
) -> None:
    """Make every program that beds need, so that `up` takes seconds."""
    from dfmc.testbed.binaries import (
        PROGRAMS,
        BinaryCache,
        default_directory,
        ensure,
        ensure_client,
        ensure_database_template,
        ensure_system_programs,
    )

    invocation = invocation_of(context)
    report = _reporter(invocation)
    cache = BinaryCache(default_directory().absolute())
    ensure([program.name for program in PROGRAMS], cache, report)
    ensure_database_template(cache, ensure_system_programs(report), report)
    if client:
        ensure_client(cache, report)
    invocation.terminal.say(f"programs in {cache.bin}")


def _reporter(invocation: Invocation) -> Callable[[str], None]:
    def report(text: str) -> None:
        invocation.log.write("testbed", text)
        invocation.terminal.say(text)

    return report
