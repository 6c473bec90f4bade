"""``dfmc up``: make the world as the file says, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    AdoptOption,
    AllowOption,
    ClusterOption,
    ConcurrencyOption,
    DataOutput,
    FileArgument,
    FileOption,
    LockTimeoutOption,
    PruneOption,
    SelectorOption,
    TimeoutOption,
    YesOption,
    chosen_clusters,
    chosen_file,
    consent_of,
    example,
    invocation_of,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dfmc.cli.invocation import Invocation
    from dfmc.engine.reports import ClusterReport, DownCluster, UpReport
    from dfmc.engine.session import RunOptions
    from dfmc.errors import DfmcError
    from dfmc.planning.saved import SavedPlan
    from dfmc.topology.load import LoadedTopology

HELP = (
    "Bring every cluster up as the file says, and prove it.\n\nSafe to run again at any time: it does what is left. "
    "On a terminal it shows the plan and asks; elsewhere it goes on."
)
EXAMPLE = example("dfmc up topology.yaml --yes --timeout 20m --lock-timeout 15m")


def up(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            show_default=False,
            help="Do what `plan --out FILE` has saved, without asking; refused when anything has changed since.",
        ),
    ] = None,
    yes: YesOption = False,
    adopt: AdoptOption = False,
    allow: AllowOption = None,
    prune: PruneOption = False,
    timeout: TimeoutOption = "15m",
    lock_timeout: LockTimeoutOption = "0s",
    concurrency: ConcurrencyOption = 8,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> None:
    """Run, print the table; the error that decides the exit code is raised."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.plan_files import read_plan
    from dfmc.engine.session import RunOptions
    from dfmc.errors import UsageError

    invocation = invocation_of(context)
    limit, patience = seconds(timeout, "--timeout"), seconds(lock_timeout, "--lock-timeout", zero=True)
    saved = read_plan(plan) if plan is not None else None
    if saved and (cluster or selector or adopt or allow or prune):
        raise UsageError(
            "--plan takes no -c, -l, --adopt, --allow or --prune",
            why="the saved plan says which clusters it is for, and what it may do",
        )
    loaded = load_for_run(chosen_file(file, file_option, context), invocation.terminal)
    only = saved.only if saved else chosen_clusters(loaded, cluster, selector)
    if saved:
        consent = consent_of(saved.adopt, list(saved.allow), prune=saved.prune)
    else:
        consent = consent_of(adopt, allow, prune=prune, is_partial=bool(cluster or selector))
    options = RunOptions(only, timeout=limit, concurrency=concurrency, lock_timeout=patience, consent=consent)
    bring_up(invocation, loaded, options, yes=yes, output=output, saved=saved)


def bring_up(
    invocation: Invocation,
    loaded: LoadedTopology,
    options: RunOptions,
    *,
    yes: bool,
    output: DataOutput = DataOutput.TEXT,
    saved: SavedPlan | None = None,
) -> None:
    """Run ``up`` and print how it ended.

    Raises:
        DfmcError: What decides the exit code.
    """
    from dfmc.cli.running import Run, run_engine
    from dfmc.engine.reports import outcome_error
    from dfmc.engine.runs import up as run_up
    from dfmc.engine.session import Session
    from dfmc.errors import UsageError
    from dfmc.output.documents import up_document
    from dfmc.output.moves import move_warnings
    from dfmc.output.plan import plan_lines, summary
    from dfmc.output.removal import orphan_lines, pruned_lines
    from dfmc.output.tables import up_lines
    from dfmc.planning.steps import Action, Plan

    terminal = invocation.terminal

    def show(plan: Plan) -> None:
        terminal.complain(*plan_lines(plan, loaded.topology))

    def action(session: Session, run: Run) -> Awaitable[UpReport]:
        def confirm(plan: Plan) -> bool:
            if not yes and not terminal.can_ask and any(step.action is Action.DELETE for step in plan.steps):
                show(plan)
                raise UsageError(
                    "up --prune deletes what is running", left="nothing was changed", next_step="say so with --yes"
                )
            if yes or not terminal.can_ask:
                terminal.say(f"{loaded.file}: {summary(plan)}")
                for sentence in move_warnings(plan.moves):
                    terminal.warn(sentence)
                return True
            return run.confirm(plan, "Go on?", show)

        return run_up(session, confirm=confirm, saved=saved)

    report = run_engine(invocation, loaded, options, action)
    error = outcome_error(report) or _unfinished(report)
    if output is DataOutput.JSON:
        terminal.answer_document(up_document(report, error))
    elif report.declined:
        terminal.say("nothing was changed")
    else:
        terminal.answer(*up_lines(report, loaded.topology, loaded.file), *pruned_lines(report.pruned))
        if not options.consent.prune:
            terminal.answer(*orphan_lines(report.plan.orphans, loaded.file))
    if error:
        raise error


def _unfinished(report: UpReport) -> DfmcError | None:
    """Return an error for clusters that were not started although nothing selected failed: no success either."""
    from dfmc.errors import DfmcError

    ended: tuple[ClusterReport | DownCluster, ...] = (*report.clusters, *report.pruned)
    waiting = {cluster.name: cluster.blocked_by for cluster in ended if cluster.result == "blocked"}
    if not waiting:
        return None
    causes = ", ".join(sorted(set(waiting.values())))
    return DfmcError(
        f"not started: {', '.join(waiting)}",
        why=f"{causes} failed",
        left="what they need is not there yet",
        next_step="put the cause right, then run dfmc up again",
    )
