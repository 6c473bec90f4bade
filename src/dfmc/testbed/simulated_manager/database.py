"""The tables behind one or more simulated managers: rows, sequences and what is unique, as MariaDB keeps them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

LONGEST_NAME = 256
LONGEST_BIO = 1024
_PUBLIC_PASSWORD = "dragonfly"  # noqa: S105 - what every manager starts with


class DuplicateError(Exception):
    """A unique index refuses the row."""


class TooLongError(Exception):
    """A value is longer than its column."""


class NoSuchRowError(Exception):
    """There is no row of that id."""


class SchedulerExistsError(Exception):
    """The cluster still has scheduler rows, active or not (manager/service/cluster.go)."""


@dataclass
class Database:
    """Rows by id.

    Ids are never given twice. A refused duplicate uses up one id of ``scheduler_clusters`` and none of
    ``seed_peer_clusters``, because the insert into the first table fails before the second is reached: so the ids of
    a cluster drift apart.

    Attributes:
        now: The time for ``created_at``.
        links: Scheduler cluster id to the ids of its seed peer clusters; exactly one each, unless somebody meddled.
        hashes: Passwords by user id.
        is_up: Whether it answers.
        failing_commits: How many of the next new clusters are rolled back; the manager then answers 200 with ``null``.
    """

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    scheduler_clusters: dict[int, Row] = field(default_factory=dict)
    seed_peer_clusters: dict[int, Row] = field(default_factory=dict)
    links: dict[int, list[int]] = field(default_factory=dict)
    schedulers: dict[int, Row] = field(default_factory=dict)
    seed_peers: dict[int, Row] = field(default_factory=dict)
    tokens: dict[int, Row] = field(default_factory=dict)
    users: dict[int, Row] = field(default_factory=dict)
    hashes: dict[int, str] = field(default_factory=dict)
    is_up: bool = True
    failing_commits: int = 0
    _sequences: dict[str, int] = field(default_factory=dict)

    def seed(self, candidate_parent_limit: int) -> None:
        """Fill an empty database as the first start of a manager does (manager/database/database.go, rbac.go)."""
        self.create_cluster(
            {
                "name": "cluster-1",
                "is_default": True,
                "scheduler_cluster_config": {
                    "candidate_parent_limit": candidate_parent_limit,
                    "filter_parent_limit": 15,
                    "job_rate_limit": 10,
                },
                "seed_peer_cluster_config": {"load_limit": 2000},
                "peer_cluster_config": {"load_limit": 200},
                "scopes": {},
                "seed_client_config": {},
            }
        )
        user = {"email": "", "name": "root", "avatar": "", "phone": "", "state": "enable", "location": "", "bio": ""}
        self.hashes[self._insert("users", self.users, {**user, "configs": None})["id"]] = _PUBLIC_PASSWORD

    def create_cluster(self, fields: Row) -> Row:
        """Insert a cluster: two rows of the same name and their link, or nothing.

        Raises:
            TooLongError: Name or bio.
            DuplicateError: The name is taken; an id is used up all the same.
        """
        name, bio = fields["name"], fields.get("bio", "")
        _check_lengths(name, bio)
        if self.named(self.scheduler_clusters, name) is not None:
            self._next("scheduler_clusters")
            raise DuplicateError
        # A seed peer cluster of that name alone: the first insert is rolled back, and its id is gone too.
        if self.named(self.seed_peer_clusters, name) is not None:
            self._next("scheduler_clusters")
            self._next("seed_peer_clusters")
            raise DuplicateError
        row = self._insert(
            "scheduler_clusters",
            self.scheduler_clusters,
            {
                "name": name,
                "bio": bio,
                "config": fields["scheduler_cluster_config"],
                "client_config": fields["peer_cluster_config"],
                "seed_client_config": fields.get("seed_client_config", fields["seed_peer_cluster_config"]),
                "scopes": fields.get("scopes"),
                "is_default": fields.get("is_default", False),
            },
        )
        seeds = self._insert(
            "seed_peer_clusters",
            self.seed_peer_clusters,
            {"name": name, "bio": bio, "config": fields["seed_peer_cluster_config"]},
        )
        self.links[row["id"]] = [seeds["id"]]
        return row

    def update_cluster(self, number: int, fields: Row) -> Row:
        """Change a cluster as PATCH does: ``is_default`` always, so that leaving it out clears it.

        Empty texts change nothing, a given object replaces the stored one whole (manager/service/cluster.go).

        Raises:
            NoSuchRowError, TooLongError, DuplicateError: See create_cluster.
        """
        row = self.row(self.scheduler_clusters, number)
        name, bio = fields.get("name") or row["name"], fields.get("bio") or row["bio"]
        _check_lengths(name, bio)
        seeds = [self.seed_peer_clusters[one] for one in self.links.get(number, [])]
        for table, own in ((self.scheduler_clusters, [row]), (self.seed_peer_clusters, seeds)):
            taken = self.named(table, name)
            if taken is not None and not any(taken is one for one in own):
                raise DuplicateError
        row |= {"name": name, "bio": bio, "is_default": fields.get("is_default", False), "updated_at": self.now()}
        columns = {
            "scheduler_cluster_config": "config",
            "peer_cluster_config": "client_config",
            "seed_peer_cluster_config": "seed_client_config",
            "scopes": "scopes",
        }
        row |= {column: fields[name] for name, column in columns.items() if name in fields}
        for one in seeds:
            one |= {"name": name, "bio": bio, "updated_at": self.now()}
            if "seed_peer_cluster_config" in fields:
                one["config"] = fields["seed_peer_cluster_config"]
        return row

    def delete_cluster(self, number: int) -> None:
        """Delete a cluster and its seed peer cluster; its seed peers stay behind, as in the real one.

        Raises:
            NoSuchRowError: There is none.
            SchedulerExistsError: It still has scheduler rows.
        """
        self.row(self.scheduler_clusters, number)
        if any(one["scheduler_cluster_id"] == number for one in self.schedulers.values()):
            raise SchedulerExistsError
        for one in self.links.pop(number, []):
            self.seed_peer_clusters.pop(one, None)
        del self.scheduler_clusters[number]

    def create_scheduler(self, fields: Row) -> Row:
        """Insert a scheduler; whether its cluster exists is not checked (there are no foreign keys).

        Raises:
            DuplicateError: That host, address and cluster is there.
        """
        return self._insert_host("schedulers", self.schedulers, fields, "scheduler_cluster_id")

    def create_seed_peer(self, fields: Row) -> Row:
        """Insert a seed peer; see create_scheduler."""
        return self._insert_host("seed_peers", self.seed_peers, fields, "seed_peer_cluster_id")

    def _insert_host(self, table: str, rows: dict[int, Row], fields: Row, cluster: str) -> Row:
        identity = ("host_name", "ip", cluster)
        if any(all(one[key] == fields[key] for key in identity) for one in rows.values()):
            self._next(table)
            raise DuplicateError
        return self._insert(table, rows, {"idc": "", "location": "", "state": "inactive", **fields})

    def create_token(self, fields: Row) -> Row:
        """Insert a personal access token; DuplicateError when its name is taken."""
        if self.named(self.tokens, fields["name"]) is not None:
            self._next("tokens")
            raise DuplicateError
        return self._insert(
            "tokens", self.tokens, {"bio": "", "token": secrets.token_urlsafe(32), "state": "active", **fields}
        )

    def meddle_scheduler_cluster(self, name: str) -> Row:
        """Insert a scheduler cluster without a seed peer cluster, as a POST to /scheduler-clusters does."""
        row: Row = {
            "name": name,
            "bio": "",
            "config": {},
            "client_config": {},
            "seed_client_config": {},
            "scopes": None,
        }
        return self._insert("scheduler_clusters", self.scheduler_clusters, {**row, "is_default": False})

    def row(self, table: dict[int, Row], number: int) -> Row:
        """Return a row; NoSuchRowError when it is not there."""
        if number not in table:
            raise NoSuchRowError
        return table[number]

    def named(self, table: dict[int, Row], name: str) -> Row | None:
        """Return the row whose name MariaDB takes for this one: case and blanks at the end do not count."""
        wanted = folded(name)
        return next((one for one in table.values() if folded(one["name"]) == wanted), None)

    def _insert(self, table: str, rows: dict[int, Row], fields: Row) -> Row:
        number, now = self._next(table), self.now()
        rows[number] = {"id": number, "created_at": now, "updated_at": now, **fields}
        return rows[number]

    def _next(self, table: str) -> int:
        self._sequences[table] = self._sequences.get(table, 0) + 1
        return self._sequences[table]


def folded(text: str) -> str:
    """Return what the database's collation compares: neither case nor blanks at the end count."""
    return text.rstrip(" ").casefold()


def _check_lengths(name: str, bio: str) -> None:
    for text, most in ((name, LONGEST_NAME), (bio, LONGEST_BIO)):
        if len(text) > most:
            raise TooLongError


def by_id(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order in which InnoDB happens to give them."""
    return sorted(rows, key=lambda row: int(row["id"]))
