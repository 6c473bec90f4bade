"""The way to the manager's console for a person: an address that works on this machine, and root's password."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dfmc.engine.credentials import read_stored
from dfmc.engine.manager_access import PORT_FORWARD
from dfmc.engine.session import Session
from dfmc.errors import NotReadyError, UnreachableError
from dfmc.planning.credentials import ROOT_PASSWORD, secret_name
from dfmc.planning.exposure import REST_PORT

Say = Callable[[str], None]

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Console:
    """An open console.

    Attributes:
        address: Its URL.
        user: Who signs in there.
        watching: Lasts as long as the console is forwarded; None where nothing is.
    """

    address: str
    user: str
    watching: asyncio.Future[None] | None

    async def wait(self) -> None:
        """Wait for as long as the console is forwarded.

        Raises:
            DfmcError: It cannot be any more: the rights were taken away, say.
        """
        if self.watching is not None:
            await self.watching


class ServingPod:
    """The manager pod that the console's connections go to, and the next one when it is gone.

    Args:
        session: The run.
        say: Told when it changes.
    """

    def __init__(self, session: Session, say: Say) -> None:
        self._manager = session.manager
        self._kube = session.kube_of(session.topology.central)
        self._namespace = session.topology.central.namespace
        self._say = say
        self._name = ""
        self._serves = asyncio.Event()

    async def find(self) -> None:
        """Settle on a pod; NotReadyError when none is ready."""
        self._name = await self._manager.ready_pod()
        self._serves.set()

    async def name(self) -> str:
        """Return its name, as soon as there is one that is ready."""
        await self._serves.wait()
        return self._name

    async def watch(self) -> None:
        """Look after it for ever; an API server that does not answer for a while ends nothing."""
        is_away = False
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._look()
            except UnreachableError as error:
                if not is_away:
                    self._say(f"{error}; trying again")
                is_away = True
                continue
            is_away = False

    async def _look(self) -> None:
        if self._serves.is_set():
            if await self._is_serving():
                return
            self._serves.clear()
            self._say(f"pod {self._name} does not serve any more; waiting for a manager that is ready")
        try:
            await self.find()
        except NotReadyError:
            return
        self._say(f"pod {self._name} serves now, at the same address")

    async def _is_serving(self) -> bool:
        pod = await self._kube.get("v1", "Pod", self._name, self._namespace)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return False
        conditions = (pod.get("status") or {}).get("conditions") or ()
        return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


@asynccontextmanager
async def open_console(session: Session, say: Say, local_port: int = 0) -> AsyncIterator[Console]:
    """Yield the console: at the file's own URL, or behind a loopback port that outlives the manager's pods.

    Args:
        session: The run.
        say: Told when another pod takes over.
        local_port: Where to listen; 0 for a port that is free.

    Raises:
        NotReadyError: No manager pod is ready.
        PreflightError: The local port cannot be had.
        AuthError: No permission for port-forwards.
    """
    topology = session.topology
    if topology.manager.access != PORT_FORWARD:
        yield Console(topology.manager.access, "root", None)
        return
    kube = session.kube_of(topology.central)
    pod = ServingPod(session, say)
    await pod.find()
    async with kube.follow_pod(topology.central.namespace, pod.name, REST_PORT, local_port=local_port) as port:
        watching = asyncio.ensure_future(pod.watch())
        try:
            yield Console(f"http://127.0.0.1:{port}", "root", watching)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def root_password(session: Session) -> str:
    """Return the password of the manager's user root.

    Raises:
        NotReadyError: dfmc has not written it yet.
    """
    topology = session.topology
    stored = await read_stored(topology, session.kube_of(topology.central), session.redactor)
    password = stored.values.get(ROOT_PASSWORD) if stored else None
    if password is None:
        raise NotReadyError(
            "there is no password yet",
            where=topology.central.name,
            why=f"Secret {topology.central.namespace}/{secret_name(topology)} is not there",
            next_step="dfmc up",
        )
    return password
