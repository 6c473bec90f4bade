"""``dfmc validate``: everything that is wrong in a file, without contacting anything."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dfmc.cli.options import DataOutput, FileArgument, FileOption, chosen_file, example, invocation_of

HELP = (
    "Check a topology file; contacts nothing.\n\nEvery problem at once, with line and column. In GitHub Actions the "
    "problems show up beside the lines of the file."
)
EXAMPLE = example("dfmc validate topology.yaml")


def validate(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> int:
    """Return 0 for a file without errors, else 3."""
    from dfmc.errors import Diagnostic, TopologyError
    from dfmc.output import diagnostics as form
    from dfmc.output.text import line
    from dfmc.values.loading import load

    invocation = invocation_of(context)
    terminal = invocation.terminal
    path = chosen_file(file, file_option, context)
    error: TopologyError | None = None
    summary = ""
    try:
        loaded = load(path)
        found, topology = loaded.warnings, loaded.topology
        count = len(topology.clusters)
        summary = f"{count} cluster{'' if count == 1 else 's'}, manager in {topology.manager.cluster}, "
        summary += f"chart {topology.chart.name}-{topology.chart.version}"
    except TopologyError as raised:
        # A rule that knows no position still is a problem of the file.
        error, found = raised, raised.diagnostics or (Diagnostic(path, 1, 1, "", str(raised)),)
    if output is DataOutput.JSON:
        name = found[0].file if found else path
        terminal.answer_document(form.diagnostics_document(name, found))
        return error.exit_code if error else 0
    if os.environ.get("GITHUB_ACTIONS") == "true":
        terminal.answer(*form.github_annotations(found))
    terminal.answer(*form.diagnostic_lines(found))
    if error:
        next_step = f"  next {error.next_step}" if error.next_step else ""
        terminal.complain(line(("✗ ", "bold red"), error.what))
        if next_step:
            terminal.complain(next_step)
        return error.exit_code
    verdict = "valid" if not found else f"valid, {form.count_sentence(found)}"
    terminal.answer(line(("✓ ", "green"), f"{path}: {verdict} ({summary})"))
    return 0
