"""The topology file for a command that acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfmc.output.console import Terminal
    from dfmc.topology.load import LoadedTopology


def load_for_run(file: str, terminal: Terminal) -> LoadedTopology:
    """Return the checked topology; its warnings are printed.

    Raises:
        TopologyError: With every problem of the file, or of what it asks of the chart.
    """
    from dfmc.linting.loading import load
    from dfmc.output.diagnostics import diagnostic_lines

    loaded = load(file)
    terminal.say(*diagnostic_lines(loaded.warnings))
    return loaded
