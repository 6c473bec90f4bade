"""Which kind clusters a topology gets, and what kind and its members are told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dfmc.testbed.kind.addresses import exposed
from dfmc.testbed.kind.kubeconfigs import merged_kubeconfig, servers
from dfmc.testbed.kind.plan import ConsoleNeed, KindCluster, PortMapping, kind_config, plan_clusters
from dfmc.testbed.plan import ClusterNeed
from dfmc.testbed.topology_copy import GUIDE_TOPOLOGY, ChartSource, cluster_needs, localised
from shared_material import shared_material

GUIDE_CONSOLE = ConsoleNeed("kind-kind", {"cluster": "a"}, PortMapping(30950, 8080))


def guide_cluster() -> KindCluster:
    (cluster,) = plan_clusters(cluster_needs(GUIDE_TOPOLOGY), GUIDE_CONSOLE)
    return cluster


def two_contexts(**manager: Any) -> dict[str, Any]:
    expose = {"type": "NodePort"}
    return {
        "manager": {"cluster": "a", "expose": expose, **manager},
        "clusters": [
            {"name": "b", "context": "us-east-1", "namespace": "dragonfly"},
            {"name": "a", "context": "eu", "namespace": "dragonfly", "nodeSelector": {"pool": "p2p"}},
        ],
    }


def test_the_guide_s_topology_gets_the_guide_s_cluster() -> None:
    config = yaml.safe_load(kind_config(guide_cluster()))
    worker_a = {"role": "worker", "labels": {"cluster": "a"}}
    worker_b = {"role": "worker", "labels": {"cluster": "b"}}
    mapping = {"containerPort": 30950, "hostPort": 8080, "listenAddress": "127.0.0.1"}
    assert config == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {"role": "control-plane"},
            {**worker_a, "extraPortMappings": [mapping]},
            worker_a,
            worker_b,
            worker_b,
        ],
    }
    assert guide_cluster().nodes == (
        "kind-control-plane",
        "kind-worker",
        "kind-worker2",
        "kind-worker3",
        "kind-worker4",
    )


def test_the_guide_s_own_file_differs_in_the_loopback_address_alone() -> None:
    published = yaml.safe_load((shared_material() / "guide" / "kind-config.yaml").read_text())
    config = yaml.safe_load(kind_config(guide_cluster()))
    for node in config["nodes"]:
        for mapping in node.get("extraPortMappings", []):
            assert mapping.pop("listenAddress") == "127.0.0.1"
    assert config == published


def test_each_context_gets_a_cluster_of_its_own_named_as_kind_allows() -> None:
    needs = [ClusterNeed(context, ({},)) for context in ("kind-kind", "kind", "Arn:aws/EU_1", "eu")]
    assert [cluster.name for cluster in plan_clusters(needs, None)] == ["kind", "kind-2", "arn-aws-eu-1", "eu"]


def test_a_context_keeps_its_cluster_when_the_file_is_reordered() -> None:
    first, second = ClusterNeed("kind", ({},)), ClusterNeed("kind-kind", ({},))
    known = plan_clusters([first, second], None)
    again = plan_clusters([second, first], None, known)
    assert {cluster.context: cluster.name for cluster in known} == {cluster.context: cluster.name for cluster in again}


def test_the_console_s_port_is_on_the_first_node_of_the_manager_s_own_entry() -> None:
    needs = [ClusterNeed("kind-kind", ({"cluster": "b"}, {"cluster": "a"}))]
    (cluster,) = plan_clusters(needs, GUIDE_CONSOLE)
    assert [worker.mapping for worker in cluster.workers] == [None, None, PortMapping(30950, 8080), None]
    assert cluster.mapping == PortMapping(30950, 8080)


def test_a_cluster_covers_what_it_was_made_for_and_less() -> None:
    cluster = guide_cluster()
    (fewer,) = plan_clusters([ClusterNeed("kind-kind", ({"cluster": "b"},))], None)
    (other,) = plan_clusters([ClusterNeed("kind-kind", ({"cluster": "c"},))], None)
    assert cluster.covers(cluster)
    assert cluster.covers(fewer)
    assert not cluster.covers(other)
    assert not fewer.covers(cluster)
    (elsewhere,) = plan_clusters(
        cluster_needs(GUIDE_TOPOLOGY), ConsoleNeed("kind-kind", {"cluster": "a"}, PortMapping(30950, 9090))
    )
    assert not cluster.covers(elsewhere)


def test_a_plan_survives_its_file() -> None:
    cluster = guide_cluster()
    assert KindCluster.from_json(cluster.to_json()) == cluster


def test_members_elsewhere_are_told_a_name_and_known_node_ports() -> None:
    made = exposed(localised(two_contexts(address="dragonfly.example.com"), ChartSource(), Path("/")))
    assert (made.central, made.elsewhere, made.notes) == ("eu", ("us-east-1",), ())
    manager = made.with_address("eu-control-plane.kind")["manager"]
    assert manager["address"] == "eu-control-plane.kind"
    assert manager["expose"] == {
        "type": "NodePort",
        "restNodePort": 30950,
        "grpcNodePort": 30951,
        "redisNodePort": 30952,
    }
    assert made.console(8081) == ConsoleNeed("eu", {"pool": "p2p"}, PortMapping(30950, 8081))
    assert made.console(0) is None


def test_node_ports_of_the_file_stay_and_others_keep_clear_of_them() -> None:
    given = {"type": "NodePort", "redisNodePort": 30951}
    expose = exposed(two_contexts(expose=given)).topology["manager"]["expose"]
    assert expose == {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30952, "redisNodePort": 30951}


def test_the_guide_s_topology_stays_as_it_is() -> None:
    made = exposed(GUIDE_TOPOLOGY)
    assert made.topology == GUIDE_TOPOLOGY
    assert made.with_address("kind-control-plane.kind") == GUIDE_TOPOLOGY
    assert (made.elsewhere, made.notes) == ((), ())
    assert made.console(8080) == GUIDE_CONSOLE


def test_what_kind_cannot_do_is_replaced_and_said() -> None:
    made = exposed(two_contexts(expose={"type": "LoadBalancer"}, access="https://manager.example.com"))
    manager = made.topology["manager"]
    assert manager["expose"]["type"] == "NodePort"
    assert manager["access"] == "port-forward"
    assert len(made.notes) == 2
    assert "https://manager.example.com is not this bed's manager" in made.notes[0]


def test_a_file_that_the_tool_would_refuse_is_no_trouble() -> None:
    assert exposed({"clusters": [{"name": "a", "context": "eu"}]}).central is None
    nowhere = exposed(two_contexts(cluster="nobody"))
    assert (nowhere.central, nowhere.elsewhere, nowhere.console(8080)) == (None, (), None)
    assert exposed(two_contexts(expose={"type": "ClusterIP"})).console(8080) is None


def test_the_kubeconfig_has_the_contexts_of_the_topology() -> None:
    def written(name: str, port: int) -> str:
        own = f"kind-{name}"
        config = {
            "clusters": [{"name": own, "cluster": {"server": f"https://127.0.0.1:{port}"}}],
            "users": [{"name": own, "user": {"token": name}}],
            "contexts": [{"name": own, "context": {"cluster": own, "user": own}}],
        }
        return yaml.safe_dump(config)

    plans = [KindCluster("eu", "eu", ()), KindCluster("kind-us", "us", ())]
    text = merged_kubeconfig([(plans[0], written("eu", 1)), (plans[1], written("us", 2))])
    config = yaml.safe_load(text)
    assert config["current-context"] == "eu"
    assert config["contexts"] == [
        {"name": "eu", "context": {"cluster": "kind-eu", "user": "kind-eu"}},
        {"name": "kind-us", "context": {"cluster": "kind-us", "user": "kind-us"}},
    ]
    assert [user["user"]["token"] for user in config["users"]] == ["eu", "us"]
    assert servers(text) == {"eu": "https://127.0.0.1:1", "kind-us": "https://127.0.0.1:2"}
