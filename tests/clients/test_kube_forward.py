"""Port-forward, against a stand-in for the API server's WebSocket side: the kubelet's v4.channel.k8s.io."""

import asyncio
import base64
import contextlib
import hashlib
import os
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from clients.fake_api_server import write_kubeconfig
from clients.made_up_certificate import CERTIFICATE, server_context
from dfmc.clients.kube import DynamicKube
from dfmc.errors import AuthError, IntegrityError, PreflightError, UnreachableError
from scenarios import scenario

PORT = 8080
DEADLINE = 20


class Kubelet:
    """One stream as the kubelet sees it: channel 0 data, channel 1 errors."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self) -> bytes:
        """The next data sent; empty when the client has closed."""
        head = await self.reader.readexactly(2)
        assert head[1] & 0x80, "a client must mask"
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        mask = await self.reader.readexactly(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await self.reader.readexactly(size)))
        if head[0] & 0x0F == 0x8:
            return b""
        if head[0] & 0x0F == 0xA:
            return b"pong " + payload
        assert payload[0] == 0
        return payload[1:]

    async def frame(self, payload: bytes, opcode: int = 0x2, *, last: bool = True) -> None:
        size = len(payload)
        if size < 126:
            length = bytes([size])
        elif size < 1 << 16:
            length = bytes([126]) + size.to_bytes(2, "big")
        else:
            length = bytes([127]) + size.to_bytes(8, "big")
        self.writer.write(bytes([opcode | (0x80 if last else 0)]) + length + payload)
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        await self.frame(b"\0" + data)

    async def close(self) -> None:
        await self.frame((1000).to_bytes(2, "big"), 0x8)


Behaviour = Callable[[Kubelet], Awaitable[None]]


class FakeStreams:
    """Accepts upgrades and hands each stream to ``behaviour``; the first one of every forward is dfmc's own check."""

    def __init__(self, behaviour: Behaviour, *, refusal: tuple[int, bytes] | None = None) -> None:
        self.behaviour = behaviour
        self.refusal = refusal
        self.heads: list[str] = []
        self.open_streams = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_streams += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._stream(reader, writer)
        finally:
            self.open_streams -= 1
            writer.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        if self.refusal:
            status, body = self.refusal
            writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            return
        key = next(line for line in head.splitlines() if line.startswith("Sec-WebSocket-Key")).split(": ")[1]
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False).digest()
        accept = base64.b64encode(digest).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Protocol: v4.channel.k8s.io", f"Sec-WebSocket-Accept: {accept}", "", ""]
        writer.write("\r\n".join(lines).encode())
        kubelet = Kubelet(reader, writer)
        await kubelet.frame(b"\0" + PORT.to_bytes(2, "little"))
        await kubelet.frame(b"\1" + PORT.to_bytes(2, "little"))
        if len(self.heads) == 1:
            assert await kubelet.receive() == b""
        else:
            await self.behaviour(kubelet)


async def echo(kubelet: Kubelet) -> None:
    while data := await kubelet.receive():
        await kubelet.send(data)


def run(streams: FakeStreams, folder: Path, use: Callable[[int], Awaitable[Any]], **tls: Any) -> Any:
    """Forward a port through the stand-in and run ``use`` with the local port."""

    async def forward() -> Any:
        async with (
            serving(streams, folder, **tls) as (client, _),
            client.port_forward("cluster-a", "dragonfly-manager-0", PORT) as port,
        ):
            return await use(port)

    async def bounded() -> Any:
        async with asyncio.timeout(DEADLINE):
            return await forward()

    return asyncio.run(bounded())


@contextlib.asynccontextmanager
async def serving(
    streams: FakeStreams, folder: Path, *, tls: bool = False, authority: bool = True
) -> AsyncIterator[tuple[DynamicKube, asyncio.Server]]:
    context = server_context(folder) if tls else None
    server = await asyncio.start_server(streams.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    data = base64.b64encode(CERTIFICATE.encode()).decode()
    cluster = {"certificate-authority-data": data} if authority and tls else {}
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    client = DynamicKube("kind-a", write_kubeconfig(folder / "kubeconfig", url, cluster=cluster))
    try:
        yield client, server
    finally:
        await client.close()
        server.close()


async def exchange(port: int, data: bytes, *, half_close: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if half_close:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_what_goes_in_comes_out_at_the_pods_port(tmp_path: Path) -> None:
    async def answer(kubelet: Kubelet) -> None:
        data = await kubelet.receive()
        await kubelet.send(data.upper())
        await kubelet.close()

    streams = FakeStreams(answer)
    assert run(streams, tmp_path, lambda port: exchange(port, b"hello")) == b"HELLO"
    first, *others = streams.heads[1].splitlines()
    assert first == "GET /api/v1/namespaces/cluster-a/pods/dragonfly-manager-0/portforward?ports=8080 HTTP/1.1"
    assert "authorization: Bearer made-up-token" in others


def test_large_data_arrives_whole_over_tls(tmp_path: Path) -> None:
    data = os.urandom(300_000)

    async def answer(kubelet: Kubelet) -> None:
        received = b""
        while len(received) < len(data):
            received += await kubelet.receive()
        await kubelet.send(received[:200_000])
        await kubelet.frame(b"\0" + received[200_000:250_000], last=False)
        await kubelet.frame(received[250_000:], 0x0)
        await kubelet.close()

    assert run(FakeStreams(answer), tmp_path, lambda port: exchange(port, data), tls=True) == data


def test_several_connections_at_once_do_not_mix(tmp_path: Path) -> None:
    everybody_is_here = asyncio.Barrier(5)

    async def answer(kubelet: Kubelet) -> None:
        data = await kubelet.receive()
        await everybody_is_here.wait()
        await kubelet.send(data)
        await kubelet.close()

    async def use(port: int) -> list[bytes]:
        return await asyncio.gather(*(exchange(port, b"%d" % number) for number in range(5)))

    assert run(FakeStreams(answer), tmp_path, use) == [b"0", b"1", b"2", b"3", b"4"]


@scenario("W2", real="a server that speaks the port-forward protocol")
def test_a_stream_that_breaks_ends_its_own_connection_only(tmp_path: Path) -> None:
    async def answer(kubelet: Kubelet) -> None:
        data = await kubelet.receive()
        if data == b"die":
            kubelet.writer.transport.abort()
            return
        await kubelet.send(data)
        await echo(kubelet)

    async def use(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        assert await exchange(port, b"die", half_close=False) == b""
        writer.write(b"two")
        assert await reader.readexactly(3) == b"two"
        writer.close()

    run(FakeStreams(answer), tmp_path, use)


def test_an_error_inside_the_pod_just_closes_the_connection(tmp_path: Path) -> None:
    async def refuse(kubelet: Kubelet) -> None:
        await kubelet.frame(b"\1failed to dial: connection refused")
        await kubelet.receive()

    assert run(FakeStreams(refuse), tmp_path, lambda port: exchange(port, b"x", half_close=False)) == b""


def test_a_ping_is_answered(tmp_path: Path) -> None:
    async def ping(kubelet: Kubelet) -> None:
        await kubelet.frame(b"are you there", 0x9)
        await kubelet.send(await kubelet.receive())
        await kubelet.close()

    assert run(FakeStreams(ping), tmp_path, lambda port: exchange(port, b"", half_close=False)) == b"pong are you there"


def test_leaving_ends_every_connection_and_leaves_nothing_behind(tmp_path: Path) -> None:
    streams = FakeStreams(echo)

    async def leave() -> None:
        async with asyncio.timeout(DEADLINE), serving(streams, tmp_path) as (client, _):
            async with client.port_forward("cluster-a", "dragonfly-manager-0", PORT) as port:
                connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
                for reader, writer in connections:
                    writer.write(b"hi")
                    assert await reader.readexactly(2) == b"hi"
                assert streams.open_streams == 3
            for reader, writer in connections:
                assert await reader.read() == b""
                writer.close()
            with pytest.raises(OSError, match="onnect"):
                await asyncio.open_connection("127.0.0.1", port)
            for _ in range(100):
                if streams.open_streams == 0:
                    break
                await asyncio.sleep(0.05)
            assert streams.open_streams == 0
            assert len(asyncio.all_tasks()) == 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(leave())
    assert not [thread for thread in threading.enumerate() if "port" in thread.name]


def test_a_local_side_that_is_done_does_not_keep_a_stream_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfmc.clients.kube.forward._LINGER", 0.3)

    async def silent(kubelet: Kubelet) -> None:
        while await kubelet.receive():
            pass

    assert run(FakeStreams(silent), tmp_path, lambda port: exchange(port, b"bye")) == b""


STATUS = b'{"kind": "Status", "message": "%s", "reason": "%s"}'


def test_a_missing_permission_is_an_error_at_the_start(tmp_path: Path) -> None:
    message = b"User cannot create resource pods/portforward in the namespace cluster-a"
    streams = FakeStreams(echo, refusal=(403, STATUS % (message, b"Forbidden")))
    with pytest.raises(AuthError) as caught:
        run(streams, tmp_path, lambda port: exchange(port, b""))
    assert caught.value.next_step.endswith("auth can-i create pods --subresource portforward -n cluster-a")


def test_a_missing_pod_is_an_error_at_the_start(tmp_path: Path) -> None:
    streams = FakeStreams(echo, refusal=(404, STATUS % (b"pods dragonfly-manager-0 not found", b"NotFound")))
    with pytest.raises(UnreachableError, match="not found"):
        run(streams, tmp_path, lambda port: exchange(port, b""))


def test_a_server_that_does_not_switch_protocols_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no port-forward to pod"):
        run(FakeStreams(echo, refusal=(200, b"{}")), tmp_path, lambda port: exchange(port, b""))


def test_a_certificate_of_another_authority_is_an_integrity_error(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        run(FakeStreams(echo), tmp_path, lambda port: exchange(port, b""), tls=True, authority=False)


def test_a_closed_port_is_unreachable(tmp_path: Path) -> None:
    async def closed() -> None:
        async with serving(FakeStreams(echo), tmp_path) as (client, server):
            server.close()
            await asyncio.sleep(0.1)
            async with client.port_forward("cluster-a", "dragonfly-manager-0", PORT):
                pass

    with pytest.raises(UnreachableError, match="onnect"):
        asyncio.run(closed())


class ComingAndGoing(FakeStreams):
    """Pods that are refused once they are ``gone``."""

    gone: frozenset[str] = frozenset()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        pod = head.decode().split("/pods/")[1].split("/")[0]
        self.refusal = (404, STATUS % (b"gone", b"NotFound")) if pod in self.gone else None
        again = asyncio.StreamReader()
        again.feed_data(head)
        rest = asyncio.ensure_future(_copy(reader, again))
        try:
            await super()._stream(again, writer)
        finally:
            rest.cancel()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamReader) -> None:
    while data := await source.read(4096):
        target.feed_data(data)
    target.feed_eof()


async def shout(kubelet: Kubelet) -> None:
    await kubelet.send((await kubelet.receive()).upper())
    await kubelet.close()


def test_connections_go_to_the_pod_of_their_moment_at_the_same_local_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfmc.clients.kube.forward._FOLLOW_POLL_SECONDS", 0.01)
    streams = ComingAndGoing(shout)
    asked: list[str] = []

    async def choose() -> str:
        asked.append("manager-2" if len(asked) >= 4 else "manager-1")
        return asked[-1]

    async def follow() -> None:
        async with (
            asyncio.timeout(DEADLINE),
            serving(streams, tmp_path) as (client, _),
            client.follow_pod("cluster-a", choose, PORT) as port,
        ):
            assert await exchange(port, b"one") == b"ONE"
            streams.gone = frozenset({"manager-1"})
            assert await exchange(port, b"two") == b"TWO"

    asyncio.run(follow())
    pods = [head.split("/pods/")[1].split("/")[0] for head in streams.heads]
    assert pods[0] == pods[1] == "manager-1"
    assert pods[-1] == "manager-2"


@scenario("W3", real=True)
def test_a_local_port_that_somebody_has_is_an_error_before_anything_waits(tmp_path: Path) -> None:
    async def choose() -> str:
        return "manager-1"

    async def follow() -> None:
        async with asyncio.timeout(DEADLINE), serving(FakeStreams(echo), tmp_path) as (client, server):
            taken = server.sockets[0].getsockname()[1]
            async with client.follow_pod("cluster-a", choose, PORT, local_port=taken):
                raise AssertionError("must not listen")

    with pytest.raises(PreflightError, match="cannot be had"):
        asyncio.run(follow())
