"""``dfmc add-cluster``: a new entry in the file, and that cluster alone brought up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ConcurrencyOption,
    FileOption,
    TimeoutOption,
    YesOption,
    chosen_file,
    example,
    invocation_of,
    key_values,
    seconds,
)

if TYPE_CHECKING:
    from dfmc.cli.invocation import Invocation
    from dfmc.engine.session import RunOptions
    from dfmc.topology.load import LoadedTopology

HELP = (
    "Add a cluster to the topology file and bring it up.\n\nEdits the file in place (comments stay), shows the "
    "difference, then does what `up -c NAME` does. Context and namespace may be left out where the other entries "
    "make them plain."
)
EXAMPLE = example("dfmc add-cluster c --idc cluster-3 --context kind-kind --namespace cluster-c")

_Text = str | None
_Texts = list[str] | None


def add_cluster(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new cluster.")],
    file_option: FileOption = None,
    kube_context: Annotated[
        _Text, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.", show_default=False)
    ] = None,
    namespace: Annotated[
        _Text, typer.Option("-n", "--namespace", metavar="NAME", help="Namespace of the release.", show_default=False)
    ] = None,
    idc: Annotated[_Text, typer.Option(metavar="IDC", help="Scope: data centre.", show_default=False)] = None,
    location: Annotated[
        _Text, typer.Option(metavar="A|B|C", help="Scope: location, widest first.", show_default=False)
    ] = None,
    cidr: Annotated[
        _Texts, typer.Option(metavar="CIDR", help="Scope: network; may be repeated.", show_default=False)
    ] = None,
    hostname: Annotated[
        _Texts, typer.Option(metavar="PATTERN", help="Scope: host name pattern; may be repeated.", show_default=False)
    ] = None,
    node_selector: Annotated[
        _Texts, typer.Option(metavar="KEY=VALUE", help="Label of its nodes; may be repeated.", show_default=False)
    ] = None,
    label: Annotated[
        _Texts, typer.Option(metavar="KEY=VALUE", help="Label of the entry; may be repeated.", show_default=False)
    ] = None,
    no_apply: Annotated[bool, typer.Option("--no-apply", help="Only edit the file.")] = False,
    yes: YesOption = False,
    timeout: TimeoutOption = "15m",
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Edit the file, show the difference, bring the cluster up."""
    from dfmc.cli.editing import add_to_file, new_entry
    from dfmc.cli.loading import load_for_run
    from dfmc.engine.session import RunOptions
    from dfmc.errors import UsageError

    invocation = invocation_of(context)
    path = chosen_file(None, file_option, context)
    if path == "-":
        raise UsageError("standard input cannot be edited", next_step="name the topology file with -f")
    limit = seconds(timeout, "--timeout")
    scopes = {"idc": idc, "location": location, "cidrs": cidr, "hostnames": hostname}
    loaded = load_for_run(path, invocation.terminal)
    entry = new_entry(
        loaded.topology,
        name,
        context=kube_context,
        namespace=namespace,
        scopes={key: value for key, value in scopes.items() if value},
        node_selector=key_values(node_selector, "--node-selector"),
        labels=key_values(label, "--label"),
    )
    edited = add_to_file(loaded, path, entry, invocation.terminal)
    if no_apply:
        invocation.terminal.say(f"next  dfmc up {path} -c {name}")
        return
    _bring_up(invocation, edited, RunOptions(only=(name,), timeout=limit, concurrency=concurrency), yes=yes)


def _bring_up(invocation: Invocation, loaded: LoadedTopology, options: RunOptions, *, yes: bool) -> None:
    """Run ``up`` for the new cluster; whatever fails says that the file has been edited."""
    from dfmc.cli.up import bring_up
    from dfmc.errors import DfmcError

    try:
        bring_up(invocation, loaded, options, yes=yes)
    except DfmcError as error:
        has_entry = f"{loaded.file} has the new entry"
        error.left = f"{has_entry}; {error.left}" if error.left else has_entry
        raise
