"""The bed's network, in one event loop: Services and node ports, and the API servers' way to pods and nodes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dfmc.testbed.addressing import UNREACHABLE, AddressBlock, is_node_address, to_loopback
from dfmc.testbed.supervisor.service_table import LOOPBACK, Address

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 5.0
_CHUNK = 1 << 16


Result = TypeVar("Result")

# asyncio refers to a connection's task only weakly once its client has sent everything; what nobody holds is collected.
_connections: set[asyncio.Task[Any]] = set()


class ProxyLoop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], seconds: float = 10.0) -> Result:
        """Run a coroutine in the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)


class ServiceProxy:
    """Listens where Services lead somewhere, and forwards each connection to a random ready endpoint."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._servers: dict[Address, asyncio.Server] = {}
        self._behind: dict[Address, tuple[Address, ...]] = {}
        self._refused: set[Address] = set()

    @property
    def has_refused(self) -> bool:
        """Tell whether some address could not be listened on, so that trying again may help."""
        return bool(self._refused)

    async def update(self, wanted: Mapping[Address, tuple[Address, ...]]) -> None:
        """Open and close listeners until they are exactly the wanted ones that can be had."""
        self._behind = dict(wanted)
        for address in self._servers.keys() - wanted.keys():
            self._servers.pop(address).close()
        self._refused &= wanted.keys()
        for address in wanted.keys() - self._servers.keys():
            try:
                self._servers[address] = await asyncio.start_server(self._handler(address), *address)
                self._refused.discard(address)
            except OSError as error:
                # Tried again later. On 127.0.0.1 the first cluster to use a node port has it.
                if address not in self._refused:
                    log.info("%s: cannot serve %s:%d: %s", self._name, *address, error.strerror)
                self._refused.add(address)

    async def close(self) -> None:
        """Stop listening."""
        await self.update({})

    def _handler(self, address: Address) -> Any:  # noqa: ANN401
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            _keep_until_done()
            behind = self._behind.get(address)
            if not behind:
                writer.transport.abort()
                return
            await _forward(reader, writer, random.choice(behind))  # noqa: S311

        return handle


Route = Callable[[str, int], str]
"""Turns the host that a CONNECT request names (and its port) into the address to dial."""


async def open_egress(path: Path, kubelet: int) -> asyncio.Server:
    """Serve HTTP CONNECT on a unix socket: what the API server's egress selector dials pods and nodes through.

    A socket that a killed supervisor left is replaced. The bed's directory keeps other users out.

    Args:
        path: Of the socket.
        kubelet: Port at which kwok answers as the kubelet of every node.
    """

    def route(host: str, port: int) -> str:
        # kwok listens on 127.0.0.1 alone; other ports of a node are its pods'.
        return LOOPBACK if is_node_address(host) and port == kubelet else to_loopback(host)

    return await asyncio.start_unix_server(_connecting(route), path)


async def open_pod_proxy(block: AddressBlock) -> asyncio.Server:
    """Serve HTTP CONNECT to pods and nodes for the cluster's own processes, and to nothing outside the bed."""

    def route(host: str, port: int) -> str:
        address = block.listen_address(host)
        return address if address.startswith("127.") else UNREACHABLE

    return await asyncio.start_server(_connecting(route), block.pod_proxy_address, block.ports.pod_proxy)


def _connecting(route: Route) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _keep_until_done()
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            _, target, _ = request.split(b" ", 2)
            host, _, text = target.decode().rpartition(":")
            port = int(text)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            writer.transport.abort()
            return
        try:
            onward = await asyncio.wait_for(asyncio.open_connection(route(host, port), port), _CONNECT_SECONDS)
        except OSError as error:
            writer.write(f"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nX-Reason: {error}\r\n\r\n".encode())
            await _close(writer)
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _pump_both(reader, writer, *onward)

    return connect


def _keep_until_done() -> None:
    task = asyncio.current_task()
    if task is not None:
        _connections.add(task)
        task.add_done_callback(_connections.discard)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Address) -> None:
    try:
        onward = await asyncio.wait_for(asyncio.open_connection(*target), _CONNECT_SECONDS)
    except OSError:
        writer.transport.abort()
        return
    await _pump_both(reader, writer, *onward)


async def _pump_both(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    onward_reader: asyncio.StreamReader,
    onward_writer: asyncio.StreamWriter,
) -> None:
    await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))
    await asyncio.gather(_close(writer), _close(onward_writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
