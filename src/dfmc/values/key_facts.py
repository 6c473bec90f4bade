"""The key paths that charts have, as trees: of the versions dfmc has facts of, and of any chart's default values.

data/chart-keys.json has the facts of every version that was published up to a certain one (tools/derive_chart_keys.py
makes it). Of a chart beyond them only its own default values tell which keys it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from dfmc.values.layouts import Version, data, parse_version

KeyPath = tuple[str, ...]
# map: its keys are known. open: any key may be inside. any: nothing is known of the value.
Kind = Literal["map", "open", "list", "scalar", "any"]

_LIMITS = re.compile(r"(\d[\d.]*\d)?\.\.(\d[\d.]*\d)?")
_FACTS = Path(__file__).parent / "data" / "chart-keys.json"
# Maps that Kubernetes or the node's kernel defines, not the chart: any key may be inside, whatever the defaults have.
_FOREIGN_MAPS = {
    *("resources", "updateStrategy", "affinity", "annotations", "labels", "namespaceSelector"),
    *("nodeSelector", "podAnnotations", "podLabels", "sysctls"),
}


@dataclass(frozen=True)
class KeyNode:
    """A key of a chart's values, with the keys below it."""

    kind: Kind
    children: dict[str, KeyNode]


def newest_known() -> str:
    """Return the newest chart version that dfmc has facts of."""
    newest: str = _facts()["versions"][1]
    return newest


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


def has_facts(version: str) -> bool:
    """Whether dfmc knows the keys of a chart version; where not, its default values have to be asked."""
    number = parse_version(version)
    first, last = (parse_version(text) for text in _facts()["versions"])
    gaps = [tuple(map(parse_version, gap)) for gap in _facts()["unseen"]]
    return first <= number <= last and not any(low <= number <= high for low, high in gaps)


def known_tree(version: str) -> KeyNode:
    """Return the keys of a chart version by the facts; one beyond them is judged by the nearest."""
    return _known_tree(parse_version(version))


@cache
def _known_tree(version: Version) -> KeyNode:
    facts = _facts()
    first, last = (parse_version(text) for text in facts["versions"])
    asked = min(max(version, first), last)
    found = ((path, _kind_at(spans, asked, first, last)) for path, spans in facts["paths"].items())
    return _tree({tuple(path.split(".")): kind for path, kind in found if kind is not None})


def tree_of_defaults(defaults: Mapping[str, Any]) -> KeyNode:
    """Return the keys of a chart by its default values, as ``helm show values`` prints them.

    Some keys are in no default values though the templates read them (``client.config.tracing.endpoint``): those of
    the newest known chart are taken to be there still, where the map they are in is.
    """
    found = dict(default_kinds(defaults))
    for dotted, kind in _facts()["unlisted"].items():
        path = tuple(dotted.split("."))
        if found.get(path[:-1]) in ("map", "any"):
            found.setdefault(path, kind)
    return _tree(dict(sorted(found.items())))


def default_kinds(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Kind]]:  # noqa: ANN401 - YAML
    """Yield every key path of default values with its kind, parents first."""
    if isinstance(tree, Mapping) and tree and not set(path[-1:]) & _FOREIGN_MAPS:
        if path:
            yield path, "map"
        for key, value in tree.items():
            yield from default_kinds(value, (*path, str(key)))
    elif isinstance(tree, Mapping):
        yield path, "open"
    elif isinstance(tree, list):
        yield path, "list"
    else:
        yield path, "any" if tree is None else "scalar"


@cache
def _facts() -> Mapping[str, Any]:
    facts: Mapping[str, Any] = json.loads(_FACTS.read_text(encoding="utf-8"))
    return facts


def _tree(kinds: Mapping[KeyPath, Kind]) -> KeyNode:
    """Return the tree of key paths, in which parents come first."""
    root = KeyNode("map", {})
    for (*parents, name), kind in kinds.items():
        node = root
        for key in parents:
            node = node.children[key]
        node.children[name] = KeyNode(kind, {})
    for name in data()["subcharts"]:
        if name in root.children:
            root.children[name] = _opened(root.children[name])
    return root


def _opened(node: KeyNode) -> KeyNode:
    """Return a subchart's keys with every level open."""
    kind: Kind = "open" if node.kind == "map" else node.kind
    return KeyNode(kind, {key: _opened(child) for key, child in node.children.items()})


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
