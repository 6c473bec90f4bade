"""The bed's origin of blobs: what it serves at which path, and what it wrote down of it. Pure but for reading the log.

A registry in so far as a Dragonfly client needs one: ``/v2/<name>/blobs/sha256:<64 hex digits>`` has content that
follows from the digest in the path (it does not have that digest: nobody in Dragonfly checks it), of 8 MiB or
``?size=BYTES``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DEFAULT_SIZE = 8 << 20
LARGEST_SIZE = 4 << 30
_BLOCK = 1 << 14

_PATH = re.compile(r"/v2/(?P<name>[a-z0-9._/-]+)/blobs/sha256:(?P<digest>[0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Blob:
    """A blob of the origin.

    Attributes:
        digest: 64 hex digits, from which the content follows.
        size: Bytes.
    """

    digest: str
    size: int

    @property
    def etag(self) -> str:
        """The entity tag, quoted."""
        return f'"{self.digest[:32]}-{self.size}"'

    def content(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` up to, not including, ``end``."""
        for number in range(start // _BLOCK, -(-end // _BLOCK)):
            block = hashlib.shake_128(f"{self.digest}:{number}".encode()).digest(_BLOCK)
            first = number * _BLOCK
            yield block[max(start - first, 0) : end - first]


def blob_at(target: str) -> Blob | None:
    """Return the blob at a request's target; None where there is none."""
    parts = urlsplit(target)
    found = _PATH.fullmatch(parts.path)
    size = parse_qs(parts.query).get("size", [str(DEFAULT_SIZE)])[-1]
    if found is None or not size.isdecimal() or not 0 < int(size) <= LARGEST_SIZE:
        return None
    return Blob(found["digest"], int(size))


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the half-open range that a ``Range`` header asks for; None where it must be ignored (RFC 9110, 14.2).

    Raises:
        ValueError: It cannot be satisfied.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise ValueError(header)
    return start, end


@dataclass(frozen=True)
class OriginRequest:
    """One line of the origin's log.

    Attributes:
        client: Address of the pod in the API, or what the connection came from.
        method: GET or HEAD.
        target: Path and query.
        status: 200, 206, 404, 416.
        sent: Bytes of the body that were sent.
        complete: Whether that was all of it; False where the client hung up.
        range: The ``Range`` header; empty without one.
    """

    client: str
    method: str
    target: str
    status: int
    sent: int
    complete: bool
    range: str = ""

    def line(self) -> str:
        """Return the line of the log."""
        return json.dumps(asdict(self)) + "\n"


def read_log(path: Path) -> list[OriginRequest]:
    """Return what the origin answered so far, in the order in which it ended."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [OriginRequest(**json.loads(line)) for line in lines]
