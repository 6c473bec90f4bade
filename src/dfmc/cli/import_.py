"""``dfmc import``: a topology file of what is running."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import ConcurrencyOption, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.running import Run
    from dfmc.clients.factory import RealClients
    from dfmc.output.console import Terminal
    from dfmc.planning.importing.importer import Imported
    from dfmc.topology.model import SecretSource

HELP = (
    "Write a topology file of what is running: releases of the Dragonfly chart in the given contexts, made by hand or "
    "by dfmc, and the manager's records. Reads only.\n\nComments in the file say what `up --adopt` would change, and "
    "why; no password is in it. To read the records it signs in to the manager as root, with the password that dfmc "
    "keeps, --root-password-env or --root-password-file, else the chart's default. Without --context the contexts of "
    "your kubeconfig are offered on a terminal, and listed elsewhere, unless there is only one. Ends with 3 when the "
    "file is written and has to be edited before it is valid."
)
EXAMPLE = example(
    "dfmc import --context kind-kind --output topology.yaml",
    "dfmc import --context eu-1 --context us-1 --manager eu-1/dragonfly-system/dragonfly --output topology.yaml",
)

_Text = str | None
_QUESTION = "In which clusters to look (numbers or names)"
_Where = Annotated[
    list[str] | None,
    typer.Option("--context", metavar="NAME", help="Context to look into; may be repeated.", show_default=False),
]


def import_running(
    context: typer.Context,
    contexts: _Where = None,
    kubeconfig: Annotated[
        _Text, typer.Option(metavar="PATH", help="Kubeconfig of the contexts; default: KUBECONFIG.", show_default=False)
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "-n", "--namespace", metavar="NAME", help="Only this namespace; may be repeated.", show_default=False
        ),
    ] = None,
    manager: Annotated[
        _Text,
        typer.Option(
            metavar="CONTEXT/NAMESPACE/RELEASE", help="Release of the manager, where several run.", show_default=False
        ),
    ] = None,
    access: Annotated[
        str, typer.Option(metavar="URL", help="How to reach the manager's REST API: port-forward, or its URL.")
    ] = "port-forward",
    root_password_env: Annotated[
        _Text, typer.Option(metavar="NAME", help="Variable that holds root's password.", show_default=False)
    ] = None,
    root_password_file: Annotated[
        _Text, typer.Option(metavar="PATH", help="File that holds root's password.", show_default=False)
    ] = None,
    name: Annotated[
        _Text, typer.Option(metavar="NAME", help="Name of the topology; default: dragonfly.", show_default=False)
    ] = None,
    repository: Annotated[
        _Text,
        typer.Option(metavar="URL", help="Repository of the chart; default: the official one.", show_default=False),
    ] = None,
    chart_path: Annotated[
        _Text, typer.Option(metavar="PATH", help="The chart on disk, instead of a repository.", show_default=False)
    ] = None,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where to write; - is standard output.")
    ] = "-",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Look, write the file, say what should be looked at."""
    from dfmc.cli.running import run_with_clients
    from dfmc.cli.writing import refuse_existing, write_new
    from dfmc.engine.importing import ImportRequest, import_running
    from dfmc.errors import UsageError
    from dfmc.planning.importing.found import Wishes
    from dfmc.planning.importing.world import is_entry_name

    invocation = invocation_of(context)
    terminal = invocation.terminal
    if repository and chart_path:
        raise UsageError("give --repository or --chart-path, not both")
    if name is not None and not is_entry_name(name):
        raise UsageError(f"--name: {name!r} is no name", why="lower-case letters, digits and '-', at most 40 of them")
    if output != "-":
        refuse_existing(output, force=force)
    config = _absolute(kubeconfig)
    source, password = _root_password(root_password_env, root_password_file, terminal)
    wishes = Wishes(
        name=name or "",
        repository=repository,
        chart_path=chart_path,
        access=access,
        root_password=source,
        kubeconfig=config,
    )
    request = ImportRequest(
        contexts=tuple(_contexts(contexts, config, output, terminal)),
        namespaces=tuple(namespace or ()),
        manager=manager or "",
        root_password=password,
        wishes=wishes,
        concurrency=concurrency,
    )
    invocation.log.write("", f"contexts {', '.join(request.contexts)}; namespaces {', '.join(request.namespaces)}")

    async def whole(run: Run, factory: RealClients) -> Imported:
        return await run.carry_out(import_running(request, factory, terminal.redactor, terminal.say))

    imported = run_with_clients(invocation, concurrency, Path(), whole)
    for warning in imported.warnings:
        terminal.warn(warning)
    if output == "-":
        terminal.write_exactly(imported.text)
    else:
        write_new(output, imported.text, force=force)
    _conclude(imported, output, terminal)


def _contexts(given: list[str] | None, kubeconfig: str | None, output: str, terminal: Terminal) -> list[str]:
    """Return the contexts to look into: those given, the only one there is, or what somebody chooses."""
    from dfmc.cli.choosing_contexts import distinct, from_kubeconfig
    from dfmc.clients.kube.contexts import kube_contexts
    from dfmc.errors import PreflightError

    config = Path(kubeconfig) if kubeconfig else None
    found = kube_contexts(config)
    if not given:
        if len(found.names) == 1:
            return list(found.names)
        target = "" if output == "-" else f" --output {output}"
        return from_kubeconfig(terminal, f"dfmc import{target}", _QUESTION, config)
    for one in distinct(given):
        if one not in found.names:
            raise PreflightError(
                f"there is no context {one}",
                why=f"looked into {found.files}",
                next_step=f"there are: {', '.join(found.names) or 'none'}",
            )
    return list(given)


def _absolute(kubeconfig: str | None) -> str | None:
    """Return the path as the file can say it wherever it is written."""
    if kubeconfig is None or kubeconfig.startswith("~"):
        return kubeconfig
    return os.path.abspath(kubeconfig)


def _root_password(
    variable: str | None, path: str | None, terminal: Terminal
) -> tuple[SecretSource | None, str | None]:
    """Return where root's password comes from, and the password."""
    from dfmc.engine.credentials import read_environment, read_file
    from dfmc.errors import UsageError
    from dfmc.planning.credentials import ROOT_PASSWORD, CredentialNeed
    from dfmc.topology.model import SecretSource
    from dfmc.values.passwords import PUBLIC_DEFAULTS

    if variable and path:
        raise UsageError("give --root-password-env or --root-password-file, not both")
    if not variable and not path:
        return None, None
    source = SecretSource(env=variable) if variable else SecretSource(file=os.path.abspath(str(path)))
    option = "--root-password-env" if variable else "--root-password-file"
    need = CredentialNeed(ROOT_PASSWORD, source, option)
    password = read_environment(need, variable) if variable else read_file(need, Path(str(path)))
    if password not in PUBLIC_DEFAULTS:
        terminal.redactor.add(password)
    return source, password


def _conclude(imported: Imported, output: str, terminal: Terminal) -> None:
    """Say what was written; a file that is not valid yet is an error that names every line."""
    from dfmc.errors import TopologyError
    from dfmc.linting.loading import load_from_text

    file = "topology.yaml" if output == "-" else output
    try:
        load_from_text(imported.text, file)
    except TopologyError as error:
        error.left = "it is written as it is; nothing else was changed"
        error.next_step = f"edit these lines, then: dfmc validate {file}"
        raise
    count = len(imported.names)
    words = f"{count} cluster{'' if count == 1 else 's'}, manager in {imported.central}"
    if output != "-":
        terminal.answer(f"{output} written: {words}")
    adopt = "--adopt " if imported.adopts else ""
    terminal.say(f"next  dfmc validate {file}, then: dfmc plan {adopt}{file}")
