"""The way to the manager's REST API, held open for a run and signed in once.

The manager answers a second sign-in within seconds of another with 401 to the right password (v2.2 to v2.5.1), so
one client is kept, and a token signed with the manager's own key is tried before a sign-in. A port-forward sticks to
one pod, which keeps reads consistent where several replicas each cache for 30 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar, cast

from dfmc.clients.protocols import KubeClient, ManagerClient
from dfmc.errors import DfmcError, NotReadyError, UnreachableError
from dfmc.planning.exposure import REST_PORT
from dfmc.topology.model import Topology

T = TypeVar("T")
PORT_FORWARD = "port-forward"
_RECONNECTS = 3
# A client repeats a request for 35 s when nobody answers: right for a manager that restarts, wrong for a pod that is
# gone for good, as after every change of the manager's settings.
_POD_CHECK_SECONDS = 3.0
_NO_POD_SECONDS = 35.0
_NO_POD_POLL_SECONDS = 1.0


class ManagerAccess:
    """Opens, keeps and re-opens one connection to one manager pod (or to the URL the file gives)."""

    def __init__(self, topology: Topology, kube: KubeClient, make_client: Callable[[str], ManagerClient]) -> None:
        self._topology = topology
        self._kube = kube
        self._make_client = make_client
        self._stack = AsyncExitStack()
        self._client: ManagerClient | None = None
        self._pod = ""
        self._passwords: tuple[str, ...] = ()
        self._jwt_key = ""
        self._lock = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._seen: tuple[float, object, DfmcError | None] = (float("-inf"), None, None)

    @property
    def is_open(self) -> bool:
        """Whether somebody has signed in during this run."""
        return self._client is not None and bool(self._passwords)

    async def open(self) -> ManagerClient:
        """Return a client that can reach the manager; not signed in yet.

        Raises:
            NotReadyError: No manager pod is ready.
            UnreachableError: It cannot be reached.
        """
        if self._client is None:
            url = self._topology.manager.access
            if url == PORT_FORWARD:
                pod = await self.ready_pod()
                namespace = self._topology.central.namespace
                forward = self._kube.port_forward(namespace, pod, REST_PORT)
                port = await self._stack.enter_async_context(forward)
                self._pod = pod
                url = f"http://127.0.0.1:{port}"
            self._client = self._make_client(url)
        return self._client

    async def ready_pod(self) -> str:
        """Return the name of a manager pod that is ready; NotReadyError when there is none."""
        central = self._topology.central
        pods = await self._kube.pods(central.release, central.namespace)
        managers = [pod for pod in pods if pod.component == "manager" and not pod.terminating]
        ready = sorted(pod.name for pod in managers if pod.ready)
        if not ready:
            seen = ", ".join(f"{pod.name} is {pod.phase or 'unknown'}" for pod in managers) or "there is none"
            raise NotReadyError("no manager pod is ready", where=central.name, why=seen)
        return ready[0]

    async def sign_in(self, *passwords: str, jwt_key: str = "") -> None:
        """Become root, with the manager's own key where it is known, else with the first password that works.

        Both are remembered for reconnects.
        """
        await self._become_root(await self.open(), passwords, jwt_key)
        self._passwords, self._jwt_key = passwords, jwt_key

    async def _become_root(self, client: ManagerClient, passwords: tuple[str, ...], jwt_key: str) -> None:
        if not (jwt_key and await client.resume(jwt_key, passwords[0])):
            await client.sign_in(*passwords)

    async def call(self, use: Callable[[ManagerClient], Awaitable[T]]) -> T:
        """Run ``use`` with the signed-in client; when the connection breaks, reconnect and run it again.

        Safe because every mutating call of the client is idempotent by design (create adopts, update merges).
        """
        for attempt in range(_RECONNECTS + 1):
            client = await self.open()
            try:
                return await self._while_its_pod_is_there(use(client))
            except UnreachableError:
                if attempt == _RECONNECTS:
                    raise
                await self._reconnect(client)
        raise AssertionError("unreachable")  # the loop returns or raises

    async def look(self, read: Callable[[ManagerClient], Awaitable[T]]) -> T:
        """Read as ``call`` does, once for all who ask meanwhile: a thousand proofs must not list all rows each.

        What comes back, or is raised, was read after this call began. Always to be called with the same ``read``.
        """
        asked = time.monotonic()
        async with self._looking:
            if self._seen[0] < asked:
                began = time.monotonic()
                try:
                    self._seen = (began, await self.call(read), None)
                except DfmcError as error:
                    self._seen = (began, None, error)
            _, found, failure = self._seen
        if failure is not None:
            raise failure
        return cast("T", found)

    async def _reconnect(self, broken: ManagerClient) -> None:
        async with self._lock:
            if self._client is not broken:
                return  # somebody else was faster
            await self.close()
            client = await self._open_when_ready()
            if self._passwords:
                await self._become_root(client, self._passwords, self._jwt_key)

    async def _open_when_ready(self) -> ManagerClient:
        """Open as soon as there is a manager pod that is ready: the last one may have gone before the next one came."""
        deadline = time.monotonic() + _NO_POD_SECONDS
        while True:
            try:
                return await self.open()
            except NotReadyError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_NO_POD_POLL_SECONDS)

    async def _while_its_pod_is_there(self, work: Awaitable[T]) -> T:
        """Return what the work returns, and give it up once the pod that the port-forward leads to is gone."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=_POD_CHECK_SECONDS))[0]:
                if self._pod and not await self._is_there(self._pod):
                    raise UnreachableError(
                        "the manager's pod is gone", where=self._topology.central.name, why=f"{self._pod} was replaced"
                    )
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _is_there(self, name: str) -> bool:
        central = self._topology.central
        try:
            pods = await self._kube.pods(central.release, central.namespace)
        except UnreachableError:  # it is the API server that is away; whoever waits for the manager says so
            return True
        return any(pod.name == name and not pod.terminating for pod in pods)

    async def close(self) -> None:
        """Give back the connection and the port-forward."""
        client, self._client, self._pod = self._client, None, ""
        if client is not None:
            await client.close()
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()
