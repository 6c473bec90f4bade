"""The manager's JSON rows as dfmc's records (pure).

Sources: manager/types/*.go and manager/models/*.go of Dragonfly 2.1.66 and 2.5.1, and what both were seen to answer.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from dfmc.errors import DfmcError
from dfmc.state import ClusterRecord, SchedulerRecord, ScopesRecord, SeedPeerRecord


class UnexpectedAnswerError(DfmcError):
    """The manager answered with success and something that is no such row. Names the field, never the body."""


def cluster_record(row: object) -> ClusterRecord:
    """Return a row of /clusters.

    The ids of its scheduler cluster and seed peer cluster are read each from its own field: a refused duplicate
    uses up one sequence and not the other, so they drift apart.
    """
    fields = _object(row, "cluster")
    return ClusterRecord(
        id=_identifier(fields, "id", "cluster"),
        name=_text(fields, "name", "cluster"),
        bio=_text(fields, "bio", "cluster"),
        scopes=scopes_record(fields.get("scopes")),
        scheduler_cluster_id=_identifier(fields, "scheduler_cluster_id", "cluster"),
        seed_peer_cluster_id=_identifier(fields, "seed_peer_cluster_id", "cluster"),
        is_default=_flag(fields, "is_default", "cluster"),
    )


def scopes_record(row: object) -> ScopesRecord:
    """Return the ``scopes`` of a cluster; the manager gives null for none, and null lists in them."""
    if row is None:
        return ScopesRecord()
    fields = _object(row, "scopes")
    return ScopesRecord(
        idc=_text(fields, "idc", "scopes"),
        location=_text(fields, "location", "scopes"),
        cidrs=_texts(fields, "cidrs", "scopes"),
        hostnames=_texts(fields, "hostnames", "scopes"),
    )


def scopes_body(scopes: ScopesRecord) -> dict[str, Any]:
    """Return the scopes as a request carries them: all of them, because the manager replaces the whole object."""
    return {
        "idc": scopes.idc,
        "location": scopes.location,
        "cidrs": list(scopes.cidrs),
        "hostnames": list(scopes.hostnames),
    }


def scheduler_record(row: object) -> SchedulerRecord:
    """Return a row of /schedulers."""
    fields = _object(row, "scheduler")
    state = _text(fields, "state", "scheduler")
    known: Literal["active", "inactive"] = "active" if state == "active" else "inactive"
    return SchedulerRecord(
        id=_identifier(fields, "id", "scheduler"),
        host_name=_text(fields, "host_name", "scheduler"),
        ip=_text(fields, "ip", "scheduler"),
        port=_number(fields, "port", "scheduler"),
        state=known,
        # Not checked to exist, by the manager nor here: a scheduler may have registered under any number.
        scheduler_cluster_id=_number(fields, "scheduler_cluster_id", "scheduler"),
        features=_texts(fields, "features", "scheduler"),
        idc=_text(fields, "idc", "scheduler"),
        location=_text(fields, "location", "scheduler"),
        last_keep_alive=_time(fields, "last_keep_alive_at", "scheduler"),
    )


def seed_peer_record(row: object) -> SeedPeerRecord:
    """Return a row of /seed-peers."""
    fields = _object(row, "seed peer")
    return SeedPeerRecord(
        id=_identifier(fields, "id", "seed peer"),
        host_name=_text(fields, "host_name", "seed peer"),
        ip=_text(fields, "ip", "seed peer"),
        state=_text(fields, "state", "seed peer"),
        seed_peer_cluster_id=_number(fields, "seed_peer_cluster_id", "seed peer"),
    )


def rows_of(answer: object, what: str) -> list[Any]:
    """Return a list answer; ``null`` is an empty one (/clusters says so, the other lists say ``[]``)."""
    if answer is None:
        return []
    if not isinstance(answer, list):
        raise _unexpected(f"no list of {what}s")
    return answer


def _object(row: object, what: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise _unexpected(f"no {what}")
    return row


def _text(fields: dict[str, Any], name: str, what: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _unexpected(f"{name} of a {what} is no text")
    return value


def _time(fields: dict[str, Any], name: str, what: str) -> float | None:
    """Return seconds since 1970; None for a time that is absent, or Go's zero time, which says nothing."""
    text = _text(fields, name, what)
    if not text or text.startswith("0001-"):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise _unexpected(f"{name} of a {what} is no time") from error


def _texts(fields: dict[str, Any], name: str, what: str) -> tuple[str, ...]:
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _unexpected(f"{name} of a {what} is no list of texts")
    return tuple(value)


def _number(fields: dict[str, Any], name: str, what: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _unexpected(f"{name} of a {what} is no number")
    return value


def _identifier(fields: dict[str, Any], name: str, what: str) -> int:
    value = _number(fields, name, what)
    if value == 0:
        raise _unexpected(f"{name} of a {what} is 0")
    return value


def _flag(fields: dict[str, Any], name: str, what: str) -> bool:
    value = fields.get(name)
    if not isinstance(value, bool):
        raise _unexpected(f"{name} of a {what} is neither true nor false")
    return value


def _unexpected(why: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        "unexpected answer of the manager",
        why=why,
        next_step="check that the manager's version is one that dfmc knows (2.1.0 to 2.5), and report this",
    )
