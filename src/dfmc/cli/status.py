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
    chosen_file,
    example,
    invocation_of,
)

if TYPE_CHECKING:
    from dfmc.engine.reports import StatusReport
    from dfmc.errors import DfmcError

HELP = (
    "Show how every cluster stands against the file; changes nothing and waits for nothing.\n\nEnds with 1 when "
    "anything is not as the file says."
)
EXAMPLE = example("dfmc status topology.yaml -o wide")


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
    output: Annotated[StatusOutput, typer.Option("-o", "--output", help="Form of the answer.")] = StatusOutput.TABLE,
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
    options = RunOptions(only=tuple(cluster or ()), concurrency=concurrency)
    report = run_engine(invocation, loaded, options, lambda session, run: look(session))
    if output is StatusOutput.JSON:
        terminal.answer_document(status_document(report))
    else:
        terminal.answer(*status_lines(report, loaded.file, wide=output is StatusOutput.WIDE))
    if error := _status_error(report):
        raise error


def _status_error(report: StatusReport) -> DfmcError | None:
    """Return why the exit code is not 0; where no cluster could be looked at, the reason for that."""
    from dfmc.errors import FindingsError

    errors = [cluster.error for cluster in report.clusters if cluster.error]
    if errors and len(errors) == len(report.clusters) and len({type(error) for error in errors}) == 1:
        return errors[0]
    if report.is_healthy:
        return None
    wrong = [c.name for c in report.clusters if c.error or c.findings or c.drift or not c.revision]
    return FindingsError(f"not as the file says: {', '.join(wrong)}")
