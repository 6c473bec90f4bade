"""Which pod serves the console while pods come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE
from dfmc.engine import console
from dfmc.engine.console import ServingPod
from dfmc.engine.session import Session
from dfmc.errors import AuthError, NotReadyError, UnreachableError
from dfmc.linting.loading import load
from dfmc.redaction import Redactor
from dfmc.state import PodState
from fakes import FakeKube


class Pods(FakeKube):
    """Manager pods by name, ready or not."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: dict[str, bool] = {}

    def put(self, name: str, *, ready: bool) -> None:
        self.ready[name] = ready
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.objects["Pod", "cluster-a", name] = {
            **{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "cluster-a"}},
            "status": {"conditions": conditions},
        }

    def remove(self, name: str) -> None:
        del self.ready[name]
        del self.objects["Pod", "cluster-a", name]

    async def pods(self, release: str, namespace: str) -> list[PodState]:
        return [PodState(name, "manager", "Running", ready, "10.0.0.1", "n") for name, ready in self.ready.items()]


class Factory:
    """Only what a console needs."""

    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube

    def kube(self, cluster: object) -> FakeKube:
        return self._kube

    def manager(self, base_url: str) -> Any:
        raise AssertionError("nobody signs in")


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Watches pods while a test changes them step by step; returns what was said."""
    monkeypatch.setattr(console, "_LOOK_SECONDS", 0.0)
    (tmp_path / "topology.yaml").write_text(GUIDE)
    loaded = load(str(tmp_path / "topology.yaml"))

    def run(kube: Pods, play: Callable[[ServingPod, Callable[[], Awaitable[None]]], Awaitable[None]]) -> list[str]:
        said: list[str] = []

        async def whole() -> None:
            clients: Any = Factory(kube)
            session = Session(loaded=loaded, factory=clients, redactor=Redactor())
            pod = ServingPod(session, said.append)
            await pod.find()
            watching = asyncio.ensure_future(pod.watch())

            async def turn() -> None:
                """Let the watch look a few times."""
                for _ in range(20):
                    await asyncio.sleep(0)
                if watching.done():
                    await watching

            try:
                async with asyncio.timeout(60):
                    await play(pod, turn)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

        asyncio.run(whole())
        return said

    return run


def test_the_next_pod_takes_over_and_connections_wait_for_it(follow: Callable[..., list[str]]) -> None:
    kube = Pods()
    kube.put("manager-1", ready=True)

    async def play(pod: ServingPod, turn: Callable[[], Awaitable[None]]) -> None:
        assert await pod.name() == "manager-1"
        await turn()
        kube.remove("manager-1")
        await turn()
        waiting = asyncio.ensure_future(pod.name())
        kube.put("manager-2", ready=False)
        await turn()
        assert not waiting.done()
        kube.put("manager-2", ready=True)
        assert await waiting == "manager-2"

    assert follow(kube, play) == [
        "pod manager-1 does not serve any more; waiting for a manager that is ready",
        "pod manager-2 serves now, at the same address",
    ]


def test_a_restarted_container_is_waited_for(follow: Callable[..., list[str]]) -> None:
    kube = Pods()
    kube.put("manager-1", ready=True)

    async def play(pod: ServingPod, turn: Callable[[], Awaitable[None]]) -> None:
        kube.put("manager-1", ready=False)
        await turn()
        kube.put("manager-1", ready=True)
        assert await pod.name() == "manager-1"

    assert follow(kube, play)[-1] == "pod manager-1 serves now, at the same address"


def test_an_api_server_that_is_away_ends_nothing_and_is_said_once(follow: Callable[..., list[str]]) -> None:
    kube = Pods()
    kube.put("manager-1", ready=True)

    async def play(pod: ServingPod, turn: Callable[[], Awaitable[None]]) -> None:
        kube.fail["get Pod manager-1"] = UnreachableError("kind-kind does not answer", why="connection refused")
        await turn()
        await turn()
        kube.fail.clear()
        await turn()
        assert await pod.name() == "manager-1"

    assert follow(kube, play) == ["kind-kind does not answer: connection refused; trying again"]


def test_rights_that_were_taken_away_end_the_watch(follow: Callable[..., list[str]]) -> None:
    kube = Pods()
    kube.put("manager-1", ready=True)

    async def play(pod: ServingPod, turn: Callable[[], Awaitable[None]]) -> None:
        kube.fail["get Pod manager-1"] = AuthError("pods may not be read")
        await turn()

    with pytest.raises(AuthError):
        follow(kube, play)


def test_without_a_ready_pod_it_does_not_begin(follow: Callable[..., list[str]]) -> None:
    kube = Pods()
    kube.put("manager-1", ready=False)

    async def play(pod: ServingPod, turn: Callable[[], Awaitable[None]]) -> None:
        raise AssertionError("must not begin")

    with pytest.raises(NotReadyError):
        follow(kube, play)
