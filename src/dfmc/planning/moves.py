"""Peers that change cluster by a plan, and how long that takes: what a plan says of them. Pure; see moving.py."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Move:
    """Peers of one cluster that go from one record to another.

    Attributes:
        cluster: The entry whose peers they are.
        source: The record that they join now; empty for none, or for peers that are not there yet.
        target: The record that they will join; empty for none.
        is_home: The target is their own cluster's record.
        peers: ``node b-1``, ``seed peer dragonfly-seed-client-0``, or an example in words.
        is_example: The peers are made up of scopes, because those that there are are not known.
        why: What will decide, with the scores of the first of them.
    """

    cluster: str
    source: str
    target: str
    is_home: bool
    peers: tuple[str, ...]
    is_example: bool
    why: str


@dataclass(frozen=True)
class Expiry:
    """How long peers go on with what the manager told them: it keeps its answers, and they ask now and then.

    The keys are those of the chart: ``manager.config.cache`` (a peer's answer is kept in Redis, and whoever reads it
    there keeps it in its process) and the clients' ``refreshInterval``. Durations as Go writes them.
    """

    redis: str = "5m"
    local: str = "3m"
    client: str = "5m"
    seed_peer: str = "1m"

    @property
    def longest(self) -> float | None:
        """Seconds after which every peer has moved; None where a duration cannot be read."""
        parts = [seconds_of(text) for text in (self.redis, self.local)]
        asks = [seconds_of(text) for text in (self.client, self.seed_peer)]
        known = [part for part in (*parts, *asks) if part is not None]
        if len(known) < len(parts) + len(asks):
            return None
        return known[0] + known[1] + max(known[2:])

    def __str__(self) -> str:
        return (
            f"the manager keeps its answer to a peer for {self.redis} in Redis and {self.local} in its process, "
            f"clients ask every {self.client}, seed peers every {self.seed_peer}"
        )


@dataclass(frozen=True)
class Moves:
    """What a change of scopes, or of what peers say, does to the peers of every cluster.

    Attributes:
        changed: Entries whose scopes, or whose peers' words, change.
        moves: Who changes cluster.
        expiry: When they do.
        unknown: Entries whose peers are not known, and why, in words.
        by_id: Changed entries whose peers say their cluster's id, so that scopes decide nothing about them.
    """

    changed: tuple[str, ...]
    moves: tuple[Move, ...]
    expiry: Expiry
    unknown: tuple[tuple[str, str], ...] = ()
    by_id: tuple[str, ...] = ()


def seconds_of(duration: str) -> float | None:
    """Return the seconds of a duration as Go writes it, such as ``1m30s``; None where it is none."""
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
