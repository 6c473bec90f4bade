"""Pods of a helm release, with the reason of each that is not ready, in the words of what holds it up. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfmc.clients.kube.edits import started_at
from dfmc.clients.kube.refusals import shortened
from dfmc.clients.kube.workloads import component_of, time_of_event
from dfmc.state import ContainerState, PodState

# The chart's init containers: `until nslookup HOST && nc -vz HOST PORT; do …`.
_WAITS = re.compile(r"\bnc -vz (\S+) (\d+)")
_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})


class Owners:
    """Finds the workload a pod belongs to.

    A StatefulSet or DaemonSet owns its pods by uid. A Deployment owns them through a ReplicaSet, whose name is the
    Deployment's and the pod's ``pod-template-hash`` (Kubernetes: ``pkg/controller/deployment/sync.go``), so that no
    ReplicaSet needs to be asked for.
    """

    def __init__(self, workloads: Iterable[Mapping[str, Any]], release: str) -> None:
        self._component_by_uid: dict[str, str] = {}
        self._component_by_deployment: dict[str, str] = {}
        for workload in workloads:
            component = component_of(workload, release)
            self._component_by_uid[str(workload["metadata"].get("uid"))] = component
            if workload["kind"] == "Deployment":
                self._component_by_deployment[str(workload["metadata"]["name"])] = component

    def component(self, pod: Mapping[str, Any]) -> str | None:
        """Return the component of the pod's workload; None when the pod is none of the release's."""
        metadata = pod["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            if not owner.get("controller"):
                continue
            if owner.get("kind") == "ReplicaSet":
                template = (metadata.get("labels") or {}).get("pod-template-hash", "")
                return self._component_by_deployment.get(str(owner.get("name", "")).removesuffix(f"-{template}"))
            return self._component_by_uid.get(str(owner.get("uid")))
        return None


def pod_state(pod: Mapping[str, Any], component: str) -> PodState:
    """Return a pod with its containers, those of initialisation first, and why it is not ready."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    terminating = bool(pod["metadata"].get("deletionTimestamp"))
    conditions = {str(one.get("type")): one for one in status.get("conditions") or ()}
    is_ready = (conditions.get("Ready") or {}).get("status") == "True"
    reason, message = _pod_reason(status, conditions)
    return PodState(
        name=str(pod["metadata"]["name"]),
        component=component,
        phase=str(status.get("phase") or "Pending"),
        ready=is_ready and not terminating,
        ip=str(status.get("podIP") or ""),
        node=str(spec.get("nodeName") or ""),
        containers=tuple(_containers(status, _awaited(spec))),
        reason=reason,
        message=message,
        terminating=terminating,
        uid=str(pod["metadata"].get("uid") or ""),
        revision=str((pod["metadata"].get("labels") or {}).get("controller-revision-hash") or ""),
        started=started_at(status),
    )


def _pod_reason(status: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    if status.get("reason"):  # e.g. Evicted
        return str(status["reason"]), shortened(str(status.get("message") or ""))
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":  # the scheduler's words: how many nodes, and what is wrong with each
        return str(scheduled.get("reason") or "Unschedulable"), shortened(str(scheduled.get("message") or ""))
    return "", ""


def _awaited(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return, by the name of an init container that waits for a port as the chart's do, which one: host:port."""
    found: dict[str, str] = {}
    for container in spec.get("initContainers") or ():
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        if match := _WAITS.search(" ".join(map(str, words))):
            found[str(container["name"])] = f"{match[1]}:{match[2]}"
    return found


def _containers(status: Mapping[str, Any], awaited: Mapping[str, str]) -> Iterable[ContainerState]:
    for key, is_init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for container in status.get(key) or ():
            name = str(container["name"])
            reason, message = _container_reason(container)
            if is_init and name in awaited and not (container.get("ready") or reason or message):
                message = f"waits for {awaited[name]}"
            yield ContainerState(
                name=name,
                ready=bool(container.get("ready")),
                init=is_init,
                restarts=int(container.get("restartCount") or 0),
                reason=reason,
                message=shortened(message),
            )


def _container_reason(container: Mapping[str, Any]) -> tuple[str, str]:
    state = container.get("state") or {}
    waiting, ended = state.get("waiting"), state.get("terminated")
    last = (container.get("lastState") or {}).get("terminated")
    if waiting is not None:
        # "back-off restarting failed container" says nothing; how it ended last time does.
        words = [str(waiting.get("message") or ""), f"last time: {_ending(last)}" if last else ""]
        return str(waiting.get("reason") or "Waiting"), "; ".join(word for word in words if word)
    if ended is not None:
        if ended.get("exitCode") == 0 and container.get("ready"):  # an init container that did its work
            return "", ""
        return str(ended.get("reason") or "Terminated"), _ending(ended)
    if last and not container.get("ready"):
        return "", f"restarted after: {_ending(last)}"
    return "", ""


def _ending(terminated: Mapping[str, Any]) -> str:
    signal = terminated.get("signal")
    how = f"signal {signal}" if signal else f"exit code {terminated.get('exitCode', '?')}"
    reason = str(terminated.get("reason") or "")
    named = f"{reason}, {how}" if reason and reason != "Error" else how
    message = str(terminated.get("message") or "").strip()
    return f"{named}: {message}" if message else named


def needs_events(pod: PodState) -> bool:
    """True when neither the pod nor its containers say why it is not ready: volumes, probes, sandbox."""
    if pod.ready or pod.terminating or pod.reason or pod.phase == "Succeeded":
        return False
    waiting = [one for one in pod.containers if not one.ready]
    if any(one.init and not one.reason for one in waiting):  # an init container at work is the reason
        return False
    return all(one.reason in _STARTING and not one.message for one in waiting)


def explained(pods: Sequence[PodState], events: Iterable[Mapping[str, Any]]) -> Sequence[PodState]:
    """Return the pods, those without a reason with that of their latest Warning event."""
    latest: dict[str, Mapping[str, Any]] = {}
    for event in sorted(events, key=time_of_event):
        latest[str((event.get("involvedObject") or {}).get("name"))] = event
    return tuple(
        dataclasses.replace(
            pod,
            reason=str(latest[pod.name].get("reason") or ""),
            message=shortened(str(latest[pod.name].get("message") or "")),
        )
        if needs_events(pod) and pod.name in latest
        else pod
        for pod in pods
    )
