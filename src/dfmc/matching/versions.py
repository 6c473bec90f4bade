"""The generations of the searcher's formula, and which one a manager's version has.

Source: manager/searcher/searcher.go at the tags v2.0.9 to v2.5.1. The weights changed once, when hostnames came in
2.1.33; 2.1.1 was the first to compare without regard to case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dfmc.errors import UsageError

_VERSION = re.compile(r"v?([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(?:[-+][0-9A-Za-z.+-]*)?")


@dataclass(frozen=True)
class Generation:
    """One form of the formula.

    Attributes:
        first: First version of the manager that has it, without pre-releases.
        cidr: Weight of the peer's address being in one of the scope's networks.
        hostname: Weight of the peer's name matching one of the scope's patterns.
        idc: Weight of the peer's idc being one of the scope's.
        location: Weight of the location in full; each level from the left counts a fifth of it.
        default: Weight of the record being a default one.
        ignores_case: idc and location are compared without regard to case.
    """

    first: tuple[int, int, int]
    cidr: float
    hostname: float
    idc: float
    location: float
    default: float
    ignores_case: bool

    @property
    def versions(self) -> str:
        """The versions that have it, in words: ``2.1.1 to 2.1.32``."""
        following = next((other.first for other in GENERATIONS if other.first > self.first), None)
        first = ".".join(map(str, self.first))
        if following is None:
            return f"{first} and newer"
        major, minor, patch = following
        return f"{first} to {major}.{minor}.{patch - 1}"


GENERATIONS = (
    Generation((2, 0, 9), 0.4, 0.0, 0.35, 0.24, 0.01, ignores_case=False),
    Generation((2, 1, 1), 0.4, 0.0, 0.35, 0.24, 0.01, ignores_case=True),
    Generation((2, 1, 33), 0.3, 0.3, 0.25, 0.14, 0.01, ignores_case=True),
)
NEWEST = GENERATIONS[-1]


def generation_of(version: str | None) -> Generation:
    """Return the formula of a manager's version such as ``v2.5.1``; the newest where the version is not known.

    Args:
        version: With or without ``v``; what follows ``-`` or ``+`` does not count.

    Raises:
        UsageError: It is no version, or older than every formula known.
    """
    if version is None:
        return NEWEST
    found = _VERSION.fullmatch(version)
    if found is None:
        raise UsageError(f"{version!r} is no version of the manager", next_step="write it like v2.5.1")
    number = tuple(map(int, found.groups()))
    known = [generation for generation in GENERATIONS if generation.first <= number]
    if not known:
        raise UsageError(
            f"the formula of manager {version} is not known",
            why=f"the oldest known is that of {GENERATIONS[0].versions}",
        )
    return known[-1]


def is_version(text: str) -> bool:
    """Tell whether a text, such as an image's tag, is a version whose formula is known."""
    found = _VERSION.fullmatch(text)
    return found is not None and tuple(map(int, found.groups())) >= GENERATIONS[0].first
