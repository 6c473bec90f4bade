"""Text to nodes: YAML with every doubt refused, in one pass over the parser's events and within fixed bounds.

PyYAML's own composer keeps the last of two equal keys, recurses as deep as the text does and expands whatever an
alias names. Here duplicate keys, tags, aliases of themselves and keys that are no text are problems with a position;
size and depth are bounded before anything is expanded, so no input of a megabyte takes more than moments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

from dfmc.topology.nodes import (
    Entry,
    Item,
    MappingNode,
    Mark,
    Node,
    Path,
    ScalarNode,
    SequenceNode,
    shorten,
)
from dfmc.topology.scalars import MERGE, ScalarError, describe, implicit_tag, quoted, read_scalar, unsupported_tag

MAX_CHARACTERS = 1024 * 1024
MAX_NODES = 100_000
MAX_DEPTH = 64
BOM = "\ufeff"

# A wheel of PyYAML without libyaml exists for some platforms; the pure loader is slower, not different.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# libyaml compares each %TAG line with all before it: thousands of them take minutes. Nobody needs one.
_TAG_LINE = re.compile(r"^%TAG\b", re.MULTILINE)
_COLLECTION_TAGS = {None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_HINTS = {
    "\t": "a tab; YAML indents with spaces",
    "@": "quote text that starts with @",
    "`": "quote text that starts with `",
    "%": "quote text that starts with %",
}


@dataclass(frozen=True)
class Problem:
    """Something refused while parsing. Line and column count from 1."""

    path: Path
    line: int
    column: int
    message: str


@dataclass(frozen=True)
class Parsed:
    """What a text stands for. ``root`` is None where parsing could not go on (then there are problems)."""

    root: Node | None
    problems: tuple[Problem, ...]


def parse(text: str) -> Parsed:
    """Turn a YAML document into nodes; marks count from after a byte order mark.

    Returns:
        Its root and every problem found on the way; problems that end the parsing come alone or last.
    """
    refused = _refuse_text(text)
    if refused is not None:
        return Parsed(None, (refused,))
    body = text.removeprefix(BOM)
    builder = _Builder()
    try:
        root = builder.build(yaml.parse(body, Loader=_LOADER))
    except _StopParsing as stop:
        return Parsed(None, (*builder.problems, stop.problem))
    except yaml.MarkedYAMLError as error:
        return Parsed(None, (*builder.problems, _syntax_problem(error, body)))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # The pure loader lets Python's own errors through for escapes like "\UFFFFFFFF".
        return Parsed(None, (*builder.problems, Problem((), 1, 1, f"not YAML: {shorten(str(error), 200)}")))
    return Parsed(root, tuple(builder.problems))


class _StopParsing(Exception):  # noqa: N818 - control flow inside this module
    def __init__(self, mark: Mark, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.problem = Problem(path, mark.line + 1, mark.column + 1, message)


def _refuse_text(text: str) -> Problem | None:
    if len(text) > MAX_CHARACTERS:
        return Problem((), 1, 1, "the file is larger than 1 MiB")
    found = _UNPRINTABLE.search(text)
    if found:
        before = text[: found.start()]
        column = found.start() - (before.rfind("\n") + 1) + 1
        message = f"the character U+{ord(found.group()):04X} is not allowed in YAML"
        return Problem((), before.count("\n") + 1, column, message)
    if len(_TAG_LINE.findall(text)) > 8:
        return Problem((), 1, 1, "too many %TAG lines: remove them")
    return None


def _syntax_problem(error: yaml.MarkedYAMLError, body: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    words = (error.problem or error.context or "cannot be read").strip()
    if mark is None:
        return Problem((), 1, 1, f"not YAML: {words}")
    message = f"not YAML: {words}"
    if error.context and error.problem:
        message += f" ({error.context.strip()})"
    hint = _HINTS.get(body[mark.index : mark.index + 1])
    if hint and "cannot start any token" in words:
        message += f": {hint}"
    elif "mapping values are not allowed" in words:
        message += ": quote text that holds ': ', or correct the indentation"
    elif "expected <document start>" in words or "expected '<document start>'" in words:
        message += ": correct the indentation of this line"
    return Problem((), mark.line + 1, mark.column + 1, message)


@dataclass
class _Frame:
    """A collection whose end has not come yet."""

    start: Mark
    is_mapping: bool
    flow: bool
    anchor: str | None
    path: Path
    items: list[Item] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)
    key: Entry | None = None
    key_awaited: bool = True
    skip_value: bool = False
    is_merge: bool = False


class _Builder:
    """Builds nodes from events, iteratively: depth costs no stack."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}
        self._frames: list[_Frame] = []
        self._count = 0
        self._end = 0
        self._root: Node | None = None

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        documents = 0
        for event in events:
            start, end = cast(Mark, event.start_mark), cast(Mark, event.end_mark)
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event, start, end)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event, start, end)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close(start, end)
                case yaml.AliasEvent():
                    self._alias(event.anchor or "", start, end)
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise _StopParsing(start, "a second document starts here; one file holds one topology")
        return self._root

    def _path(self) -> Path:
        if not self._frames:
            return ()
        frame = self._frames[-1]
        if not frame.is_mapping:
            return (*frame.path, len(frame.items))
        return (*frame.path, frame.key.key) if frame.key else frame.path

    def _report(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(self._path(), mark.line + 1, mark.column + 1, message))

    def _counted(self, mark: Mark, values: int = 1) -> None:
        self._count += values
        if self._count > MAX_NODES:
            raise _StopParsing(mark, f"the file holds more than {MAX_NODES:,} values")

    def _scalar(self, event: yaml.ScalarEvent, start: Mark, end: Mark) -> None:
        self._counted(start)
        self._end = end.index
        is_plain = not event.style
        tag = event.tag or None
        frame = self._frames[-1] if self._frames else None
        if frame and frame.is_mapping and frame.key_awaited and is_plain and tag is None and event.value == "<<":
            frame.is_merge, frame.key_awaited = implicit_tag(event.value) == MERGE, False
            return
        broken = False
        value = None
        try:
            value = read_scalar(event.value, tag, is_plain=is_plain)
        except ScalarError as problem:
            broken = True
            self._report(start, str(problem))
        node = ScalarNode(value, event.value, is_plain, start, end.index, broken)
        self._finish(node, event.anchor, start)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, start: Mark, end: Mark) -> None:
        self._counted(start)
        self._end = max(self._end, end.index if event.flow_style else start.index)
        if len(self._frames) >= MAX_DEPTH:
            raise _StopParsing(start, f"nested deeper than {MAX_DEPTH}")
        if (event.tag or None) not in _COLLECTION_TAGS:
            self._report(start, unsupported_tag(str(event.tag)))
        if event.anchor:
            self._anchors[event.anchor] = None
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        frame = _Frame(start, is_mapping, bool(event.flow_style), event.anchor, self._path())
        self._frames.append(frame)

    def _close(self, start: Mark, end: Mark) -> None:
        frame = self._frames.pop()
        if frame.flow and end.index > start.index:
            self._end = end.index
        node: Node
        if frame.is_mapping:
            entries = self._with_merged(frame) if frame.merged else frame.entries
            size, depth = _extent([entry.value for entry in entries.values()])
            node = MappingNode(entries, frame.flow, frame.start, self._end, size, depth)
        else:
            size, depth = _extent([item.value for item in frame.items])
            node = SequenceNode(tuple(frame.items), frame.flow, frame.start, self._end, size, depth)
        if size > MAX_NODES:
            raise _StopParsing(frame.start, f"with its aliases written out this holds more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise _StopParsing(frame.start, f"nested deeper than {MAX_DEPTH} with its aliases written out")
        self._finish(node, frame.anchor, frame.start)

    def _alias(self, anchor: str, start: Mark, end: Mark) -> None:
        self._counted(start)
        self._end = end.index
        name = shorten(anchor)
        node = self._anchors.get(anchor)
        if node is None:
            if anchor in self._anchors:
                self._report(start, f"the alias *{name} stands inside what it names")
            else:
                self._report(start, f"the alias *{name} names no anchor &{name} above it")
            node = ScalarNode(None, "", False, start, end.index, broken=True)
        self._finish(node, None, start)

    def _finish(self, node: Node, anchor: str | None, mark: Mark) -> None:
        """Hand a finished node to the collection that waits for it."""
        if anchor:
            self._anchors[anchor] = node
        if not self._frames:
            self._root = node
            return
        frame = self._frames[-1]
        if not frame.is_mapping:
            frame.items.append(Item(mark, node))
        elif frame.key_awaited:
            self._take_key(frame, node, mark)
        else:
            self._take_value(frame, node, mark)

    def _take_key(self, frame: _Frame, node: Node, mark: Mark) -> None:
        frame.key_awaited = False
        if not isinstance(node, ScalarNode):
            self._report(mark, "a key must be text, not a list or mapping")
            frame.skip_value = True
        elif not isinstance(node.value, str):
            frame.skip_value = True
            if not node.broken:
                text = f": quote it: {quoted(node.text)}" if node.text else ""
                self._report(mark, f"a key must be text, not {describe(node.value)}{text}")
        else:
            frame.key = Entry(mark, node.value, node)
            first = frame.entries.get(node.value)
            if first is not None:
                frame.skip_value = True
                place = f"line {first.start.line + 1}, column {first.start.column + 1}"
                self._report(mark, f"the key is given twice; the first one is at {place}")

    def _take_value(self, frame: _Frame, node: Node, mark: Mark) -> None:
        if frame.is_merge:
            sources = [item.value for item in node.items] if isinstance(node, SequenceNode) else [node]
            if all(isinstance(source, MappingNode) for source in sources):
                frame.merged += sources
            elif not getattr(node, "broken", False):
                self._report(mark, "<< takes a mapping or a list of mappings")
        elif frame.key is not None and not frame.skip_value:
            frame.entries[frame.key.key] = Entry(frame.key.start, frame.key.key, node)
        frame.key, frame.key_awaited, frame.skip_value, frame.is_merge = None, True, False, False

    def _with_merged(self, frame: _Frame) -> dict[str, Entry]:
        """Lay merged mappings under a mapping's own keys; of two sources the earlier one wins."""
        entries: dict[str, Entry] = {}
        for source in reversed(frame.merged):
            if isinstance(source, MappingNode):
                self._counted(frame.start, len(source.entries))
                entries |= source.entries
        return entries | frame.entries


def _extent(values: list[Node]) -> tuple[int, int]:
    size = 1 + sum(value.size for value in values)
    depth = 1 + max((value.depth for value in values), default=0)
    return size, depth
