"""Fetches the chart: once, checked by its digest, kept under that digest.

helm does not compare an archive with the digest in the index (seen with helm 3 and 4: a changed archive behind a right
index is installed), so dfmc does, and everything later uses the checked file by its absolute path.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from dfmc.clients.chart_archive import MAX_ARCHIVE, ChartMetadata, read_archive, read_directory
from dfmc.clients.chart_download import TOTAL_TIME, Downloads, refused
from dfmc.clients.chart_index import built_in_digests, find_package
from dfmc.clients.private_cache import private_cache
from dfmc.clients.protocols import ChartArchive
from dfmc.errors import DfmcError, IntegrityError, PreflightError
from dfmc.topology.model import OFFICIAL_REPOSITORY

PullOci = Callable[[str, str, Path], Awaitable[Path]]
"""(oci:// reference, version, empty directory) → the archive in it; ``PyHelm.pull`` is one."""

_STALE_PART = 3600.0


class ChartRepository:
    """Charts from http(s) repositories, OCI registries, archives and directories; implements ChartSource.

    Args:
        pull_oci: How ``oci://`` charts are had; None: they are refused.
        cache: Where archives are kept; default: ``charts`` in dfmc's cache directory.
        transport: Replaces the network, in tests.
        sleep: Waits between attempts.
        total_time: Seconds for one download, redirects included, however slowly it trickles.
    """

    def __init__(
        self,
        *,
        pull_oci: PullOci | None = None,
        cache: Path | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        total_time: float = TOTAL_TIME,
    ) -> None:
        self._pull_oci = pull_oci
        self._cache_given = cache
        self._transport = transport
        self._sleep = sleep
        self._total_time = total_time

    async def fetch(
        self, *, repository: str | None, path: str | None, name: str, version: str, sha256: str | None
    ) -> ChartArchive:
        """Return the chart; see ChartSource.

        Args:
            repository: http(s):// or oci:// address; None with no path: the official repository.
            path: Absolute path of an archive or a chart directory, instead.
            name: As Chart.yaml must give it.
            version: As Chart.yaml must give it.
            sha256: What the archive must have; else a digest built into dfmc, else the index's with a warning.
        """
        if path is not None:
            return await asyncio.to_thread(self._local, Path(path), name, version, sha256)
        address = repository or OFFICIAL_REPOSITORY
        official = address.rstrip("/") == OFFICIAL_REPOSITORY.rstrip("/")
        known = sha256 or (built_in_digests().get(version) if official and name == "dragonfly" else None)
        if known is not None and (cached := await asyncio.to_thread(self._cached, known)) is not None:
            content = await asyncio.to_thread(cached.read_bytes)
            return await asyncio.to_thread(_archive, cached, known, name, version, content)
        if address.startswith("oci://"):
            return await self._from_registry(address, name, version, known)
        return await self._from_repository(address, name, version, known)

    async def _from_repository(self, address: str, name: str, version: str, known: str | None) -> ChartArchive:
        index_url = address.rstrip("/") + "/index.yaml"
        async with Downloads(transport=self._transport, sleep=self._sleep, total_time=self._total_time) as downloads:
            index, final_url = await downloads.get(index_url)
            package = await asyncio.to_thread(find_package, index, final_url, name, version)
            expected = known or package.sha256
            if expected and (cached := await asyncio.to_thread(self._cached, expected)) is not None:
                content = await asyncio.to_thread(cached.read_bytes)
            else:
                content = await downloads.first_that_answers(package.urls)
        warning = ""
        if not known:
            source = "its digest comes from the repository itself" if expected else "its repository gives no digest"
            warning = _weak(f"{source} ({address})", content)
        return await asyncio.to_thread(self._keep, content, expected, name, version, warning)

    async def _from_registry(self, address: str, name: str, version: str, known: str | None) -> ChartArchive:
        if self._pull_oci is None:
            raise PreflightError(f"{address} cannot be fetched", why="no helm is at hand to pull from a registry")
        if urlsplit(address).username is not None or urlsplit(address).password is not None:
            raise refused(address, "the address carries a user name or password")
        reference = address.rstrip("/")
        if not reference.endswith(f"/{name}"):
            reference = f"{reference}/{name}"
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=self._cache()) as directory:
            pulled = await self._pull_oci(reference, version, Path(directory))
            content = await asyncio.to_thread(_read_bounded, pulled)
        warning = "" if known else _weak(f"nothing but {address} vouches for it", content)
        return await asyncio.to_thread(self._keep, content, known or "", name, version, warning)

    def _local(self, path: Path, name: str, version: str, sha256: str | None) -> ChartArchive:
        if not path.is_absolute():
            raise PreflightError(f"chart.path is not an absolute path: {path}", next_step="check `chart.path`")
        if path.is_dir():
            metadata, digest = read_directory(path)
            _compare(digest, sha256 or "", str(path))
            warning = "" if sha256 else _unpinned(digest)
            return _checked(ChartArchive(path, digest, *_fields(metadata), warning), name, version)
        content = _read_bounded(path)
        digest = hashlib.sha256(content).hexdigest()
        vouched = sha256 is not None or built_in_digests().get(version) == digest
        # A copy under its digest: the file could be replaced between this check and the last helm call.
        return self._keep(content, sha256 or "", name, version, "" if vouched else _unpinned(digest))

    def _keep(self, content: bytes, expected: str, name: str, version: str, warning: str) -> ChartArchive:
        digest = hashlib.sha256(content).hexdigest()
        _compare(digest, expected, f"{name} {version}")
        checked = _archive(self._place(digest), digest, name, version, content, warning)
        if self._cached(digest) is None:
            _write_atomically(checked.path, content)
        return checked

    def _cached(self, digest: str) -> Path | None:
        """Return the kept archive of that digest; one that does not have it (any more) is removed."""
        place = self._place(digest)
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable_cache(place, error) from error
        if hashlib.sha256(content).hexdigest() == digest:
            return place
        place.unlink(missing_ok=True)
        return None

    def _place(self, digest: str) -> Path:
        return self._cache() / f"{digest}.tgz"

    def _cache(self) -> Path:
        if self._cache_given is None:
            return private_cache("charts")
        self._cache_given.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._cache_given.absolute()


def _archive(path: Path, digest: str, name: str, version: str, content: bytes, warning: str = "") -> ChartArchive:
    metadata = read_archive(content, f"{name} {version}")
    return _checked(ChartArchive(path, digest, *_fields(metadata), warning), name, version)


def _fields(metadata: ChartMetadata) -> tuple[str, str, str]:
    return metadata.name, metadata.version, metadata.app_version


def _checked(archive: ChartArchive, name: str, version: str) -> ChartArchive:
    if (archive.name, archive.version) != (name, version):
        raise PreflightError(
            f"the chart is {archive.name} {archive.version}, not {name} {version}",
            why=f"so says the Chart.yaml inside (sha256 {archive.sha256})",
            next_step="put the right `name` and `version` under `chart:`",
        )
    return archive


def _compare(digest: str, expected: str, what: str) -> None:
    if expected and digest != expected:
        raise IntegrityError(
            f"{what} is not the chart that was expected",
            why=f"its sha256 is {digest}, expected was {expected}",
            next_step="find out who changed it; if the change is right, put the new digest into `chart.sha256`",
        )


def _unpinned(digest: str) -> str:
    return f"nothing vouches for the chart at chart.path; pin it with `sha256: {digest}` under `chart:`"


def _weak(why: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"the chart is not pinned: {why}; pin it with `sha256: {digest}` under `chart:`"


def _read_bounded(path: Path) -> bytes:
    try:
        # Not blocking: opening a pipe that nobody writes to would wait for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PreflightError(f"{path} is neither a file nor a directory", next_step="check `chart.path`")
            content = file.read(MAX_ARCHIVE + 1)
    except OSError as error:
        raise PreflightError(
            f"the chart at {path} cannot be read", why=error.strerror or str(error), next_step="check `chart.path`"
        ) from error
    if len(content) > MAX_ARCHIVE:
        raise refused(str(path), f"it is larger than {MAX_ARCHIVE // 1024 // 1024} MiB")
    return content


def _write_atomically(place: Path, content: bytes) -> None:
    """Make the file appear whole or not at all; what a killed run left half-written goes after an hour."""
    part = None
    try:
        _sweep(place.parent)
        descriptor, part = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(place)
    except OSError as error:
        if part is not None:
            Path(part).unlink(missing_ok=True)
        raise _unusable_cache(place, error) from error


def _sweep(cache: Path) -> None:
    """Remove what killed runs left behind. Runs share the cache: a part may become a chart while it is looked at."""
    for left in cache.glob(".*.part"):
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _STALE_PART:
                left.unlink()


def _unusable_cache(place: Path, error: OSError) -> DfmcError:
    return PreflightError(
        f"the chart cannot be kept in {place.parent}",
        why=error.strerror or str(error),
        next_step="make room there, or set XDG_CACHE_HOME to another directory",
    )
