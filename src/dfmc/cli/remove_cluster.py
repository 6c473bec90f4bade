"""``dfmc remove-cluster``: a member taken down, out of the manager, and out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.completing import cluster_names
from dfmc.cli.options import (
    FileArgument,
    FileOption,
    LockTimeoutOption,
    chosen_file,
    example,
    invocation_of,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dfmc.cli.editing import Cut
    from dfmc.cli.invocation import Invocation
    from dfmc.cli.running import Run
    from dfmc.engine.reports import DownReport
    from dfmc.engine.session import RunOptions, Session
    from dfmc.planning.steps import Plan
    from dfmc.topology.load import LoadedTopology

HELP = (
    "Remove a cluster: its release, its schedulers and record in the manager, its entry in the file.\n\n"
    "In the only safe order: uninstall, wait until its schedulers are inactive, delete their rows, then the record, "
    "then a namespace that dfmc made; the entry goes last, and everything else in the file stays as it is. Volumes "
    "stay unless --delete-data. Safe to run again: it does what is left. The manager's cluster is taken down with "
    "`down`."
)
EXAMPLE = example("dfmc remove-cluster b topology.yaml", "dfmc remove-cluster b --yes --force-unreachable")


def remove_cluster(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the cluster.", autocompletion=cluster_names)],
    file: FileArgument = None,
    file_option: FileOption = None,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="Also delete its volumes.")] = False,
    force_unreachable: Annotated[
        bool,
        typer.Option(
            "--force-unreachable",
            help="Where its cluster does not answer: remove it from the manager and the file all the same, once its "
            "schedulers are inactive.",
        ),
    ] = False,
    no_apply: Annotated[bool, typer.Option("--no-apply", help="Only edit the file.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            envvar="DFMC_TIMEOUT",
            help="How long its pods may take to end and its schedulers to become inactive: 90s, 15m, 1h.",
        ),
    ] = "15m",
    lock_timeout: LockTimeoutOption = "0s",
) -> None:
    """Prepare the edit, show the plan, ask, do it, print what is left."""
    from dfmc.cli.editing import cut_from_file
    from dfmc.cli.loading import load_for_run
    from dfmc.engine.session import RunOptions
    from dfmc.errors import UsageError
    from dfmc.planning.removal import refuse_central

    invocation = invocation_of(context)
    terminal = invocation.terminal
    path = chosen_file(file, file_option, context)
    if path == "-":
        raise UsageError("standard input cannot be edited", next_step="name the topology file with -f")
    limit, patience = seconds(timeout, "--timeout"), seconds(lock_timeout, "--lock-timeout", zero=True)
    loaded = load_for_run(path, terminal)
    refuse_central(loaded.topology, name)
    cut = cut_from_file(loaded, path, name)
    if no_apply:
        cut.write(terminal)
        terminal.say(f"next  dfmc up {path} --prune removes what is left of {name}")
        return
    options = RunOptions((name,), timeout=limit, lock_timeout=patience)
    _remove(invocation, loaded, options, cut, yes=yes, delete_data=delete_data, force=force_unreachable)


def _remove(
    invocation: Invocation,
    loaded: LoadedTopology,
    options: RunOptions,
    cut: Cut,
    *,
    yes: bool,
    delete_data: bool,
    force: bool,
) -> None:
    from dfmc.cli.running import run_engine
    from dfmc.engine.removal import remove
    from dfmc.errors import UsageError
    from dfmc.output.plan import plan_lines, summary
    from dfmc.output.removal import removal_lines

    terminal, name = invocation.terminal, options.only[0]

    def action(session: Session, run: Run) -> Awaitable[DownReport]:
        def confirm(plan: Plan) -> bool:
            if yes:
                terminal.say(f"{loaded.file}: {summary(plan)}")
                return True
            title = f"Removal of cluster {name} from topology {loaded.topology.metadata.name}"
            terminal.complain(*plan_lines(plan, loaded.topology, title=title))
            if not terminal.can_ask:
                raise UsageError(
                    "remove-cluster deletes what is running", left="nothing was changed", next_step="say so with --yes"
                )
            return run.ask(f"Remove {name}?")

        return remove(
            session,
            name,
            confirm=confirm,
            edit=lambda: cut.write(terminal),
            delete_data=delete_data,
            force_unreachable=force,
        )

    report = run_engine(invocation, loaded, options, action)
    if report.declined:
        terminal.say("nothing was changed")
        return
    terminal.answer(*removal_lines(report, loaded.file))
    for cluster in report.clusters:
        if cluster.error:
            raise cluster.error
