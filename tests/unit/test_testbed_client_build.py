"""Building the data plane's programs: only when asked for, resumable, with progress; and the library of addresses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bed_tools import free_port
from dfmc.errors import PreflightError
from dfmc.testbed.binaries import ALWAYS, CRATE_PROGRAMS, DATA_PLANE, PROGRAMS, BinaryCache, client, ensure_client
from dfmc.testbed.binaries.client import ADDRESS_MAP, CARGO_ENVIRONMENT, build_library, find_cargo, steps
from dfmc.testbed.client_choice import client_programs
from dfmc.testbed.layout import BedLayout, BedRequest, ClientChoice, StoredBed
from dfmc.testbed.plan import BedPlan

# Notes its arguments, and does what `cargo install CRATE … --root DIR --bin NAME …` does.
CARGO = """#!/bin/sh
echo "$@" >> "{log}"
crate="$2"
printf '    Updating the index\\r    Building [=>  ] 1/4: a, b\\r' >&2
printf '    Building [==> ] 2/4: c\\rerror: no such thing\\n' >&2
[ "$crate" = "{broken}" ] && exit 101
while [ $# -gt 0 ]; do
  [ "$1" = --root ] && root="$2"
  [ "$1" = --bin ] && mkdir -p "$root/bin" && echo "$CARGO_PROFILE_DEV_DEBUG $CARGO_TARGET_DIR" > "$root/bin/$2"
  shift
done
exit 0
"""


def fake_cargo(directory: Path, monkeypatch: pytest.MonkeyPatch, broken: str = "nothing") -> Path:
    """Put a ``cargo`` first on PATH; return its log. No system package is looked for."""
    programs, log = directory / "cargo-bin", directory / "cargo.log"
    programs.mkdir(exist_ok=True)
    (programs / "cargo").write_text(CARGO.format(log=log, broken=broken))
    (programs / "cargo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(client, "ensure_system_programs", lambda report, programs: {})
    monkeypatch.setattr(client, "build_library", lambda library, cache: None)
    return log


def test_no_bed_builds_the_data_plane_by_itself() -> None:
    optional = {program.name for program in (*DATA_PLANE, *CRATE_PROGRAMS)}
    assert not optional & {*ALWAYS, *(program.name for program in PROGRAMS)}


def test_each_crate_is_built_once_with_all_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, cache, lines = fake_cargo(tmp_path, monkeypatch), BinaryCache(tmp_path / "cache"), list[str]()
    ensure_client(cache, lines.append)
    first, second = log.read_text().splitlines()
    assert "install dragonfly-client --version 1.4.0 --locked" in first
    assert first.endswith("--bin dfdaemon --bin dfget --bin dfctl")
    assert second.endswith("--bin dfinit")
    # Both crates share what they compile, and nothing of it stays once both are done.
    target = tmp_path / "cache" / "build" / "rust" / "target"
    assert {cache.path(program.name).read_text() for program in CRATE_PROGRAMS} == {f"0 {target}\n"}
    assert not target.parent.exists()
    assert "dragonfly-client: 2 of 4 crates compiled" in lines
    ensure_client(cache, lines.append)
    assert len(log.read_text().splitlines()) == 2


def test_a_failed_crate_keeps_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = BinaryCache(tmp_path / "cache")
    fake_cargo(tmp_path, monkeypatch, broken="dragonfly-client-init")
    with pytest.raises(PreflightError, match="error: no such thing") as caught:
        ensure_client(cache, lambda line: None)
    assert caught.value.exit_code == 4
    assert "binaries --client" in caught.value.next_step
    assert (tmp_path / "cache" / "build" / "rust").is_dir()  # what was compiled
    assert [cache.is_current(program) for program in CRATE_PROGRAMS] == [True, True, True, False]
    log = fake_cargo(tmp_path, monkeypatch)
    log.unlink()
    ensure_client(cache, lambda line: None)
    assert [line.split()[1] for line in log.read_text().splitlines()] == ["dragonfly-client-init"]


def test_without_cargo_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    with pytest.raises(PreflightError, match="no cargo") as caught:
        ensure_client(BinaryCache(tmp_path / "cache"), lambda line: None)
    assert caught.value.exit_code == 4
    assert "rustup" in caught.value.next_step


def test_cargo_is_found_where_rustup_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setenv("CARGO_HOME", str(tmp_path))
    cargo = tmp_path / "bin" / "cargo"
    cargo.parent.mkdir()
    cargo.write_text("")
    cargo.chmod(0o755)
    assert find_cargo() == cargo


def test_a_digest_covers_version_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    program = CRATE_PROGRAMS[0]
    digests = {program.digest(), replace(program, version="1.4.1").digest(), ADDRESS_MAP.digest()}
    monkeypatch.setitem(CARGO_ENVIRONMENT, "CARGO_PROFILE_DEV_DEBUG", "2")
    digests.add(program.digest())
    monkeypatch.setattr(client, "FIRST_POD_OCTET", 65)
    digests.add(ADDRESS_MAP.digest())
    assert len(digests) == 5


def test_progress_is_told_in_twentieths() -> None:
    lines = [f"    Building [=> ] {done}/400: crate".encode() for done in range(401)]
    told = list(steps([b"   Compiling x v1/2", *lines, *lines, b"    Building [ ] 0/0: x"]))
    assert told == [(done, 400) for done in range(0, 401, 20)]


CASES: list[tuple[ClientChoice, bool | None, bool, bool | None]] = [
    # choice, the bed's own (None: a new bed), program there, clients run (None: refused)
    ("auto", None, True, True),
    ("auto", None, False, False),
    ("real", None, True, True),
    ("real", None, False, None),
    ("simulated", None, True, False),
    ("auto", True, True, True),
    ("auto", True, False, None),
    ("auto", False, True, False),
    ("real", True, True, True),
    ("real", False, True, None),
    ("simulated", True, True, None),
    ("simulated", False, False, False),
]


@pytest.mark.parametrize(("choice", "own", "there", "runs"), CASES)
def test_a_bed_keeps_the_clients_it_was_made_with(
    tmp_path: Path, choice: ClientChoice, own: bool | None, there: bool, runs: bool | None
) -> None:
    cache = BinaryCache(tmp_path)
    for program in DATA_PLANE if there else ():
        (tmp_path / "part").write_text("")
        cache.install(program, tmp_path / "part")
    names = {program.name: "/x" for program in DATA_PLANE} if own else {}
    stored = None if own is None else StoredBed(BedPlan(()), tmp_path, 3, names)
    request = BedRequest(directory=tmp_path, clients=choice)
    if runs is None:
        with pytest.raises(PreflightError) as caught:
            client_programs(request, stored, cache)
        assert caught.value.next_step
    else:
        expected = {program.name: str(cache.path(program.name)) for program in DATA_PLANE} if runs else {}
        assert client_programs(request, stored, cache) == expected


def test_what_a_bed_was_made_with_is_in_its_file(tmp_path: Path) -> None:
    layout = BedLayout(tmp_path)
    for programs in ({}, {"dfdaemon": "/bin/dfdaemon"}):
        StoredBed(BedPlan(()), tmp_path, 3, programs).write(layout)
        stored = StoredBed.read(layout)
        assert stored is not None
        assert stored.state(layout).clients is bool(programs)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        if os.environ.get("DFMC_REQUIRE_CLIENT"):
            pytest.fail("no C compiler")
        pytest.skip("no C compiler: the bed's library of addresses cannot be built")
    cache = BinaryCache(tmp_path_factory.mktemp("cache"))
    build_library(ADDRESS_MAP, cache)
    assert cache.is_current(ADDRESS_MAP)
    return cache.path(ADDRESS_MAP.name)


DIAL = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as connection:
        print(*connection.getpeername()[:1], connection.getsockname()[0])
except OSError as error:
    print(error.strerror)
"""


def dialled(library: Path, host: str, port: int, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", DIAL, host, str(port)],
        env={"LD_PRELOAD": str(library), "DFMC_BED_BLOCK": "5", "DFMC_BED_SOURCE": "127.69.0.9", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("10.69.0.7", "127.69.0.7"),  # a pod of the cluster
        ("10.69.255.2", "127.69.255.2"),  # a node
        ("10.70.255.2", "127.70.255.2"),  # a node of another cluster
        ("127.133.0.10", "127.133.0.10"),  # a Service
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_program_reaches_pods_by_their_addresses_and_from_its_own(library: Path, host: str, place: str) -> None:
    with socket.create_server((place, 0)) as server:
        assert dialled(library, host, server.getsockname()[1]) == f"{place} 127.69.0.9"


@pytest.mark.parametrize(("host", "place"), [("10.70.0.7", "127.70.0.7"), ("127.134.0.10", "127.134.0.10")])
def test_a_program_does_not_reach_the_inside_of_another_cluster(library: Path, host: str, place: str) -> None:
    with socket.create_server((place, 0)) as server:
        assert dialled(library, host, server.getsockname()[1]) == "Connection refused"


def test_the_library_does_nothing_for_a_program_without_a_place(library: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = dialled(library, "127.0.0.1", server.getsockname()[1], DFMC_BED_BLOCK="", DFMC_BED_SOURCE="")
    assert answer == "127.0.0.1 127.0.0.1"
    assert dialled(library, "127.0.0.1", free_port()) == "Connection refused"
