"""What the bed and dfmc's tests rely on in the stand-in charts; needs a helm, and nothing beside the checkout."""

import functools
import http.server
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart_renderer import Key, Object, Renderer, config, pod_containers
from dfmc.testbed.chart_repository import standin_versions
from helm_binary import helm_binary

pytestmark = pytest.mark.helm

# What dfmc writes for a central cluster: from 1.7.5 on the defaults are off.
CENTRAL = {"manager": {"enable": True}, "mysql": {"enable": True}, "redis": {"enable": True}}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    return Renderer(helm_binary(), tmp_path_factory.mktemp("charts"))


@pytest.mark.parametrize("version", standin_versions())
def test_a_release_of_another_name_prefixes_every_object(helm: Renderer, version: str) -> None:
    objects = helm.objects(version, CENTRAL, release="foo")
    names = {name for _, name in objects}
    assert {"foo-dragonfly-manager", "foo-dragonfly-scheduler", "foo-mysql", "foo-redis-master"} <= names
    assert all(name.startswith("foo-") for name in names)
    mysql = config(objects, "foo-dragonfly-manager")["database"]["mysql"]
    assert mysql["host"] == "foo-mysql.cluster-a.svc.cluster.local"


def test_ids_reach_all_three_configurations(helm: Renderer) -> None:
    host = {"config": {"host": {"schedulerClusterID": 7}}}
    scheduler = {"config": {"manager": {"schedulerClusterID": 7}}}
    objects = helm.objects("1.7.4", {"client": host, "seedClient": host, "scheduler": scheduler})
    assert config(objects, "dragonfly-scheduler")["manager"]["schedulerClusterID"] == 7
    assert config(objects, "dragonfly-seed-client")["host"]["schedulerClusterID"] == 7
    assert config(objects, "dragonfly-client")["host"]["schedulerClusterID"] == 7


def test_an_id_of_null_takes_the_key_away(helm: Renderer) -> None:
    objects = helm.objects("1.7.4", {"client": {"config": {"host": {"schedulerClusterID": None, "idc": "x"}}}})
    assert config(objects, "dragonfly-client")["host"] == {"idc": "x", "location": ""}


def test_legacy_ids_reach_scheduler_and_seed_peer(helm: Renderer) -> None:
    values = {
        "scheduler": {"config": {"manager": {"schedulerClusterID": 7}}},
        "seedPeer": {"config": {"scheduler": {"manager": {"seedPeer": {"clusterID": 7}}}}},
    }
    objects = helm.objects("1.1.1", values)
    assert config(objects, "dragonfly-scheduler")["manager"]["schedulerClusterID"] == 7
    assert config(objects, "dragonfly-seed-peer")["scheduler"]["manager"]["seedPeer"]["clusterID"] == 7


@pytest.mark.parametrize(("version", "port"), [("1.7.4", "65003"), ("1.1.1", "8080")])
def test_a_member_without_a_manager_waits_for_nobody_for_ever(helm: Renderer, version: str, port: str) -> None:
    objects = helm.objects(version, {"manager": {"enable": False}})
    command = objects["StatefulSet", "dragonfly-scheduler"]["spec"]["template"]["spec"]["initContainers"][0]["command"]
    assert command[2].startswith(f"until nslookup  && nc -vz  {port};")


def test_dfinit_comes_with_its_container_its_restart_and_its_configuration_or_not_at_all(helm: Renderer) -> None:
    def inits(objects: Mapping[Key, Object]) -> list[str]:
        pod = objects["DaemonSet", "dragonfly-client"]["spec"]["template"]["spec"]
        return [container["name"] for container in pod["initContainers"]]

    off = helm.objects("1.7.4")
    assert inits(off) == ["wait-for-scheduler"]
    assert ("ConfigMap", "dragonfly-dfinit") not in off
    on = helm.objects("1.7.4", {"client": {"dfinit": {"enable": True}}})
    assert inits(on) == ["wait-for-scheduler", "dfinit", "restart-container-runtime"]
    crio = {"containerd": None, "crio": {"configPath": "/etc/containers/registries.conf"}}
    calm = {"enable": True, "restartContainerRuntime": False, "config": {"containerRuntime": crio}}
    once = helm.objects("1.7.4", {"client": {"dfinit": calm}})
    assert inits(once) == ["wait-for-scheduler", "dfinit"]
    assert list(config(once, "dragonfly-dfinit")["containerRuntime"]) == ["crio"]


def test_one_registry_serves_every_image_subcharts_included(helm: Renderer) -> None:
    values = {"global": {"imageRegistry": "registry.local:5000"}, "client": {"dfinit": {"enable": True}}}
    objects = helm.objects("1.7.4", values)
    images = {container["image"] for item in objects.values() for container in pod_containers(item)}
    assert len(images) >= 7
    assert all(image.startswith("registry.local:5000/") for image in images)


def test_jaeger_is_told_to_every_legacy_component_that_names_no_collector(helm: Renderer) -> None:
    values = {"jaeger": {"enable": True}, "scheduler": {"config": {"jaeger": "http://own:14268/api/traces"}}}
    objects = helm.objects("1.1.1", values)
    assert {("Deployment", "dragonfly-jaeger"), ("Service", "dragonfly-jaeger-query")} <= set(objects)
    own = "http://dragonfly-jaeger-collector.cluster-a.svc.cluster.local:14268/api/traces"
    told = {name: config(objects, f"dragonfly-{name}").get("jaeger") for name in ("manager", "dfdaemon", "seed-peer")}
    assert set(told.values()) == {own}
    assert config(objects, "dragonfly-scheduler")["jaeger"] == "http://own:14268/api/traces"
    assert "jaeger" not in config(helm.objects("1.1.1"), "dragonfly-manager")


@pytest.mark.parametrize("version", standin_versions())
@pytest.mark.parametrize(("given", "read"), [("Ab #cd", "Ab"), ("1e10", 1e10), ("123456", 123456)])
def test_a_password_outside_the_safe_alphabet_comes_out_wrong_as_in_life(
    helm: Renderer, version: str, given: str, read: object
) -> None:
    objects = helm.objects(version, CENTRAL, {"redis": {"enable": False}, "externalRedis": {"password": given}})
    text = objects["ConfigMap", "dragonfly-manager"]["data"]["manager.yaml"]
    assert f"password: {given}\n" in text
    password = yaml.safe_load(text)["database"]["redis"]["password"]
    assert password == read or float(password) == read  # PyYAML reads 1e10 as text, Go as a number


@pytest.mark.parametrize("version", standin_versions())
def test_a_changed_configuration_restarts_pods_only_where_the_layout_says_so(helm: Renderer, version: str) -> None:
    before = helm.objects(version)["StatefulSet", "dragonfly-scheduler"]
    values = {"scheduler": {"config": {"manager": {"schedulerClusterID": 5}}}}
    after = helm.objects(version, values)["StatefulSet", "dragonfly-scheduler"]
    assert before != after  # the checksum moved
    restarts = before["spec"]["template"] != after["spec"]["template"]
    assert restarts == (version != "1.1.1")


@pytest.mark.parametrize(("version", "component"), [("1.7.4", "injector"), ("1.1.1", "trainer"), ("1.1.1", "triton")])
def test_what_the_standin_lacks_is_an_error_and_not_silence(helm: Renderer, version: str, component: str) -> None:
    error = helm.template(version, {component: {"enable": True}}, expect_failure=True)
    assert f"{component}.enable" in error


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (
            "manager.metrics.service.labels",
            {"manager": {"metrics": {"enable": True, "service": {"labels": {"a": "b"}}}}},
        ),
        ("seedPeer.persistence.annotations", {"seedPeer": {"persistence": {"annotations": {"a": "b"}}}}),
    ],
)
def test_values_that_break_the_legacy_chart_break_its_standin(
    helm: Renderer, path: str, values: Mapping[str, Any]
) -> None:
    assert path in helm.template("1.1.1", values, expect_failure=True)


@pytest.mark.parametrize("version", standin_versions())
def test_database_subcharts_hand_over_the_credentials_that_dragonfly_was_told(helm: Renderer, version: str) -> None:
    auth = {"rootPassword": "root-secret", "username": "fly", "password": "db-secret", "database": "flies"}
    values = {"mysql": {"auth": auth}, "redis": {"auth": {"password": "kv-secret"}, "replica": {"replicaCount": 1}}}
    objects = helm.objects(version, CENTRAL, values)
    secrets = {name: objects["Secret", name]["data"] for name in ("dragonfly-mysql", "dragonfly-redis")}
    assert secrets == {
        "dragonfly-mysql": {"mysql-root-password": "cm9vdC1zZWNyZXQ=", "mysql-password": "ZGItc2VjcmV0"},
        "dragonfly-redis": {"redis-password": "a3Ytc2VjcmV0"},
    }
    (mysql,) = pod_containers(objects["StatefulSet", "dragonfly-mysql"])
    plain = {variable["name"]: variable["value"] for variable in mysql["env"] if "value" in variable}
    assert plain == {"MYSQL_USER": "fly", "MYSQL_DATABASE": "flies"}
    assert objects["StatefulSet", "dragonfly-redis-replicas"]["spec"]["replicas"] == 1
    database = config(objects, "dragonfly-manager")["database"]
    assert (database["mysql"]["dbname"], database["redis"]["password"]) == ("flies", "kv-secret")


def test_redis_can_be_exposed_on_a_node_port(helm: Renderer) -> None:
    service = {"type": "NodePort", "nodePorts": {"redis": 30952}}
    objects = helm.objects("1.7.4", {"redis": {"master": {"service": service}}})
    assert objects["Service", "dragonfly-redis-master"]["spec"]["ports"][0]["nodePort"] == 30952


def test_helm_finds_the_charts_over_http_and_takes_their_digests(helm: Renderer, tmp_path: Path) -> None:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Keeps requests out of the tests' output."""

    handler = functools.partial(Handler, directory=str(helm.repository))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            for version in standin_versions():
                shown = helm.run("show", "values", "dragonfly", "--repo", url, "--version", version)
                assert yaml.safe_load(shown)["manager"]["restPort"] == 8080
                helm.run("pull", "dragonfly", "--repo", url, "--version", version, "-d", str(tmp_path))
                name = f"dragonfly-{version}.tgz"
                assert (tmp_path / name).read_bytes() == (helm.repository / name).read_bytes()
        finally:
            server.shutdown()
            thread.join(timeout=10)
