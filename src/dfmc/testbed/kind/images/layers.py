"""Layers: tar archives of files, links and directories, byte for byte the same for the same content."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

_CHUNK = 1 << 20


@dataclass(frozen=True)
class File:
    """A file of a layer.

    Attributes:
        path: Where, without a leading slash.
        content: Its bytes, or the file on this machine that holds them.
        mode: Permission bits.
    """

    path: str
    content: bytes | Path
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link of a layer."""

    path: str
    target: str


@dataclass(frozen=True)
class Directory:
    """A directory whose permissions matter, or that stays empty; others are made as files need them."""

    path: str
    mode: int = 0o755


Entry = File | Link | Directory


def program(path: str, content: bytes | Path) -> File:
    """Return an executable file."""
    return File(path, content, 0o755)


def write_layer(entries: Sequence[Entry], out: IO[bytes]) -> None:
    """Write the entries, their parent directories first, as an uncompressed tar archive.

    Owner, times and order do not depend on the machine, so that an image made twice has the same digest.
    """
    named = {entry.path: entry for entry in entries}
    directories = {str(parent) for path in named for parent in PurePosixPath(path).parents} - {"."} - set(named)
    everything: list[Entry] = [*named.values(), *(Directory(path) for path in directories)]
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in sorted(everything, key=lambda entry: PurePosixPath(entry.path).parts):
            _add(tar, entry)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    if isinstance(entry, Link):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
        tar.addfile(info)
    elif isinstance(entry, Directory):
        info.type, info.mode = tarfile.DIRTYPE, entry.mode
        tar.addfile(info)
    elif isinstance(entry.content, bytes):
        info.size, info.mode = len(entry.content), entry.mode
        tar.addfile(info, io.BytesIO(entry.content))
    else:
        info.size, info.mode = entry.content.stat().st_size, entry.mode
        with entry.content.open("rb") as source:
            tar.addfile(info, source)


def pack(layer: Path, out: IO[bytes]) -> None:
    """Write a layer gzip-compressed, fast rather than small, and without a time in it."""
    with layer.open("rb") as source, gzip.GzipFile("", "wb", 1, out, mtime=0) as packed:
        shutil.copyfileobj(source, packed, _CHUNK)


def file_sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    content = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            content.update(chunk)
    return content.hexdigest()


def entries_digest(entries: Iterable[Entry], program_digests: dict[Path, str]) -> str:
    """Return a digest of what a layer would be made from, without reading big files.

    Args:
        entries: The layer's entries.
        program_digests: Of each file on this machine, the digest of what it was made from.
    """
    content = hashlib.sha256()
    for entry in entries:
        if isinstance(entry, File):
            inside = entry.content if isinstance(entry.content, bytes) else program_digests[entry.content].encode()
            content.update(f"file {entry.path} {entry.mode:o} {hashlib.sha256(inside).hexdigest()}\n".encode())
        elif isinstance(entry, Link):
            content.update(f"link {entry.path} {entry.target}\n".encode())
        else:
            content.update(f"directory {entry.path} {entry.mode:o}\n".encode())
    return content.hexdigest()
