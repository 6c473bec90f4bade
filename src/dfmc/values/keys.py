"""Which keys a chart version has: what helm silently ignores, found before it is sent.

No Dragonfly chart has a values schema, so a misspelt key, or one of another layout, changes nothing and nobody says
so. The key paths of every published version are in data/chart-keys.json (tools/derive_chart_keys.py makes it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dfmc.symbols import Pending, SecretRef
from dfmc.values.layouts import Version, data, parse_version

KeyPath = tuple[str, ...]
# map: its keys are known. open: any key may be inside. any: nothing is known of the value.
Kind = Literal["map", "open", "list", "scalar", "any"]

_FACTS = Path(__file__).parent / "data" / "chart-keys.json"
_LIMITS = re.compile(r"(\d[\d.]*\d)?\.\.(\d[\d.]*\d)?")
_WORDS: Mapping[str, str] = {"map": "a map", "open": "a map", "list": "a list", "scalar": "a single value"}


@dataclass(frozen=True)
class KeyProblem:
    """One key that the chart would ignore, or fail on.

    Attributes:
        path: In the values.
        message: What is wrong, and what was probably meant.
    """

    path: KeyPath
    message: str


def unknown_keys(values: Mapping[str, Any], version: str) -> tuple[KeyProblem, ...]:
    """Return every key of ``values`` that the chart does not have, or that has the wrong form.

    A key that is not there is reported once, not again for all that is below it.

    Args:
        values: As they would go to helm; symbols count as single values, null as "drop the default".
        version: Of the chart. One newer than all known is judged by the newest known.
    """
    return tuple(_walk(values, (), _tree(parse_version(version)), version))


def has_key(path: str, version: str) -> bool:
    """Whether a chart version has a dotted key path, or leaves the map it is in open."""
    nested: dict[str, Any] = {}
    node = nested
    *parents, last = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = None
    return not unknown_keys(nested, version)


def known_versions() -> tuple[str, str]:
    """Return the first and the last chart version whose keys are known."""
    first, last = _facts()["versions"]
    return str(first), str(last)


def stages() -> tuple[Version, ...]:
    """Return one version for each set of keys that charts have had, oldest first: where the next one begins."""
    first, last = map(parse_version, known_versions())
    limits = {first, last}
    for spans in _facts()["paths"].values():
        for begin, end in _LIMITS.findall(spans):
            if begin:
                limits.add(parse_version(begin))
            if end:
                major, minor, patch = parse_version(end)
                limits.add((major, minor, patch + 1))
    return tuple(sorted(version for version in limits if version <= last))


def _walk(values: Mapping[str, Any], path: KeyPath, known: _Node, version: str) -> Iterator[KeyProblem]:
    for key, value in values.items():
        here = (*path, str(key))
        node = known.children.get(str(key))
        if node is None:
            if known.kind == "map":
                yield KeyProblem(here, _unknown(here, known, version))
            continue
        form = _form(value)
        if node.kind != "any" and form is not None and form != ("map" if node.kind == "open" else node.kind):
            yield KeyProblem(here, f"chart {version} wants {_WORDS[node.kind]} here, not {_WORDS[form]}")
        elif isinstance(value, Mapping):
            yield from _walk(value, here, node, version)


def _form(value: Any) -> str | None:  # noqa: ANN401
    if value is None or isinstance(value, Pending):
        return None
    if isinstance(value, Mapping):
        return "map"
    if isinstance(value, list | tuple):
        return "list"
    return "scalar" if isinstance(value, str | int | float | bool | SecretRef) else None


def _unknown(path: KeyPath, known: _Node, version: str) -> str:
    message = f"chart {version} has no key {'.'.join(path)}"
    new = _moved(path, version)
    if new is not None:
        return f"{message}; it is {new} there"
    close = get_close_matches(path[-1], known.children, n=1, cutoff=0.7)
    return f"{message}; did you mean {'.'.join((*path[:-1], close[0]))}?" if close else message


def _moved(path: KeyPath, version: str) -> str | None:
    dotted = ".".join(path)
    for old, new in data()["moved"]:
        # Both directions: an old key on a new chart, and a new one on an old chart.
        for source, target in ((old, new), (new, old)):
            if dotted == source or dotted.startswith(f"{source}."):
                candidate = f"{target}{dotted[len(source) :]}"
                if has_key_exactly(candidate, version):
                    return candidate
    return None


def has_key_exactly(path: str, version: str) -> bool:
    """Whether a dotted path is itself a key of the chart, not only allowed by an open map."""
    node: _Node | None = _tree(parse_version(version))
    for key in path.split("."):
        node = node.children.get(key) if node else None
    return node is not None


@dataclass(frozen=True)
class _Node:
    kind: Kind
    children: dict[str, _Node]


@cache
def _facts() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads(_FACTS.read_text(encoding="utf-8"))
    return loaded


@cache
def _tree(version: Version) -> _Node:
    facts = _facts()
    first, last = (parse_version(text) for text in facts["versions"])
    asked = min(max(version, first), last)
    root = _Node("map", {})
    for path, spans in facts["paths"].items():
        kind = _kind_at(spans, asked, first, last)
        if kind is None:
            continue
        *parents, name = path.split(".")
        node = root
        for key in parents:
            node = node.children[key]  # the file is sorted: parents come first
        node.children[name] = _Node(kind, {})
    for name in data()["subcharts"]:
        _open(root, name)
    return root


def _open(root: _Node, name: str) -> None:
    """Mark a subchart's keys as open at every level below its name."""

    def opened(node: _Node) -> _Node:
        kind: Kind = "open" if node.kind == "map" else node.kind
        return _Node(kind, {key: opened(child) for key, child in node.children.items()})

    if name in root.children:
        root.children[name] = opened(root.children[name])


def _kind_at(spans: str, version: Version, first: Version, last: Version) -> Kind | None:
    """Return the kind of a path at a version from its spans: ``scalar``, or ``scalar 1.6.8..; any ..1.6.7``."""
    for span in spans.split("; "):
        kind, _, limits = span.partition(" ")
        low, _, high = limits.partition("..")
        begins = parse_version(low) if low else first
        ends = parse_version(high) if high else last
        if begins <= version <= ends:
            return kind  # type: ignore[return-value] # the file holds these words only
    return None
