"""A real pod's status as its kubelet would report it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """What the supervisor knows of a pod at one moment.

    Attributes:
        address: The pod's address in the API; empty while it has none.
        started: When the pod was taken, RFC 3339.
        init_done: How many init containers have ended.
        state: ``containerStatuses[].state`` of the main container.
        ready: Whether it passed its probe.
        restarts: How often it was started again.
        last: ``lastState`` of the main container.
        finished: Whether the pod's only container ended for good.
        reason: Why the pod as a whole failed, where it was not its container (``DeadlineExceeded``).
    """

    address: str
    started: str
    init_done: int
    state: JsonObject = field(default_factory=lambda: waiting("PodInitializing"))
    ready: bool = False
    restarts: int = 0
    last: JsonObject | None = None
    finished: bool = False
    reason: str = ""


def waiting(reason: str, message: str = "") -> JsonObject:
    """Return a container's ``waiting`` state."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(since: str) -> JsonObject:
    """Return a container's ``running`` state."""
    return {"running": {"startedAt": since}}


def terminated(return_code: int, since: str, until: str) -> JsonObject:
    """Return a container's ``terminated`` state.

    Args:
        return_code: As Python reports it: negative for a signal.
        since: Start, RFC 3339.
        until: End, RFC 3339.
    """
    code = return_code if return_code >= 0 else 128 - return_code
    reason = "Completed" if code == 0 else "Error"
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": until}}


def status_of(pod: Mapping[str, Any], report: Report, now: str, main: str) -> JsonObject:
    """Return the pod's whole ``status``.

    Args:
        pod: The Pod object; its present conditions keep their times where they do not change.
        report: What is to be said.
        now: RFC 3339.
        main: Name of the container whose process the supervisor runs; others are said to do as it does.
    """
    spec = pod["spec"]
    init = spec.get("initContainers") or []
    containers = spec["containers"]
    initialized = report.init_done >= len(init)
    phase = "Running" if initialized and ("running" in report.state or report.restarts) else "Pending"
    if report.finished:
        phase = "Failed" if report.reason or report.state["terminated"]["exitCode"] else "Succeeded"
    status: JsonObject = {
        "phase": phase,
        "startTime": report.started,
        "conditions": _conditions(pod, report, now),
        "initContainerStatuses": [_init_status(c, i, report, now) for i, c in enumerate(init)],
        "containerStatuses": [_container_status(c, report, c["name"] == main) for c in containers],
    }
    if report.reason:
        status["reason"] = report.reason
    if report.address:
        status["podIP"] = report.address
        status["podIPs"] = [{"ip": report.address}]
    return status


def _conditions(pod: Mapping[str, Any], report: Report, now: str) -> list[JsonObject]:
    spec = pod["spec"]
    names = [c["name"] for c in spec["containers"]]
    init = [c["name"] for c in spec.get("initContainers") or []]
    pending = init[report.init_done :]
    unready = "" if report.ready else f"containers with unready status: [{' '.join(names)}]"
    wanted: list[tuple[str, bool, str, str]] = [
        ("PodReadyToStartContainers", bool(report.address), "", ""),
        (
            "Initialized",
            not pending,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(pending)}]",
        ),
        ("Ready", report.ready, "ContainersNotReady", unready),
        ("ContainersReady", report.ready, "ContainersNotReady", unready),
        ("PodScheduled", True, "", ""),
    ]
    before = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
    conditions = []
    for kind, value, reason, message in wanted:
        text = "True" if value else "False"
        old = before.get(kind)
        since = old["lastTransitionTime"] if old and old["status"] == text else now
        condition = {"type": kind, "status": text, "lastTransitionTime": since}
        if not value and reason:
            condition.update(reason=reason, message=message)
        conditions.append(condition)
    return conditions


def _init_status(container: Mapping[str, Any], index: int, report: Report, now: str) -> JsonObject:
    if index < report.init_done:
        state: JsonObject = terminated(0, report.started, now)
    elif index == report.init_done and report.address:
        state = running(report.started)
    else:
        state = waiting("PodInitializing")
    return {
        **_names(container),
        "state": state,
        "ready": index < report.init_done,
        "started": "running" in state,
        "restartCount": 0,
    }


def _container_status(container: Mapping[str, Any], report: Report, main: bool) -> JsonObject:
    up = "running" in report.state
    status: JsonObject = {
        **_names(container),
        "state": report.state,
        "ready": report.ready,
        "started": up,
        "restartCount": report.restarts if main else 0,
    }
    if main and report.last is not None:
        status["lastState"] = report.last
    return status


def _names(container: Mapping[str, Any]) -> JsonObject:
    image = container.get("image", "")
    return {"name": container["name"], "image": image, "imageID": image}


def earlier_run(pod: Mapping[str, Any], main: str, now: str) -> tuple[int, JsonObject | None]:
    """Return restart count and last state with which a pod met again goes on.

    A container that was running when the supervisor died was killed with it.
    """
    statuses: Sequence[Mapping[str, Any]] = (pod.get("status") or {}).get("containerStatuses") or []
    for status in statuses:
        if status["name"] == main:
            count = int(status.get("restartCount", 0))
            state = status.get("state") or {}
            if "running" in state:
                since = state["running"]["startedAt"]
                return count + 1, terminated(-9, since, now)
            return count, status.get("lastState") or None
    return 0, None
