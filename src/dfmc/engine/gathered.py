"""What ``doctor`` has gathered so far, and what it could not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import Need

T = TypeVar("T")
Key = tuple[Need, str]


@dataclass
class Gathered:
    """What has come together so far: what could not be read, and what is not there to be read."""

    wanted: frozenset[Need]
    unread: dict[Key, DfmcError] = field(default_factory=dict)
    absent: dict[Key, str] = field(default_factory=dict)

    async def read(self, need: Need, cluster: str, call: Callable[[], Awaitable[T]], default: T) -> T:
        """Return what the call returns; the default where nobody wants it, it is absent, or it fails."""
        key = (need, cluster)
        if need not in self.wanted or key in self.absent or key in self.unread:
            return default
        try:
            return await call()
        except DfmcError as error:
            self.unread[key] = error
            return default

    def ordered(self, names: Sequence[str]) -> tuple[dict[Key, DfmcError], dict[Key, str]]:
        """Return both in an order that does not depend on who answered first."""
        keys = [(need, name) for name in ("", *names) for need in Need]
        return (
            {key: self.unread[key] for key in keys if key in self.unread},
            {key: self.absent[key] for key in keys if key in self.absent},
        )
