"""Why a release is not ready, in the words of the pod that holds it up. Pure; engine/wait.py polls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dfmc.state import ContainerState, EditedConfigMap, PodState, WorkloadState


@dataclass(frozen=True)
class Obstacle:
    """One thing that keeps a release from being ready.

    Attributes:
        subject: ``Pod dragonfly-scheduler-0`` or ``StatefulSet dragonfly-scheduler``.
        reason: One word of Kubernetes: Unschedulable, ImagePullBackOff, PodInitializing, ...
        message: The sentence that goes with it, the scheduler's or the kubelet's own.
        hopeless: Waiting longer will not help unless somebody changes something.
        pod: Its name, where it is one.
        container: The one that ended, where one did: its log says why.
        waits_for: ``host:port`` that an init container waits for.
    """

    subject: str
    reason: str
    message: str = ""
    hopeless: bool = False
    pod: str = ""
    container: str = ""
    waits_for: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}" + (f": {self.message}" if self.message else "")


_HOPELESS = frozenset(
    {
        "Unschedulable",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
    }
)
# How clients/kube/pods.py begins the message of an init container that waits for a port.
WAITS_FOR = "waits for "
# The seed client of a fresh cluster exits until its scheduler is active; two restarts are seen on healthy beds.
_RESTARTS_THAT_MEAN_TROUBLE = 5


def obstacles(
    workloads: Sequence[WorkloadState], pods: Sequence[PodState], expected: Sequence[str]
) -> tuple[Obstacle, ...]:
    """Return everything that is not ready yet, most telling first; empty means ready.

    Args:
        workloads: What helm installed for the release.
        pods: Their pods.
        expected: Components that must have a workload.
    """
    present = {workload.component for workload in workloads}
    found = [
        Obstacle(f"component {name}", "NoWorkload", "it has been deleted", hopeless=True)
        for name in expected
        if name not in present
    ]
    for workload in workloads:
        if workload.is_ready and workload.desired > 0:
            continue
        if workload.desired == 0 and workload.observed:
            if workload.kind == "DaemonSet":
                message = "no node matches its nodeSelector"
                found.append(Obstacle(f"DaemonSet {workload.name}", "NoNodes", message, hopeless=True))
            continue
        of_workload = [pod for pod in pods if pod.component == workload.component and not pod.terminating]
        blocking = [obstacle for pod in of_workload if not pod.ready for obstacle in [_of_pod(pod)]]
        count = workload.message or f"{workload.ready}/{workload.desired} ready"
        found += blocking or [Obstacle(f"{workload.kind} {workload.name}", "Progressing", count)]
    return tuple(sorted(found, key=lambda obstacle: not obstacle.hopeless))


def superseded(workloads: Sequence[WorkloadState], pods: Sequence[PodState]) -> tuple[PodState, ...]:
    """Return the pods that block the newest settings of their StatefulSet, and that no waiting helps.

    A StatefulSet replaces a pod only once it is ready: one that cannot start with the old settings (an image that does
    not exist, an address that nobody has) is never replaced by one with the new, right ones
    (kubernetes/kubernetes#67250; deleting the pod is what its documentation advises). A pod whose containers run is
    none of these, ready or not: a database may be at work on its files.
    """
    wanted = {
        workload.component: workload.revision for workload in workloads if workload.observed and workload.revision
    }
    return tuple(
        pod
        for pod in pods
        if not pod.ready
        and not pod.terminating
        and pod.revision
        and pod.revision != wanted.get(pod.component, pod.revision)
        and (pod.phase == "Pending" or any(one.reason == "CrashLoopBackOff" for one in pod.containers))
    )


def misled(
    edited: Sequence[EditedConfigMap], workloads: Sequence[WorkloadState], pods: Sequence[PodState]
) -> tuple[WorkloadState, ...]:
    """Return the workloads that have pods which may have read an edited ConfigMap, and must start again without it.

    A ConfigMap of the chart is called like its workload, or like that with something behind it. A container reads its
    files when it starts.
    """
    found = []
    for workload in workloads:
        since = [one.since for one in edited if one.name == workload.name or one.name.startswith(f"{workload.name}-")]
        of_workload = [pod for pod in pods if pod.component == workload.component and not pod.terminating]
        starts = [pod.started for pod in of_workload if pod.started is not None]
        if any(edit is None or start >= edit for edit in since for start in starts):
            found.append(workload)
    return tuple(found)


def started_since(
    since: float, workloads: Sequence[WorkloadState], pods: Sequence[PodState]
) -> tuple[WorkloadState, ...]:
    """Return the workloads that have a pod which started at that moment (seconds since 1970) or later."""
    young = {pod.component for pod in pods if not pod.terminating and pod.started is not None and pod.started >= since}
    return tuple(workload for workload in workloads if workload.component in young)


def summary(blocking: Sequence[Obstacle]) -> str:
    """Return the most telling obstacle, and how many more there are."""
    rest = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
    return f"{blocking[0]}{rest}"


def _of_pod(pod: PodState) -> Obstacle:
    subject = f"Pod {pod.name}"
    troubled = next((container for container in pod.containers if _is_telling(container)), None)
    if troubled:
        where = f"init container {troubled.name}" if troubled.init else f"container {troubled.name}"
        looping = troubled.reason == "CrashLoopBackOff" and troubled.restarts >= _RESTARTS_THAT_MEAN_TROUBLE
        message = f"{where}: {troubled.message}" if troubled.message else where
        has_ended = troubled.reason not in _HOPELESS and troubled.restarts > 0
        return Obstacle(
            subject,
            troubled.reason,
            message,
            hopeless=troubled.reason in _HOPELESS or looping,
            pod=pod.name,
            container=troubled.name if has_ended else "",
        )
    if pod.reason:
        return Obstacle(subject, pod.reason, pod.message, hopeless=pod.reason in _HOPELESS, pod=pod.name)
    waiting = next((container for container in pod.containers if container.init and not container.ready), None)
    if waiting:
        doing = f", which {waiting.message}" if waiting.message else ""
        waits_for = waiting.message.removeprefix(WAITS_FOR) if waiting.message.startswith(WAITS_FOR) else ""
        message = f"in init container {waiting.name}{doing}"
        return Obstacle(subject, "Init", message, pod=pod.name, waits_for=waits_for)
    what = f"phase {pod.phase}" if pod.phase != "Running" else "its probe does not pass yet"
    return Obstacle(subject, "NotReady", what, pod=pod.name)


def _is_telling(container: ContainerState) -> bool:
    """PodInitializing and ContainerCreating say nothing that the pod's other containers do not say better."""
    return not container.ready and container.reason not in ("", "PodInitializing", "ContainerCreating", "Completed")
