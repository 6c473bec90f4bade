"""What differs between versions of the manager, as far as the REST API shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ManagerHabits:
    """The habits of one version.

    Attributes:
        version: Without its ``v``.
        row_cache: Seconds for which each process keeps database rows, without the password hash of users
            (manager/database/cacher.go, since 2.2.0); 0: it has no such cache.
        audit_flush: Seconds until a request is written to the audit table, which empties that cache as every write
            does (manager/service/audit.go, since 2.2.2); None: it writes none.
        candidate_parent_limit: Of the cluster that a new database begins with.
        block_lists: Whether the configurations of seed peers and peers carry ``block_list``.
        milliseconds: Whether times that come from the database have fractions of a second.
        largest_page: The largest ``per_page`` (manager/types: 1,000 in 2.1.0, ten million later).
    """

    version: str
    row_cache: float
    audit_flush: float | None
    candidate_parent_limit: int
    block_lists: bool
    milliseconds: bool
    largest_page: int = 10_000_000


MANAGERS = {
    "2.1.66": ManagerHabits("2.1.66", 0.0, None, 4, block_lists=False, milliseconds=False),
    "2.5.1": ManagerHabits("2.5.1", 30.0, 5.0, 3, block_lists=True, milliseconds=True),
}
"""The versions whose answers are recorded."""
