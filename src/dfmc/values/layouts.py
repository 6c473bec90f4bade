"""Which chart version has which layout of values, read from data/layouts.yaml.

A layout is one shape of the chart's values: the keys' names, the form of an image, where a cluster's id goes. The
table of breakpoints decides, and what changes within a layout is in the same file; nothing else in dfmc compares chart
versions to choose keys.
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
from dfmc.values.merge import coalesce

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

    @property
    def is_rust(self) -> bool:
        """Whether it is the Rust client; all else is written in Go, and configured otherwise."""
        return self.file == "dfdaemon.yaml"


@dataclass(frozen=True)
class TracingTarget:
    """How a layout takes one type of destination for traces.

    Attributes:
        bundled: The chart brings the destination where the file names none.
        reads: Who sends traces there, and from whose part of the values each takes where to.
        fields: The file's words that it takes, with the key path below that part's ``config``.
    """

    bundled: bool
    reads: Mapping[ComponentName, ComponentName]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Layout:
    """One shape of the chart's values at one version; see data/layouts.yaml for what each word means.

    Attributes:
        name: ``L1``, ``M2``, ...
        presets: Folder of its presets.
        unused: Keys of parts of the chart that dfmc keeps switched off.
        membership: How its peers can find their cluster, the default first.
        images: Form of an image in its values.
        logs: Form of log settings of the parts written in Go.
        tracing: What its components can send traces to, by the file's type.
        runtime: How it configures the nodes' container runtimes.
        runtimes: Those it can configure, in the file's words.
        restart: Those of them whose restart is the user's choice.
        proxy_port: TCP port of the client's proxy on the node.
        components: By the file's words for them.
        ids: Where ids go: key path to the name of the value.
        redis_service: End of the name of the Service through which the chart uses its own Redis.
        redis_values: What the chart's own Redis needs beside credentials: key path to value.
        manager_addresses: Where the manager's address goes beside ``externalManager``.
        wiring: What each component's configuration file must say: path in it to the name of the value.
    """

    name: str
    presets: str
    unused: tuple[str, ...]
    membership: tuple[Literal["id", "scopes"], ...]
    images: str
    logs: str
    tracing: Mapping[str, TracingTarget]
    runtime: str
    runtimes: tuple[str, ...]
    restart: tuple[str, ...]
    proxy_port: int
    components: Mapping[ComponentName, Component]
    ids: Mapping[str, str]
    redis_service: str
    redis_values: Mapping[str, str]
    manager_addresses: Mapping[str, str]
    wiring: Mapping[ComponentName, Mapping[str, str]]

    def wiring_of(self, component: ComponentName, *, external_redis: bool) -> Mapping[str, str]:
        """Return what a component's file must say: path in it to the name of the value.

        Where Redis is not the release's own, the file has the numbers of its databases beside the addresses.
        """
        table = dict(self.wiring[component])
        if external_redis:
            numbers: Mapping[str, str] = data()["external_redis_wiring"].get(component, {})
            table |= {path: name for path, name in numbers.items() if f"{path.rpartition('.')[0]}.addrs" in table}
        return table

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Breakpoint:
    """One row of the table: a layout begins at ``first`` and ends where the next begins."""

    layout: str
    first: Version


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
    return tuple(Breakpoint(row["layout"], parse_version(row["first"])) for row in data()["breakpoints"])


def layout_name(version: str) -> str | None:
    """Return the layout of a chart version, also one that dfmc writes no values for; None before the first."""
    number = parse_version(version)
    found = [row.layout for row in breakpoints() if row.first <= number]
    return found[-1] if found else None


def unsupported(version: str) -> str | None:
    """Return the sentence that refuses a chart version, or None when dfmc writes values for it."""
    if parse_version(version) >= parse_version(data()["oldest"]):
        return None
    return f"chart {version} is too old: dfmc cannot write values for it; it can for {supported_versions()}"


def supported_versions() -> str:
    """Return the chart versions that dfmc writes values for, as words: ``1.0.0 and newer``."""
    return f"{data()['oldest']} and newer"


@cache
def layout_of(version: str) -> Layout:
    """Return the layout of a chart version, as it is at that version; one newer than all known has the newest.

    Raises:
        TopologyError: dfmc writes no values for that version; the sentence names those that work.
    """
    refusal = unsupported(version)
    if refusal is not None:
        raise TopologyError(refusal, next_step="set chart.version to one of these")
    name = layout_name(version)
    assert name is not None, "unsupported() refuses versions without a layout"  # noqa: S101
    return _layout(name, parse_version(version))


def _layout(name: str, number: Version) -> Layout:
    raw = _at_version(name, number)
    raw["components"] = {word: Component(name=word, **fields) for word, fields in raw["components"].items()}
    raw["tracing"] = {kind: TracingTarget(**fields) for kind, fields in raw["tracing"].items()}
    raw["wiring"]["manager"] = data()["manager_wiring"]
    for words in ("unused", "membership", "runtimes", "restart"):
        raw[words] = tuple(raw[words])
    return Layout(name=name, **raw)


def _at_version(name: str, number: Version) -> dict[str, Any]:
    """Return a layout's row with what it takes from another one, and with its changes up to a version."""
    own = dict(data()["layouts"][name])
    like, since = own.pop("like", None), own.pop("since", {})
    row = coalesce(_at_version(like, number) if like else {}, own)
    for first, change in since.items():
        if parse_version(first) <= number:
            row = coalesce(row, change)
    return row
