"""``dfmc validate``: everything that is wrong in a file, without contacting anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import FileArgument, FileOption, chosen_file, example, invocation_of

if TYPE_CHECKING:
    from dfmc.errors import Diagnostic, TopologyError
    from dfmc.linting.ignores import Ignored
    from dfmc.output.console import Terminal
    from dfmc.topology.model import Topology

HELP = (
    "Check a topology file; contacts nothing.\n\nEvery problem at once, with line and column: its form, what the chart "
    "cannot do, and lints over all clusters; `dfmc explain` says what each rule is about. A warning that is meant so "
    "is ignored with `# dfmc: ignore DF012 why` on its line or the line above. In GitHub Actions the problems show up "
    "beside the lines of the file."
)
EXAMPLE = example("dfmc validate --fail-on warning topology.yaml")


class ReportOutput(StrEnum):
    """Text for people, JSON for programs, SARIF for code scanning."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class FailOn(StrEnum):
    """The least severity that ends with 3."""

    ERROR = "error"
    WARNING = "warning"


def validate(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    fail_on: Annotated[
        FailOn, typer.Option(envvar="DFMC_FAIL_ON", help="End with 3 from this severity on.")
    ] = FailOn.ERROR,
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="Form of the answer.")] = ReportOutput.TEXT,
) -> int:
    """Return 0 for a file without errors, else 3."""
    from dfmc.errors import TopologyError
    from dfmc.output import diagnostics as form
    from dfmc.output.sarif import sarif_document

    terminal = invocation_of(context).terminal
    path = chosen_file(file, file_option, context)
    found, ignored, outcome = _inspected(path)
    fails = isinstance(outcome, TopologyError) or (fail_on is FailOn.WARNING and bool(found))
    code = TopologyError.exit_code if fails else 0
    if output is not ReportOutput.TEXT:
        name = found[0].file if found else path
        make = sarif_document if output is ReportOutput.SARIF else form.diagnostics_document
        terminal.answer_document(make(name, found, ignored))
        return code
    if os.environ.get("GITHUB_ACTIONS") == "true":
        terminal.answer(*form.github_annotations(found))
    terminal.answer(*form.diagnostic_lines(found))
    if isinstance(outcome, TopologyError):
        _tell_error(terminal, outcome)
    else:
        _tell_verdict(terminal, path, found, ignored, outcome, fails=fails)
    return code


def _inspected(path: str) -> tuple[tuple[Diagnostic, ...], tuple[Ignored, ...], Topology | TopologyError]:
    """Return what is found, what comments answer, and the topology, or the error that a run would end with."""
    from dfmc.errors import Diagnostic, TopologyError
    from dfmc.linting.loading import inspect

    ignored: tuple[Ignored, ...] = ()
    try:
        findings = inspect(path)
        ignored = findings.ignored
        loaded = findings.concluded()
    except TopologyError as error:
        # A rule that knows no position still is a problem of the file.
        return error.diagnostics or (Diagnostic(path, 1, 1, "", str(error)),), ignored, error
    return loaded.warnings, ignored, loaded.topology


def _tell_error(terminal: Terminal, error: TopologyError) -> None:
    from dfmc.output.text import line

    terminal.complain(line(("✗ ", "bold red"), error.what))
    if error.next_step:
        terminal.complain(f"  next {error.next_step}")


def _tell_verdict(
    terminal: Terminal,
    path: str,
    found: Sequence[Diagnostic],
    ignored: Sequence[Ignored],
    topology: Topology,
    *,
    fails: bool,
) -> None:
    from dfmc.output import diagnostics as form
    from dfmc.output.text import line

    count = len(topology.clusters)
    summary = f"{count} cluster{'' if count == 1 else 's'}, manager in {topology.manager.cluster}, "
    summary += f"chart {topology.chart.name}-{topology.chart.version}"
    parts = [form.count_sentence(found)] if found else []
    parts += [f"{len(ignored)} ignored"] if ignored else []
    counted = "".join(f", {part}" for part in parts)
    if fails:
        terminal.complain(line(("✗ ", "bold red"), f"{path}: valid{counted}, and --fail-on warning ({summary})"))
        rule = next((item.rule for item in found if item.rule), "")
        terminal.complain(f"  next dfmc explain {rule}".rstrip())
    else:
        terminal.answer(line(("✓ ", "green"), f"{path}: valid{counted} ({summary})"))
