from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc, Ended
from dfmc.cli import main
from dfmc.engine.session import Session
from fakes import FakeKube


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the guide's topology and no variable that would change what a command does."""
    for name in ("DFMC_FILE", "DFMC_TIMEOUT", "DFMC_YES", "GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("DFMC_CONCURRENCY", "DFMC_VERBOSE", "DFMC_QUIET", "DFMC_TESTBED", "KUBECONFIG", "REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # Programs of the bed stay where they are; everything else that a command writes goes into this test's directory.
    monkeypatch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    (work / "topology.yaml").write_text(GUIDE)
    return work


@pytest.fixture
def dfmc(capsys: pytest.CaptureFixture[str]) -> Dfmc:
    """Runs a command in this process: ``dfmc("validate", "-o", "json")``."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


class FakeClients:
    """Clients of a run that must not be needed."""

    def kube(self, cluster: object) -> FakeKube:
        return FakeKube()

    def helm(self, cluster: object) -> Any:
        raise AssertionError("no helm")

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager")

    def chart_source(self) -> Any:
        raise AssertionError("no chart")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Session]]:
    """Replaces one engine function; what it does with clusters is proven on the bed."""
    monkeypatch.setattr("dfmc.cli.running.make_factory", lambda *arguments: FakeClients())

    def put(name: str, answer: Callable[..., Any]) -> list[Session]:
        sessions: list[Session] = []

        async def run(session: Session, **rest: Any) -> Any:
            sessions.append(session)
            found = answer(session, **{key: value for key, value in rest.items() if value is not None})
            return await found if asyncio.iscoroutine(found) else found

        module = name if name in ("status", "down", "unlock") else "runs"
        monkeypatch.setattr(f"dfmc.engine.{module}.{name}", run)
        return sessions

    return put
