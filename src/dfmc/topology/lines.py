"""Lines of a text, found by character index. Pure."""

from __future__ import annotations

import re

LINE_BREAK = re.compile(r"\r\n|\n|\r")


def line_start(body: str, at: int) -> int:
    """Return where the line of ``at`` starts."""
    return max(body.rfind("\n", 0, at), body.rfind("\r", 0, at)) + 1


def line_end(body: str, at: int) -> int:
    """Return where the line of ``at`` ends, its line break not counted."""
    found = LINE_BREAK.search(body, at)
    return found.start() if found else len(body)


def next_line(body: str, at: int) -> int:
    """Return where the line after that of ``at`` starts; the text's end where there is none."""
    found = LINE_BREAK.search(body, at)
    return found.end() if found else len(body)


def previous_line(body: str, start: int) -> int:
    """Return where the line before the one that starts at ``start`` starts; 0 for the first line."""
    end = start - 2 if body[max(0, start - 2) : start] == "\r\n" else start - 1
    return line_start(body, max(0, end))


def break_at(body: str, at: int) -> str:
    """Return the line break that is used around ``at``: the last one before it, else the file's first."""
    last = max(body.rfind("\n", 0, at), body.rfind("\r", 0, at))
    if last >= 0:
        return "\r\n" if body[last - 1 : last + 1] == "\r\n" else body[last]
    found = LINE_BREAK.search(body)
    return found[0] if found else "\n"
