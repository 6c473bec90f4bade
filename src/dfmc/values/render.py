"""render_values: one cluster's values for the chart, from the file and what only the world knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values import addressing, images, runtimes, settings
from dfmc.values.context import RenderContext, context_of
from dfmc.values.inputs import ValuesInputs
from dfmc.values.layouts import Role
from dfmc.values.merge import Tree, lay_over, merge, nest

# Later parts win: what is typed over the preset, the wiring over both.
_PARTS: tuple[Callable[[RenderContext], Mapping[str, Any]], ...] = (
    images.images,
    runtimes.runtime,
    settings.placement,
    settings.replicas,
    settings.resources,
    settings.metrics,
    settings.logs,
    settings.tracing,
    settings.persistence,
    settings.ingress,
    addressing.hosts,
    addressing.ids,
    addressing.manager_addresses,
    addressing.databases,
)


def render_values(topology: Topology, cluster: ClusterSpec, inputs: ValuesInputs) -> dict[str, Any]:
    """Return the values that helm gets for one cluster.

    The preset of layout and role comes first, then the file's typed fields, then the wiring, then the entry's raw
    ``values``, merged by helm's rules (values/check.py has refused those that dfmc owns). Nulls stay: they tell helm
    to drop a default of the chart. Leaves may be symbols (dfmc.symbols). Pure: no argument is changed.

    Args:
        topology: Loaded and checked.
        cluster: One of its entries.
        inputs: Ids, addresses and what the nodes report.

    Raises:
        TopologyError: dfmc writes no values for the chart's version.
        PreflightError: ``runtime: auto``, and the nodes report several container runtimes.
    """
    ctx = context_of(topology, cluster, inputs)
    values: Tree = merge({}, preset(ctx.layout.presets, ctx.role))
    for part in _PARTS:
        lay_over(values, nest(part(ctx)))
    lay_over(values, cluster.values)
    return values


@cache
def preset(folder: str, role: Role) -> Mapping[str, Any]:
    """Return the preset of a layout and role: the file ``<folder>/<role>.yaml`` of charts-values."""
    text = (presets_folder() / folder / f"{role}.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return loaded


def presets_folder() -> Path:
    """Return where the presets are: in the installed package, or charts-values/ of a checkout."""
    installed = Path(__file__).parent / "presets"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "charts-values"
