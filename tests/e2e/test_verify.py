"""Short-lived pods and the pod proxy on a real API server, and ``verify`` with real clients where the bed has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from bed_world import World
from dfmc.clients.kube import DynamicKube
from dfmc.clients.metrics import scheduler_counters
from dfmc.errors import DfmcError, NotReadyError, UnreachableError
from dfmc.state import PodRun, SchedulerCounters

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

T = TypeVar("T")
SCHEDULER = "dragonfly-scheduler-0"
"""One scheduler runs in each namespace of the guide's bed."""


def ask(world: World, question: Callable[[DynamicKube], Awaitable[T]]) -> T:
    async def run() -> T:
        kube = DynamicKube(world.tools.context, world.bed.kubeconfig)
        try:
            return await question(kube)
        finally:
            await kube.close()

    return asyncio.run(run())


def test_a_schedulers_counters_come_through_the_pod_proxy(up_world: World) -> None:
    page = ask(up_world, lambda kube: kube.pod_get("cluster-b", SCHEDULER, 8000, "metrics"))
    assert scheduler_counters(page) == SchedulerCounters()


def test_a_port_where_nothing_listens_is_unreachable(up_world: World) -> None:
    with pytest.raises(UnreachableError, match=f"pod {SCHEDULER} does not answer at port 8099"):
        ask(up_world, lambda kube: kube.pod_get("cluster-b", SCHEDULER, 8099, "metrics"))


def test_a_page_that_is_not_there_is_the_pods_own_answer(up_world: World) -> None:
    with pytest.raises(DfmcError, match=r"answers HTTP 404 to GET /nowhere"):
        ask(up_world, lambda kube: kube.pod_get("cluster-b", SCHEDULER, 8000, "nowhere"))


def probe(script: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "probe", "image": "busybox:latest", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "dfmc-test", "namespace": "cluster-b"},
        "spec": {"containers": [container], **spec},
    }


def probes(world: World) -> list[str]:
    return [pod["metadata"]["name"] for pod in world.tools.pods("cluster-b", "dfmc.io/purpose=probe")]


def run_probe(world: World, pod: dict[str, Any], timeout: float = 60.0) -> PodRun:
    return ask(world, lambda kube: kube.run_pod(pod, timeout=timeout))


def test_a_short_lived_pod_leaves_its_output_and_nothing_else(up_world: World) -> None:
    ended = run_probe(up_world, probe("echo from inside; echo beside >&2; exit 3"))
    assert (ended.exit_code, ended.reason) == (3, "Error")
    assert "from inside\n" in ended.output
    assert "beside\n" in ended.output
    assert ended.node
    assert probes(up_world) == []


def test_a_short_lived_pod_that_fits_nowhere_says_so_in_the_schedulers_words(up_world: World) -> None:
    with pytest.raises(NotReadyError, match="Unschedulable: 0/"):
        run_probe(up_world, probe("true", nodeSelector={"no": "such-node"}), timeout=120.0)
    assert probes(up_world) == []


def test_a_short_lived_pod_that_does_not_end_is_ended(up_world: World) -> None:
    with pytest.raises(NotReadyError, match="has not ended within"):
        run_probe(up_world, probe("sleep 600"), timeout=3.0)
    assert probes(up_world) == []
