"""``dfmc testbed``: Kubernetes clusters to try dfmc on, with and without a container engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import DataOutput, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.invocation import Invocation
    from dfmc.errors import UsageError
    from dfmc.testbed.layout import ChartChoice

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make Kubernetes clusters to try dfmc on. --provider kwok, the default: real control planes, simulated nodes, "
    "real Dragonfly managers and schedulers; needs no container engine. --provider kind: real nodes, in Docker.",
    epilog=example(
        'dfmc testbed up topology.yaml && eval "$(dfmc testbed env)"',
        'dfmc testbed up --provider kind && eval "$(dfmc testbed env --provider kind)"',
    ),
)


class Provider(StrEnum):
    """What the clusters are made of."""

    KWOK = "kwok"
    KIND = "kind"


class Clients(StrEnum):
    """What runs behind clients and seed clients."""

    AUTO = "auto"
    REAL = "real"
    SIMULATED = "simulated"


class HelmMajor(StrEnum):
    """Which helm ``testbed env`` names."""

    THREE = "3"
    FOUR = "4"


_AFTER = {Provider.KWOK: "dfmc up", Provider.KIND: "dfmc images --load kind && dfmc up"}

ProviderOption = Annotated[
    Provider,
    typer.Option(envvar="DFMC_TESTBED_PROVIDER", help="kwok: simulated nodes; kind: real ones, in Docker."),
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


@app.command(epilog=example("dfmc testbed up topology.yaml", "dfmc testbed up --provider kind topology.yaml"))
def up(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Topology file whose contexts to make; default: the guide's, with kind that of the last time.",
            show_default=False,
        ),
    ] = None,
    provider: ProviderOption = Provider.KWOK,
    chart: Annotated[
        str,
        typer.Option(
            metavar="PATH|official|stand-in",
            envvar="DFMC_TEST_CHART",
            help="Which chart the copy of the file names: one on disk, the file's own, or the bed's stand-in.  "
            "[default: stand-in with kwok, official with kind]",
            show_default=False,
        ),
    ] = "",
    helm: Annotated[HelmMajor, typer.Option(help="kwok: which helm `testbed env` names.")] = HelmMajor.THREE,
    node_image: Annotated[
        str | None,
        typer.Option(
            metavar="IMAGE",
            envvar="DFMC_KIND_NODE_IMAGE",
            help="kind: image of the nodes.  [default: kind's own]",
            show_default=False,
        ),
    ] = None,
    console_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            metavar="N",
            help="kind: port of 127.0.0.1 for the manager's console; 0 for none.  [default: 8080]",
            show_default=False,
        ),
    ] = None,
    clients: Annotated[
        Clients,
        typer.Option(
            envvar="DFMC_TESTBED_CLIENTS",
            help="kwok: whether Dragonfly's clients run; auto: as the bed was made, a new one where their program "
            "is there.",
        ),
    ] = Clients.AUTO,
    clusters: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8,
            metavar="N",
            help="kwok, without FILE: so many Kubernetes clusters, the manager's and a member in each other one; 1 is "
            "the guide's.",
            show_default=False,
        ),
    ] = None,
    directory: DirectoryOption = None,
) -> None:
    """Bring up the contexts that a topology file names, and a copy of the file for them; safe to run again."""
    from dfmc.testbed.providers import PROVIDERS, UpRequest

    invocation = invocation_of(context)
    chosen = PROVIDERS[provider.value]
    if clusters is not None and (file is not None or provider is not Provider.KWOK):
        raise _no_number(file, clusters)
    request = UpRequest(
        topology=file,
        chart=_chart_choice(chart),
        directory=directory or chosen.default_directory(),
        helm=3 if helm is HelmMajor.THREE else 4,
        clients=clients.value,
        node_image=node_image,
        console_port=console_port,
        clusters=clusters or 1,
    )
    with _interruptible(f"dfmc testbed up{_flags(provider, directory)} again, or down"):
        contexts = chosen.up(request, _reporter(invocation))
    invocation.terminal.say(
        f"bed up: context{'s' if len(contexts) > 1 else ''} {', '.join(contexts)}",
        f'next  eval "$(dfmc testbed env{_flags(provider, directory)})"; {_AFTER[provider]}',
    )


def _no_number(file: Path | None, clusters: int) -> UsageError:
    from dfmc.errors import UsageError

    if file is not None:
        why = f"{file} names the contexts, and each is a Kubernetes cluster of its own"
    else:
        why = "a kind bed has the Kubernetes clusters of its topology file"
    return UsageError(
        "--clusters is for a bed of --provider kwok without a topology file",
        why=why,
        next_step=f"dfmc testbed up --clusters {clusters}, or dfmc testbed up FILE with as many contexts",
    )


def _chart_choice(text: str) -> ChartChoice | None:
    match text:
        case "":
            return None
        case "stand-in":
            return "stand-in"
        case "official":
            return "official"
        case _:
            return Path(text)


def _flags(provider: Provider, directory: Path | None) -> str:
    """Return what a next command needs to mean the same bed."""
    import shlex

    chosen = "" if provider is Provider.KWOK else f" --provider {provider.value}"
    return chosen + (f" --directory {shlex.quote(str(directory))}" if directory else "")


@contextmanager
def _interruptible(next_step: str) -> Iterator[None]:
    """Turn Ctrl-C into the error that says what is left; the programs have been ended by then."""
    from dfmc.errors import InterruptedRunError

    try:
        yield
    except KeyboardInterrupt:
        left = "what was made so far stays, and is known to the bed"
        raise InterruptedRunError("interrupted", left=left, next_step=next_step) from None


@app.command(epilog=example("dfmc testbed down", "dfmc testbed down --provider kind"))
def down(context: typer.Context, provider: ProviderOption = Provider.KWOK, directory: DirectoryOption = None) -> None:
    """Stop the bed and delete everything it made; built programs and images stay."""
    from dfmc.testbed.providers import PROVIDERS

    invocation = invocation_of(context)
    chosen = PROVIDERS[provider.value]
    where = directory or chosen.default_directory()
    with _interruptible(f"dfmc testbed down{_flags(provider, directory)}"):
        was_there = chosen.down(where, _reporter(invocation))
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
    from dfmc.testbed.providers import PROVIDERS

    terminal = invocation_of(context).terminal
    chosen = PROVIDERS[provider.value]
    found = chosen.status(directory or chosen.default_directory())
    if output is DataOutput.JSON:
        terminal.answer_document(testbed_document({"provider": provider.value, **found}))
    elif found["exists"]:
        terminal.answer(*testbed_lines(found))
    if not found["running"]:
        what = "something of the bed does not run" if found["exists"] else f"there is no bed in {found['directory']}"
        raise FindingsError(what, next_step=f"dfmc testbed up{_flags(provider, directory)}")


@app.command(epilog=example('eval "$(dfmc testbed env)"'))
def env(context: typer.Context, provider: ProviderOption = Provider.KWOK, directory: DirectoryOption = None) -> None:
    """Print the exports with which dfmc, helm and kubectl work on the bed."""
    import shlex

    from dfmc.errors import PreflightError
    from dfmc.testbed.providers import PROVIDERS

    chosen = PROVIDERS[provider.value]
    where = directory or chosen.default_directory()
    variables = chosen.env(where)
    if variables is None:
        next_step = f"dfmc testbed up{_flags(provider, directory)}"
        raise PreflightError("there is no bed", where=str(where), next_step=next_step)
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
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


@app.command(epilog=example("dfmc testbed images", "dfmc testbed images node manager scheduler"))
def images(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Which, by short name; default: all.", show_default=False),
    ] = None,
) -> None:
    """Build kind's node image and the chart's images from packages, where none can be pulled."""
    from dfmc.errors import UsageError
    from dfmc.testbed.binaries import BinaryCache, default_directory
    from dfmc.testbed.kind.images.build import NAMES, Workshop, ensure_images
    from dfmc.testbed.kind.images.node import NODE_IMAGE
    from dfmc.testbed.kind.images.running import ProcessRunner

    unknown = [name for name in names or () if name not in NAMES]
    if unknown:
        raise UsageError(f"there is no image called {unknown[0]}", next_step=f"choose from: {', '.join(NAMES)}")
    invocation = invocation_of(context)
    shop = Workshop(BinaryCache(default_directory().absolute()), ProcessRunner(), _reporter(invocation))
    with _interruptible("dfmc testbed images again; it goes on from here"):
        present = ensure_images(names or NAMES, shop)
    invocation.terminal.say("images in the Docker engine:", *(f"  {name}" for name in present))
    if NODE_IMAGE in present:
        invocation.terminal.say(
            f"kind in {shop.cache.path('kind')}",
            f"next  dfmc testbed up --provider kind --node-image {NODE_IMAGE}",
        )


def _reporter(invocation: Invocation) -> Callable[[str], None]:
    def report(text: str) -> None:
        invocation.log.write("testbed", text)
        invocation.terminal.say(text)

    return report
