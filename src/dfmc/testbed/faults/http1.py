"""As much of HTTP/1.1 as a proxy needs: where a message begins and ends. Everything else passes as it came."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

_PIECE = 1 << 16
_LONGEST_HEAD = 1 << 16
_NO_BODY = (204, 304)


class BrokenMessageError(Exception):
    """What came is no HTTP/1.1, or ended in the middle."""


@dataclass(frozen=True)
class Head:
    """The first line and the headers of a message.

    Attributes:
        raw: As it came, the empty line included.
        first: The first line's words, at most three.
        headers: By lower-case name; of a repeated one the last.
    """

    raw: bytes
    first: tuple[str, ...]
    headers: dict[str, str]

    @property
    def method(self) -> str:
        """Of a request."""
        return self.first[0]

    @property
    def path(self) -> str:
        """Of a request, with its query."""
        return self.first[1]

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.first[1])

    @property
    def ends_connection(self) -> bool:
        """Whether the connection ends with this message."""
        return "close" in self.headers.get("connection", "").lower()


class Stream:
    """Reads messages from a connection.

    Args:
        connection: TCP or TLS.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = bytearray()

    def head(self) -> Head | None:
        """Return the next message's head; None when the connection ended before it.

        Raises:
            BrokenMessageError: It is none.
        """
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD:
                raise BrokenMessageError("a head without an end")
            if not self._fill():
                if self._buffer:
                    raise BrokenMessageError("it ended within a head")
                return None
        raw = self._take(end + 4)
        first, *lines = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        words = tuple(first.split(" ", 2))
        if len(words) < 2:
            raise BrokenMessageError(f"no HTTP: {first[:40]!r}")
        pairs = (line.partition(":") for line in lines)
        return Head(raw, words, {name.strip().lower(): value.strip() for name, _, value in pairs})

    def body(self, head: Head, *, is_response: bool = False, to: str = "") -> Iterator[bytes]:
        """Return the body's bytes as they come, with the framing they have.

        Args:
            head: Of the message.
            is_response: Whether it is one: then a body may last until the connection ends.
            to: The method of the request that a response answers.
        """
        if is_response and (to == "HEAD" or head.status in _NO_BODY or head.status < 200):
            return
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif "content-length" in head.headers:
            yield from self._exactly(int(head.headers["content-length"]))
        elif is_response:
            yield from self.rest()

    def rest(self) -> Iterator[bytes]:
        """Return everything until the connection ends."""
        while self._buffer or self._fill():
            yield self._take(len(self._buffer))

    def buffered(self) -> bytes:
        """Return what has been read and belongs to no message yet."""
        return self._take(len(self._buffer))

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._line()
            yield line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while (trailer := self._line()) != b"\r\n":
                    yield trailer
                yield trailer
                return
            yield from self._exactly(size + 2)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _LONGEST_HEAD or not self._fill():
                raise BrokenMessageError("a line without an end")
        return self._take(end + 1)

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if not self._buffer and not self._fill():
                raise BrokenMessageError("it ended within a body")
            piece = self._take(min(size, len(self._buffer)))
            size -= len(piece)
            yield piece

    def _fill(self) -> bool:
        piece = self.connection.recv(_PIECE)
        self._buffer += piece
        return bool(piece)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
