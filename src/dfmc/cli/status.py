"""``dfmc status``: how every cluster stands against the file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ClusterOption,
    ConcurrencyOption,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
    seconds,
)

if TYPE_CHECKING:
    from dfmc.cli.invocation import Invocation
    from dfmc.engine.reports import StatusReport
    from dfmc.engine.session import RunOptions
    from dfmc.errors import DfmcError
    from dfmc.topology.load import LoadedTopology

HELP = (
    "Show how every cluster stands against the file; changes nothing and waits for nothing.\n\nEnds with 1 when "
    "anything is not as the file says."
)
EXAMPLE = example("dfmc status topology.yaml -o wide --watch")


class StatusOutput(StrEnum):
    """Forms of a status."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"


def status(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    output: Annotated[StatusOutput, typer.Option("-o", "--output", help="Form of the answer.")] = StatusOutput.TABLE,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="Look again and again: redrawn, or a line for each change.")
    ] = False,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="Between two looks of --watch.")] = "5s",
    timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION", envvar="DFMC_STATUS_TIMEOUT", help="How long a cluster may take to answer: 5s, 1m."
        ),
    ] = "30s",
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Print the status; findings are raised."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.session import RunOptions
    from dfmc.engine.status import status as look
    from dfmc.output.documents import status_document
    from dfmc.output.tables import status_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    limit, pause = seconds(timeout, "--timeout"), seconds(interval, "--interval")
    options = RunOptions(only=chosen_clusters(loaded, cluster, selector), timeout=limit, concurrency=concurrency)
    if watch:
        _watch(invocation, loaded, options, output, pause)
        return
    report = run_engine(invocation, loaded, options, lambda session, run: look(session))
    if output is StatusOutput.JSON:
        terminal.answer_document(status_document(report))
    else:
        terminal.answer(*status_lines(report, loaded.file, wide=output is StatusOutput.WIDE))
    if error := _status_error(report):
        raise error


def _watch(
    invocation: Invocation, loaded: LoadedTopology, options: RunOptions, output: StatusOutput, pause: float
) -> None:
    """Show one status after another until Ctrl-C."""
    from dfmc.cli.running import run_engine
    from dfmc.engine.status import watch
    from dfmc.errors import EXIT_SIGTERM, InterruptedRunError, UsageError
    from dfmc.output.watching import make_watching

    if output is StatusOutput.JSON:
        raise UsageError("--watch has no JSON form", next_step="run dfmc status -o json again and again")
    with make_watching(invocation.terminal, loaded.file, wide=output is StatusOutput.WIDE) as watching:
        try:
            run_engine(invocation, loaded, options, lambda session, run: watch(session, watching.show, pause))
        except InterruptedRunError as error:
            if error.exit_code == EXIT_SIGTERM:
                raise


def _status_error(report: StatusReport) -> DfmcError | None:
    """Return why the exit code is not 0; where no cluster could be looked at, the reason for that."""
    from dfmc.errors import FindingsError

    errors = [cluster.error for cluster in report.clusters if cluster.error]
    if errors and len(errors) == len(report.clusters) and len({type(error) for error in errors}) == 1:
        return errors[0]
    if report.is_healthy:
        return None
    wrong = [c.name for c in report.clusters if c.error or c.findings or c.drift or not c.revision]
    wrong += [f"{name} (orphaned)" for name in report.orphans]
    if report.unknown and not wrong:
        return report.unknown
    return FindingsError(f"not as the file says: {', '.join(wrong)}")
