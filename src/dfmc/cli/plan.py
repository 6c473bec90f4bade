"""``dfmc plan``: what ``up`` would do."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    AdoptOption,
    AllowOption,
    ClusterOption,
    ConcurrencyOption,
    FileArgument,
    FileOption,
    PruneOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    consent_of,
    example,
    invocation_of,
)

if TYPE_CHECKING:
    from dfmc.errors import DfmcError
    from dfmc.planning.steps import Plan

HELP = "Show what `up` would do, per cluster and field; changes nothing."
EXAMPLE = example("dfmc plan topology.yaml --detailed-exitcode --out night.plan")


class PlanOutput(StrEnum):
    """Forms of a plan."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def plan(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="End with 2 when there are changes.")
    ] = False,
    output: Annotated[PlanOutput, typer.Option("-o", "--output", help="Form of the answer.")] = PlanOutput.TEXT,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Also save the plan, for `up --plan FILE`; no password is in it.",
            show_default=False,
        ),
    ] = None,
    adopt: AdoptOption = False,
    allow: AllowOption = None,
    prune: PruneOption = False,
    concurrency: ConcurrencyOption = 8,
) -> int:
    """Return 0, or 2 for changes where asked to."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.plan_files import write_plan
    from dfmc.cli.running import run_engine
    from dfmc.engine.runs import plan as make_plan
    from dfmc.engine.runs import plan_to_save
    from dfmc.engine.session import RunOptions
    from dfmc.errors import EXIT_CHANGES_PENDING
    from dfmc.output.documents import plan_document
    from dfmc.output.plan import plan_lines, plan_markdown
    from dfmc.output.removal import orphan_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    consent = consent_of(adopt, allow, prune=prune, is_partial=bool(cluster or selector))
    options = RunOptions(only=chosen_clusters(loaded, cluster, selector), concurrency=concurrency, consent=consent)
    if out is None:
        made = run_engine(invocation, loaded, options, lambda session, run: make_plan(session))
    else:
        made, saved = run_engine(invocation, loaded, options, lambda session, run: plan_to_save(session))
        write_plan(out, saved)
    if output is PlanOutput.JSON:
        terminal.answer_document(plan_document(made))
    elif output is PlanOutput.MARKDOWN:
        terminal.answer(*plan_markdown(made).splitlines())
    else:
        terminal.answer(*plan_lines(made, loaded.topology))
        if not prune:
            terminal.answer(*orphan_lines(made.orphans, loaded.file))
    if out is not None:
        terminal.say(f"saved in {out}; next  dfmc up {loaded.file} --plan {out}")
    if error := _planning_error(made):
        raise error
    return EXIT_CHANGES_PENDING if detailed_exitcode and made.has_changes else 0


def _planning_error(made: Plan) -> DfmcError | None:
    """Return what kept clusters from being planned for; the failure itself where nothing else was planned."""
    from dfmc.errors import PartialError

    if not made.failures:
        return None
    names = ", ".join(made.failures)
    if not made.steps and len(made.failures) == 1:
        return next(iter(made.failures.values()))
    return PartialError(
        f"no plan for {names}", failures=made.failures, next_step="put the causes right, then run dfmc plan again"
    )
