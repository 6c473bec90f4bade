"""``dfmc rbac``: the rights that dfmc needs, as roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ClusterOption,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
)

if TYPE_CHECKING:
    from dfmc.planning.roles import Subject

HELP = (
    "Print the least that dfmc must be allowed to do, as a Role per namespace and a ClusterRole.\n\nWhat `plan`, `up` "
    "and `status` do, for the chart's own kinds of objects; --down and --verify add what those do. Contacts no "
    "cluster. The namespaces are printed too: a Role needs one to stand in, and then dfmc need not create any."
)
EXAMPLE = example("dfmc rbac topology.yaml -c b --subject user:ci | kubectl --context kind-b apply -f -")


def rbac(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:NAME",
            help="Also print bindings for user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME.",
            show_default=False,
        ),
    ] = None,
    down: Annotated[bool, typer.Option("--down", help="Also what `dfmc down` needs.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Also what `dfmc verify` needs.")] = False,
) -> None:
    """Print the roles."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.rbac import needed_rights
    from dfmc.engine.session import RunOptions
    from dfmc.output.roles import roles_yaml
    from dfmc.planning.rights import verify_rights
    from dfmc.planning.roles import role_objects

    bound = _subject(subject) if subject is not None else None
    invocation = invocation_of(context)
    loaded = load_for_run(chosen_file(file, file_option, context), invocation.terminal)
    options = RunOptions(only=chosen_clusters(loaded, cluster, selector))
    needs = run_engine(invocation, loaded, options, lambda session, run: needed_rights(session, down=down))
    topology = loaded.topology
    entries = [(topology.cluster(name), of_cluster) for name, of_cluster in needs.items()]
    if verify:
        entries = [(entry, tuple(dict.fromkeys((*found, *verify_rights(entry))))) for entry, found in entries]
    objects = [(entry, role_objects(topology, entry, of_cluster, bound)) for entry, of_cluster in entries]
    invocation.terminal.write_exactly(roles_yaml(objects))


def _subject(text: str) -> Subject:
    from dfmc.errors import UsageError
    from dfmc.planning.roles import Subject

    kind, _, name = text.partition(":")
    namespace, slash, account = name.partition("/")
    if kind in ("user", "group") and name:
        return Subject(kind.capitalize(), name)
    if kind == "serviceaccount" and namespace and slash and account:
        return Subject("ServiceAccount", account, namespace)
    raise UsageError(
        f"--subject: {text!r} names nobody",
        next_step="write user:NAME, group:NAME or serviceaccount:NAMESPACE/NAME",
    )
