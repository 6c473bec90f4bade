"""The stand-in charts of the test bed, packaged and laid out as a Helm chart repository.

A stand-in is a chart of our own, named ``dragonfly``, that has one published chart's value paths, object names, labels,
selectors and configuration files, so that a release of it shows in real Dragonfly processes what the published one
would. It is made of ``charts/templates``, which renders every version by its own history of them, of a Chart.yaml and
default values in ``charts/dragonfly-<version>`` (see `chart_values`), and of the subcharts that the Chart.yaml names,
from ``charts/subcharts``. Another version is one more folder: nothing here names one.

Packages are byte for byte the same on every run of one machine (entries sorted, times and owners zero), so a bed can be
rebuilt without its digests moving.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from dfmc.errors import UsageError
from dfmc.testbed.chart_values import default_values

CHART_NAME = "dragonfly"
INDEX_FILE = "index.yaml"

_FOLDER = re.compile(rf"{CHART_NAME}-(\d+)\.(\d+)\.(\d+)")
_CREATED = "2000-01-01T00:00:00Z"  # Helm sorts by version, not by time; a fixed time keeps the index reproducible
_COPIED_TO_INDEX = ("apiVersion", "name", "version", "appVersion", "description", "type", "dependencies")


@dataclass(frozen=True)
class ChartPackage:
    """One packaged chart.

    Attributes:
        version: Version of the chart it stands in for, e.g. ``1.7.4``.
        metadata: The contents of its Chart.yaml.
        content: The bytes of the ``.tgz``.
    """

    version: str
    metadata: Mapping[str, Any]
    content: bytes

    @property
    def filename(self) -> str:
        """Name of the archive, as ``helm package`` would choose it."""
        return f"{CHART_NAME}-{self.version}.tgz"

    @property
    def sha256(self) -> str:
        """Digest of the archive, lower-case hex: the ``digest`` field of a repository's index."""
        return hashlib.sha256(self.content).hexdigest()


def standin_versions() -> tuple[str, ...]:
    """The chart versions that a stand-in exists for, oldest first."""
    found = (_FOLDER.fullmatch(entry.name) for entry in _sources().iterdir() if entry.is_dir())
    numbers = sorted(tuple(int(part) for part in match.groups()) for match in found if match)
    return tuple(".".join(map(str, number)) for number in numbers)


def package_chart(version: str) -> ChartPackage:
    """Packs the stand-in for one chart version together with its subcharts.

    Args:
        version: One of `standin_versions`.

    Raises:
        UsageError: There is no stand-in for that version.
    """
    known = standin_versions()
    if version not in known:
        raise UsageError(
            f"the test bed has no stand-in for chart version {version}",
            why=f"there are stand-ins for {', '.join(known)}",
            next_step="choose one of these, or give the bed a packaged chart with --chart PATH",
        )
    source = _sources() / f"{CHART_NAME}-{version}"
    metadata = yaml.safe_load((source / "Chart.yaml").read_text(encoding="utf-8"))
    entries = {
        f"{CHART_NAME}/Chart.yaml": (source / "Chart.yaml").read_bytes(),
        f"{CHART_NAME}/values.yaml": default_values(_sources(), version).encode(),
    }
    entries.update(_files_below(_sources() / "templates", f"{CHART_NAME}/templates"))
    for dependency in metadata.get("dependencies", ()):
        name = dependency["name"]
        entries.update(_files_below(_sources() / "subcharts" / name, f"{CHART_NAME}/charts/{name}"))
    return ChartPackage(version=version, metadata=metadata, content=_archive(entries))


def repository_index(packages: Iterable[ChartPackage]) -> str:
    """The text of the ``index.yaml`` that lists these packages, newest first, under URLs relative to itself."""
    entries = [
        {key: package.metadata[key] for key in _COPIED_TO_INDEX if key in package.metadata}
        | {"created": _CREATED, "digest": package.sha256, "urls": [package.filename]}
        for package in packages
    ]
    entries.sort(key=lambda entry: [int(part) for part in str(entry["version"]).split(".")], reverse=True)
    index = {"apiVersion": "v1", "generated": _CREATED, "entries": {CHART_NAME: entries}}
    return yaml.safe_dump(index, sort_keys=False)


def write_repository(directory: Path, versions: Iterable[str] | None = None) -> tuple[ChartPackage, ...]:
    """Writes a chart repository: one archive per version and the index that names them.

    Args:
        directory: Where to; made if absent, and files of the same names are replaced.
        versions: Which stand-ins; all of them where left out.

    Returns:
        What was written, in the order of ``versions``.

    Raises:
        UsageError: There is no stand-in for one of the versions; nothing has been written then.
    """
    packages = tuple(package_chart(version) for version in (standin_versions() if versions is None else versions))
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (directory / package.filename).write_bytes(package.content)
    # The index goes last: a reader that sees it finds every archive it names.
    (directory / INDEX_FILE).write_text(repository_index(packages), encoding="utf-8")
    return packages


def _sources() -> Traversable:
    return files("dfmc.testbed") / "charts"


def _files_below(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.is_dir():
            yield from _files_below(entry, name)
        else:
            yield name, entry.read_bytes()


def _archive(entries: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(entries):
            member = tarfile.TarInfo(name)  # starts with time 0, owner 0 and mode 0644
            member.size = len(entries[name])
            archive.addfile(member, io.BytesIO(entries[name]))
    return gzip.compress(raw.getvalue(), mtime=0)
