"""Two Kubernetes clusters of real nodes, one for each Dragonfly cluster: `make test-kind-two`.

The manager is reached by node ports; schedulers and seeds are as many as the chart makes by itself, three each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import yaml

from kind_world import REGISTRY, KindWorld, assert_proven, kind_world

pytestmark = [pytest.mark.timeout(2400)]
RUNS = int(os.environ.get("DFMC_KIND_RUNS", "5"))

TOPOLOGY = {
    "apiVersion": "dfmc.io/v1alpha1",
    "kind": "Topology",
    "metadata": {"name": "two"},
    "chart": {
        "repository": "https://dragonflyoss.github.io/helm-charts/",
        "name": "dragonfly",
        "version": "1.7.4",
    },
    "manager": {
        "cluster": "a",
        "expose": {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952},
        "access": "port-forward",
    },
    "defaults": {
        "namespace": "dragonfly-system",
        "runtime": {"type": "containerd", "registries": [f"http://{REGISTRY}:5000"]},
        "replicas": {"manager": 1, "scheduler": 3, "seedPeer": 3},
    },
    "clusters": [{"name": "a", "context": "east"}, {"name": "b", "context": "west", "scopes": {"idc": "cluster-2"}}],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindWorld]:
    with kind_world(tmp_path_factory.mktemp("kind"), yaml.safe_dump(TOPOLOGY, sort_keys=False)) as made:
        yield made


def test_a_pull_before_all_peers_know_all_schedulers_is_told_from_a_fault_of_the_wiring(world: KindWorld) -> None:
    """Right after the start it is chance whether client and seed go to the same scheduler; but never anything else."""
    report = world.verify("--settle", "0", code=None)
    causes = {cause["id"] for cluster in report["clusters"] for pull in cluster["pulls"] for cause in pull["causes"]}
    assert causes <= {"schedulers-apart", "scheduler-unreached"}
    assert report["bytesAcrossClusters"] == 0
    world.figures.values["causes before all know all"] = sorted(causes)


@pytest.mark.parametrize("number", range(1, RUNS + 1))
def test_each_clusters_seeds_fetch_the_content_once(world: KindWorld, number: int) -> None:
    assert_proven(world, number)


def test_doctor_finds_nothing(world: KindWorld) -> None:
    report = world.doctor()
    assert report["healthy"] is True
    assert {check["result"] for check in report["checks"]} == {"ok"}
