"""What the supervisor reports of a real pod, and when it starts a process again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.supervisor.backoff import LONGEST_SECONDS, restart_delay
from dfmc.testbed.supervisor.container_log import ContainerLog, log_line
from dfmc.testbed.supervisor.pod_status import Report, earlier_run, running, status_of, terminated, waiting

T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z"

POD: dict[str, Any] = {
    "spec": {
        "initContainers": [
            {"name": "wait-for-redis", "image": "busybox"},
            {"name": "wait-for-mysql", "image": "busybox"},
        ],
        "containers": [{"name": "manager", "image": "dragonfly/manager"}, {"name": "sidecar", "image": "x"}],
    }
}


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_a_pod_in_its_first_init_container_is_pending() -> None:
    status = status_of(POD, Report(address="10.64.0.1", started=T0, init_done=0), T1, "manager")
    assert status["phase"] == "Pending"
    assert [next(iter(s["state"])) for s in status["initContainerStatuses"]] == ["running", "waiting"]
    assert status["containerStatuses"][0]["state"] == waiting("PodInitializing")
    initialized = next(c for c in status["conditions"] if c["type"] == "Initialized")
    assert initialized["message"] == "containers with incomplete status: [wait-for-redis wait-for-mysql]"


def test_the_second_init_container_starts_when_the_first_is_done() -> None:
    status = status_of(POD, Report(address="10.64.0.1", started=T0, init_done=1), T1, "manager")
    assert [next(iter(s["state"])) for s in status["initContainerStatuses"]] == ["terminated", "running"]
    assert [s["ready"] for s in status["initContainerStatuses"]] == [True, False]


def test_a_ready_pod_is_running_and_says_its_address() -> None:
    report = Report(address="10.64.0.1", started=T0, init_done=2, state=running(T0), ready=True)
    status = status_of(POD, report, T1, "manager")
    assert (status["phase"], status["podIP"], status["podIPs"]) == ("Running", "10.64.0.1", [{"ip": "10.64.0.1"}])
    assert set(conditions(status).values()) == {"True"}
    assert all(s["ready"] and s["started"] for s in status["containerStatuses"])


def test_a_running_pod_that_failed_its_probe_names_its_containers() -> None:
    report = Report(address="10.64.0.1", started=T0, init_done=2, state=running(T0))
    status = status_of(POD, report, T1, "manager")
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")
    assert ready["message"] == "containers with unready status: [manager sidecar]"


def test_conditions_keep_their_time_until_they_change() -> None:
    report = Report(address="10.64.0.1", started=T0, init_done=2, state=running(T0))
    before = status_of(POD, report, T0, "manager")
    ready = Report(address="10.64.0.1", started=T0, init_done=2, state=running(T0), ready=True)
    after = status_of({**POD, "status": before}, ready, T1, "manager")
    times = {c["type"]: c["lastTransitionTime"] for c in after["conditions"]}
    assert times == {
        "PodReadyToStartContainers": T0, "Initialized": T0, "Ready": T1, "ContainersReady": T1, "PodScheduled": T0,
    }  # fmt: skip


def test_only_the_real_container_counts_restarts() -> None:
    last = terminated(1, T0, T1)
    report = Report("10.64.0.1", T0, init_done=2, state=waiting("CrashLoopBackOff", "x"), restarts=3, last=last)
    main, sidecar = status_of(POD, report, T1, "manager")["containerStatuses"]
    assert (main["restartCount"], main["lastState"]) == (3, last)
    assert (sidecar["restartCount"], "lastState" in sidecar) == (0, False)


@pytest.mark.parametrize(
    ("return_code", "exit_code", "reason"),
    [(0, 0, "Completed"), (1, 1, "Error"), (-9, 137, "Error"), (-15, 143, "Error")],
)
def test_exit_codes_are_a_shells(return_code: int, exit_code: int, reason: str) -> None:
    ended = terminated(return_code, T0, T1)["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (exit_code, reason)


def test_a_pod_met_again_counts_the_kill_of_what_ran() -> None:
    ran = {"containerStatuses": [{"name": "manager", "restartCount": 2, "state": running(T0)}]}
    assert earlier_run({**POD, "status": ran}, "manager", T1) == (3, terminated(-9, T0, T1))


def test_a_pod_met_again_in_its_init_containers_was_never_restarted() -> None:
    waits = {"containerStatuses": [{"name": "manager", "restartCount": 0, "state": waiting("PodInitializing")}]}
    assert earlier_run({**POD, "status": waits}, "manager", T1) == (0, None)
    assert earlier_run(POD, "manager", T1) == (0, None)


def test_restarts_are_immediate_then_double_up_to_a_limit() -> None:
    assert [restart_delay(failures) for failures in range(1, 9)] == [0, 1, 2, 4, 8, 16, 20, 20]
    assert restart_delay(10_000) == LONGEST_SECONDS


def test_log_lines_are_in_the_container_runtimes_format() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    assert log_line("two words", at) == "2026-01-02T03:04:05.000678000Z stdout F two words\n"


def test_the_previous_run_keeps_its_log(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path)
    for run in (b"first\n", b"second\nlast\n"):
        source = tmp_path / "output"
        source.write_bytes(run)
        log.begin_run(source.open("rb")).join(5)
    assert log.last_lines(5) == ["second", "last"]
    assert log.previous.read_text().endswith(" stdout F first\n")
