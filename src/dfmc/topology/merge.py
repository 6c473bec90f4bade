"""``defaults`` under every entry, by helm's rules: maps key by key, lists and scalars replaced, null takes away.

A null in the typed part of the file stands for "left out", so it removes the default and is then gone. Inside
``values`` and ``resources`` it stays: there it is what takes a default of the *chart* away.
"""

from __future__ import annotations

from dfmc.topology.nodes import Entry, Item, MappingNode, Node, Path, ScalarNode, SequenceNode, replace_entries

# Paths within an entry below which a null is a value of the chart.
_NULL_IS_A_VALUE: tuple[tuple[str, ...], ...] = (("values",), ("resources", "*"))
_NOTHING: dict[str, Entry] = {}


def merged_document(root: MappingNode) -> MappingNode:
    """Return the document with nulls left out and ``defaults`` merged into each entry of ``clusters``.

    Every node of the result is one of ``root`` or a mapping put together of such, so positions stay true.
    """
    # Cleaned once, so that what an entry inherits is the very node of ``defaults`` (Document.origin relies on it).
    defaults = _overlaid(None, root.entries["defaults"].value, ()) if "defaults" in root.entries else None
    entries: dict[str, Entry] = {}
    for key, entry in root.entries.items():
        value = entry.value
        if key == "clusters" and isinstance(value, SequenceNode):
            value = _merged_clusters(value, defaults)
        elif key == "defaults" and defaults is not None:
            value = defaults
        else:
            value = _overlaid(None, value, (key,))
        if not _is_null(value):
            entries[key] = Entry(entry.start, key, value)
    return replace_entries(root, entries)


def _merged_clusters(clusters: SequenceNode, defaults: Node | None) -> SequenceNode:
    under = defaults if isinstance(defaults, MappingNode) else None
    items = tuple(Item(item.start, _overlaid(under, item.value, ())) for item in clusters.items)
    size = 1 + sum(item.value.size for item in items)
    depth = 1 + max((item.value.depth for item in items), default=0)
    return SequenceNode(items, clusters.flow, clusters.start, clusters.end, size, depth)


def _overlaid(under: Node | None, over: Node, path: Path) -> Node:
    if not isinstance(over, MappingNode):
        return over
    base = under.entries if isinstance(under, MappingNode) else _NOTHING
    keep_nulls = _keeps_nulls(path)
    entries: dict[str, Entry] = {}
    for key, entry in base.items():
        if key in over.entries:
            continue
        if keep_nulls or not _is_null(entry.value):
            entries[key] = Entry(entry.start, key, _overlaid(None, entry.value, (*path, key)))
    for key, entry in over.entries.items():
        if keep_nulls or not _is_null(entry.value):
            below = base[key].value if key in base else None
            entries[key] = Entry(entry.start, key, _overlaid(below, entry.value, (*path, key)))
    return over if base is _NOTHING and _same(entries, over) else replace_entries(over, entries)


def _same(entries: dict[str, Entry], node: MappingNode) -> bool:
    old = node.entries
    return len(entries) == len(old) and all(entry.value is old[key].value for key, entry in entries.items())


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None and not node.broken


def _keeps_nulls(path: Path) -> bool:
    return any(
        len(path) >= len(pattern) and all(want in ("*", step) for want, step in zip(pattern, path, strict=False))
        for pattern in _NULL_IS_A_VALUE
    )
