"""Removes an entry from the file by cutting text: every byte that is not the entry's stays as it was.

The place comes from the nodes' positions, as in edit.py. Comments directly above the entry go with it, as do those
behind its values and those indented deeper below it. What came out is parsed again, and only a text that says exactly
the old data without the entry is returned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from dfmc.errors import DfmcError
from dfmc.topology.document import Document, LoadedTopology
from dfmc.topology.edit import end_of_entry
from dfmc.topology.lines import line_end, line_start, next_line, previous_line
from dfmc.topology.nodes import Item, MappingNode, ScalarNode, SequenceNode, plain
from dfmc.topology.parse import BOM, parse

Cuts = tuple[tuple[int, int], ...]

_BLANK_OR_COMMENT = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_DASH = re.compile(r"-(?=[ \t\r\n]|\Z)")
_ALIAS = re.compile(r"\*[^ \t\r\n,\[\]{}]+")


def remove_cluster(loaded: LoadedTopology, name: str) -> str:
    """Return the file's text without the entry called ``name``.

    Raises:
        DfmcError: The file's form does not allow it; says what to do by hand.
        KeyError: There is no such entry.
    """
    document = loaded.document
    bom = BOM if document.text.startswith(BOM) else ""
    body = document.text.removeprefix(BOM)
    clusters = document.raw.entries["clusters"].value
    if not isinstance(clusters, SequenceNode):
        raise _impossible(document, name, "clusters is no list")
    index = _index(clusters, name)
    if len(clusters.items) == 1:
        raise _impossible(document, name, "it is the only entry, and a topology has at least one")
    why = "its lines cannot be told from those of others"
    for cuts in (_flow_cuts if clusters.flow else _block_cuts)(body, clusters, index):
        edited = bom + _without(body, cuts)
        trouble = _trouble(document, edited, index)
        if not trouble:
            return edited
        why = trouble
    raise _impossible(document, name, why)


def _index(clusters: SequenceNode, name: str) -> int:
    for index, item in enumerate(clusters.items):
        if isinstance(item.value, MappingNode) and "name" in item.value.entries:
            held = item.value.entries["name"].value
            # The model takes a name only as it is written, so the text decides and not the type.
            if isinstance(held, ScalarNode) and held.text == name:
                return index
    raise KeyError(name)


def _impossible(document: Document, name: str, why: str) -> DfmcError:
    return DfmcError(
        f"cannot take {name} out of {document.file} in place",
        why=why,
        left="the file is as it was",
        next_step=f"delete the entry {name} from clusters by hand",
    )


def _trouble(document: Document, edited: str, index: int) -> str:
    """Return why the text is not the old data without the entry; empty when it is."""
    parsed = parse(edited)
    if parsed.problems or parsed.root is None:
        why = parsed.problems[0].message if parsed.problems else "nothing is left of the file"
        return f"the result would not be readable: {why}"
    wanted = plain(document.raw)
    del wanted["clusters"][index]
    # JSON tells 1 from true and 1.0, which Python's == does not.
    if json.dumps(plain(parsed.root), sort_keys=True) != json.dumps(wanted, sort_keys=True):
        return "the file's form does not let the entry be removed without changing others"
    return ""


def _without(body: str, cuts: Cuts) -> str:
    kept, at = [], 0
    for start, end in cuts:
        kept.append(body[at:start])
        at = end
    return "".join([*kept, body[at:]])


# --- block sequences --------------------------------------------------------------------------------------------


def _block_cuts(body: str, clusters: SequenceNode, index: int) -> Iterator[Cuts]:
    """Yield what to cut for an entry of a block sequence, the best way first."""
    first = _first_dash(body, clusters)
    column = first - line_start(body, first)
    start = _line_of_dash(body, clusters.items[index].start.index, column)
    if start is None:
        return
    is_last = index + 1 == len(clusters.items)
    begin = _with_comments_above(body, start, column)
    end = end_of_entry(body, _item_end(body, clusters.items[index]), column)
    if not is_last and (following := _line_of_dash(body, clusters.items[index + 1].start.index, column)) is not None:
        end = min(end, following)
    apart = begin
    while index and apart and not body[previous_line(body, apart) : apart].strip():
        apart = previous_line(body, apart)
    is_apart_below = end == len(body) or not body[end : next_line(body, end)].strip()
    if end == len(body) and body[end - 1 : end] not in ("\n", "\r"):
        # A file without a last line break keeps none.
        for at in dict.fromkeys((apart, begin)):
            yield ((line_end(body, previous_line(body, at)), end),)
    if apart < begin and (is_last or is_apart_below):
        yield ((apart, end),)
    yield ((begin, end),)
    yield ((start, end),)


def _first_dash(body: str, clusters: SequenceNode) -> int:
    """Return the first dash; the list's own start may be that of its anchor."""
    at = clusters.start.index
    while not _DASH.match(body, at) and at < clusters.items[0].start.index:
        # An anchor or a tag, then blanks and comments.
        at = _skip_blank(body, at) if body[at] in " \t\r\n#" else _end_of_word(body, at)
    return at


def _end_of_word(body: str, at: int) -> int:
    while at < len(body) and body[at] not in " \t\r\n":
        at += 1
    return at


def _line_of_dash(body: str, at: int, column: int) -> int | None:
    """Return the start of the line, at or above ``at``, that holds the entry's dash and nothing before it."""
    start = line_start(body, at)
    while True:
        dash = start + column
        if not body[start:dash].strip(" ") and dash <= at and _DASH.match(body, dash):
            return start
        if not start:
            return None
        start = previous_line(body, start)


def _with_comments_above(body: str, start: int, column: int) -> int:
    """Return where the comments directly above an entry start; one indented deeper belongs to the entry before."""
    while start:
        above = previous_line(body, start)
        text = body[above:start].lstrip(" \t")
        if not text.startswith("#") or start - above - len(text) > column:
            break
        start = above
    return start


# --- flow sequences ---------------------------------------------------------------------------------------------


def _flow_cuts(body: str, clusters: SequenceNode, index: int) -> Iterator[Cuts]:
    """Yield what to cut for an entry of a flow sequence and one of its commas, the best way first."""
    item = clusters.items[index]
    start, end = item.start.index, _item_end(body, item)
    comma = _skip_blank(body, end)
    before = _skip_blank(body, _item_end(body, clusters.items[index - 1])) if index else start
    if body.startswith(",", comma):
        first, last = _whole_lines(body, start, _after_blanks(body, comma + 1))
        if index + 1 == len(clusters.items) and first == start and not body[before + 1 : start].strip():
            first, last = before + 1, comma + 1
        yield ((first, last),)
        yield ((start, comma + 1),)
        return
    if index and body.startswith(",", before):
        if body[before + 1 : start].strip():  # a comment of the entry before
            yield ((before, before + 1), _whole_lines(body, start, end))
        yield (_whole_lines(body, before, end),)
        yield ((before, end),)


def _whole_lines(body: str, start: int, end: int) -> tuple[int, int]:
    """Return the range, with its lines where nothing else stands on them but a comment behind it."""
    behind = body[end : line_end(body, end)].lstrip(" \t")
    ends_line = not behind or behind.startswith("#")
    if not body[line_start(body, start) : start].strip(" \t") and ends_line:
        first = line_start(body, start)
        return _with_comments_above(body, first, start - first), next_line(body, end)
    # The line goes on before it: a comment behind the last entry is that one's.
    return start, end


def _after_blanks(body: str, at: int) -> int:
    while at < len(body) and body[at] in " \t":
        at += 1
    return at


# --- both -------------------------------------------------------------------------------------------------------


def _item_end(body: str, item: Item) -> int:
    """Return where an item ends as it is written: an alias ends elsewhere than the node that it names."""
    alias = _ALIAS.match(body, item.start.index)
    return alias.end() if alias else item.value.end


def _skip_blank(body: str, at: int) -> int:
    found = _BLANK_OR_COMMENT.match(body, at)
    return found.end() if found else at
