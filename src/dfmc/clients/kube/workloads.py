"""Workloads of a helm release, and how far each has come. Pure.

Helm marks what it installs with the label ``app.kubernetes.io/managed-by=Helm`` and the annotations
``meta.helm.sh/release-name`` and ``-namespace`` (helm: ``pkg/action/validate.go``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfmc.clients.kube.refusals import shortened
from dfmc.state import WorkloadState

MANAGED_BY_HELM = {"app.kubernetes.io/managed-by": "Helm"}


def belongs_to(obj: Mapping[str, Any], release: str, namespace: str) -> bool:
    """True when helm installed the object for this release."""
    annotations = obj["metadata"].get("annotations") or {}
    return bool(
        annotations.get("meta.helm.sh/release-name") == release
        and annotations.get("meta.helm.sh/release-namespace", namespace) == namespace
    )


def component_of(workload: Mapping[str, Any], release: str) -> str:
    """Return what a workload is within the release, such as ``scheduler``, ``seed-client`` or ``redis-master``.

    Dragonfly's own workloads say so in the label ``component``. Those of subcharts have no such label: their object's
    name without the release's in front is the word (``dragonfly-redis-replicas`` → ``redis-replicas``,
    ``dragonfly-mysql`` → ``mysql``, ``dragonfly-jaeger`` → ``jaeger``), with ``app.kubernetes.io/name`` before it
    where the release's own name has swallowed that part.
    """
    labels = workload["metadata"].get("labels") or {}
    if labels.get("component"):
        return str(labels["component"])
    name = str(workload["metadata"]["name"])
    rest = "" if name == release else name.removeprefix(f"{release}-")
    app = str(labels.get("app.kubernetes.io/name") or "")
    if not app or app in rest:
        return rest or name
    return f"{app}-{rest}" if rest else app


def workload_state(workload: Mapping[str, Any], release: str) -> WorkloadState:
    """Return how far a workload has come.

    ``ready`` counts pods of the newest template only, and at least: while pods of an older template are left, each is
    taken to be a ready one, so that a rollout never looks finished before it is (the status has no number of pods
    that are both new and ready). An object that its controller has not looked at yet is not ``observed``; a DaemonSet
    that no node matches is observed with ``desired`` 0.
    """
    kind = str(workload["kind"])
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if kind == "DaemonSet":
        desired = _count(status, "desiredNumberScheduled")
        current, ready = _count(status, "currentNumberScheduled"), _count(status, "numberReady")
        updated = _count(status, "updatedNumberScheduled")
    else:
        replicas = spec.get("replicas")
        desired = 1 if replicas is None else int(replicas)
        current, ready = _count(status, "replicas"), _count(status, "readyReplicas")
        updated = _count(status, "updatedReplicas")
    if _left_old_on_purpose(spec, kind, desired, updated):
        updated = current
    generation = int(workload["metadata"].get("generation") or 0)
    return WorkloadState(
        kind=kind,
        name=str(workload["metadata"]["name"]),
        component=component_of(workload, release),
        desired=desired,
        updated=updated,
        ready=max(0, ready - max(0, current - updated)),
        observed=_count(status, "observedGeneration") >= max(generation, 1),
        message=_replica_failure(status),
        revision=str(status.get("updateRevision") or "") if _replaces_its_pods_in_order(spec, kind) else "",
    )


def lacks_pods(workload: Mapping[str, Any]) -> bool:
    """True when the controller has made fewer pods than are wanted and the status does not say why.

    A Deployment says so in its condition ``ReplicaFailure``; the other kinds leave only events behind.
    """
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return _count(status, "currentNumberScheduled") < _count(status, "desiredNumberScheduled")
    replicas = spec.get("replicas")
    return workload["kind"] == "StatefulSet" and _count(status, "replicas") < (1 if replicas is None else replicas)


def with_creation_failures(
    states: Iterable[WorkloadState], events: Iterable[Mapping[str, Any]]
) -> Sequence[WorkloadState]:
    """Return the states, those that an event ``FailedCreate`` is about with its message, the latest one's."""
    latest: dict[tuple[str, str], str] = {}
    for event in sorted(events, key=time_of_event):
        about = event.get("involvedObject") or {}
        latest[str(about.get("kind")), str(about.get("name"))] = shortened(str(event.get("message") or ""))
    return [
        dataclasses.replace(state, message=state.message or latest.get((state.kind, state.name), ""))
        for state in states
    ]


def time_of_event(event: Mapping[str, Any]) -> str:
    """Return when an event was seen last, to sort by; old and new events keep it in different fields."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _replica_failure(status: Mapping[str, Any]) -> str:
    conditions = status.get("conditions") or ()
    failure: Mapping[str, Any] = next((one for one in conditions if one.get("type") == "ReplicaFailure"), {})
    return shortened(str(failure.get("message") or "")) if failure.get("status") == "True" else ""


def _left_old_on_purpose(spec: Mapping[str, Any], kind: str, desired: int, updated: int) -> bool:
    """True where the controller will not replace the remaining old pods: OnDelete, or below a partition."""
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return True
    partition = _count(strategy.get("rollingUpdate") or {}, "partition") if kind == "StatefulSet" else 0
    return partition > 0 and updated >= desired - partition


def _replaces_its_pods_in_order(spec: Mapping[str, Any], kind: str) -> bool:
    """True for a StatefulSet with Kubernetes' default policies, which all of the chart's have."""
    strategy = spec.get("updateStrategy") or {}
    in_order = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    is_rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    return (
        kind == "StatefulSet" and in_order and is_rolling and not (strategy.get("rollingUpdate") or {}).get("partition")
    )


def _count(source: Mapping[str, Any], key: str) -> int:
    value = source.get(key)
    return value if isinstance(value, int) else 0
