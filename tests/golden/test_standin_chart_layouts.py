"""What distinguishes the layouts of the chart, on the stand-ins: the traps that dfmc must know, one test each.

All of it but 1.7.8 was compared, object by object, with the published templates.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import pytest
import yaml

from chart_renderer import Key, Object, Renderer, config, normalised
from dfmc.testbed.chart_repository import standin_versions
from helm_binary import helm_binary, helm_of_major

LEGACY = ("1.1.1", "1.1.37", "1.1.60")  # L1, L2, L3: peers written in Go
CURRENT = tuple(version for version in standin_versions() if version not in LEGACY)
RUST = ("client", "seedClient")
MANAGED = {"manager": {"enable": True}, "mysql": {"enable": True}, "redis": {"enable": True}}
MEMBER: dict[str, Any] = {
    "manager": {"enable": False},
    "mysql": {"enable": False},
    "redis": {"enable": False},
    "externalManager": {"host": "manager.example"},
    "externalRedis": {"addrs": ["redis.example:6379"]},
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))


def since(version: str, first: str) -> bool:
    return [int(part) for part in version.split(".")] >= [int(part) for part in first.split(".")]


def waits(objects: Mapping[Key, Object], kind: str, name: str) -> dict[str, str]:
    pod = objects[kind, name]["spec"]["template"]["spec"]
    found = pod.get("initContainers") or []
    return {item["name"]: item["command"][2] for item in found if item["name"].startswith("wait-for")}


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_a_member_reaches_the_managers_address_in_every_component_that_dials_it(helm: Renderer, version: str) -> None:
    objects = helm.objects(version, MEMBER)
    assert not {name for _, name in objects} & {"dragonfly-manager", "dragonfly-mysql", "dragonfly-redis-master"}
    scheduler = config(objects, "dragonfly-scheduler")
    assert scheduler["manager"]["addr"] == "manager.example:65003"
    assert scheduler["database"]["redis"]["addrs"] == scheduler["job"]["redis"]["addrs"] == ["redis.example:6379"]
    if version in LEGACY:
        for name in ("seed-peer", "dfdaemon"):
            manager = config(objects, f"dragonfly-{name}")["scheduler"]["manager"]
            assert manager["netAddrs"] == [{"type": "tcp", "addr": "manager.example:65003"}]
    else:
        scheme = "http://" if since(version, "1.1.70") else ""
        for name in ("seed-client", "client"):
            manager = config(objects, f"dragonfly-{name}")["manager"]
            address = f"{scheme}manager.example:65003"
            assert manager == ({"addr": address} if since(version, "1.2.18") else {"addrs": [address]})


@pytest.fixture(scope="module", params=[3, 4])
def helm_3_or_4(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_of_major(request.param), tmp_path_factory.mktemp("charts"))


@pytest.mark.helm
@pytest.mark.parametrize("values", [MANAGED, MEMBER], ids=["central", "member"])
@pytest.mark.parametrize("version", standin_versions())
def test_both_majors_of_helm_make_the_same_of_every_chart(
    helm: Renderer, helm_3_or_4: Renderer, version: str, values: Mapping[str, Any]
) -> None:
    # Helm 3 keeps the nulls of a chart's defaults, Helm 4 drops them: which is noise, here and in life.
    rendered = (renderer.objects(version, values) for renderer in (helm, helm_3_or_4))
    usual, other = (
        {key: normalised(item) for key, item in objects.items() if "app" in item["metadata"]["labels"]}
        for objects in rendered
    )
    assert ("StatefulSet", "dragonfly-scheduler") in usual
    assert usual == other


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_members_wait_for_the_port_that_their_layout_asks(helm: Renderer, version: str) -> None:
    port = 65003 if since(version, "1.6.10") else 8080
    (wait,) = waits(helm.objects(version, MEMBER), "StatefulSet", "dragonfly-scheduler").values()
    assert f"nc -vz manager.example {port};" in wait


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_the_labels_that_every_version_keeps_select_and_the_release_until_1_4_2(helm: Renderer, version: str) -> None:
    kept = {"app": "dragonfly", "component": "scheduler"}
    expected = kept if since(version, "1.4.3") else kept | {"release": "dragonfly"}
    objects = helm.objects(version, MANAGED)
    scheduler = objects["StatefulSet", "dragonfly-scheduler"]["spec"]
    assert scheduler["selector"]["matchLabels"] == scheduler["template"]["metadata"]["labels"] == expected
    assert objects["Service", "dragonfly-scheduler"]["spec"]["selector"] == expected


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_objects_go_to_another_namespace_only_where_the_chart_knows_the_override(helm: Renderer, version: str) -> None:
    objects = helm.objects(version, MEMBER, {"namespaceOverride": "other"})
    expected = {"other"} if since(version, "1.1.72") else {None}
    assert {item["metadata"].get("namespace") for item in objects.values()} == expected


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_an_image_is_taken_in_the_form_of_its_layout(helm: Renderer, version: str) -> None:
    if since(version, "1.1.38"):
        values: dict[str, Any] = {"image": {"registry": "r.example", "repository": "a/b", "digest": "sha256:1"}}
        expected = "r.example/a/b@sha256:1"
    else:
        values, expected = {"image": "r.example/a/b", "tag": "v9"}, "r.example/a/b:v9"
    pod = helm.objects(version, {"scheduler": values})["StatefulSet", "dragonfly-scheduler"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == expected


IDS = {
    "1.1.1": [],
    "1.1.37": ["seedPeer.clusterID"],
    "1.1.60": ["seedPeer.clusterID"],
    "1.1.66": ["seedPeer.clusterID"],
    "1.4.2": ["seedPeer.clusterID"],
    "1.4.4": ["seedPeer.clusterID"],
    "1.4.5": ["host.schedulerClusterID"],
    "1.6.27": ["host.schedulerClusterID"],
    "1.7.4": ["host.schedulerClusterID"],
    "1.7.8": ["host.schedulerClusterID"],
}


@pytest.mark.helm
@pytest.mark.parametrize("version", [version for version, paths in IDS.items() if paths])
def test_the_seed_clients_default_id_stands_where_the_layout_has_it(helm: Renderer, version: str) -> None:
    assert {*IDS} == {*standin_versions()}
    found = config(helm.objects(version, MANAGED, {"seedClient": {"enable": True}}), "dragonfly-seed-client")
    places = {"seedPeer.clusterID": found["seedPeer"].get("clusterID")}
    places["host.schedulerClusterID"] = found["host"].get("schedulerClusterID")
    assert [path for path, value in places.items() if value == 1] == IDS[version]


@pytest.mark.helm
@pytest.mark.parametrize("version", CURRENT)
def test_a_clients_own_manager_address_counts_only_where_the_template_heeds_it(helm: Renderer, version: str) -> None:
    given = {"config": {"manager": {"addr": "http://own.example:65003", "addrs": None}}}
    objects = helm.objects(version, MEMBER, dict.fromkeys(RUST, given))
    manager = config(objects, "dragonfly-client")["manager"]
    heeded = since(version, "1.4.15") and not since(version, "1.7.5")
    assert ("http://own.example:65003" in manager.values()) == heeded
    assert manager == config(objects, "dragonfly-seed-client")["manager"]


@pytest.mark.helm
@pytest.mark.parametrize("version", standin_versions())
def test_the_managers_node_port_goes_to_one_of_its_two_ports_or_to_none(helm: Renderer, version: str) -> None:
    values = {"manager": {"service": {"type": "NodePort", "nodePort": 30950}}}
    objects = helm.objects(version, MANAGED, values)
    ports = objects["Service", "dragonfly-manager"]["spec"]["ports"]
    exposed = [item["port"] for item in ports if item.get("nodePort")]
    assert exposed == ([] if not since(version, "1.2.14") else [8080] if since(version, "1.5.1") else [65003])


@pytest.mark.helm
@pytest.mark.parametrize(
    ("version", "dead"),
    [
        ("1.1.1", {"client": {"enable": True}, "seedClient": {"enable": True}, "namespaceOverride": "x"}),
        ("1.1.37", {"global": {"imageRegistry": "r.example", "nodeSelector": {"a": "b"}, "storageClass": "fast"}}),
        ("1.1.66", {"dfdaemon": {"enable": True}, "seedPeer": {"enable": True}, "trainer": {"enable": True}}),
        ("1.1.66", {"jaeger": {"enable": True}, "containerRuntime": {"containerd": {"enable": True}}}),
        ("1.4.4", {"readinessProbe": {"periodSeconds": 99}, "injector": {"enable": True}}),
        (
            "1.4.4",
            {"client": {"extraEnvVars": [{"name": "A"}]}, "externalRedis": {"tls": {"caCert": "c"}}},
        ),
        ("1.7.4", {"scheduler": {"dynconfig": {"applications": ["a"]}}, "client": {"sysctlInit": {"enable": True}}}),
        ("1.7.4", {"scheduler": {"config": {"manager": {"addr": "x"}, "verbose": True, "jaeger": "http://j"}}}),
        ("1.7.8", {"scheduler": {"service": {"type": "NodePort", "nodePort": 30800}}, "dfdaemon": {"enable": True}}),
        ("1.7.8", {"client": {"config": {"manager": {"addr": "http://x:65003"}}}, "externalManager": {"enable": True}}),
    ],
)
def test_a_key_that_the_layout_does_not_have_is_silently_ignored_as_in_life(
    helm: Renderer, version: str, dead: Mapping[str, Any]
) -> None:
    assert helm.objects(version, MEMBER, dead) == helm.objects(version, MEMBER)


@pytest.mark.helm
def test_clients_enabled_beside_the_go_peers_have_a_pod_that_can_start_only_with_dfinit(helm: Renderer) -> None:
    objects = helm.objects("1.1.37", {"client": {"enable": True}})
    volumes = {
        item["name"]: item for item in objects["DaemonSet", "dragonfly-client"]["spec"]["template"]["spec"]["volumes"]
    }
    assert volumes["dfinit-config"]["configMap"]["name"] == "dragonfly-dfinit"
    assert ("ConfigMap", "dragonfly-dfinit") not in objects
    later = helm.objects("1.1.60", {"client": {"enable": True}})
    assert "dfinit-config" not in str(later["DaemonSet", "dragonfly-client"])


@pytest.mark.helm
@pytest.mark.parametrize("version", [version for version in CURRENT if not since(version, "1.7.1")])
def test_annotations_of_a_seed_clients_claim_break_the_chart_before_1_7_1(helm: Renderer, version: str) -> None:
    values = {"seedClient": {"persistence": {"annotations": {"a": "b"}}}}
    assert "seedClient.persistence.annotations" in helm.template(version, values, expect_failure=True)


def dynconfigs(objects: Mapping[Key, Object]) -> dict[str, Any]:
    maps = {name: item["data"] for (kind, name), item in objects.items() if kind == "ConfigMap"}
    return {name: yaml.safe_load(data["dynconfig.yaml"]) for name, data in maps.items() if "dynconfig.yaml" in data}


@pytest.mark.helm
@pytest.mark.parametrize(
    "values", [{}, {"externalManager": {"hosts": "typo.example"}}], ids=["central", "misspelt member"]
)
def test_1_7_8_without_a_manager_renders_one_nowhere_and_fails_nowhere(
    helm: Renderer, values: Mapping[str, Any]
) -> None:
    objects = helm.objects("1.7.8", values)
    workloads = {key for key in objects if key[0] in ("Deployment", "StatefulSet", "DaemonSet")}
    assert {name for _, name in workloads} == {"dragonfly-scheduler", "dragonfly-seed-client", "dragonfly-client"}
    for kind, name in workloads:
        assert "wait-for-manager" not in waits(objects, kind, name)
    found = dynconfigs(objects)
    assert {*found} == {"dragonfly-scheduler", "dragonfly-seed-client", "dragonfly-client"}
    assert found["dragonfly-scheduler"]["schedulerClusterConfig"] == {
        "candidateParentLimit": 3,
        "filterParentLimit": 15,
    }
    assert found["dragonfly-client"]["scheduler"] == {
        "addr": "dragonfly-scheduler.cluster-a.svc.cluster.local:8002",
        "addrs": [],
    }
    scheduler = yaml.safe_load(objects["ConfigMap", "dragonfly-scheduler"]["data"]["scheduler.yaml"])
    assert "addr" not in scheduler["manager"]
    assert scheduler["database"]["redis"]["addrs"] == []
    client = yaml.safe_load(objects["ConfigMap", "dragonfly-client"]["data"]["dfdaemon.yaml"])
    assert client["manager"] == {}


@pytest.mark.helm
@pytest.mark.parametrize("values", [MANAGED, MEMBER], ids=["central", "member"])
def test_1_7_8_with_a_manager_is_wired_as_1_7_4(helm: Renderer, values: Mapping[str, Any]) -> None:
    new, old = (helm.objects(version, values) for version in ("1.7.8", "1.7.4"))
    assert {*new} == {*old}
    assert dynconfigs(new) == {}
    for name in ("scheduler", "seed-client", "client"):
        assert config(new, f"dragonfly-{name}")["manager"] == config(old, f"dragonfly-{name}")["manager"]
    for kind, name in (("StatefulSet", "scheduler"), ("StatefulSet", "seed-client"), ("DaemonSet", "client")):
        assert waits(new, kind, f"dragonfly-{name}") == waits(old, kind, f"dragonfly-{name}")


@pytest.mark.helm
def test_1_7_8s_scheduler_service_is_headless_so_that_an_upgrade_to_it_cannot_be_applied(helm: Renderer) -> None:
    def spec(version: str) -> Any:
        return helm.objects(version, MANAGED)["Service", "dragonfly-scheduler"]["spec"]

    assert (spec("1.7.4").get("clusterIP"), spec("1.7.8")["clusterIP"]) == (None, "None")
    assert spec("1.7.4")["ports"] == spec("1.7.8")["ports"]


@pytest.mark.helm
def test_1_7_8s_seed_clients_ask_for_eight_processors(helm: Renderer) -> None:
    objects = helm.objects("1.7.8")
    (container,) = objects["StatefulSet", "dragonfly-seed-client"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "8", "memory": "16Gi"}


@pytest.mark.helm
def test_1_7_8s_kernel_settings_are_made_by_a_privileged_init_container_where_asked_for(helm: Renderer) -> None:
    objects = helm.objects("1.7.8", {"client": {"sysctlInit": {"enable": True, "sysctls": {"net.core.rmem_max": "9"}}}})
    pod = objects["DaemonSet", "dragonfly-client"]["spec"]["template"]["spec"]
    (sysctl,) = (item for item in pod["initContainers"] if item.get("securityContext"))
    assert sysctl["securityContext"] == {"privileged": True}
    assert "net.core.rmem_max=9" in sysctl["command"]


def test_every_entry_of_the_charts_history_is_asked_for_and_nothing_else_is() -> None:
    folder = files("dfmc.testbed") / "charts" / "templates"
    texts = {entry.name: entry.read_text() for entry in folder.iterdir()}
    table = re.search(r'define "dragonfly.history" -}}\n(.*?){{- end', texts["_history.tpl"], re.DOTALL)
    assert table
    entries = yaml.safe_load(table[1])
    everything = "".join(texts.values())
    asked = set(re.findall(r'"dragonfly\.has" \(list (?:\(index \. 0\)|\S+) "(\w+)"', everything))
    asked |= set(re.findall(r'"dragonfly\.history" \S+ \| fromYaml\)\.(\w+)', everything))
    assert asked == {*entries}
