"""Taking a cluster out of the manager: its schedulers' and seed peers' rows, then its record."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from dfmc.clients.protocols import ManagerClient
from dfmc.engine.execute import Done
from dfmc.engine.lock import Lock
from dfmc.engine.session import Session
from dfmc.errors import NotReadyError
from dfmc.planning.ownership import is_ours, record_conflict
from dfmc.planning.proof import active_rows
from dfmc.planning.records import DEFAULT_RECORD_ID
from dfmc.planning.steps import Step
from dfmc.state import ClusterRecord, SchedulerRecord, SeedPeerRecord

Say = Callable[[str], None]

_POLL_SECONDS = 1.0
# The manager answers lists from a cache for 30 s, and after a restart calls every scheduler inactive until it has
# connected again: where nobody saw the release go, one look proves nothing.
_QUIET_SECONDS = 35.0


@dataclass(frozen=True)
class _Rows:
    """What is registered under a record's ids."""

    schedulers: tuple[SchedulerRecord, ...]
    seed_peers: tuple[SeedPeerRecord, ...]
    at_work: tuple[SchedulerRecord, ...]

    @property
    def active(self) -> list[str]:
        """Host names of those that are at work."""
        seeds = [row.host_name for row in self.seed_peers if row.state == "active"]
        return [*(row.host_name for row in self.at_work), *seeds]


class Deregistration:
    """The action of the kind DEREGISTER.

    Args:
        session: The run.
        uid: Of the topology.
        lock: The topology's; None where the namespace that it lives in is gone.
        unseen: Clusters of which nobody saw that their release is gone.
        again: The command that does what is left.
    """

    def __init__(
        self, session: Session, uid: str, lock: Lock | None, *, unseen: Collection[str] = (), again: str
    ) -> None:
        self._session = session
        self._uid = uid
        self._lock = lock
        self._unseen = unseen
        self._again = again

    async def deregister(self, step: Step, say: Say) -> Done:
        """Wait until nothing of the cluster is active, delete its rows, then its record."""
        manager, topology = self._session.manager, self._session.topology
        record = await manager.call(lambda client: client.cluster_by_name(step.cluster))
        if record is None:
            return Done("the manager has no record of it any more", changed=False)
        if record.id == DEFAULT_RECORD_ID or not is_ours(record, topology.metadata.name, self._uid):
            conflict = record_conflict(step.cluster, record, topology.metadata.name, self._uid)
            raise conflict or NotReadyError(f"record {record.id} is the manager's first one and stays")
        quiet_for = _QUIET_SECONDS if step.cluster in self._unseen else 0.0
        deadline = time.monotonic() + self._session.options.timeout + quiet_for
        quiet_since: float | None = None
        while True:
            rows = await manager.call(lambda client: _rows(client, record))
            now = time.monotonic()
            if rows.active:
                quiet_since = None
                say(f"waiting until {_some(rows.active)} {'is' if len(rows.active) == 1 else 'are'} inactive")
            else:
                quiet_since = now if quiet_since is None else quiet_since
                if now - quiet_since < quiet_for:
                    say("watching whether any of its schedulers comes back")
                elif done := await self._delete(rows, record, say):
                    return done
            if now >= deadline:
                raise self._still_active(step.cluster, record, rows)
            await asyncio.sleep(_POLL_SECONDS)

    async def _delete(self, rows: _Rows, record: ClusterRecord, say: Say) -> Done | None:
        """Delete rows and record; None where a scheduler has registered meanwhile."""
        if self._lock:
            await self._lock.verify()  # the wait may have been long
        manager = self._session.manager
        for scheduler in rows.schedulers:
            say(f"deleting scheduler {scheduler.host_name}")
            await manager.call(partial(_delete_scheduler, scheduler))
        for seed in rows.seed_peers:
            say(f"deleting seed peer {seed.host_name}")
            await manager.call(partial(_delete_seed_peer, seed))
        say(f"deleting record {record.name} (id {record.id})")
        try:
            await manager.call(lambda client: client.delete_cluster(record))
        except NotReadyError:
            if (await manager.call(lambda client: _rows(client, record))).schedulers:
                return None
            raise
        count = len(rows.schedulers) + len(rows.seed_peers)
        those = f" and {count} row{'' if count == 1 else 's'} of its schedulers and seed peers" if count else ""
        return Done(f"record {record.name} (id {record.id}){those} deleted")

    def _still_active(self, name: str, record: ClusterRecord, rows: _Rows) -> NotReadyError:
        active = _some(rows.active) if rows.active else "a scheduler that registers again and again"
        return NotReadyError(
            "its schedulers do not become inactive",
            where=name,
            why=f"the manager has {active} as active under id {record.scheduler_cluster_id}",
            left="its rows and its record are as they were",
            next_step=f"see where they run (a release somewhere has this cluster's id); then run {self._again} again",
        )


async def _delete_scheduler(row: SchedulerRecord, client: ManagerClient) -> bool:
    return await client.delete_scheduler(row)


async def _delete_seed_peer(row: SeedPeerRecord, client: ManagerClient) -> bool:
    return await client.delete_seed_peer(row)


async def _rows(client: ManagerClient, record: ClusterRecord) -> _Rows:
    everybody = await client.schedulers()
    schedulers = [row for row in everybody if row.scheduler_cluster_id == record.scheduler_cluster_id]
    # A row whose scheduler ended while the manager restarted says active for an hour; its silence tells.
    at_work = active_rows(record.registration, (), everybody)
    seeds = [row for row in await client.seed_peers() if row.seed_peer_cluster_id == record.seed_peer_cluster_id]
    return _Rows(tuple(schedulers), tuple(seeds), at_work)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
