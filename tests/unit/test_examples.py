"""The examples are what people copy: they load without a warning and say what the guide says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dfmc.linting.loading import load
from dfmc.planning.exposure import manager_endpoint, redis_addresses, service_names
from dfmc.state import Registration
from dfmc.symbols import Pending, SecretRef
from dfmc.topology.load import load_file
from dfmc.topology.model import Topology
from dfmc.topology.nodes import plain
from dfmc.topology.schema import json_schema
from dfmc.values.inputs import ValuesInputs
from dfmc.values.keys import unknown_keys
from dfmc.values.merge import get_path
from dfmc.values.render import render_values
from shared_material import shared_material

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/topology.yaml"))


def test_there_are_examples() -> None:
    assert {file.parent.name for file in FILES} == {"guide", "guide-legacy", "multi", "edge", "air-gapped"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_example_loads_without_a_warning(file: Path) -> None:
    assert load(file).warnings == ()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_example_satisfies_the_published_schema(file: Path) -> None:
    document = plain(load_file(file).document.raw)
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(json.dumps(document)))


def values_of(topology: Topology, name: str, number: int = 2) -> dict[str, Any]:
    """What `dfmc render --ids NAME=NUMBER` makes of an entry."""
    cluster = topology.cluster(name)
    given = ValuesInputs(
        registration=Registration(number, number),
        manager=manager_endpoint(topology, cluster, None),
        redis_addresses=redis_addresses(topology, cluster, None),
    )
    return render_values(topology, cluster, given)


def leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    return [leaf for value in tree for leaf in leaves(value)] if isinstance(tree, list) else [tree]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_example_renders_completely_and_into_keys_of_its_chart(file: Path) -> None:
    topology = load(file).topology
    for number, cluster in enumerate(topology.clusters, 1):
        values = values_of(topology, cluster.name, number)
        assert not [leaf for leaf in leaves(values) if isinstance(leaf, Pending)]
        assert unknown_keys(values, topology.chart.version) == ()
        assert get_path(values, "scheduler.config.manager.schedulerClusterID") == number


def test_multi_example_uses_databases_of_its_own_and_one_address_in_every_region() -> None:
    topology = load(EXAMPLES / "multi" / "topology.yaml").topology
    eu, us, ap = (values_of(topology, name) for name in ("eu", "us", "ap"))
    assert [get_path(values, "mysql.enable") for values in (eu, us, ap)] == [False] * 3
    assert [get_path(values, "redis.enable") for values in (eu, us, ap)] == [False] * 3
    assert eu["externalMysql"]["password"] == SecretRef("database-password")
    for values in (eu, us, ap):
        assert values["externalRedis"]["addrs"] == ["redis.eu.example.com:6379"]
    for values in (us, ap):
        expected = {"host": "dragonfly.example.com", "restPort": 8080, "grpcPort": 65003}
        assert values["externalManager"] == expected
    assert service_names(topology) == ("manager-rest", "manager-grpc")
    assert topology.manager.expose.type == "LoadBalancer"
    assert get_path(ap, "seedClient.replicas") == 5
    assert get_path(us, "client.config.host") == {
        "idc": "us-east-1",
        "location": "us|va|iad",
        "schedulerClusterID": 2,
    }


def test_edge_example_keeps_redis_inside_the_centre() -> None:
    topology = load(EXAMPLES / "edge" / "topology.yaml").topology
    assert service_names(topology) == ("manager-rest", "manager-grpc")
    centre, shop = values_of(topology, "centre"), values_of(topology, "shop-1")
    assert centre["redis"]["auth"] == {"enabled": True, "password": SecretRef("redis-password")}
    assert (shop["externalRedis"]["addrs"], shop["externalRedis"]["password"]) == ([], "")
    assert not [leaf for leaf in leaves(shop) if isinstance(leaf, SecretRef)]


def test_air_gapped_example_takes_nothing_from_outside() -> None:
    path = EXAMPLES / "air-gapped" / "topology.yaml"
    topology = load(path).topology
    assert topology.chart.repository is None
    assert not (path.parent / str(topology.chart.path)).exists()
    registry = "registry.internal.example:5000"
    for name in ("a", "b"):
        values = values_of(topology, name)
        assert values["global"]["imageRegistry"] == registry
        for part in ("scheduler", "seedClient", "client"):
            assert values[part]["image"]["pullSecrets"] == [{"name": "registry"}]
    central = values_of(topology, "a")
    assert {central[name]["image"]["registry"] for name in ("mysql", "redis")} == {registry}
    assert "ghcr.io" not in path.read_text()
    assert "docker.io" not in path.read_text()


@pytest.mark.parametrize(("example", "version"), [("guide", "1.7.4"), ("guide-legacy", "1.1.1")])
def test_guide_examples_describe_the_guides_two_clusters(example: str, version: str) -> None:
    topology = load_file(EXAMPLES / example / "topology.yaml").topology
    assert topology.chart.version == version
    assert topology.central.name == "a"
    assert [(c.name, c.context, c.namespace, dict(c.node_selector), c.scopes.idc) for c in topology.clusters] == [
        ("a", "kind-kind", "cluster-a", {"cluster": "a"}, None),
        ("b", "kind-kind", "cluster-b", {"cluster": "b"}, "cluster-2"),
    ]
    expose = topology.manager.expose
    assert (expose.type, expose.rest_node_port, expose.grpc_node_port, expose.redis_node_port) == (
        "NodePort",
        30950,
        30951,
        30952,
    )
    for cluster in topology.clusters:
        assert cluster.runtime.type == "containerd"
        assert cluster.runtime.registries == ("https://ghcr.io",)
        assert (cluster.replicas.manager, cluster.replicas.scheduler, cluster.replicas.seed_peer) == (1, 1, 1)


def test_legacy_example_holds_the_settings_of_the_guides_files() -> None:
    a, b = load_file(EXAMPLES / "guide-legacy" / "topology.yaml").topology.clusters
    assert (a.metrics, a.log_level, a.pprof_port) == (True, "debug", 18066)
    assert (b.metrics, b.log_level, b.pprof_port) == (None, None, None)
    for cluster in (a, b):
        assert cluster.runtime.inject_config_path is True
        assert cluster.tracing is not None
        assert cluster.tracing.type == "jaeger"
        images = cluster.images
        assert {i.tag for i in (images.manager, images.scheduler, images.seed_peer, images.client)} == {"latest"}


@pytest.mark.shared
def test_guide_example_uses_the_ports_of_the_guides_service() -> None:
    service = (shared_material() / "guide" / "manager-rest-svc.yaml").read_text()
    port = load_file(EXAMPLES / "guide" / "topology.yaml").topology.manager.expose.rest_node_port
    assert f"nodePort: {port}" in service
