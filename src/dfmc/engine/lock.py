"""One Lease per topology, in the central namespace: whoever holds it may write.

Helm's only lock is the creation of a release Secret, and nothing guards REST calls or several clusters at once. The
rules are client-go's: acquire by compare-and-swap on resourceVersion; a holder counts as dead only after *we* have
watched its renewTime stand still for the lease's duration, on our own monotonic clock, so skewed clocks do no harm. A
Lease is no fence: every mutating step asks ``verify`` first, and a holder that could not renew for four fifths of the
duration stops by itself, before anybody else may take over.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from dfmc.clients.protocols import JsonObject, KubeClient
from dfmc.errors import DfmcError, LockedError
from dfmc.planning.ownership import object_metadata
from dfmc.topology.model import Topology

T = TypeVar("T")
LEASE_SECONDS: float = 15
API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"
SINCE, OPERATION = "dfmc.io/since", "dfmc.io/operation"
_RENEW_SECONDS = 3.0
_RETRY_SECONDS = 1.0
_POLL_SECONDS = 1.0
_RELEASE_SECONDS = 4.0
# A run that was stopped for longer than its deadline (a laptop that slept) gets this share of the duration to renew.
_LAST_TRY = 2 / 15
_GIVE_UP = 4 / 5


def lease_name(topology: Topology) -> str:
    """Return the Lease's name."""
    return f"dfmc-{topology.metadata.name}"


class Lock:
    """The Lease while we hold it."""

    def __init__(self, kube: KubeClient, topology: Topology, operation: str) -> None:
        self._kube = kube
        self._topology = topology
        self._operation = operation
        self.holder = f"{_user()}@{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease: JsonObject = {}
        self._renewed = time.monotonic()
        self._lost: LockedError | None = None
        self._is_lost = asyncio.Event()
        self._is_finished = False

    async def acquire(self, say: Callable[[str], None], patience: float = 0.0) -> None:
        """Take the Lease; a dead holder's is taken over after its duration.

        Args:
            say: Told whom we watch or wait for.
            patience: Seconds to wait for a holder that renews it.

        Raises:
            LockedError: Another run holds it and renews it, and patience is at an end.
        """
        watched: tuple[Any, Any] | None = None
        since = time.monotonic()
        deadline, waiting_for = since + patience, None
        while True:
            found = await self._read()
            spec = (found or {}).get("spec") or {}
            renewed = (spec.get("holderIdentity"), spec.get("renewTime"))
            if found is None or not spec.get("holderIdentity"):
                if await self._take(found):
                    return
            elif watched is None:
                watched, since = renewed, time.monotonic()
                if waiting_for is None:
                    say(f"locked by {described(found)}; watching {LEASE_SECONDS:g} s for a sign of life")
            elif renewed != watched:
                if time.monotonic() >= deadline:
                    raise held_error(self._topology, found)
                if waiting_for != renewed[0]:
                    say(f"waiting for the lock, held by {described(found)}")
                watched, since, waiting_for = renewed, time.monotonic(), renewed[0]
            elif time.monotonic() - since > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS):
                say(f"took the lock over from {described(found)}, which showed no sign of life")
                if await self._take(found):
                    return
                watched = None
            await asyncio.sleep(_POLL_SECONDS)

    async def _take(self, found: JsonObject | None) -> bool:
        name, namespace = lease_name(self._topology), self._topology.central.namespace
        now = _now()
        transitions = int(((found or {}).get("spec") or {}).get("leaseTransitions") or 0) + (1 if found else 0)
        metadata = object_metadata(name, namespace, self._topology.metadata.name, uid="")
        metadata["annotations"] |= {SINCE: now, OPERATION: self._operation}
        lease = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": metadata,
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
        if found:
            metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
            saved = await self._kube.replace(lease)
        else:
            saved = await self._kube.create(lease)
        if saved is not None:
            self._lease, self._renewed = saved, time.monotonic()
        return saved is not None

    async def verify(self) -> None:
        """Make sure that we still hold it; called before every mutating step.

        Raises:
            LockedError: Somebody took it over while we were stopped or cut off.
        """
        found = await self._read()
        if found is None or not self._holds(found):
            raise self._lose(_lost_to(found))
        if self._lost:
            raise self._lost

    async def while_held(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work returns; once the lock is lost, cancel the work and wait for its end.

        Raises:
            LockedError: The lock was lost before the work had ended.
        """
        task = asyncio.ensure_future(work)
        lost = asyncio.ensure_future(self._is_lost.wait())
        try:
            await asyncio.wait({task, lost}, return_when=asyncio.FIRST_COMPLETED)
            if self._lost is None:
                return task.result()
        finally:
            lost.cancel()
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # whatever it was, it came of losing the lock or matters less
        raise self._lost

    @property
    def name(self) -> str:
        """The Lease's name."""
        return lease_name(self._topology)

    def finish(self) -> None:
        """Renew no more: the Lease is about to go with its namespace, and that is no loss."""
        self._is_finished = True

    def _lose(self, why: str) -> LockedError:
        """Remember that it is lost, once, and return the error that says so."""
        error = LockedError(
            "the lock was lost",
            where=self._topology.central.name,
            why=why,
            left="no further step was started; a helm at work was ended",
            next_step="run again when the other run has ended: it does what is left",
        )
        if self._is_finished:
            return error
        self._lost = self._lost or error
        self._is_lost.set()
        return self._lost

    async def renew(self) -> None:
        """Renew until cancelled, or until the lock is lost: to somebody else, or because nothing answers."""
        pause = _RENEW_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self._is_finished:
                return
            left = self._renewed + LEASE_SECONDS * _GIVE_UP - time.monotonic()
            pause, why = _RENEW_SECONDS, "the API server does not answer"
            try:
                async with asyncio.timeout(max(left, LEASE_SECONDS * _LAST_TRY)):
                    holder = await self._write({"renewTime": _now()})
                if holder is not None:
                    self._lose(_lost_to(holder))
                    return
                continue
            except DfmcError as error:
                pause, why = min(_RETRY_SECONDS, _RENEW_SECONDS), str(error)
            except TimeoutError:
                pause = 0.0
            if time.monotonic() - self._renewed >= LEASE_SECONDS * _GIVE_UP:
                self._lose(f"it could not be renewed for {time.monotonic() - self._renewed:.0f} s: {why}")
                return

    async def _write(self, spec: dict[str, Any]) -> JsonObject | None:
        """Change our Lease; the Lease as it is now (empty where it was deleted) when it is ours no longer."""
        began = time.monotonic()
        saved = await self._kube.replace({**self._lease, "spec": {**self._lease["spec"], **spec}})
        if saved is None:
            # An answer of ours was lost, or somebody annotated the Lease: it is still ours while it says so.
            found = await self._read()
            if found is None or not self._holds(found):
                return found or {}
            saved = await self._kube.replace({**found, "spec": {**found["spec"], **spec}})
        if saved is not None:
            self._lease, self._renewed = saved, began
        return None

    async def _read(self) -> JsonObject | None:
        return await read_lease(self._kube, self._topology)

    def _holds(self, lease: JsonObject) -> bool:
        return (lease.get("spec") or {}).get("holderIdentity") == self.holder

    async def release(self) -> None:
        """Give it back; a Lease that somebody else holds by now is left alone (409)."""
        with contextlib.suppress(DfmcError):
            await self._write({"holderIdentity": "", "renewTime": _now()})


@asynccontextmanager
async def locked(
    kube: KubeClient, topology: Topology, operation: str, say: Callable[[str], None], patience: float = 0.0
) -> AsyncIterator[Lock]:
    """Hold the topology's Lease for the body, renewing it; see Lock.acquire for arguments and errors."""
    lock = Lock(kube, topology, operation)
    await lock.acquire(say, patience)
    renewal = asyncio.create_task(lock.renew())
    try:
        yield lock
    finally:
        renewal.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewal
        giving_back = asyncio.ensure_future(lock.release())
        # An API server that hangs must not keep whoever pressed Ctrl-C; the Lease then lapses by itself.
        await asyncio.wait({giving_back}, timeout=_RELEASE_SECONDS)
        giving_back.cancel()


async def read_lease(kube: KubeClient, topology: Topology) -> JsonObject | None:
    """Return the topology's Lease; None where there is none."""
    return await kube.get(API_VERSION, KIND, lease_name(topology), topology.central.namespace)


def held_error(topology: Topology, lease: JsonObject) -> LockedError:
    """Return the error that names a holder who is at work."""
    return LockedError(
        "another run is at work on this topology",
        where=topology.central.name,
        why=f"the lock is held by {described(lease)}",
        next_step="wait for it to end, or let dfmc wait: --lock-timeout 15m; dfmc unlock shows the holder",
    )


def described(lease: JsonObject) -> str:
    """Return who holds a Lease, for what and since when."""
    annotations = lease["metadata"].get("annotations") or {}
    holder = (lease.get("spec") or {}).get("holderIdentity")
    return f"{holder} ({annotations.get(OPERATION, 'unknown operation')} since {annotations.get(SINCE, 'unknown')})"


def _lost_to(lease: JsonObject | None) -> str:
    if not lease:
        return "its Lease was deleted"
    if not (lease.get("spec") or {}).get("holderIdentity"):
        return "it was taken away: dfmc unlock"
    return f"it is held by {described(lease)} now"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        return f"uid-{os.getuid()}"
