"""Which chart version has which layout of values, read from data/layouts.yaml.

A layout is one shape of the chart's values: the keys' names, the form of an image, where a cluster's id goes. The
table of breakpoints decides; nothing else in dfmc compares chart versions to choose keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from dfmc.errors import TopologyError

Version = tuple[int, int, int]
Role = Literal["central", "member"]
ComponentName = Literal["manager", "scheduler", "seed_peer", "client"]

_DATA = Path(__file__).parent / "data" / "layouts.yaml"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


@dataclass(frozen=True)
class Component:
    """One of the four parts of Dragonfly as a layout names it.

    Attributes:
        key: Of the chart's values, e.g. ``seedClient``.
        label: Value of the label ``component`` and last part of the objects' names, e.g. ``seed-client``.
        kind: Of its workload.
        file: Name of its configuration in its ConfigMap.
        image: The chart's own repository, without a registry.
    """

    name: ComponentName
    key: str
    label: str
    kind: Literal["Deployment", "StatefulSet", "DaemonSet"]
    file: str
    image: str


@dataclass(frozen=True)
class Layout:
    """One shape of the chart's values; see data/layouts.yaml for what each word means.

    Attributes:
        name: ``L1``, ``M2``, ...
        presets: Folder of its presets.
        membership: How its peers can find their cluster, the default first.
        images: Form of an image in its values.
        logs: Form of log settings.
        tracing: What its components can send traces to.
        runtime: How it configures the nodes' container runtimes.
        proxy_port: TCP port of the client's proxy on the node.
        components: By the file's words for them.
        ids: Where ids go: key path to the name of the value.
        manager_addresses: Where the manager's address goes beside ``externalManager``.
        wiring: What each component's configuration file must say: path in it to the name of the value.
        wiring_since: Chart version from which a part of such a file exists; from the layout's first where not listed.
    """

    name: str
    presets: str
    membership: tuple[Literal["id", "scopes"], ...]
    images: str
    logs: str
    tracing: str
    runtime: str
    proxy_port: int
    components: Mapping[ComponentName, Component]
    ids: Mapping[str, str]
    manager_addresses: Mapping[str, str]
    wiring: Mapping[ComponentName, Mapping[str, str]]
    wiring_since: Mapping[ComponentName, Mapping[str, str]]

    def wiring_of(self, component: ComponentName, version: str, *, external_redis: bool) -> Mapping[str, str]:
        """Return what a component's file must say on a chart version: path in it to the name of the value.

        Where Redis is not the release's own, the file has the numbers of its databases as well.
        """
        later = {
            part
            for part, first in self.wiring_since.get(component, {}).items()
            if parse_version(version) < parse_version(first)
        }
        table = dict(self.wiring[component])
        if external_redis:
            table |= data()["external_redis_wiring"].get(component, {})
        return {path: name for path, name in table.items() if not any(path.startswith(f"{part}.") for part in later)}

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Breakpoint:
    """One row of the table: a layout begins at ``first`` and ends where the next begins.

    Attributes:
        rendered: First version that values are written for; None while the layout is only known.
        last: Last version before the next row, None for the newest.
    """

    layout: str
    first: Version
    rendered: Version | None
    before: Version | None


def parse_version(text: str) -> Version:
    """Return the three numbers of a chart version; a suffix after ``-`` or ``+`` does not count.

    Raises:
        TopologyError: It is no version of three numbers.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise TopologyError(f"{text} is no chart version", why="it needs three numbers, as in 1.7.4")
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch)


@cache
def data() -> Mapping[str, Any]:
    """Return the parsed data/layouts.yaml."""
    loaded: Mapping[str, Any] = yaml.load(_DATA.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return loaded


@cache
def breakpoints() -> tuple[Breakpoint, ...]:
    """Return the table of breakpoints, oldest first."""
    rows = data()["breakpoints"]
    firsts: list[Version | None] = [parse_version(row["first"]) for row in rows]
    return tuple(
        Breakpoint(
            layout=row["layout"],
            first=parse_version(row["first"]),
            rendered=parse_version(row["rendered"]) if "rendered" in row else None,
            before=before,
        )
        for row, before in zip(rows, [*firsts[1:], None], strict=True)
    )


def layout_name(version: str) -> str | None:
    """Return the layout of a chart version, also one that dfmc writes no values for; None before the first."""
    number = parse_version(version)
    found = [row.layout for row in breakpoints() if row.first <= number]
    return found[-1] if found else None


def unsupported(version: str) -> str | None:
    """Return the sentence that refuses a chart version, or None when dfmc writes values for it."""
    number = parse_version(version)
    row = next((row for row in reversed(breakpoints()) if row.first <= number), None)
    if row is not None and row.rendered is not None and number >= row.rendered:
        return None
    reason = "is older than every layout known" if row is None else f"has the values layout {row.layout}"
    return f"chart {version} {reason}, which dfmc cannot write values for; it can for {supported_versions()}"


def supported_versions() -> str:
    """Return the chart versions that dfmc writes values for, as words: ``1.0.0 to 1.1.11 and 1.4.5 to 1.7.4``."""
    ranges = []
    for row in breakpoints():
        if row.rendered is None:
            continue
        first = ".".join(map(str, row.rendered))
        ranges.append(f"{first} to {_last_words(row)}")
    return " and ".join(ranges)


def _last_words(row: Breakpoint) -> str:
    if row.before is None:
        return "the newest"
    major, minor, patch = row.before
    return f"{major}.{minor}.{patch - 1}" if patch else f"before {major}.{minor}.{patch}"


@cache
def layout_of(version: str) -> Layout:
    """Return the layout of a chart version.

    Raises:
        TopologyError: dfmc writes no values for that version; the sentence names those that work.
    """
    refusal = unsupported(version)
    if refusal is not None:
        raise TopologyError(refusal, next_step="set chart.version to one of these")
    name = layout_name(version)
    assert name is not None, "unsupported() refuses versions without a layout"  # noqa: S101
    return _layout(name)


@cache
def _layout(name: str) -> Layout:
    raw = dict(data()["layouts"][name])
    components = {word: Component(name=word, **fields) for word, fields in raw.pop("components").items()}
    wiring = {**raw.pop("wiring"), "manager": data()["manager_wiring"]}
    membership = tuple(raw.pop("membership"))
    return Layout(name=name, membership=membership, components=components, wiring=wiring, **raw)
