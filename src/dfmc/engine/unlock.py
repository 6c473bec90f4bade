"""``unlock``: who holds the topology's lock, whether there is a sign of life, and taking it away.

A run that was killed needs none of this: the next one takes the lock over by itself. It is for a holder that cannot be
waited for, and for whoever wants to see.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from dfmc.clients.protocols import JsonObject
from dfmc.engine import lock as locks
from dfmc.engine.session import Session
from dfmc.errors import LockedError
from dfmc.planning.ownership import object_conflict


@dataclass(frozen=True)
class HeldLock:
    """The lock of a topology while somebody holds it.

    Attributes:
        lease: ``namespace/name`` of its Lease.
        holder: ``user@host:process id:`` and a random part.
        operation: The command that took it.
        since: When, by the holder's clock; as the Lease has it.
        renewed: When it was last renewed, by the holder's clock.
        duration: Seconds without a renewal after which another run takes it over.
    """

    lease: str
    holder: str
    operation: str
    since: str
    renewed: str
    duration: float
    body: JsonObject


async def look(session: Session) -> HeldLock | None:
    """Return the lock's holder; None when nobody holds it. Writes nothing.

    Raises:
        ConflictError: The Lease of that name is another topology's.
    """
    topology = session.topology
    central = topology.central
    found = await locks.read_lease(session.kube_of(central), topology)
    spec = (found or {}).get("spec") or {}
    if found is None or not spec.get("holderIdentity"):
        return None
    if conflict := object_conflict(central.name, found, topology.metadata.name, None):
        raise conflict
    annotations = found["metadata"].get("annotations") or {}
    return HeldLock(
        lease=f"{central.namespace}/{locks.lease_name(topology)}",
        holder=str(spec["holderIdentity"]),
        operation=str(annotations.get(locks.OPERATION, "unknown")),
        since=str(annotations.get(locks.SINCE) or spec.get("acquireTime") or "unknown"),
        renewed=str(spec.get("renewTime") or "never"),
        duration=float(spec.get("leaseDurationSeconds") or locks.LEASE_SECONDS),
        body=found,
    )


async def is_alive(session: Session, held: HeldLock) -> bool:
    """Watch for as long as the Lease lasts and tell whether it was renewed; by our own clock, which needs no other."""
    began = time.monotonic()
    while time.monotonic() - began <= held.duration:
        await asyncio.sleep(min(1.0, held.duration / 10))
        now = await look(session)
        if now is None or now.holder != held.holder:
            return False  # it has ended, or another one holds it: take() will see
        if now.renewed != held.renewed:
            return True
    return False


async def take(session: Session, held: HeldLock, *, force: bool) -> None:
    """Take the lock away from the holder that was looked at.

    Args:
        session: The run.
        held: From look.
        force: Also when the holder has renewed it since.

    Raises:
        LockedError: Somebody else holds it by now, or the holder has renewed it.
    """
    kube = session.kube_of(session.topology.central)
    for _ in range(5):  # a holder at work renews now and then; between reading and writing it can do so once
        now = await look(session)
        if now is None:
            return
        if now.holder != held.holder or (now.renewed != held.renewed and not force):
            raise locks.held_error(session.topology, now.body)
        if await kube.replace({**now.body, "spec": {**now.body["spec"], "holderIdentity": ""}}) is not None:
            return
    raise LockedError(
        "the lock changes faster than it can be taken",
        where=session.topology.central.name,
        why=f"it is held by {locks.described(held.body)}",
        next_step="run dfmc unlock again",
    )
