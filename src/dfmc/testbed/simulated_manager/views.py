"""Rows as the manager's JSON shows them (manager/types, manager/models). Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dfmc.testbed.simulated_manager.database import Row
from dfmc.testbed.simulated_manager.versions import ManagerHabits

NO_TIME = "0001-01-01T00:00:00Z"
_NO_ROW = {"id": 0, "created_at": NO_TIME, "updated_at": NO_TIME, "is_del": 0}
_BLOCK_LIST = {"task": None, "persistent_task": None, "persistent_cache_task": None}
_SCOPES = {"idc": "", "location": "", "cidrs": None, "hostnames": None}
_SCHEDULER_CONFIG = {"candidate_parent_limit": 0, "filter_parent_limit": 0, "job_rate_limit": 0}


class Views:
    """What one version makes of rows.

    Args:
        habits: Of that version.
    """

    def __init__(self, habits: ManagerHabits) -> None:
        self._habits = habits

    def stored(self, fields: Row) -> Row:
        """Return a request's fields with its objects as they are stored: every field of theirs, zero where absent."""
        row = dict(fields)
        if "scheduler_cluster_config" in row:
            row["scheduler_cluster_config"] = _SCHEDULER_CONFIG | row["scheduler_cluster_config"]
        for name in ("seed_peer_cluster_config", "peer_cluster_config"):
            if name in row:
                row[name] = self._load(row[name])
        if "scopes" in row:
            row["scopes"] = _SCOPES | row["scopes"]
        return row

    def cluster(self, row: Row, seeds: Row, *, echo: Row | None = None) -> Row:
        """Return a row of /clusters.

        Args:
            row: Of scheduler clusters.
            seeds: The seed peer cluster that is linked to it.
            echo: The stored fields of a POST or PATCH: its answer shows what the request did not carry as null.
        """
        if echo is None:
            scopes: Row | None = _SCOPES | (row["scopes"] or {})
            configs: dict[str, Row | None] = {
                "scheduler_cluster_config": _SCHEDULER_CONFIG | row["config"],
                "seed_peer_cluster_config": self._load(seeds["config"]),
                "peer_cluster_config": self._load(row["client_config"]),
            }
        else:
            scopes = echo.get("scopes")
            names = ("scheduler_cluster_config", "seed_peer_cluster_config", "peer_cluster_config")
            configs = {name: echo.get(name) for name in names}
        return {
            "id": row["id"],
            "name": row["name"],
            "bio": row["bio"],
            "scopes": scopes,
            "scheduler_cluster_id": row["id"],
            "seed_peer_cluster_id": seeds["id"],
            **configs,
            "created_at": self.time(row["created_at"]),
            "updated_at": self.time(row["updated_at"]),
            "is_default": row["is_default"],
        }

    def scheduler_cluster(self, row: Row, seed_peer_clusters: list[Row]) -> Row:
        """Return a row of /scheduler-clusters."""
        # Rows that went through the cache of 2.2 and later come back with {} where the column is NULL.
        scopes = row["scopes"] if row["scopes"] is not None or not self._habits.row_cache else {}
        return {
            **self._base(row),
            "name": row["name"],
            "bio": row["bio"],
            "config": row["config"],
            "client_config": row["client_config"],
            **({"seed_client_config": row["seed_client_config"]} if self._habits.block_lists else {}),
            "scopes": scopes,
            "is_default": row["is_default"],
            "seed_peer_clusters": [self.seed_peer_cluster(one) for one in seed_peer_clusters],
            "schedulers": None,
            "peers": None,
            "jobs": None,
        }

    def seed_peer_cluster(self, row: Row) -> Row:
        """Return a row of /seed-peer-clusters."""
        named = {"name": row["name"], "bio": row["bio"], "config": row["config"]}
        return {**self._base(row), **named, "scheduler_clusters": None, "seed_peer": None, "jobs": None}

    def scheduler(self, row: Row, *, is_new: bool = False) -> Row:
        """Return a row of /schedulers; a new one has not been through the cache yet."""
        alive = row.get("last_keep_alive_at")
        names = ("host_name", "idc", "location", "ip", "port", "state")
        none: Row = {"name": "", "bio": "", "config": None, "client_config": None}
        none |= {"seed_client_config": None} if self._habits.block_lists else {}
        none |= {"scopes": None, "is_default": False, "seed_peer_clusters": None, "schedulers": None}
        return {
            **self._base(row),
            **({"config": None if is_new else {}} if self._habits.block_lists else {}),
            **{name: row[name] for name in names},
            "features": row.get("features", ["schedule", "preheat"]),
            **({"last_keep_alive_at": self.time(alive) if alive else NO_TIME} if self._habits.block_lists else {}),
            "scheduler_cluster_id": row["scheduler_cluster_id"],
            "scheduler_cluster": {**_NO_ROW, **none, "peers": None, "jobs": None},
        }

    def seed_peer(self, row: Row) -> Row:
        """Return a row of /seed-peers."""
        names = ("host_name", "type", "idc", "location", "ip", "port", "download_port")
        none = {"name": "", "bio": "", "config": None, "scheduler_clusters": None, "seed_peer": None, "jobs": None}
        return {
            **self._base(row),
            **{name: row[name] for name in names},
            "object_storage_port": row.get("object_storage_port", 0),
            "state": row["state"],
            "seed_peer_cluster_id": row["seed_peer_cluster_id"],
            "seed_peer_cluster": {**_NO_ROW, **none},
        }

    def user(self, row: Row) -> Row:
        """Return a row of /users; the password hash is never shown."""
        names = ("email", "name", "avatar", "phone", "state", "location", "bio", "configs")
        return {**self._base(row), **{name: row[name] for name in names}}

    def token(self, row: Row) -> Row:
        """Return a row of /personal-access-tokens, the token itself included."""
        names = ("name", "bio", "token", "scopes", "state", "expired_at", "user_id")
        texts = ("email", "name", "avatar", "phone", "state", "location", "bio")
        user: dict[str, Any] = {**_NO_ROW, **dict.fromkeys(texts, ""), "configs": None}
        return {**self._base(row), **{name: row.get(name) for name in names}, "user": user}

    def time(self, moment: datetime) -> str:
        """Return a time as Go prints it: no zeros at the end of the fraction."""
        text = f"{moment:%Y-%m-%dT%H:%M:%S}"
        if self._habits.milliseconds:
            text += f".{moment.microsecond // 1000:03d}".rstrip("0").rstrip(".")
        return f"{text}Z"

    def _base(self, row: Row) -> Row:
        times = {name: self.time(row[name]) for name in ("created_at", "updated_at")}
        return {"id": row["id"], **times, "is_del": 0}

    def _load(self, config: Row) -> Row:
        limit = {"load_limit": config.get("load_limit", 0)}
        if not self._habits.block_lists:
            return limit
        return {**limit, "block_list": config.get("block_list") or dict(_BLOCK_LIST)}
