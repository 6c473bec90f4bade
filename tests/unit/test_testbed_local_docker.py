"""The Docker engine for machines without an init system: what it is started with, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfmc.errors import DfmcError, PreflightError, UsageError
from dfmc.testbed.kind.local_docker import __main__ as command
from dfmc.testbed.kind.local_docker import engine, runc_wrapper, settings
from dfmc.testbed.kind.local_docker.settings import EngineFiles

EVERYTHING = (1 << len(settings.CAPABILITIES)) - 1
SYS_RESOURCE = 24  # capabilities(7), linux/capability.h


def status(held: int) -> str:
    return f"Name:\tpython\nCapInh:\t0000000000000000\nCapPrm:\t{held:016x}\nCapEff:\t0000000000000000\n"


def test_what_root_lacks_here_is_named() -> None:
    assert settings.missing_capabilities(status(EVERYTHING)) == ()
    assert settings.missing_capabilities(status(EVERYTHING & ~(1 << SYS_RESOURCE))) == ("CAP_SYS_RESOURCE",)
    assert settings.missing_capabilities(status(EVERYTHING & ~1)) == ("CAP_CHOWN",)


def test_everything_of_dockerd_but_its_socket_lies_in_one_directory() -> None:
    argv = settings.dockerd_command(Path("/usr/sbin/dockerd"), EngineFiles(Path("/d")), wrapped=True)
    assert argv == [
        "/usr/sbin/dockerd",
        "--host=unix:///var/run/docker.sock",
        "--data-root=/d/data",
        "--exec-root=/d/run",
        "--pidfile=/d/docker.pid",
        "--log-level=warn",
        "--add-runtime=dfmc=/d/runc",
        "--default-runtime=dfmc",
    ]
    plain = settings.dockerd_command(Path("/usr/sbin/dockerd"), EngineFiles(Path("/d")), wrapped=False)
    assert plain == argv[:-2]


def test_a_path_too_long_for_sockets_is_seen_before_dockerd_starts() -> None:
    assert settings.fits_a_socket(Path("/home/somebody/.cache/dfmc/docker"))
    assert not settings.fits_a_socket(Path("/" + "x" * 100))


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["--root", "/r", "create", "--bundle", "/b", "id"], "/b/config.json"),
        (["create", "--bundle=/b", "id"], "/b/config.json"),
        (["run", "-b", "/b", "id"], "/b/config.json"),
        (["--root", "/r", "exec", "--process", "/p.json", "id"], "/p.json"),
        (["exec", "id", "sh"], ""),
        (["state", "id"], ""),
        (["--version"], ""),
    ],
)
def test_the_wrapper_finds_what_runc_is_told_of_a_process(arguments: list[str], file: str) -> None:
    found = runc_wrapper.described_process(arguments)
    assert found == (Path(file) if file else None)


def test_the_wrapper_takes_capabilities_away_and_changes_nothing_else(tmp_path: Path) -> None:
    sets = {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "ambient": ["CAP_SYS_RESOURCE"]}
    (tmp_path / "config.json").write_text(
        json.dumps({"root": {"path": "r"}, "process": {"args": ["sh"], "capabilities": sets}})
    )
    runc = tmp_path / "real runc"
    runc.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    script = tmp_path / "runc"
    script.write_text(
        settings.runc_script(sys.executable, Path(runc_wrapper.__file__), runc, ("CAP_SYS_RESOURCE", "CAP_MKNOD"))
    )
    for program in (runc, script):
        program.chmod(0o755)
    argv = [str(script), "create", "--bundle", str(tmp_path), "an id"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"create|--bundle|{tmp_path}|an id|"
    assert json.loads((tmp_path / "config.json").read_text()) == {
        "root": {"path": "r"},
        "process": {"args": ["sh"], "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": []}},
    }


def test_a_process_without_capabilities_stays_as_it_is() -> None:
    assert runc_wrapper.without({"args": ["sh"]}, {"CAP_CHOWN"}) == {"args": ["sh"]}


def test_another_engine_of_the_user_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="DOCKER_HOST"):
        engine.start(EngineFiles(tmp_path), list[str]().append)


def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DfmcError:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "answers", lambda: False)
    with pytest.raises(PreflightError) as failure:
        engine.start(EngineFiles(tmp_path / "docker"), list[str]().append)
    assert not (tmp_path / "docker").exists()
    return failure.value


def test_only_root_starts_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in refusal(tmp_path, monkeypatch).what


def test_an_engine_that_answers_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "answers", lambda: True)
    assert engine.start(EngineFiles(tmp_path / "docker"), list[str]().append) is False
    assert not (tmp_path / "docker").exists()


def test_a_number_that_now_belongs_to_another_process_is_not_ended(tmp_path: Path) -> None:
    where = EngineFiles(tmp_path)
    assert engine.running(where) is None
    where.pid.write_text(f"{os.getpid()}")
    assert engine.running(where) is None
    assert engine.stop(where) is False


def test_ending_it_deletes_only_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = tmp_path / "docker"
    (where / "data").mkdir(parents=True)
    assert command.main(["--directory", str(where), "down"]) == 0
    assert where.exists()
    assert command.main(["--directory", str(where), "down", "--delete"]) == 0
    assert not where.exists()
    assert "no Docker engine" in capsys.readouterr().err


def test_a_socket_that_nobody_serves_is_no_engine(tmp_path: Path) -> None:
    assert engine.answers(tmp_path / "absent.sock") is False
