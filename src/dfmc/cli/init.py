"""``dfmc init``: a first topology file."""

from __future__ import annotations

from typing import Annotated

import typer

from dfmc.cli.options import DEFAULT_FILE, example, invocation_of

HELP = (
    "Write a topology file with comments, one cluster for each context; contacts nothing.\n\nWithout --context the "
    "contexts of your kubeconfig are offered on a terminal, and listed elsewhere. A file that is there stays as it is, "
    "unless --force."
)
EXAMPLE = example("dfmc init --context eu-1 --context us-1 --manager-context eu-1")

_Text = str | None
_QUESTION = "Which clusters, the manager's first (numbers or names)"


def init(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", envvar="DFMC_FILE", help="Where to write; - is standard output.")
    ] = DEFAULT_FILE,
    contexts: Annotated[
        list[str] | None,
        typer.Option("--context", metavar="NAME", help="Context of a cluster; may be repeated.", show_default=False),
    ] = None,
    manager_context: Annotated[
        _Text,
        typer.Option(metavar="NAME", help="Context of the manager's cluster; default: the first.", show_default=False),
    ] = None,
    chart_version: Annotated[
        _Text, typer.Option(metavar="VERSION", help="Version of the Dragonfly chart.", show_default=False)
    ] = None,
    name: Annotated[_Text, typer.Option(metavar="NAME", help="Name of the topology.", show_default=False)] = None,
    namespace: Annotated[
        _Text, typer.Option("-n", "--namespace", metavar="NAME", help="Namespace of the releases.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Choose contexts, write the file."""
    from dfmc.cli.choosing_contexts import distinct, from_kubeconfig
    from dfmc.cli.writing import refuse_existing, write_new
    from dfmc.errors import TopologyError, UsageError
    from dfmc.linting.loading import load_from_text
    from dfmc.topology import scaffold

    terminal = invocation_of(context).terminal
    if file != "-":
        refuse_existing(file, force=force)
    chosen = distinct(contexts) if contexts else from_kubeconfig(terminal, f"dfmc init {file}", _QUESTION)
    manager = manager_context or chosen[0]
    if manager not in chosen:
        chosen.insert(0, manager)
    text = scaffold.topology_text(
        chosen,
        manager=manager,
        name=name or scaffold.DEFAULT_NAME,
        chart_version=chart_version or scaffold.DEFAULT_CHART_VERSION,
        namespace=namespace or scaffold.DEFAULT_NAMESPACE,
    )
    try:
        loaded = load_from_text(text, file)
    except TopologyError as error:
        # The text around the flags' values is ours, so what is wrong is one of them.
        why = "\n".join(f"{d.path}: {d.message}" for d in error.diagnostics if d.severity == "error")
        raise UsageError("these options make no topology", why=why or str(error), left="nothing was written") from error
    if file == "-":
        terminal.write_exactly(text)
        return
    write_new(file, text, force=force)
    count = len(chosen)
    words = f"{count} cluster{'' if count == 1 else 's'}, manager in {loaded.topology.central.name}"
    terminal.answer(f"{file} written: {words}")
    if count > 1:
        terminal.say(f"next  set manager.address in {file}, then: dfmc plan {file}")
    else:
        terminal.say(f"next  dfmc plan {file}")
