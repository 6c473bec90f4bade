"""Helm's own merge rules on plain trees, and how a tree is made from key paths.

Helm joins values files and the chart's defaults in two different steps, and null means something in the second only:
*merging* values files keeps a null as it is; *coalescing* with the chart's defaults lets it delete the default
(helm's ``mergeMaps`` and ``CoalesceValues``; checked with ``helm template``). dfmc hands helm one merged tree, nulls
included, so ``merge`` must not drop them: ``schedulerClusterID: null`` is how a default of 1 is taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Return ``base`` with ``over`` on top, as helm joins two values files.

    Maps are merged key by key; anything else in ``over`` (lists, scalars, symbols, null) replaces what was there.
    Neither argument is changed, and the result shares no mutable part with them.
    """
    # The order of base first, then new keys: a reader finds the preset's order again.
    merged: Tree = _copy(base)
    lay_over(merged, over)
    return merged


def lay_over(tree: Tree, over: Mapping[str, Any]) -> None:
    """Do what ``merge`` does within ``tree``, every part of which must be the caller's own; ``over`` is copied."""
    for key, value in over.items():
        below = tree.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            lay_over(below, value)
        else:
            tree[key] = _copy(value)


def coalesce(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> Tree:
    """Return what the chart's templates see: ``values`` over the chart's ``defaults``, null deleting a key."""
    seen: Tree = {}
    for key in [*defaults, *(k for k in values if k not in defaults)]:
        if key not in values:
            seen[key] = _copy(defaults[key])
            continue
        value, below = values[key], defaults.get(key)
        if isinstance(value, Mapping):
            seen[key] = coalesce(below if isinstance(below, Mapping) else {}, value)
        elif value is not None:
            seen[key] = _copy(value)
    return seen


def nest(paths: Mapping[str, Any]) -> Tree:
    """Return the tree of dotted key paths: ``{"a.b": 1, "a.c": 2}`` becomes ``{"a": {"b": 1, "c": 2}}``.

    Only the paths are split: a dot inside a value's own keys stays. A path may extend another's map.
    """
    tree: Tree = {}
    for path, value in paths.items():
        *parents, last = path.split(".")
        node = tree
        for key in parents:
            if not isinstance(node.get(key), dict):
                node[key] = {}
            node = node[key]
        lay_over(node, {last: value})
    return tree


def get_path(tree: Any, path: str, default: Any = None) -> Any:  # noqa: ANN401 - a JSON-like tree
    """Return what is at a dotted key path, or ``default`` when the path ends early."""
    for key in path.split("."):
        if not isinstance(tree, Mapping) or key not in tree:
            return default
        tree = tree[key]
    return tree


def _copy(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value  # scalars and symbols are immutable
