"""Published builds, where the internet answers: fetched over HTTPS and checked against the published sha256."""

from __future__ import annotations

import hashlib
import platform
import re
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from dfmc.errors import IntegrityError, UnreachableError
from dfmc.testbed.binaries.catalogue import Download

PROBE_URL = "https://dl.k8s.io/"
_PROBE_SECONDS = 3.0
_READ_SECONDS = 30.0
_CHUNK = 1 << 20

_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def go_architecture() -> str:
    """Return Go's name of this machine's architecture; the machine's own name where it is not a usual one."""
    machine = platform.machine()
    return _GO_ARCHITECTURES.get(machine, machine)


def internet_answers(url: str = PROBE_URL) -> bool:
    """Tell within about three seconds whether published builds can be fetched."""
    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def published_sha256(text: str, file_name: str) -> str:
    """Find a file's sha256 in a checksum file, which holds it alone or before the file's name.

    Raises:
        IntegrityError: The text has no line for it.
    """
    for line in text.splitlines():
        words = line.split()
        if not words or not re.fullmatch(r"[0-9a-fA-F]{64}", words[0]):
            continue
        if len(words) == 1 or words[-1].lstrip("*").rsplit("/", 1)[-1] == file_name:
            return words[0].lower()
    raise IntegrityError(f"the publisher's checksum file names no {file_name}")


def fetch(download: Download, directory: Path) -> Path:
    """Fetch, check and unpack one program into ``directory``; return its file.

    Raises:
        UnreachableError: A URL did not answer, or broke off.
        IntegrityError: The content is not what the publisher's checksum says.
    """
    arch = go_architecture()
    url = download.url.format(arch=arch)
    name = url.rsplit("/", 1)[-1]
    expected = published_sha256(_text(download.checksum_url.format(arch=arch)), name)
    archive = directory / f"{name}.part"
    seen = _save(url, archive)
    if seen != expected:
        archive.unlink()
        raise IntegrityError(
            "a download is not what its publisher's checksum says",
            where=url,
            why=f"expected sha256 {expected}, got {seen}",
        )
    if not download.member:
        return archive
    target = directory / "unpacked.part"
    member = download.member.format(arch=arch)
    try:
        with tarfile.open(archive) as tar, target.open("wb") as out:
            source = tar.extractfile(member)
            while source is not None and (chunk := source.read(_CHUNK)):
                out.write(chunk)
    except (KeyError, tarfile.TarError) as error:
        target.unlink(missing_ok=True)
        raise IntegrityError(f"the published archive holds no {member}", where=url, why=str(error)) from error
    archive.unlink()
    return target


def _text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_READ_SECONDS) as answer:  # noqa: S310
            return str(answer.read(_CHUNK).decode())
    except OSError as error:
        raise UnreachableError("a checksum file could not be fetched", where=url, why=str(error)) from error


def _save(url: str, target: Path) -> str:
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=_READ_SECONDS) as answer, target.open("wb") as out:  # noqa: S310
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)
    except OSError as error:
        raise UnreachableError("a download broke off", where=url, why=str(error)) from error
    return digest.hexdigest()
