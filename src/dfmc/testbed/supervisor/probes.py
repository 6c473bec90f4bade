"""Whether a process takes work: one cheap question per kind that no server takes for an error."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

Probe = Callable[[], bool]

_SECONDS = 1.0

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY, _RST_STREAM = 0, 1, 4, 7, 3
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_MOST_FRAMES = 50


def accepts_connections(host: str, port: int, seconds: float = _SECONDS) -> bool:
    """Tell whether a TCP connection is accepted: what ``nc -z`` does."""
    with suppress(OSError), socket.create_connection((host, port), seconds):
        return True
    return False


def grpc_serving(host: str, port: int) -> bool:
    """Ask ``grpc.health.v1.Health/Check`` and tell whether the answer is SERVING.

    A plain TCP probe makes a gRPC server log a broken handshake each time; this is the smallest HTTP/2 exchange that
    does not (RFC 9113 for the frames; headers are literals without Huffman coding, RFC 7541 6.2.2).
    """
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            return _asked(connection, f"{host}:{port}")
    except OSError:
        return False


def grpc_serving_at(path: Path) -> bool:
    """Ask as `grpc_serving` does, on a unix socket."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(str(path))
            return _asked(connection, "localhost")
    except OSError:
        return False


def _asked(connection: socket.socket, authority: str) -> bool:
    connection.settimeout(_SECONDS)
    headers = b"".join(
        _literal(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        )
    )
    connection.sendall(
        _PREFACE
        + _frame(_SETTINGS, 0, 0)
        + _frame(_HEADERS, _END_HEADERS, 1, headers)
        + _frame(_DATA, _END_STREAM, 1, b"\0" * 5)  # uncompressed, length 0: an empty HealthCheckRequest
    )
    serving = _serving(connection)
    with suppress(OSError):
        connection.sendall(_frame(_GOAWAY, 0, 0, b"\0" * 8))
    return serving


def _serving(connection: socket.socket) -> bool:
    stream = connection.makefile("rb")
    for _ in range(_MOST_FRAMES):
        head = stream.read(9)
        if len(head) < 9:
            return False
        length = int.from_bytes(head[:3], "big")
        kind, flags, number = head[3], head[4], struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        payload = stream.read(length)
        if kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _DATA and number == 1:
            return payload[5:7] == b"\x08\x01"  # HealthCheckResponse{status: SERVING}
        elif kind in (_GOAWAY, _RST_STREAM) or (kind == _HEADERS and flags & _END_STREAM):
            return False
    return False


def mysql_greets(path: Path) -> bool:
    """Tell whether MySQL sends its greeting on its unix socket (TCP probes count as failed logins)."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(str(path))
            head = connection.recv(5)
            return len(head) == 5 and head[4] == 10
    except OSError:
        return False


def redis_answers(host: str, port: int) -> bool:
    """Tell whether Redis answers PING, be it with a request to sign in."""
    try:
        with socket.create_connection((host, port), _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _literal(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    return b"\0" + bytes([len(raw_name)]) + raw_name + bytes([len(raw_value)]) + raw_value
