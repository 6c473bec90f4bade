"""How lists are read: through the cache, filtered, in pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dfmc.testbed.simulated_manager.cache import RowCache
from dfmc.testbed.simulated_manager.database import Database, Row, by_id, folded
from dfmc.testbed.simulated_manager.messages import Answer, Request, in_json
from dfmc.testbed.simulated_manager.pages import asked_page
from dfmc.testbed.simulated_manager.versions import ManagerHabits


class DatabaseDownError(Exception):
    """The database does not answer."""


class Lists:
    """Reads lists of one process."""

    def __init__(self, database: Database, habits: ManagerHabits, cache: RowCache) -> None:
        self._database = database
        self._habits = habits
        self._cache = cache

    def check_database(self) -> None:
        """Raise DatabaseDownError where the database does not answer."""
        if not self._database.is_up:
            raise DatabaseDownError

    def answer(
        self,
        request: Request,
        struct: str,
        rows: Mapping[int, Row],
        view: Callable[[Row], Any],
        *,
        filters: tuple[str, ...] = (),
        empty: list[Any] | None = None,
        is_null: bool = False,
    ) -> Answer:
        """Return a page of rows.

        Args:
            request: Its query says which.
            struct: Go's name of the query.
            rows: All of them.
            view: Of one row; what it raises is the answer to the whole list.
            filters: Columns that the query may name.
            empty: Replaces the empty list.
            is_null: Whether an empty page is ``null``: so for clusters only.
        """
        page = asked_page(request.query, struct, self._habits.largest_page)

        def load() -> tuple[list[Any], int]:
            self.check_database()
            found = [row for row in by_id(rows.values()) if _matches(row, request.query, filters)]
            part = found[(page.number - 1) * page.size : page.number * page.size]
            return [view(row) for row in part], len(found)

        key = ("list", request.path, tuple(sorted(request.query.items())))
        (shown, count), _ = self._cache.read(key, load)
        content = shown or (None if is_null else empty or [])
        return in_json(content, Link=page.link(request.path, request.query, count))


def _matches(row: Row, query: Mapping[str, str], filters: tuple[str, ...]) -> bool:
    for name in filters:
        wanted = query.get(name, "")
        if wanted and folded(str(row[name])) != folded(wanted):
            return False
    return True
