"""Load a topology and hold it against its chart: what every command does first.

topology/load.py knows the file alone; which keys the chart has and which dfmc owns is known here. Both halves report
together, so that one run shows every problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfmc.errors import Diagnostic, TopologyError
from dfmc.topology.load import LoadedTopology, load_file, load_text
from dfmc.values.check import ValuesProblem, check_own_keys, check_user_values, check_values


def load(path: str | Path) -> LoadedTopology:
    """Return the checked topology of a file; ``-`` reads standard input.

    Raises:
        TopologyError: With every problem of the file, or of what it asks of the chart.
    """
    return _against_chart(load_file(path))


def load_from_text(text: str, file: str) -> LoadedTopology:
    """Return the checked topology of a text; ``file`` is the name that positions are given with; errors as load."""
    return _against_chart(load_text(text, file))


def check_defaults(loaded: LoadedTopology, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Hold a loaded topology against the chart's own default values, where dfmc has no facts of the chart's version.

    Args:
        loaded: From load.
        defaults: What ``helm show values`` prints of the chart.

    Returns:
        What dfmc writes and the chart does not have, each as a sentence.

    Raises:
        TopologyError: The file's ``values`` have keys that the chart does not have.
    """
    _refuse_errors(loaded, _diagnostics(loaded, check_user_values(loaded.topology, defaults)))
    return check_own_keys(loaded.topology, defaults)


def _against_chart(loaded: LoadedTopology) -> LoadedTopology:
    found = _diagnostics(loaded, check_values(loaded.topology))
    warnings = tuple(sorted({*loaded.warnings, *(d for d in found if d.severity == "warning")}))
    _refuse_errors(loaded, found, warnings)
    return replace(loaded, warnings=warnings)


def _diagnostics(loaded: LoadedTopology, problems: Iterable[ValuesProblem]) -> list[Diagnostic]:
    # A set: what several entries inherit from ``defaults`` is one problem at one place.
    return sorted({loaded.diagnose(found.path, found.message, found.severity, found.rule) for found in problems})


def _refuse_errors(loaded: LoadedTopology, found: Iterable[Diagnostic], warnings: tuple[Diagnostic, ...] = ()) -> None:
    errors = [d for d in found if d.severity == "error"]
    if errors:
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        raise TopologyError(
            f"{loaded.file} cannot be used: {count}",
            diagnostics=[*errors, *warnings],
            next_step=f"edit {loaded.file}, then: dfmc validate {loaded.file}",
        )
