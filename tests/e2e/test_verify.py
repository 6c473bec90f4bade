"""Short-lived pods and the pod proxy on a real API server, and ``verify`` with real clients where the bed has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import pytest
import yaml

from bed_tools import wait_until
from bed_world import World
from dfmc.clients.kube import DynamicKube
from dfmc.clients.metrics import scheduler_counters
from dfmc.errors import DfmcError, NotReadyError, UnreachableError
from dfmc.state import PodRun
from dfmc.testbed.origin import read_log

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

T = TypeVar("T")
SCHEDULER = "dragonfly-scheduler-0"
SIZE = 8 << 20


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
    assert scheduler_counters(page).clients >= 0


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


# --- with real clients ---


def verify(world: World, *options: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.dfmc("verify", "-o", "json", *options, code=code).stdout)
    return document


def pulls(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [pull for cluster in document["clusters"] for pull in cluster["pulls"]]


def causes(document: dict[str, Any], cluster: str) -> list[str]:
    found = next(one for one in document["clusters"] if one["name"] == cluster)
    return [cause["id"] for pull in found["pulls"] for cause in pull["causes"]]


def test_each_cluster_fetches_its_own_copy_once_and_the_origin_agrees(
    real_clients_world: World, tmp_path: Path
) -> None:
    world = real_clients_world
    mark = world.audit_mark()
    document = verify(world, "--junit", str(tmp_path / "verify.xml"))
    assert document["proven"]
    assert [(pull["source"], pull["bytesReceived"], pull["bytesFromRegistry"]) for pull in pulls(document)] == [
        ("seed", SIZE, SIZE),
        ("peers", SIZE, 0),
        ("seed", SIZE, SIZE),
        ("peers", SIZE, 0),
    ]
    assert document["bytesAcrossClusters"] == 0
    fetched = [one for one in read_log(world.bed.origin_log) if one.target in document["content"] and one.status == 206]
    assert sum(one.sent for one in fetched) == 2 * SIZE
    assert len({one.client for one in fetched}) == 2
    root = ElementTree.parse(tmp_path / "verify.xml").getroot()  # noqa: S314 - our own
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("6", "0", "0")
    world.audit_mark()
    assert world.writes_since(mark) == []


@contextmanager
def restarted_with(
    world: World, namespace: str, component: str, change: Callable[[dict[str, Any]], None]
) -> Iterator[None]:
    """Change a component's configuration as somebody with kubectl would, start its pods anew; put it right again."""
    name = f"dragonfly-{component}"
    before: dict[str, str] = world.config_map(namespace, name)["data"]
    document = yaml.safe_load(before["dfdaemon.yaml"])
    change(document)
    world.replace_config(namespace, name, {**before, "dfdaemon.yaml": yaml.safe_dump(document)})
    restart(world, namespace, component)
    try:
        yield
    finally:
        world.replace_config(namespace, name, before)
        restart(world, namespace, component)


def restart(world: World, namespace: str, component: str) -> None:
    old = {pod["metadata"]["uid"] for pod in world.tools.pods(namespace, f"component={component}")}
    world.tools.kubectl("-n", namespace, "delete", "pods", "-l", f"component={component}")

    def is_new() -> bool:
        pods = world.tools.pods(namespace, f"component={component}")
        return len(pods) == len(old) and all(
            pod["metadata"]["uid"] not in old
            and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))
            for pod in pods
        )

    wait_until(f"new pods of {component}", is_new, seconds=120)


def carry_id_1(document: dict[str, Any]) -> None:
    document["host"]["schedulerClusterID"] = 1


def test_a_member_whose_clients_carry_id_1_is_told_by_the_counters(real_clients_world: World) -> None:
    with restarted_with(real_clients_world, "cluster-b", "client", carry_id_1):
        document = verify(real_clients_world, code=1)
    assert causes(document, "a") == []
    assert causes(document, "b") == ["client-id", "client-id"]
    # The second node may have its bytes from the first: both are peers of A's now.
    assert [pull["bytesAcrossClusters"] for pull in pulls(document)[:3]] == [0, 0, SIZE]


def test_a_seed_that_carries_id_1_is_told_by_the_counters(real_clients_world: World) -> None:
    with restarted_with(real_clients_world, "cluster-b", "seed-client", carry_id_1):
        document = verify(real_clients_world, "-c", "b", code=1)
    assert causes(document, "b") == ["seed-id"]
    assert pulls(document)[0]["source"] == "registry"
