"""Looks into a chart without unpacking it, and tells whether it is the one that was asked for."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import DfmcError, PreflightError

MAX_ARCHIVE = 20 * 1024 * 1024
"""Bytes of a chart archive, an index, or the files of a chart directory together; helm itself takes about as much."""

_MAX_UNPACKED = 100 * 1024 * 1024
_MAX_FILES = 10_000
_MAX_METADATA = 1024 * 1024
_CHECK_CHART = "check `chart:` in the file"


@dataclass(frozen=True)
class ChartMetadata:
    """What Chart.yaml says of a chart."""

    name: str
    version: str
    app_version: str


def read_archive(content: bytes, where: str) -> ChartMetadata:
    """Return the metadata of a chart archive (.tgz).

    Args:
        content: The whole archive.
        where: How to call it in errors.

    Raises:
        PreflightError: It is no chart archive, too big when unpacked, or has entries that would leave its directory.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            return _metadata(_chart_yaml_of(archive, where), where)
    # The last three come from cut or broken gzip data.
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _not_a_chart(where, str(error) or "the archive ends too early") from error


def _chart_yaml_of(archive: tarfile.TarFile, where: str) -> bytes:
    unpacked, tops, found = 0, set[str](), b""
    for count, member in enumerate(archive, start=1):
        unpacked += member.size
        # Before the next entry is read: skipping this one would unpack it.
        if unpacked > _MAX_UNPACKED or count > _MAX_FILES:
            raise _not_a_chart(where, "it is too big when unpacked")
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise _not_a_chart(where, f"it has an entry outside its own directory: {member.name!r:.100}")
        if not (member.isfile() or member.isdir()):
            raise _not_a_chart(where, f"it has an entry that is neither file nor directory: {member.name!r:.100}")
        if path.parts:
            tops.add(path.parts[0])
        if member.isfile() and path.parts[1:] == ("Chart.yaml",):
            if member.size > _MAX_METADATA:
                raise _not_a_chart(where, "its Chart.yaml is too big")
            reader = archive.extractfile(member)
            found = reader.read() if reader is not None else b""
    if len(tops) != 1:
        raise _not_a_chart(where, "a chart archive has exactly one directory at its top")
    if not found:
        raise _not_a_chart(where, "it has no Chart.yaml")
    return found


def read_directory(directory: Path) -> tuple[ChartMetadata, str]:
    """Return the metadata of an unpacked chart and the sha256 over its files' names and contents.

    Raises:
        PreflightError: It is no chart, or has links or special files, or is too big.
    """
    where = str(directory)
    digest, size = hashlib.sha256(), 0
    metadata: bytes | None = None
    for count, name in enumerate(_files_below(directory), start=1):
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise _not_a_chart(where, f"it has an entry that is neither file nor directory: {name!r:.100}")
        content = path.read_bytes() if path.stat().st_size <= MAX_ARCHIVE else b""
        size += path.stat().st_size
        if size > MAX_ARCHIVE or count > _MAX_FILES:
            raise _not_a_chart(where, "it is too big")
        # Lengths, because names and contents could be shifted into each other otherwise.
        encoded = name.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%s%d:" % (len(encoded), encoded, len(content)))
        digest.update(content)
        if name == "Chart.yaml":
            metadata = content
    if metadata is None:
        raise _not_a_chart(where, "it has no Chart.yaml")
    return _metadata(metadata, where), digest.hexdigest()


def _files_below(directory: Path) -> Iterator[str]:
    names = []
    for folder, folders, files in os.walk(directory):
        linked = [f for f in folders if (Path(folder) / f).is_symlink()]
        names += [(Path(folder) / name).relative_to(directory).as_posix() for name in (*files, *linked)]
        if len(names) > _MAX_FILES:
            break
    yield from sorted(names)


def _metadata(chart_yaml: bytes, where: str) -> ChartMetadata:
    try:
        parsed = load_yaml(chart_yaml)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _not_a_chart(where, f"its Chart.yaml is not YAML: {error}") from error
    if not isinstance(parsed, dict):
        raise _not_a_chart(where, "its Chart.yaml is not a map")
    name, version = parsed.get("name"), parsed.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise _not_a_chart(where, "its Chart.yaml does not give name and version as text")
    if parsed.get("type") == "library":
        raise _not_a_chart(where, "it is a library chart, which cannot be installed")
    return ChartMetadata(name, version, str(parsed.get("appVersion") or ""))


def _not_a_chart(where: str, why: str) -> DfmcError:
    return PreflightError(f"{where} is not a chart that dfmc installs", why=why, next_step=_CHECK_CHART)
