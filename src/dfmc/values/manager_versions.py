"""Which version of the manager a topology installs: decides which form of the searcher's formula holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dfmc.matching.versions import is_version
from dfmc.topology.model import Topology
from dfmc.values.layouts import Version, parse_version

_DATA = Path(__file__).parent / "data" / "manager-versions.yaml"


def manager_version(topology: Topology) -> str | None:
    """Return the manager's version; None for a chart older than the table.

    The image's tag wins where it is a version; ``latest`` and the like say nothing, so the chart's own image counts.
    A chart newer than all known has the newest known.
    """
    central = topology.central
    return version_in(central.values, topology.chart.version, central.images.manager.tag)


def version_in(values: Mapping[str, Any], chart: str, tag: str | None = None) -> str | None:
    """Return the manager's version that a chart with these values runs; None for a chart older than the table.

    Args:
        values: Of the central release, or those that a user lays over them.
        chart: The chart's version.
        tag: Of the manager's image where the values have none.
    """
    raw: Any = values.get("manager")
    manager: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    image = manager.get("image")
    tags = (image.get("tag") if isinstance(image, Mapping) else None, manager.get("tag"), tag)
    given = next((str(tag) for tag in tags if tag), "")
    return given if is_version(given) else version_of_chart(chart)


def version_of_chart(version: str) -> str | None:
    """Return the manager's version in a chart's own images; None for charts older than the table."""
    number = parse_version(version)
    found = [manager for first, manager in _table() if first <= number]
    return found[-1] if found else None


@cache
def _table() -> tuple[tuple[Version, str], ...]:
    rows = yaml.load(_DATA.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return tuple((parse_version(first), str(manager)) for first, manager in rows)
