"""Our own wait for a release: the same on helm 3 and 4, with the reason of every pod that is not ready.

``helm --wait`` says nothing on timeout, counts a DaemonSet with maxUnavailable 20 as ready without one pod
(helm pkg/kube/ready.go), and holds a process of 50 MB all the while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from dfmc.clients.protocols import KubeClient
from dfmc.errors import DfmcError, NotReadyError, UnreachableError
from dfmc.planning.readiness import Obstacle, obstacles, summary, superseded
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]
Verify = Callable[[], Awaitable[None]]

POLL_SECONDS = 1.0
# A pod may be unschedulable, or its image unpullable, for a moment: a node is joining, a registry blinks.
HOPELESS_SECONDS = 30.0


class Patience:
    """How long a wait for a cluster goes on: until its deadline, or until waiting has been hopeless for a while."""

    def __init__(self, cluster: ClusterSpec, timeout: float) -> None:
        self._cluster = cluster
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._hopeless_since: float | None = None

    def judge(self, blocking: Sequence[Obstacle], trouble: DfmcError | None = None) -> None:
        """Take note of what blocks now.

        Args:
            blocking: From readiness.obstacles.
            trouble: What kept us from looking, where we could not.

        Raises:
            NotReadyError: The deadline passed, or something that no waiting cures has lasted HOPELESS_SECONDS.
        """
        now = time.monotonic()
        hopeless = any(obstacle.hopeless for obstacle in blocking)
        self._hopeless_since = (self._hopeless_since or now) if hopeless else None
        if self._hopeless_since is not None and now - self._hopeless_since >= HOPELESS_SECONDS:
            raise self._error(blocking, trouble, "it will not become ready by waiting")
        if now >= self._deadline:
            raise self._error(blocking, trouble, f"not ready after {self._timeout:.0f} s")

    def _error(self, blocking: Sequence[Obstacle], trouble: DfmcError | None, what: str) -> NotReadyError:
        cluster = self._cluster
        why = "\n".join(str(obstacle) for obstacle in blocking[:5]) or str(trouble or "")
        pod = next((o.subject.removeprefix("Pod ") for o in blocking if o.subject.startswith("Pod ")), "")
        target = f"describe pod {pod}" if pod else "get pods"
        return NotReadyError(
            what,
            where=cluster.name,
            why=why,
            left=f"release {cluster.release} is installed in namespace {cluster.namespace}; nothing was rolled back",
            next_step=f"kubectl --context {cluster.context} -n {cluster.namespace} {target}; then run dfmc up again",
        )


async def until_ready(
    kube: KubeClient, cluster: ClusterSpec, expected: Sequence[str], *, timeout: float, say: Say, verify: Verify
) -> int:
    """Return when every workload of the release is rolled out: how many pods had to be replaced for that.

    Args:
        kube: Client of the cluster's context.
        cluster: The entry.
        expected: Components that must have a workload.
        timeout: Seconds.
        say: Gets the reason whenever it changes.
        verify: Makes sure that the topology's lock is ours still; called before a pod is deleted.

    Raises:
        NotReadyError: See Patience.judge.
        LockedError: The lock was lost when a pod had to be replaced.
    """
    patience, replaced = Patience(cluster, timeout), 0
    while True:
        try:
            blocking, made_way = await _look(kube, cluster, expected, say, verify)
            replaced += made_way
            if not blocking:
                return replaced
            say(f"waiting for {summary(blocking)}")
            patience.judge(blocking)
        except UnreachableError as error:  # an API server that restarts is waited for like a pod
            say(f"waiting for the API server: {error}")
            patience.judge((), error)
        await asyncio.sleep(POLL_SECONDS)


async def obstacles_now(
    kube: KubeClient, cluster: ClusterSpec, expected: Sequence[str], say: Say, verify: Verify
) -> tuple[Obstacle, ...]:
    """Return what keeps the release from being ready, once pods that would for ever are out of the way."""
    blocking, _ = await _look(kube, cluster, expected, say, verify)
    return blocking


async def _look(
    kube: KubeClient, cluster: ClusterSpec, expected: Sequence[str], say: Say, verify: Verify
) -> tuple[tuple[Obstacle, ...], int]:
    workloads = await kube.workloads(cluster.release, cluster.namespace)
    pods = await kube.pods(cluster.release, cluster.namespace)
    replaced = 0
    for pod in superseded(workloads, pods):
        await verify()
        say(f"replacing Pod {pod.name}: it cannot start, and its StatefulSet waits for it with the new settings")
        # By uid, for its successor has the same name, and two steps may be looking at once.
        replaced += await kube.delete("v1", "Pod", pod.name, cluster.namespace, uid=pod.uid)
    return obstacles(workloads, pods, expected), replaced
