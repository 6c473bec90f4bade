"""One Lease per topology, in the central namespace: whoever holds it may write.

Helm's only lock is the creation of a release Secret, and nothing guards REST calls or several clusters at once. The
rules are client-go's: acquire by compare-and-swap on resourceVersion; a holder counts as dead only after *we* have
watched its renewTime stand still for the lease's duration, on our own monotonic clock, so skewed clocks do no harm. A
Lease is no fence: every mutating step asks ``verify`` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from dfmc.clients.protocols import JsonObject, KubeClient
from dfmc.errors import DfmcError, LockedError
from dfmc.planning.ownership import object_metadata
from dfmc.topology.model import Topology

LEASE_SECONDS = 15
_RENEW_SECONDS = 5.0
_POLL_SECONDS = 1.0
_RELEASE_SECONDS = 4.0
_SINCE, _OPERATION = "dfmc.io/since", "dfmc.io/operation"


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

    async def acquire(self, say: Callable[[str], None]) -> None:
        """Take the Lease; a dead holder's is taken over after its duration.

        Raises:
            LockedError: Another run holds it and renews it.
        """
        watched: tuple[Any, Any] | None = None
        since = time.monotonic()
        while True:
            found = await self._read()
            spec = (found or {}).get("spec") or {}
            renewed = (spec.get("holderIdentity"), spec.get("renewTime"))
            if found is None or not spec.get("holderIdentity"):
                if await self._take(found):
                    return
            elif watched is None:
                watched, since = renewed, time.monotonic()
                say(f"locked by {_described(found)}; watching {LEASE_SECONDS} s for a sign of life")
            elif renewed != watched:
                raise LockedError(
                    "another run is at work on this topology",
                    where=self._topology.central.name,
                    why=f"the lock is held by {_described(found)}",
                    next_step="wait for it to end, then run again",
                )
            elif time.monotonic() - since > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS):
                say(f"took the lock over from {_described(found)}, which showed no sign of life")
                if await self._take(found):
                    return
                watched = None
            await asyncio.sleep(_POLL_SECONDS)

    async def _take(self, found: JsonObject | None) -> bool:
        name, namespace = lease_name(self._topology), self._topology.central.namespace
        now = _now()
        transitions = int(((found or {}).get("spec") or {}).get("leaseTransitions") or 0) + (1 if found else 0)
        metadata = object_metadata(name, namespace, self._topology.metadata.name, uid="")
        metadata["annotations"] |= {_SINCE: now, _OPERATION: self._operation}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
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
            self._lease = saved
        return saved is not None

    async def verify(self) -> None:
        """Make sure that we still hold it; called before every mutating step.

        Raises:
            LockedError: Somebody took it over while we were stopped or cut off.
        """
        found = await self._read()
        if found is None or not self._holds(found):
            raise LockedError(
                "the lock was lost",
                where=self._topology.central.name,
                why=f"it is held by {_described(found)} now" if found else "its Lease was deleted",
                left="nothing further was started",
                next_step="run again when the other run has ended",
            )

    async def renew(self) -> None:
        """Renew until cancelled; failures are left to ``verify``, which stops the next step."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with contextlib.suppress(DfmcError):
                await self._write({"renewTime": _now()})

    async def _write(self, spec: dict[str, Any]) -> None:
        saved = await self._kube.replace({**self._lease, "spec": {**self._lease["spec"], **spec}})
        if saved is None:
            # An answer of ours was lost, or somebody annotated the Lease: it is still ours while it says so.
            found = await self._read()
            if found is None or not self._holds(found):
                return
            saved = await self._kube.replace({**found, "spec": {**found["spec"], **spec}})
        if saved is not None:
            self._lease = saved

    async def _read(self) -> JsonObject | None:
        return await self._kube.get(
            "coordination.k8s.io/v1", "Lease", lease_name(self._topology), self._topology.central.namespace
        )

    def _holds(self, lease: JsonObject) -> bool:
        return (lease.get("spec") or {}).get("holderIdentity") == self.holder

    async def release(self) -> None:
        """Give it back; a Lease that somebody else holds by now is left alone (409)."""
        with contextlib.suppress(DfmcError):
            await self._write({"holderIdentity": "", "renewTime": _now()})


@asynccontextmanager
async def locked(
    kube: KubeClient, topology: Topology, operation: str, say: Callable[[str], None]
) -> AsyncIterator[Lock]:
    """Hold the topology's Lease for the body, renewing it; see Lock.acquire for errors."""
    lock = Lock(kube, topology, operation)
    await lock.acquire(say)
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


def _described(lease: JsonObject) -> str:
    annotations = lease["metadata"].get("annotations") or {}
    holder = lease["spec"].get("holderIdentity")
    return f"{holder} ({annotations.get(_OPERATION, 'unknown operation')} since {annotations.get(_SINCE, 'unknown')})"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        return f"uid-{os.getuid()}"
