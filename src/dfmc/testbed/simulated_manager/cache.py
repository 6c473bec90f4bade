"""The cache of database rows that every manager process since 2.2.0 keeps for itself (manager/database/cacher.go)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from dfmc.testbed.simulated_manager.versions import ManagerHabits


class RowCache:
    """What one process remembers of its reads; every write of its own empties it, no other's does.

    Args:
        habits: How long it remembers, and when its own audit log empties it.
        clock: Seconds that only grow.
    """

    def __init__(self, habits: ManagerHabits, clock: Callable[[], float]) -> None:
        self._life = habits.row_cache
        self._flush_after = habits.audit_flush
        self._clock = clock
        self._entries: dict[Hashable, tuple[float, Any]] = {}
        self._flush_at: float | None = None

    def read(self, key: Hashable, load: Callable[[], Any]) -> tuple[Any, bool]:
        """Return a row or rows, and whether they come from the cache; what ``load`` raises is not remembered."""
        now = self._clock()
        if self._flush_at is not None and now >= self._flush_at:
            self.written()
        expires, value = self._entries.get(key, (now, None))
        if now < expires:
            return value, True
        value = load()
        if self._life:
            self._entries[key] = (now + self._life, value)
        return value, False

    def written(self) -> None:
        """Forget everything: a row was written."""
        self._entries.clear()
        self._flush_at = None

    def audited(self) -> None:
        """Note a request, which is going to be written to the audit table."""
        if self._flush_after is not None and self._flush_at is None:
            self._flush_at = self._clock() + self._flush_after
