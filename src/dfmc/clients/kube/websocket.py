"""A WebSocket connection to the API server over asyncio streams (RFC 6455, client side, binary messages).

Port-forward needs both directions at once for hours and must end when its task is cancelled. The library's own
forwarder runs a thread per stream with ``select``, has no deadline for connecting, and drops what the pod still has to
say once the local side has finished sending.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # fixed by RFC 6455, section 1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_HEAD_LIMIT = 64 << 10
_MESSAGE_LIMIT = 32 << 20
_BODY_SHOWN = 16 << 10


@dataclass(frozen=True)
class Endpoint:
    """Where and how to connect.

    Attributes:
        url: Of the resource, http or https.
        headers: Name and value of each request header, credentials among them.
        protocol: The subprotocol asked for.
        tls: For https.
        server_name: The name in the certificate; empty takes the URL's host.
        proxy: URL of an HTTP proxy; empty connects directly.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    protocol: str
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    proxy: str = ""


class UpgradeRefusedError(Exception):
    """The server answered with something else than ``101 Switching Protocols``.

    Attributes:
        status: The HTTP status code; 0 when it spoke no HTTP.
        body: The beginning of the answer.
    """

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


class WebSocket:
    """An open connection; ``messages`` reads, ``send`` writes, each from one task."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send one binary message; waits while the network is slower than the caller."""
        self._writer.write(_frame(_BINARY, data))
        await self._writer.drain()

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield the other side's messages until it closes; answers pings.

        Raises:
            ConnectionError: The other side broke the protocol or the connection.
        """
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                is_last, opcode, payload = await self._receive()
            except asyncio.IncompleteReadError:
                return
            if opcode == _CLOSE:
                with contextlib.suppress(OSError):
                    self._writer.write(_frame(_CLOSE, payload[:2]))
                return
            if opcode == _PING:
                self._writer.write(_frame(_PONG, payload))
                continue
            if opcode not in (_CONTINUATION, _TEXT, _BINARY):
                continue
            parts.append(payload)
            size += len(payload)
            if size > _MESSAGE_LIMIT:
                raise ConnectionError("the message is too long")
            if is_last:
                yield b"".join(parts)
                parts, size = [], 0

    async def close(self) -> None:
        """Say goodbye and close; never waits for the other side's answer."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(_frame(_CLOSE, (1000).to_bytes(2, "big")))
        await close_writer(self._writer)

    async def _receive(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self._reader.readexactly(8), "big")
        if length > _MESSAGE_LIMIT:
            raise ConnectionError("the message is too long")
        mask = await self._reader.readexactly(4) if second & 0x80 else b""
        payload = await self._reader.readexactly(length)
        return bool(first & 0x80), first & 0x0F, _masked(payload, mask) if mask else payload


async def connect(endpoint: Endpoint, timeout: float) -> WebSocket:
    """Open a connection.

    Args:
        endpoint: Where to.
        timeout: Seconds for everything until the upgrade is answered.

    Raises:
        UpgradeRefusedError: The server answered, but did not switch protocols.
        OSError: No connection; TimeoutError and ssl.SSLError are among its kinds.
    """
    async with asyncio.timeout(timeout):
        reader, writer = await _open(endpoint)
        try:
            await _upgrade(endpoint, reader, writer)
        except asyncio.IncompleteReadError as error:
            await close_writer(writer)
            raise ConnectionError("the connection ended during the upgrade") from error
        except BaseException:
            await close_writer(writer)
            raise
    return WebSocket(reader, writer)


async def close_writer(writer: asyncio.StreamWriter, patience: float = 1.0) -> None:
    """Close a stream and wait at most ``patience`` seconds until it has sent what it still holds."""
    writer.close()
    try:
        async with asyncio.timeout(patience):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise


async def _open(endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(endpoint.url)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    name = (endpoint.server_name or host) if endpoint.tls else None
    if not endpoint.proxy:
        return await asyncio.open_connection(host, port, ssl=endpoint.tls, server_hostname=name)
    proxy = urlsplit(endpoint.proxy)
    if proxy.scheme != "http":
        raise ConnectionError(f"port-forward goes through HTTP proxies only, not through {proxy.scheme}")
    reader, writer = await asyncio.open_connection(proxy.hostname or "", proxy.port or 80)
    try:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.username:
            login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        status, _ = await _head(reader)
        if status != 200:
            raise ConnectionError(f"the proxy answered HTTP {status}")
        if endpoint.tls:
            await writer.start_tls(endpoint.tls, server_hostname=name)
    except BaseException:
        await close_writer(writer)
        raise
    return reader, writer


async def _upgrade(endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    url = urlsplit(endpoint.url)
    key = base64.b64encode(os.urandom(16))
    lines = [
        f"GET {url.path}?{url.query} HTTP/1.1" if url.query else f"GET {url.path} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {endpoint.protocol}",
        *(f"{name}: {value}" for name, value in endpoint.headers),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status, headers = await _head(reader)
    if status != 101:
        length = headers.get("content-length", "")
        expected = min(int(length), _BODY_SHOWN) if length.isdigit() else 0
        raise UpgradeRefusedError(status, await reader.readexactly(expected) if expected else b"")
    answer = base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest()).decode()
    if headers.get("sec-websocket-accept") != answer or headers.get("sec-websocket-protocol") != endpoint.protocol:
        raise UpgradeRefusedError(0)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Return status code and headers (names in lower case) of an HTTP answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise UpgradeRefusedError(0) from error
    if len(head) > _HEAD_LIMIT:
        raise UpgradeRefusedError(0)
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and words[0].startswith("HTTP/") and words[1].isdigit() else 0
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return status, headers


def _frame(opcode: int, payload: bytes) -> bytes:
    """A whole message in one frame; clients mask theirs (RFC 6455, section 5.3)."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    return bytes([0x80 | opcode]) + length + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    stretched = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")
