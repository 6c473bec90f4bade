"""A YAML document as a tree that remembers where everything stood.

Merge keys are resolved and aliases share the node they name, so a position always is where something was written,
even when it counts in several places. Every node knows the size and depth it would have with its aliases written
out; parse.py refuses documents that would grow beyond bounds before anything expands them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Path = tuple[str | int, ...]
ScalarValue = str | int | float | bool | None


class Mark(Protocol):
    """A place in the text; line and column count from 0, index is in characters."""

    index: int
    line: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class ScalarNode:
    """A text, number, boolean or null.

    Attributes:
        value: What it stands for.
        text: As written, quotes and escapes resolved.
        plain: It was written without quotes, so its text decided the type.
        broken: It was reported while parsing; whoever validates must not report it again.
        start: Where it starts.
        end: Character index after its last character.
    """

    value: ScalarValue
    text: str
    plain: bool
    start: Mark
    end: int
    broken: bool = False
    size: int = 1
    depth: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One item of a sequence, at the place where it is used (an alias stands elsewhere than its value)."""

    start: Mark
    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One key of a mapping with its value; ``start`` is the key's place."""

    start: Mark
    key: str
    value: Node


@dataclass(frozen=True, slots=True, eq=False)
class SequenceNode:
    """A list; ``end`` is the index after its last token, comments not counted."""

    items: tuple[Item, ...]
    flow: bool
    start: Mark
    end: int
    size: int
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class MappingNode:
    """A mapping with text keys; ``end`` is the index after its last token, comments not counted."""

    entries: Mapping[str, Entry]
    flow: bool
    start: Mark
    end: int
    size: int
    depth: int


Node = ScalarNode | SequenceNode | MappingNode


def plain(node: Node) -> Any:  # noqa: ANN401 - a JSON-like tree
    """Return the node as fresh dicts, lists and scalars, aliases written out."""
    if isinstance(node, MappingNode):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, SequenceNode):
        return [plain(item.value) for item in node.items]
    return node.value


def child(node: Node, step: str | int) -> Entry | Item | None:
    """Return what ``node`` holds under a key or at an index; None where it holds nothing of the kind."""
    if isinstance(node, MappingNode):
        return node.entries.get(step) if isinstance(step, str) else None
    if isinstance(node, SequenceNode) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def find(root: Node, path: Path) -> Node | None:
    """Return the node at ``path``, None if there is none."""
    node: Node = root
    for step in path:
        held = child(node, step)
        if held is None:
            return None
        node = held.value
    return node


def nearest(root: Node, path: Path) -> tuple[Mark, Path]:
    """Return where the longest existing part of ``path`` stands (a key, an item or the document), and that part."""
    node, mark = root, root.start
    for length, step in enumerate(path):
        held = child(node, step)
        if held is None:
            return mark, path[:length]
        node, mark = held.value, held.start
    return mark, path


def replace_entries(node: MappingNode, entries: Mapping[str, Entry]) -> MappingNode:
    """Return ``node`` with other entries, at its old place."""
    values = [entry.value for entry in entries.values()]
    size = 1 + sum(value.size for value in values)
    depth = 1 + max((value.depth for value in values), default=0)
    return MappingNode(entries, node.flow, node.start, node.end, size, depth)


def leaves(node: Node, path: Path, wanted: Callable[[ScalarNode], bool]) -> Iterator[tuple[Path, ScalarNode]]:
    """Yield every scalar below ``node`` that is ``wanted``, with its path."""
    if isinstance(node, MappingNode):
        for key, entry in node.entries.items():
            yield from leaves(entry.value, (*path, key), wanted)
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            yield from leaves(item.value, (*path, index), wanted)
    elif wanted(node):
        yield path, node


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def format_path(path: Path) -> str:
    """Write a path the way people do: ``clusters[1].scopes.cidrs[0]``, odd keys as ``["a.b/c"]``."""
    written = ""
    for step in path:
        if isinstance(step, int):
            written += f"[{step}]"
        elif _WORD.fullmatch(step):
            written += f".{step}" if written else step
        else:
            written += f'["{shorten(step)}"]'
    return written


def shorten(text: str, limit: int = 60) -> str:
    """Return ``text`` on one line, printable and at most ``limit`` characters long."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
