"""The examples are what people copy: they load without a warning and say what the guide says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from dfmc.topology.load import load_file
from dfmc.topology.nodes import plain
from dfmc.topology.schema import json_schema
from shared_material import shared_material

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*/topology.yaml"))


def test_there_are_examples() -> None:
    assert {file.parent.name for file in FILES} >= {"guide", "guide-legacy"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_example_loads_without_a_warning(file: Path) -> None:
    assert load_file(file).warnings == ()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_example_satisfies_the_published_schema(file: Path) -> None:
    document = plain(load_file(file).document.raw)
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(json.dumps(document)))


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
