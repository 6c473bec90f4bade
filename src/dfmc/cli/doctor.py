"""``dfmc doctor``: what is wrong, or would be, in every cluster, and what to type next."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.completing import check_ids
from dfmc.cli.options import (
    ClusterOption,
    ConcurrencyOption,
    DataOutput,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
)
from dfmc.errors import UsageError

if TYPE_CHECKING:
    from dfmc.engine.doctor import DoctorReport
    from dfmc.errors import DfmcError

HELP = (
    "Look for what is wrong, or will go wrong, in every cluster; changes nothing.\n\nWorks before an installation too; "
    "each check has an id, which `dfmc explain ID` explains. One short-lived pod a cluster asks from inside what its "
    "pods reach; everything else is read.\n\nEnds with 1 when anything is found."
)
EXAMPLE = example("dfmc doctor topology.yaml", "dfmc doctor -c b --skip DF363 --no-pods -o json")


class FailOn(StrEnum):
    """The least level that ends with 1."""

    ERROR = "error"
    WARNING = "warning"


def doctor(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Leave this check out; may be repeated.",
            show_default=False,
            autocompletion=check_ids,
        ),
    ] = None,
    pods: Annotated[bool, typer.Option("--pods/--no-pods", help="Ask from inside by short-lived pods.")] = True,
    fail_on: Annotated[FailOn, typer.Option(help="End with 1 from this level on.")] = FailOn.WARNING,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Print what was found; findings are raised."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.doctor import doctor as look
    from dfmc.engine.session import RunOptions
    from dfmc.output.doctor import doctor_document, doctor_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    skipped = _known(skip or [])
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    options = RunOptions(only=chosen_clusters(loaded, cluster, selector), concurrency=concurrency)
    report = run_engine(invocation, loaded, options, lambda session, run: look(session, skip=skipped, pods=pods))
    if output is DataOutput.JSON:
        terminal.answer_document(doctor_document(report))
    else:
        terminal.answer(*doctor_lines(report, verbose=terminal.verbosity > 0))
    if error := _error(report, fail_on):
        raise error


def _known(ids: list[str]) -> frozenset[str]:
    from dfmc.planning.checks.table import CHECKS, check_of
    from dfmc.topology.problems import did_you_mean

    for one in ids:
        if check_of(one) is None:
            close = did_you_mean(one.upper(), [check.id for check in CHECKS])
            hint = f"did you mean {close}?" if close else "docs/doctor.md lists them"
            raise UsageError(f"--skip: there is no check {one}", next_step=hint)
    return frozenset(one.upper() for one in ids)


def _error(report: DoctorReport, fail_on: FailOn) -> DfmcError | None:
    """Return why the exit code is not 0; where not one cluster could be asked, the reason for that."""
    from dfmc.engine.doctor import is_blind
    from dfmc.errors import FindingsError

    if blind := is_blind(report):
        return blind
    levels = ("error",) if fail_on is FailOn.ERROR else ("error", "warning")
    counts = {
        level: sum(finding.level == level for outcome in report.outcomes for finding in outcome.findings)
        for level in levels
    }
    words = [f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    if not words:
        return None
    ids = dict.fromkeys(
        outcome.check.id for outcome in report.outcomes for finding in outcome.findings if finding.level in levels
    )
    return FindingsError(f"doctor found {' and '.join(words)}", next_step=f"dfmc explain {next(iter(ids))}")
