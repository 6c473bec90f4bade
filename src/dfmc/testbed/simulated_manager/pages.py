"""Lists page by page, with the manager's Link header, whose ``next`` has no end (manager/handlers)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from dfmc.testbed.simulated_manager.schema import RefusedBodyError, violation

_DEFAULT_SIZE = 10
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Attributes:
        number: From 1.
        size: Rows at most.
    """

    number: int
    size: int

    def link(self, path: str, query: Mapping[str, str], count: int) -> str:
        """Return the Link header for a list of ``count`` rows."""
        last = -(-count // self.size)
        numbers = {
            "prev": max(self.number - 1, 1),
            "next": self.number if self.number == last else self.number + 1,
            "first": 1,
            "last": last,
        }
        parts = []
        for relation, number in numbers.items():
            asked = {**query, "page": str(number), "per_page": str(self.size)}
            parts.append(f"<{path}?{urlencode(sorted(asked.items()))}>;rel={relation}")
        return ",".join(parts)


def asked_page(query: Mapping[str, str], struct: str, largest: int) -> Page:
    """Return the page that a query asks for; zero and absence mean the first, and ten rows.

    Args:
        query: Of the request.
        struct: Go's name of the query, for the refusal.
        largest: The largest page.

    Raises:
        RefusedBodyError: Not a number, or out of range.
    """
    number = _number(query, "page", 1, struct, "Page", lambda value: "gte" if value < 1 else "")
    size = _number(
        query,
        "per_page",
        _DEFAULT_SIZE,
        struct,
        "PerPage",
        lambda value: "gte" if value < 1 else "lte" if value > largest else "",
    )
    return Page(number, size)


def _number(
    query: Mapping[str, str], name: str, default: int, struct: str, go: str, broken: Callable[[int], str]
) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not _INTEGER.fullmatch(text):
        raise RefusedBodyError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = int(text) or default
    if tag := broken(value):
        raise RefusedBodyError(violation((struct, go), tag))
    return value


def identifier(text: str, struct: str) -> int:
    """Return the id in a path; RefusedBodyError where it is none."""
    if not text.isascii() or not text.isdigit():
        raise RefusedBodyError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if not int(text):
        raise RefusedBodyError(violation((struct, "ID"), "required"))
    return int(text)
