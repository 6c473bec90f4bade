"""Hold a topology against the chart's own default values, where dfmc ships no facts of the chart's version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.errors import TopologyError
from dfmc.topology.load import LoadedTopology
from dfmc.values.check import check_own_keys, check_user_values


def check_defaults(loaded: LoadedTopology, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Compare a loaded topology with what ``helm show values`` prints of its chart.

    Args:
        loaded: Checked by itself already.
        defaults: The chart's own default values.

    Returns:
        What dfmc writes and the chart does not have, each as a sentence.

    Raises:
        TopologyError: The file's ``values`` have keys that the chart does not have.
    """
    problems = check_user_values(loaded.topology, defaults)
    # A set: what several entries inherit from ``defaults`` is one problem at one place.
    found = sorted({loaded.diagnose(each.path, each.message, each.severity, each.rule) for each in problems})
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if errors:
        raise TopologyError(
            f"{loaded.file} cannot be used: {len(errors)} error{'s' if len(errors) > 1 else ''}",
            diagnostics=errors,
            next_step=f"edit {loaded.file}, then: dfmc validate {loaded.file}",
        )
    return check_own_keys(loaded.topology, defaults)
