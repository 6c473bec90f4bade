"""Which keys a chart has: what helm silently ignores, found before it is sent.

No Dragonfly chart has a values schema, so a misspelt key, or one of another layout, changes nothing and nobody says
so. key_facts.py knows the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from dfmc.symbols import Pending, SecretRef
from dfmc.values.key_facts import KeyNode, KeyPath, known_tree, tree_of_defaults
from dfmc.values.layouts import data

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
        version: Of the chart. One that dfmc has no facts of (key_facts.has_facts) is judged by the nearest it has.
    """
    return tuple(_walk(values, (), known_tree(version), _Chart(version, known_tree(version))))


def unknown_keys_of(values: Mapping[str, Any], defaults: Mapping[str, Any], version: str) -> tuple[KeyProblem, ...]:
    """Return the same of a chart that is at hand, by its own default values.

    Args:
        values: As for unknown_keys.
        defaults: What ``helm show values`` prints.
        version: Of the chart; for the messages alone.
    """
    tree = tree_of_defaults(defaults)
    return tuple(_walk(values, (), tree, _Chart(version, tree)))


def has_key(path: str, version: str) -> bool:
    """Whether a chart version has a dotted key path, or leaves the map it is in open."""
    nested: dict[str, Any] = {}
    node = nested
    *parents, last = path.split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = None
    return not unknown_keys(nested, version)


@dataclass(frozen=True)
class _Chart:
    version: str
    keys: KeyNode


def _walk(values: Mapping[str, Any], path: KeyPath, known: KeyNode, chart: _Chart) -> Iterator[KeyProblem]:
    for key, value in values.items():
        here = (*path, str(key))
        node = known.children.get(str(key))
        if node is None:
            if known.kind == "map":
                yield KeyProblem(here, _unknown(here, known, chart))
            continue
        form = _form(value)
        if node.kind != "any" and form is not None and form != ("map" if node.kind == "open" else node.kind):
            yield KeyProblem(here, f"chart {chart.version} wants {_WORDS[node.kind]} here, not {_WORDS[form]}")
        elif isinstance(value, Mapping):
            yield from _walk(value, here, node, chart)


def _form(value: Any) -> str | None:  # noqa: ANN401
    if value is None or isinstance(value, Pending):
        return None
    if isinstance(value, Mapping):
        return "map"
    if isinstance(value, list | tuple):
        return "list"
    return "scalar" if isinstance(value, str | int | float | bool | SecretRef) else None


def _unknown(path: KeyPath, known: KeyNode, chart: _Chart) -> str:
    message = f"chart {chart.version} has no key {'.'.join(path)}"
    new = _moved(path, chart.keys)
    if new is not None:
        return f"{message}; it is {new} there"
    close = get_close_matches(path[-1], known.children, n=1, cutoff=0.7)
    return f"{message}; did you mean {'.'.join((*path[:-1], close[0]))}?" if close else message


def _moved(path: KeyPath, keys: KeyNode) -> str | None:
    dotted = ".".join(path)
    for old, new in data()["moved"]:
        # Both directions: an old key on a new chart, and a new one on an old chart.
        for source, target in ((old, new), (new, old)):
            if dotted == source or dotted.startswith(f"{source}."):
                candidate = f"{target}{dotted[len(source) :]}"
                if _has(keys, candidate):
                    return candidate
    return None


def has_key_exactly(path: str, version: str) -> bool:
    """Whether a dotted path is itself a key of the chart, not only allowed by an open map."""
    return _has(known_tree(version), path)


def _has(keys: KeyNode, path: str) -> bool:
    node: KeyNode | None = keys
    for key in path.split("."):
        node = node.children.get(key) if node else None
    return node is not None
