import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import yaml

from dfmc.errors import UsageError
from dfmc.testbed.chart_repository import (
    ChartPackage,
    package_chart,
    repository_index,
    standin_versions,
    write_repository,
)


def members(package: ChartPackage) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(package.content), mode="r:gz") as archive:
        return archive.getmembers()


def read(package: ChartPackage, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(package.content), mode="r:gz") as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read().decode()


def test_versions_are_listed_oldest_first() -> None:
    versions = standin_versions()
    assert {"1.1.1", "1.7.4"} <= set(versions)
    assert list(versions) == sorted(versions, key=lambda version: [int(part) for part in version.split(".")])


@pytest.mark.parametrize("version", standin_versions())
def test_a_package_is_the_same_bytes_every_time_and_holds_no_trace_of_when_or_who(version: str) -> None:
    package = package_chart(version)
    assert package.content == package_chart(version).content
    assert gzip.decompress(package.content)  # a whole gzip member …
    assert package.content[4:8] == b"\0\0\0\0"  # … whose header has no time
    found = members(package)
    assert [member.name for member in found] == sorted(member.name for member in found)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in found} == {(0, 0, 0, "", "", 0o644)}


@pytest.mark.parametrize("version", standin_versions())
def test_a_package_has_the_layout_that_helm_loads(version: str) -> None:
    package = package_chart(version)
    names = [member.name for member in members(package)]
    assert all(name.startswith("dragonfly/") for name in names)
    chart = yaml.safe_load(read(package, "dragonfly/Chart.yaml"))
    assert (chart["name"], chart["version"]) == ("dragonfly", version)
    assert isinstance(yaml.safe_load(read(package, "dragonfly/values.yaml")), dict)
    assert any(name.startswith("dragonfly/templates/") for name in names)


@pytest.mark.parametrize("version", standin_versions())
def test_every_dependency_is_inside_in_the_version_asked_for_and_nothing_else_is(version: str) -> None:
    package = package_chart(version)
    dependencies = yaml.safe_load(read(package, "dragonfly/Chart.yaml"))["dependencies"]
    values = yaml.safe_load(read(package, "dragonfly/values.yaml"))
    for dependency in dependencies:
        name = dependency["name"]
        subchart = yaml.safe_load(read(package, f"dragonfly/charts/{name}/Chart.yaml"))
        assert (subchart["name"], subchart["version"]) == (name, dependency["version"])
        assert dependency["condition"] == f"{name}.enable"
        assert isinstance(values[name]["enable"], bool)
    inside = {member.name.split("/")[2] for member in members(package) if "/charts/" in member.name}
    assert inside == {dependency["name"] for dependency in dependencies}


@pytest.mark.parametrize("version", standin_versions())
def test_a_package_carries_only_chart_files(version: str) -> None:
    suffixes = {Path(member.name).suffix for member in members(package_chart(version))}
    assert suffixes <= {".yaml", ".tpl", ".txt"}


def test_an_unknown_version_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    target = tmp_path / "charts"
    with pytest.raises(UsageError) as raised:
        write_repository(target, ["1.7.4", "9.9.9"])
    assert "9.9.9" in str(raised.value)
    assert "1.7.4" in raised.value.why
    assert not target.exists()


def test_a_version_is_no_path() -> None:
    with pytest.raises(UsageError):
        package_chart("../subcharts/mysql")


def test_the_repository_lists_every_archive_with_its_digest_and_a_relative_url(tmp_path: Path) -> None:
    packages = write_repository(tmp_path / "new" / "repository")
    directory = tmp_path / "new" / "repository"
    index = yaml.safe_load((directory / "index.yaml").read_text())
    assert index["apiVersion"] == "v1"
    entries = index["entries"]["dragonfly"]
    assert [entry["version"] for entry in entries] == [*reversed(standin_versions())]
    for entry in entries:
        (url,) = entry["urls"]
        assert hashlib.sha256((directory / url).read_bytes()).hexdigest() == entry["digest"]
    assert {path.name for path in directory.iterdir()} == {"index.yaml"} | {p.filename for p in packages}


def test_writing_again_replaces_and_changes_nothing(tmp_path: Path) -> None:
    write_repository(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "dragonfly-1.7.4.tgz").write_bytes(b"damaged")
    write_repository(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_index_holds_only_what_it_is_given() -> None:
    index = yaml.safe_load(repository_index([package_chart("1.1.1")]))
    (entry,) = index["entries"]["dragonfly"]
    assert (entry["version"], str(entry["appVersion"])) == ("1.1.1", "2.1.0")
