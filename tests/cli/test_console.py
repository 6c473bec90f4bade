from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc
from dfmc.state import PodState
from fakes import FakeKube

CANARY = "sesame-canary-1"


class ForwardingKube(FakeKube):
    """A manager pod whose port is forwarded until somebody presses Ctrl-C, right after the address was printed."""

    def __init__(self, *, ready: bool = True) -> None:
        super().__init__()
        self.ready = ready
        self.forwarded: list[tuple[str, str, int]] = []
        self.closed = False

    async def pods(self, release: str, namespace: str) -> list[PodState]:
        phase = "Running" if self.ready else "Pending"
        return [PodState("dragonfly-manager-1", "manager", phase, self.ready, "10.0.0.1", "node")]

    def follow_pod(
        self, namespace: str, choose: Callable[[], Awaitable[str]], port: int, *, local_port: int = 0
    ) -> AbstractAsyncContextManager[int]:
        return self._forward(namespace, choose, port, local_port or 40123)

    @asynccontextmanager
    async def _forward(
        self, namespace: str, choose: Callable[[], Awaitable[str]], port: int, local_port: int
    ) -> AsyncIterator[int]:
        self.forwarded.append((namespace, await choose(), port))
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        try:
            yield local_port
        finally:
            self.closed = True


class Clients:
    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube

    def kube(self, cluster: object) -> FakeKube:
        return self._kube

    def manager(self, base_url: str) -> Any:
        raise AssertionError("nobody signs in")

    def close(self) -> None:
        """Nothing is open."""


def use(monkeypatch: pytest.MonkeyPatch, kube: FakeKube) -> None:
    monkeypatch.setattr("dfmc.cli.running.make_factory", lambda *arguments: Clients(kube))


def test_the_console_is_forwarded_until_ctrl_c(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = ForwardingKube()
    use(monkeypatch, kube)
    ended = dfmc("console")
    assert (ended.code, ended.out) == (0, "http://127.0.0.1:40123\n")
    assert kube.forwarded == [("cluster-a", "dragonfly-manager-1", 8080)]
    assert kube.closed
    assert ended.err.endswith("closed\n")


def test_the_local_port_can_be_chosen(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ForwardingKube())
    assert dfmc("console", "--port", "8099").out == "http://127.0.0.1:8099\n"
    assert dfmc("console", "--port", "70000").code == 64


@pytest.mark.parametrize("opens", [True, False])
def test_a_browser_is_opened_on_request(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, opens: bool) -> None:
    opened: list[str] = []

    def browser(address: str) -> bool:
        opened.append(address)
        return opens

    monkeypatch.setattr("webbrowser.open", browser)
    use(monkeypatch, ForwardingKube())
    dfmc("console")
    assert opened == []
    ended = dfmc("console", "--open")
    assert (ended.code, opened) == (0, ["http://127.0.0.1:40123"])
    assert ("no browser could be opened" in ended.err) is not opens


def test_a_url_of_the_file_s_own_is_printed(dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = GUIDE.replace("  cluster: a\n", "  cluster: a\n  access: https://manager.example\n", 1)
    (workplace / "topology.yaml").write_text(text)
    use(monkeypatch, FakeKube())
    ended = dfmc("console")
    assert (ended.code, ended.out) == (0, "https://manager.example\n")


def test_no_ready_manager_is_10_with_its_phase(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ForwardingKube(ready=False))
    ended = dfmc("console")
    assert (ended.code, ended.out) == (10, "")
    assert "dragonfly-manager-1 is Pending" in ended.err


def test_the_password_is_printed_only_when_asked_for(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube()
    use(monkeypatch, kube)
    ended = dfmc("console", "--show-password")
    assert ended.code == 10
    assert "Secret cluster-a/dfmc-dragonfly is not there" in ended.err
    kube.objects["Secret", "cluster-a", "dfmc-dragonfly"] = {
        "kind": "Secret",
        "metadata": {
            "name": "dfmc-dragonfly",
            "namespace": "cluster-a",
            "resourceVersion": "1",
            "annotations": {"dfmc.io/topology": "guide", "dfmc.io/uid": "uid"},
        },
        "data": {"root-password": base64.b64encode(CANARY.encode()).decode()},
    }
    ended = dfmc("console", "--show-password")
    assert (ended.code, ended.out, ended.err) == (0, f"{CANARY}\n", "")
