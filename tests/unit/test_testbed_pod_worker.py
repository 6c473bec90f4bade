"""The life of a real pod's process, with a small program in the place of Dragonfly's."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dfmc.errors import UnreachableError
from dfmc.testbed.binaries.system import find_program
from dfmc.testbed.processes import is_alive
from dfmc.testbed.roles import Role
from dfmc.testbed.supervisor.container_log import ContainerLog
from dfmc.testbed.supervisor.environment import MissingReferenceError
from dfmc.testbed.supervisor.init_waits import Check
from dfmc.testbed.supervisor.pod_worker import PodWorker
from dfmc.testbed.supervisor.process_plan import ProcessPlan

POD: dict[str, Any] = {
    "metadata": {"namespace": "a", "name": "manager-0", "uid": "01234567-89ab"},
    "spec": {
        "nodeName": "node",
        "initContainers": [
            {"name": "wait", "command": ["sh", "-c", "until nslookup h && nc -vz h 1; do sleep 2; done"]}
        ],
        "containers": [{"name": "manager"}],
    },
}


@dataclass
class Host:
    """A cluster that answers at once and remembers what it was told."""

    directory: Path
    script: str
    ready: Callable[[], bool] = lambda: True
    passes: bool = True
    missing: str = ""
    unreachable: int = 0
    statuses: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    became_ready: int = 0
    ports: tuple[int, ...] = ()
    forwarded: list[tuple[int, ...]] = field(default_factory=list)

    def pod_address(self, pod: dict[str, Any]) -> str:
        return "10.64.0.1"

    def release_address(self, address: str) -> None:
        self.released.append(address)

    def pod_directory(self, pod: dict[str, Any]) -> Path:
        return self.directory

    def holds(self, check: Check, namespace: str) -> bool:
        return self.passes

    def plan_process(self, role: Role, pod: dict[str, Any], address: str) -> ProcessPlan:
        if self.missing:
            raise MissingReferenceError(self.missing)

        def on_ready() -> None:
            self.became_ready += 1

        return ProcessPlan(("/bin/sh", "-c", self.script), self.ready, {"GREETING": "hello"}, on_ready, self.ports)

    def publish_status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise UnreachableError("away")
        self.statuses.append(status)

    def publish_endpoints(
        self, pod: dict[str, Any], address: str, pod_log: ContainerLog, ports: tuple[int, ...] = ()
    ) -> None:
        self.forwarded.append(ports)

    def event(self, pod: dict[str, Any], kind: str, reason: str, message: str) -> None:
        self.events.append(reason)

    def remove_pod(self, pod: dict[str, Any]) -> None:
        self.removed.append(pod["metadata"]["name"])

    def set_pid(self, pod: dict[str, Any], pid: int | None) -> None:
        if pid is not None:
            self.pids.append(pid)

    @property
    def state(self) -> dict[str, Any]:
        """The main container's status as last told."""
        return dict(self.statuses[-1]["containerStatuses"][0]) if self.statuses else {}


def wait_for(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Start workers; end them after the test."""
    workers: list[PodWorker] = []

    def begin(script: str, **settings: Any) -> tuple[Host, PodWorker]:
        host = Host(tmp_path / "pod", script, **settings)
        worker = PodWorker(host, POD, "manager", str(find_program("setpriv")))
        workers.append(worker)
        worker.start()
        return host, worker

    yield begin
    for worker in workers:
        worker.stop("bed", 0.1)
        worker.join(10)
        assert not worker.is_alive()


def test_a_process_becomes_ready_once_and_its_output_is_logged(start: Any) -> None:
    host, _ = start("echo $GREETING; exec sleep 60")
    wait_for(lambda: host.state.get("ready"))
    assert host.statuses[-1]["phase"] == "Running"
    assert host.became_ready == 1
    assert ContainerLog(host.directory).last_lines(1) == ["hello"]
    assert [next(iter(s["containerStatuses"][0]["state"])) for s in host.statuses] == ["waiting", "running", "running"]


def test_nothing_starts_before_the_init_waits_hold(start: Any) -> None:
    host, _ = start("exec sleep 60", passes=False)
    time.sleep(0.5)
    assert host.pids == []
    assert host.state["state"]["waiting"]["reason"] == "PodInitializing"
    host.passes = True
    wait_for(lambda: host.state.get("ready"))


def test_a_process_that_ends_is_started_again_with_back_off(start: Any) -> None:
    host, _ = start("echo bye; exit 3", ready=lambda: False)
    wait_for(lambda: "CrashLoopBackOff" in str(host.state.get("state")))
    assert host.state["lastState"]["terminated"]["exitCode"] == 3
    assert len(host.pids) == 2  # the first restart is immediate
    wait_for(lambda: len(host.pids) == 3)
    assert host.state["restartCount"] == 2
    assert "BackOff" in host.events


def test_a_killed_process_is_reported_as_such(start: Any) -> None:
    host, _ = start("exec sleep 60")
    wait_for(lambda: host.state.get("ready"))
    os.kill(host.pids[0], signal.SIGKILL)
    wait_for(lambda: len(host.pids) == 2 and host.state.get("ready"))
    assert host.state["lastState"]["terminated"]["exitCode"] == 137


def test_a_deleted_pod_ends_gently_and_then_goes(start: Any) -> None:
    host, worker = start("trap 'echo gentle; exit 0' TERM; while :; do sleep 0.05; done")
    wait_for(lambda: host.state.get("ready"))
    worker.stop("deleted", 5.0)
    worker.join(10)
    assert host.removed == ["manager-0"]
    assert host.released == ["10.64.0.1"]
    assert not is_alive(host.pids[0])
    assert not host.directory.exists()


def test_a_process_that_ignores_its_end_is_killed(start: Any) -> None:
    host, worker = start("trap '' TERM; while :; do sleep 0.05; done")
    wait_for(lambda: host.state.get("ready"))
    worker.stop("deleted", 0.3)
    worker.join(60)
    assert not worker.is_alive()
    assert not is_alive(host.pids[0])


def test_a_stopping_bed_keeps_the_pod_and_its_directory(start: Any) -> None:
    host, worker = start("exec sleep 60")
    wait_for(lambda: host.state.get("ready"))
    worker.stop("bed", 1.0)
    worker.join(10)
    assert host.removed == []
    assert host.directory.exists()
    assert not is_alive(host.pids[0])


def test_a_missing_secret_is_told_and_waited_for(start: Any) -> None:
    host, _ = start("exec sleep 60", missing='secret "x" not found')
    wait_for(lambda: host.events)
    assert host.state["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    host.missing = ""
    wait_for(lambda: host.state.get("ready"))


def test_a_pod_that_stops_answering_is_unready_but_kept(start: Any) -> None:
    answers = [True]
    host, _ = start("exec sleep 60", ready=lambda: answers[0])
    wait_for(lambda: host.state.get("ready"))
    answers[0] = False
    wait_for(lambda: not host.state["ready"])
    assert "Unhealthy" in host.events
    assert len(host.pids) == 1


def test_an_api_server_that_is_away_for_a_moment_costs_no_pod(start: Any) -> None:
    host, _ = start("exec sleep 60", unreachable=2)
    wait_for(lambda: host.state.get("ready"))


def test_a_program_that_cannot_run_backs_off(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = start("exec /nowhere/program", ready=lambda: False)
    wait_for(lambda: host.state.get("restartCount"))
    assert host.state["lastState"]["terminated"]["exitCode"] == 127


def test_ports_that_only_the_configuration_names_can_be_forwarded_too(start: Any) -> None:
    host, _ = start("exec sleep 600", ports=(4001, 4002))
    wait_for(lambda: host.forwarded == [(), (4001, 4002)])
