"""Load a topology and hold it against its chart: what every command does first.

topology/load.py knows the file alone; which keys the chart has and which dfmc owns is known here. Both halves report
together, so that one run shows every problem.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dfmc.errors import Diagnostic, TopologyError
from dfmc.topology.load import LoadedTopology, load_file, load_text
from dfmc.values.check import check_values


def load(path: str | Path) -> LoadedTopology:
    """Return the checked topology of a file; ``-`` reads standard input.

    Raises:
        TopologyError: With every problem of the file, or of what it asks of the chart.
    """
    return _against_chart(load_file(path))


def load_from_text(text: str, file: str) -> LoadedTopology:
    """Return the checked topology of a text; ``file`` is the name that positions are given with; errors as load."""
    return _against_chart(load_text(text, file))


def _against_chart(loaded: LoadedTopology) -> LoadedTopology:
    # A set: what several entries inherit from ``defaults`` is one problem at one place.
    found: set[Diagnostic] = {
        loaded.diagnose(problem.path, problem.message, problem.severity, problem.rule)
        for problem in check_values(loaded.topology)
    }
    warnings = tuple(sorted({*loaded.warnings, *(d for d in found if d.severity == "warning")}))
    errors = [d for d in found if d.severity == "error"]
    if errors:
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        raise TopologyError(
            f"{loaded.file} cannot be used: {count}",
            diagnostics=[*errors, *warnings],
            next_step=f"edit {loaded.file}, then: dfmc validate {loaded.file}",
        )
    return replace(loaded, warnings=warnings)
