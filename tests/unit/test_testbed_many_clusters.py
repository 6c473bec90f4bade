"""Topologies over several Kubernetes clusters of the bed, and how their members find the manager."""

from __future__ import annotations

from typing import Any

import pytest

from dfmc.linting.loading import load_from_text
from dfmc.testbed.many_clusters import beginners_topology, with_reachable_manager
from dfmc.testbed.topology_copy import GUIDE_TOPOLOGY, cluster_needs, dump_topology


def address(context: str) -> str:
    return f"10.0.0.1 of {context}"


@pytest.mark.parametrize("count", range(1, 9))
def test_so_many_kubernetes_clusters_each_with_nodes(count: int) -> None:
    topology = beginners_topology(count)
    assert len(cluster_needs(topology)) == count
    pointed = with_reachable_manager(topology, lambda context: "10.64.255.1")
    assert ("address" in pointed["manager"]) is (count > 1)


def test_one_cluster_is_the_guides() -> None:
    assert beginners_topology(1) is GUIDE_TOPOLOGY


def topology(manager: dict[str, Any], *contexts: str) -> dict[str, Any]:
    clusters = [{"name": name, "context": context} for name, context in zip("abc", contexts, strict=False)]
    return {"manager": {"cluster": "a", **manager}, "clusters": clusters}


def test_members_elsewhere_get_the_address_of_a_node_of_the_managers_cluster() -> None:
    file = topology({"expose": {"type": "NodePort"}, "address": "dragonfly.example.com"}, "east", "west")
    assert with_reachable_manager(file, address)["manager"]["address"] == "10.0.0.1 of east"
    assert file["manager"]["address"] == "dragonfly.example.com"


def test_the_beds_load_balancers_have_addresses_of_their_own() -> None:
    file = topology({"expose": {"type": "LoadBalancer"}, "address": "dragonfly.example.com"}, "east", "west")
    assert "address" not in with_reachable_manager(file, address)["manager"]


@pytest.mark.parametrize(
    "file",
    [
        topology({"expose": {"type": "NodePort"}}, "east", "east"),
        topology({"expose": {"type": "ClusterIP"}}, "east", "west"),
        topology({"cluster": "nobody", "expose": {"type": "NodePort"}}, "east", "west"),
        {"clusters": [{"name": "a"}, {"name": "b", "context": "west"}]},
        {"manager": "a", "clusters": [{"name": "a"}, {"name": "b", "context": "west"}]},
    ],
)
def test_where_it_changes_nothing_or_cannot_help_the_file_stays_as_it_is(file: dict[str, Any]) -> None:
    assert with_reachable_manager(file, address) == file


@pytest.mark.parametrize("count", [2, 8])
def test_dfmc_itself_has_nothing_against_it(count: int) -> None:
    text = dump_topology(with_reachable_manager(beginners_topology(count), lambda context: "10.64.255.1"))
    warnings = [warning for warning in load_from_text(text, "topology.yaml").warnings if warning.rule != "DF301"]
    assert warnings == []
