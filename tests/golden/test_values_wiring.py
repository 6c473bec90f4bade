"""Rendered values through a real helm: the stand-in charts' ConfigMaps, and those recorded of the real charts.

Every topology's ConfigMaps must prove right, and each single fact, once spoilt, must be found.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from chart_renderer import Renderer, by_key
from dfmc.state import Registration
from dfmc.symbols import resolve
from dfmc.testbed.chart_repository import standin_versions
from dfmc.topology.model import Topology
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.wiring import Fact, check_wiring, expected_wiring, expected_workloads
from helm_binary import helm_binary
from shared_material import shared_material
from values_cases import CURRENT, LEGACY, guide, inputs, known, rendered, topologies_of

STANDINS = standin_versions()
TOPOLOGIES = {f"{version}-{name}": wanted for version in STANDINS for name, wanted in topologies_of(version).items()}
TOPOLOGIES |= {f"{v}-other-names": guide(v, a={"release": "p2p"}, b={"release": "p2p"}) for v in STANDINS}
ConfigMaps = list[dict[str, Any]]


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))


def objects(helm: Renderer, wanted: Topology, name: str) -> Mapping[tuple[str, str], dict[str, Any]]:
    cluster = wanted.cluster(name)
    values = resolve(rendered(wanted, name), known)
    return helm.objects(wanted.chart.version, values, release=cluster.release, namespace=cluster.namespace)


def config_maps(found: Mapping[tuple[str, str], dict[str, Any]]) -> ConfigMaps:
    return [item for (kind, _), item in found.items() if kind == "ConfigMap"]


@pytest.mark.helm
@pytest.mark.parametrize("cluster", ["a", "b"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_chart_makes_of_the_values_what_must_be(helm: Renderer, name: str, cluster: str) -> None:
    wanted = TOPOLOGIES[name]
    found = objects(helm, wanted, cluster)
    wiring = expected_wiring(wanted, wanted.cluster(cluster), inputs(wanted, cluster), known)
    assert check_wiring(config_maps(found), wiring) == ()
    workloads = {key for key in found if key[0] in ("Deployment", "StatefulSet", "DaemonSet")}
    entry = wanted.cluster(cluster)
    expected = expected_workloads(
        entry.release, layout_of(wanted.chart.version), role_of(wanted, entry), rendered(wanted, cluster)
    )
    assert {key for key in workloads if "jaeger" not in key[1]} == {(item.kind, item.name) for item in expected}


@pytest.mark.helm
@pytest.mark.parametrize("cluster", ["a", "b"])
@pytest.mark.parametrize("version", STANDINS)
def test_each_fact_once_spoilt_is_found_and_nothing_else(helm: Renderer, version: str, cluster: str) -> None:
    wanted = guide(version)
    wiring = expected_wiring(wanted, wanted.cluster(cluster), inputs(wanted, cluster), known)
    right = config_maps(objects(helm, wanted, cluster))
    assert len(wiring.facts) > 10
    for fact in wiring.facts:
        for value in spoilt(fact):
            (finding,) = check_wiring(changed(right, fact, value), wiring)
            assert (finding.component, finding.key) == (fact.component.label, f"{fact.component.file}: {fact.path}")
            assert finding.seen != finding.expected
            if fact.is_secret:
                assert str(value) not in repr(finding)


def spoilt(fact: Fact) -> Iterator[Any]:
    """Wrong values of the kind that happens: another id, another address, none at all."""
    if isinstance(fact.expected, bool):
        yield not fact.expected
    elif isinstance(fact.expected, int):
        yield fact.expected + 1
    elif isinstance(fact.expected, list):
        yield ["elsewhere:1"]
        yield []
    elif fact.expected:
        yield "somewhere-else"
        yield None


def changed(right: ConfigMaps, fact: Fact, value: Any) -> ConfigMaps:
    copies = []
    for config_map in right:
        data = dict(config_map.get("data") or {})
        if config_map["metadata"]["labels"].get("component") == fact.component.label and fact.component.file in data:
            content = yaml.safe_load(data[fact.component.file])
            put(content, fact.path, value)
            data[fact.component.file] = yaml.safe_dump(content)
        copies.append(config_map | {"data": data})
    return copies


def put(content: Any, path: str, value: Any) -> None:
    outer, of_every, inner = path.partition("[].")
    *parents, last = outer.split(".")
    for key in parents:
        content = content[key]
    content[last] = [{inner: item} for item in value] if of_every else value


RECORDED = {
    ("legacy-1.1.1-central", LEGACY, "a"),
    ("legacy-1.1.1-member", LEGACY, "b"),
    ("current-1.7.4-central", CURRENT, "a"),
    ("current-1.7.4-member", CURRENT, "b"),
}


@pytest.mark.shared
@pytest.mark.parametrize(("recording", "version", "cluster"), sorted(RECORDED))
def test_what_the_real_charts_made_of_the_guide_proves_right(recording: str, version: str, cluster: str) -> None:
    text = (shared_material() / "charts" / "rendered" / f"{recording}.yaml").read_text()
    recorded = [item for (kind, _), item in by_key(text).items() if kind == "ConfigMap"]
    wanted = guide(version)
    ids = Registration(1, 1) if cluster == "a" else Registration(2, 2)
    facts = inputs(wanted, cluster, registration=ids)
    public = {"jwt-key": "ZHJhZ29uZmx5Cg=="}
    wiring = expected_wiring(wanted, wanted.cluster(cluster), facts, lambda s: public.get(s.key, "dragonfly"))
    # The guide says a member's idc to its clients alone; dfmc says it to seed peers and schedulers as well.
    others = "scheduler", "seed-peer", "seed-client"
    findings = check_wiring(recorded, wiring)
    assert [f for f in findings if not (f.key.endswith("host.idc") and f.component in others)] == []
    other = expected_wiring(wanted, wanted.cluster(cluster), inputs(wanted, cluster, registration=Registration(8, 9)))
    ids_found = [finding for finding in check_wiring(recorded, other) if "ID" in finding.key]
    assert len(ids_found) == (2 if version == LEGACY else 3)
