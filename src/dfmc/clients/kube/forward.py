"""Port-forward: a loopback port whose connections lead to a port of a pod.

Each accepted TCP connection gets a WebSocket of its own (protocol ``v4.channel.k8s.io`` of the kubelet's port-forward,
Kubernetes: ``pkg/kubelet/server/portforward/websocket.go``): channel 0 carries data, channel 1 errors, each opened by
two bytes that repeat the port. So a pod that restarts costs the connections of the moment and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from urllib.parse import urlencode

from dfmc.clients.kube.refusals import Answer, Call, refusal, shortened
from dfmc.clients.kube.resources import POD
from dfmc.clients.kube.transport import Transport
from dfmc.clients.kube.websocket import Endpoint, UpgradeRefusedError, WebSocket, close_writer, connect
from dfmc.errors import DfmcError, PreflightError, UnreachableError

PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_CHUNK = 64 << 10
# The protocol cannot say "I have finished sending": after the local side did, the pod may still answer this long.
_LINGER = 15.0
# How long a connection waits for a pod that replaces another; browsers give up later than that.
_FOLLOW_SECONDS = 30.0
_FOLLOW_POLL_SECONDS = 0.5
_log = logging.getLogger(__name__)


class PodPort:
    """A port of a pod, reached through the API server.

    Args:
        transport: The context's.
        executor: For what blocks: renewing credentials, reading certificates.
        namespace: Of the pod.
        pod: Its name.
        port: The port inside the pod.
    """

    def __init__(self, transport: Transport, executor: Executor, namespace: str, pod: str, port: int) -> None:
        self._transport = transport
        self._executor = executor
        self._call = Call(
            "GET",
            f"{POD.path(pod, namespace)}/portforward",
            "get",
            POD,
            pod,
            namespace,
            "portforward",
            {"ports": str(port)},
        )
        self._label = f"{namespace}/{pod}:{port}"
        self._tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return self._label

    async def open(self) -> WebSocket:
        """Open a stream.

        Raises:
            UpgradeRefusedError: The API server refused.
            OSError: It does not answer.
            AuthError: A credential plugin failed.
        """
        endpoint = await asyncio.get_running_loop().run_in_executor(self._executor, self._endpoint)
        return await connect(endpoint, self._transport.connect_timeout)

    async def check(self) -> None:
        """Open and close one stream.

        Raises:
            AuthError: Not signed in, or no permission for ``pods/portforward``.
            UnreachableError: The pod is not there or not running, or the API server does not answer.
            IntegrityError: The API server's certificate does not verify.
        """
        try:
            stream = await self.open()
        except UpgradeRefusedError as error:
            answer = Answer(error.status, error.body)
            if error.status in (401, 403):
                raise refusal(self._call, answer, self._transport.place) from error
            raise UnreachableError(
                f"{self._transport.place}: no port-forward to pod {self._label}",
                why=answer.message if error.status else "the API server does not switch to WebSocket",
                next_step=self._transport.place.kubectl("-n", self._call.namespace or "", "get", "pods"),
            ) from error
        except OSError as error:
            raise self._transport.no_answer(self._call, error) from error
        await stream.close()

    def _endpoint(self) -> Endpoint:
        access = self._transport.access()
        if self._tls is None:
            self._tls = access.tls_context()
        return Endpoint(
            url=f"{access.server}{self._call.path}?{urlencode(self._call.query)}",
            headers=tuple(access.headers().items()),
            protocol=PROTOCOL,
            tls=self._tls,
            server_name=access.server_name,
            proxy=access.proxy,
        )


class FollowedPod:
    """A port of whichever pod is the right one when a connection comes.

    Args:
        choose: Returns the pod's name; may wait until there is one.
        port_of: Makes the port of a pod.
    """

    def __init__(self, choose: Callable[[], Awaitable[str]], port_of: Callable[[str], PodPort]) -> None:
        self._choose = choose
        self._port_of = port_of
        self._last: tuple[str, PodPort] | None = None

    async def check(self) -> None:
        """Open and close one stream to the pod of this moment; raises as PodPort.check."""
        await (await self._port()).check()

    async def open(self) -> WebSocket:
        """Open a stream, to another pod where the one of a moment ago has gone meanwhile; raises as PodPort.open."""
        deadline = time.monotonic() + _FOLLOW_SECONDS
        while True:
            port = await self._port()
            try:
                return await port.open()
            except (OSError, UpgradeRefusedError):
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(_FOLLOW_POLL_SECONDS)

    async def _port(self) -> PodPort:
        pod = await self._choose()
        if self._last is None or self._last[0] != pod:
            self._last = (pod, self._port_of(pod))
        return self._last[1]


@contextlib.asynccontextmanager
async def listening(
    open_stream: Callable[[], Awaitable[WebSocket]], label: str, local_port: int = 0
) -> AsyncIterator[int]:
    """Listen on a port of 127.0.0.1; every connection is bridged to a stream of its own.

    Args:
        open_stream: Opens a WebSocket to the pod's port.
        label: What is forwarded, for the log.
        local_port: Where to listen; 0 for a port that is free.

    Yields:
        The local port.

    Raises:
        PreflightError: The port cannot be had.
    """
    bridges: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bridge = asyncio.create_task(_bridge(reader, writer, open_stream, label))
        bridges.add(bridge)
        bridge.add_done_callback(bridges.discard)

    try:
        server = await asyncio.start_server(accept, "127.0.0.1", local_port)
    except OSError as error:
        raise PreflightError(
            f"port {local_port} of 127.0.0.1 cannot be had",
            why=os.strerror(error.errno) if error.errno else str(error),
            next_step="choose another one, or none: a free one is found",
        ) from error
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await asyncio.sleep(0)  # lets connections accepted in this very moment become bridges
        for bridge in tuple(bridges):
            bridge.cancel()
        await asyncio.gather(*bridges, return_exceptions=True)
        await server.wait_closed()


async def _bridge(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    open_stream: Callable[[], Awaitable[WebSocket]],
    label: str,
) -> None:
    try:
        stream = await open_stream()
        try:
            await _pump(reader, writer, stream, label)
        finally:
            await stream.close()
    except (OSError, UpgradeRefusedError, DfmcError) as error:
        # What the local client sees is a closed connection, as from a pod that is not there; it decides what to do.
        _log.debug("port-forward to %s: connection ended: %s", label, error)
    except BaseException:
        await close_writer(writer)
        raise
    await close_writer(writer, patience=_LINGER)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: WebSocket, label: str) -> None:
    """Copy both ways until the pod's side ends, or the local side did and the pod has nothing more to say."""
    quiet = asyncio.timeout(None)
    sending = asyncio.create_task(_send_all(reader, stream))

    def shorten_wait(_: asyncio.Task[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the timeout is already over
            quiet.reschedule(asyncio.get_running_loop().time() + _LINGER)

    try:
        async with quiet:
            sending.add_done_callback(shorten_wait)
            opened: set[int] = set()
            async for message in stream.messages():
                channel, payload = message[:1], message[1:]
                if not channel:
                    continue
                if channel[0] not in opened:
                    opened.add(channel[0])
                elif channel[0] == _DATA:
                    writer.write(payload)
                    await writer.drain()
                    if sending.done():
                        shorten_wait(sending)
                elif channel[0] == _ERROR and payload:
                    _log.debug("port-forward to %s: %s", label, shortened(payload.decode(errors="replace")))
                    return
    except TimeoutError:
        if not quiet.expired():
            raise
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send_all(reader: asyncio.StreamReader, stream: WebSocket) -> None:
    while data := await reader.read(_CHUNK):
        await stream.send(bytes([_DATA]) + data)
