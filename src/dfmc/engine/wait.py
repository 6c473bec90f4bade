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
        return NotReadyError(
            what,
            where=cluster.name,
            why=why,
            left=f"release {cluster.release} is installed in namespace {cluster.namespace}; nothing was rolled back",
            next_step=f"{_line_to_type(cluster, blocking)}; then run dfmc up again",
        )


def _line_to_type(cluster: ClusterSpec, blocking: Sequence[Obstacle]) -> str:
    """Return the command that shows more of the first thing that is in the way."""
    kubectl = f"kubectl --context {cluster.context} -n {cluster.namespace}"
    first = next((obstacle for obstacle in blocking if obstacle.pod), None)
    if first is None:
        return f"{kubectl} get pods"
    if first.container:
        return f"{kubectl} logs {first.pod} -c {first.container} --previous"
    if first.waits_for:
        host, _, port = first.waits_for.rpartition(":")
        probe = f"sh -c 'nslookup {host} && nc -vz {host} {port}'"
        # The chart waits with these two words; where they fail in a pod, the address is wrong or not let through.
        return f"{kubectl} run reach --rm -i --restart=Never --image=busybox -- {probe}"
    return f"{kubectl} describe pod {first.pod}"


async def add_last_words(
    kube: KubeClient, cluster: ClusterSpec, blocking: Sequence[Obstacle], error: NotReadyError
) -> None:
    """Add to an error what the first container that has ended said last; whoever prints it masks what is secret."""
    ended = next((obstacle for obstacle in blocking if obstacle.container), None)
    if ended is None:
        return
    try:
        words = await kube.last_words(ended.pod, cluster.namespace, ended.container)
    except DfmcError:
        return  # a comfort; what the error is about is known without it
    if words:
        error.why += f"\n{ended.pod}, container {ended.container}, said last:\n{words}"


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
            try:
                patience.judge(blocking)
            except NotReadyError as error:
                await add_last_words(kube, cluster, blocking, error)
                raise
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
