"""Adds an entry to the file by splicing text: every byte that is not the new entry stays as it was.

The place comes from the nodes' positions, the look from the neighbours. What came out is parsed again, and only a text
that says exactly the old data plus the new entry is returned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dfmc.errors import DfmcError, TopologyError
from dfmc.topology.document import Document, LoadedTopology
from dfmc.topology.emit import Style, block_lines, flow_text
from dfmc.topology.lines import LINE_BREAK, break_at, line_end, line_start, next_line
from dfmc.topology.nodes import Entry, Item, MappingNode, SequenceNode, plain
from dfmc.topology.parse import BOM, parse

_BLANK_OR_COMMENT = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_PROPERTIES = re.compile(r"(?:[&!][^ \t\r\n]*[ \t\r\n]+)*")


def insert_cluster(loaded: LoadedTopology, entry: Mapping[str, Any]) -> str:
    """Return the file's text with one more entry at the end of ``clusters``.

    Whether the entry itself makes sense is seen when the new text is loaded.

    Args:
        loaded: The file as it is.
        entry: The new entry as it should stand in the file, ``name`` first; keys in camelCase.

    Raises:
        TopologyError: A cluster of that name is there already.
        DfmcError: The file's form does not allow it, or the entry cannot be written as YAML.
    """
    document = loaded.document
    name = str(entry.get("name", ""))
    _refuse_known(loaded, name)
    bom = BOM if document.text.startswith(BOM) else ""
    body = document.text.removeprefix(BOM)
    clusters = document.raw.entries["clusters"].value
    if not isinstance(clusters, SequenceNode) or not clusters.items:
        raise _impossible(document, name, entry, "clusters is no list with entries")
    splice = _flow_splice if clusters.flow else _block_splice
    at, piece = splice(body, document.raw, clusters, entry)
    edited = bom + body[:at] + piece + body[at:]
    _verify(document, edited, entry, name)
    return edited


def _refuse_known(loaded: LoadedTopology, name: str) -> None:
    for index, known in enumerate(loaded.topology.clusters):
        if known.name == name:
            where = loaded.diagnose(("clusters", index, "name"), f"there is a cluster {name!r} already")
            raise TopologyError(f"cannot add {name}: {loaded.file} has it", diagnostics=[where])


def _impossible(document: Document, name: str, entry: Mapping[str, Any], why: str) -> DfmcError:
    return DfmcError(
        f"cannot add {name} to {document.file} in place",
        why=why,
        left="the file is as it was",
        next_step=f"add it to clusters by hand: {flow_text(entry)}",
    )


def _verify(document: Document, edited: str, entry: Mapping[str, Any], name: str) -> None:
    parsed = parse(edited)
    wanted = plain(document.raw)
    wanted["clusters"].append(entry)
    if parsed.problems or parsed.root is None:
        why = parsed.problems[0].message if parsed.problems else "nothing is left of the file"
        raise _impossible(document, name, entry, f"the result would not be readable: {why}")
    # JSON tells 1 from true and 1.0, which Python's == does not.
    if json.dumps(plain(parsed.root), sort_keys=True) != json.dumps(wanted, sort_keys=True, default=dict):
        raise _impossible(
            document, name, entry, "the file's form does not let an entry be added without changing others"
        )


def _block_splice(body: str, root: MappingNode, clusters: SequenceNode, entry: Mapping[str, Any]) -> tuple[int, str]:
    """Return where to insert an entry of a block sequence, and its text with line breaks."""
    items = clusters.items
    start = items[-2].value.end if len(items) > 1 else _skip(_PROPERTIES, body, clusters.start.index)
    dash = _skip(_BLANK_OR_COMMENT, body, start)
    column = dash - line_start(body, dash)
    at = end_of_entry(body, clusters.end, column)
    line_break = break_at(body, at)
    last = items[-1]
    if isinstance(last.value, MappingNode) and last.value.flow:
        gap = body[dash + 1 : last.start.index]
        lines = ["-" + (gap if gap.strip(" ") == "" and gap else " ") + _flow_entry(body, last, entry, line_break)]
    else:
        style = _style(root, clusters, column)
        lines = block_lines(entry, style)
        lines = ["-" + " " * (style.dash - 1) + lines[0], *(" " * style.dash + line for line in lines[1:])]
    piece = line_break.join(" " * column + line for line in lines)
    if len(items) > 1 and _has_blank_line(body[items[-2].value.end : dash]):
        piece = line_break + piece
    if at == len(body) and body[:at].rstrip(" \t") and body[at - 1] not in "\r\n":
        return at, line_break + piece
    return at, piece + line_break


def end_of_entry(body: str, end: int, column: int) -> int:
    """Return where the line after an entry starts; comments indented deeper than its dash still belong to it."""
    # A block scalar ends at the start of the next line, everything else within its last line.
    at = end if end and body[end - 1] in "\r\n" else next_line(body, end)
    ahead = at
    while ahead < len(body):
        following = next_line(body, ahead)
        line = body[ahead:following]
        text = line.lstrip(" \t")
        if text.startswith("#") and len(line) - len(text) > column:
            at = following
        elif text.strip("\r\n"):
            break
        ahead = following
    return at


def _flow_splice(body: str, root: MappingNode, clusters: SequenceNode, entry: Mapping[str, Any]) -> tuple[int, str]:
    """Return where to insert an entry of a flow sequence, and its text with the comma it needs."""
    last = clusters.items[-1]
    end = last.value.end
    line_break = break_at(body, end)
    before = body[line_start(body, last.start.index) : last.start.index]
    stands_alone = not before.strip(" \t")
    gap = line_break + before if stands_alone else " "
    text = _flow_entry(body, last, entry, line_break)
    comma = _skip(_BLANK_OR_COMMENT, body, end)
    has_comma = body.startswith(",", comma)
    at = comma + 1 if has_comma else end
    rest = body[at : line_end(body, at)]
    if rest.lstrip(" \t").startswith("#"):
        # The comment belongs to the last entry: go on below it.
        at += len(rest)
        gap = line_break + (before if stands_alone else " " * (root.start.column + 2))
        return at, gap + (f"{text}," if has_comma else f", {text}")
    return at, gap + text + "," if has_comma else "," + gap + text


def _flow_entry(body: str, neighbour: Item, entry: Mapping[str, Any], line_break: str) -> str:
    """Write an entry as a flow map, over several lines and as JSON where the neighbour is."""
    node = neighbour.value
    if not isinstance(node, MappingNode):
        return flow_text(entry)
    first = min([held.start for held in _own_entries(node)], key=lambda mark: mark.index, default=None)
    as_json = first is not None and body[first.index] == '"'
    if first is None or first.line == node.start.line or "\t" in body[line_start(body, first.index) : first.index]:
        return flow_text(entry, as_json=as_json)
    closing = body[line_start(body, node.end) : node.end - 1]
    outer = closing if not closing.strip(" ") else ""
    pairs = [flow_text({key: value}, as_json=as_json)[1:-1] for key, value in entry.items()]
    inner = line_break + " " * first.column
    return "{" + inner + ("," + inner).join(pairs) + line_break + outer + "}"


def _style(root: MappingNode, clusters: SequenceNode, column: int) -> Style:
    """Read off the entries, the last one first, how such things are written in this file."""
    steps: dict[str, int] = {}
    flow_keys: dict[str, bool] = {}
    for item in reversed(clusters.items):
        node = item.value
        if isinstance(node, MappingNode) and not node.flow:
            own = _own_entries(node)
            # The map's keys share a column; those of a map written in place after << stand further right.
            steps.setdefault("dash", min((held.start.column for held in own), default=column + 2) - column)
            for held in own:
                if isinstance(held.value, MappingNode | SequenceNode) and _stands_below(held, node):
                    flow_keys.setdefault(held.key, held.value.flow)
            _note_steps(node, steps)
    outer_step = column - root.entries["clusters"].start.column
    return Style(
        dash=max(2, steps.get("dash", 2)),
        step=max(1, steps.get("step", 2)),
        list_step=max(0, steps.get("list_step", outer_step)),
        flow_keys=flow_keys,
        flow=next(iter(flow_keys.values()), False),
    )


def _own_entries(node: MappingNode) -> list[Entry]:
    """Return what is written in a map itself; what merge keys and aliases bring in says nothing about its look."""
    return [held for held in node.entries.values() if node.start.index <= held.start.index < node.end]


def _stands_below(held: Entry, node: MappingNode) -> bool:
    return held.start.index < held.value.start.index < node.end


def _note_steps(node: MappingNode, steps: dict[str, int]) -> None:
    for held in _own_entries(node):
        value = held.value
        # A block collection starts on its key's line only with an anchor, whose column says nothing.
        if not isinstance(value, MappingNode | SequenceNode) or value.flow or value.start.line == held.start.line:
            continue
        if _stands_below(held, node):
            kind = "step" if isinstance(value, MappingNode) else "list_step"
            steps.setdefault(kind, value.start.column - held.start.column)
            if isinstance(value, MappingNode):
                _note_steps(value, steps)


def _has_blank_line(text: str) -> bool:
    lines = LINE_BREAK.split(text)
    return any(not line.strip() for line in lines[1:-1])


def _skip(pattern: re.Pattern[str], body: str, at: int) -> int:
    """Return where ``pattern``, which may match nothing, ends."""
    found = pattern.match(body, at)
    return found.end() if found else at
