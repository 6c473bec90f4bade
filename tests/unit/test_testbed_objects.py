"""Roles, Stages, nodes and volumes of a bed's cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.cluster_objects import PROVISIONER, STORAGE_CLASS, node_object, storage_class
from dfmc.testbed.control_plane_config import audit_policy, kwokctl_configuration
from dfmc.testbed.kube_api import ApiRefusedError
from dfmc.testbed.plan import NodePlan
from dfmc.testbed.roles import CLIENT_ROLES, kwok_expression, role_of
from dfmc.testbed.stages import stages
from dfmc.testbed.supervisor.volumes import Provisioner, is_released, volume_for, wants_volume


@pytest.mark.parametrize(
    ("labels", "role"),
    [
        ({"app": "dragonfly", "component": "manager"}, "manager"),
        ({"app": "renamed", "component": "scheduler", "release": "r"}, "scheduler"),
        ({"app": "dragonfly", "component": "client"}, "client"),
        ({"app": "dragonfly", "component": "seed-client"}, "seed-client"),
        ({"app": "dragonfly", "component": "dfdaemon"}, None),
        ({"app": "dragonfly", "component": "seed-peer"}, None),
        ({"app.kubernetes.io/managed-by": "dfmc", "dfmc.io/purpose": "probe"}, "probe"),
        ({"app.kubernetes.io/managed-by": "Helm", "dfmc.io/purpose": "probe"}, None),
        ({"component": "manager"}, None),
        ({"app.kubernetes.io/name": "mysql", "app.kubernetes.io/component": "primary"}, "mysql"),
        ({"app.kubernetes.io/name": "postgresql", "app.kubernetes.io/component": "primary"}, None),
        ({"app.kubernetes.io/name": "redis", "app.kubernetes.io/component": "master"}, "redis"),
        ({"app.kubernetes.io/name": "redis", "app.kubernetes.io/component": "replica"}, None),
        ({"app": "jaeger"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_processes_that_matter_are_real(labels: dict[str, str] | None, role: str | None) -> None:
    assert role_of(labels, clients=True) == role
    assert role_of(labels, clients=False) == (None if role in CLIENT_ROLES else role)


@pytest.mark.parametrize("clients", [True, False])
def test_kwok_decides_by_every_label_of_every_rule(clients: bool) -> None:
    expression = kwok_expression(clients)
    assert ('.["component"] == "seed-client"' in expression) is clients
    assert '.["dfmc.io/purpose"] == "probe"' in expression
    for part in ('.["component"] == "manager"', '.["app"] != null', '.["app.kubernetes.io/component"] == "master"'):
        assert part in expression
    assert expression.endswith('then "real" else "simulated" end')


@pytest.mark.parametrize("clients", [True, False])
def test_every_stage_for_pods_leaves_real_ones_alone(clients: bool) -> None:
    pods = [stage for stage in stages(clients) if stage["spec"]["resourceRef"]["kind"] == "Pod"]
    assert len(pods) == 3
    for stage in pods:
        expressions = stage["spec"]["selector"]["matchExpressions"]
        assert {"key": kwok_expression(clients), "operator": "In", "values": ["simulated"]} in expressions


def test_a_control_plane_node_takes_no_pods_and_a_worker_has_the_topologys_labels() -> None:
    block = AddressBlock(2)
    control = node_object(NodePlan("kind-control-plane", 1, {}, control_plane=True), block, "amd64")
    worker = node_object(NodePlan("kind-worker", 2, {"cluster": "a"}), block, "arm64")
    assert control["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert "node-role.kubernetes.io/control-plane" in control["metadata"]["labels"]
    assert worker["metadata"]["labels"]["cluster"] == "a"
    assert worker["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
    assert "taints" not in worker["spec"]
    assert worker["status"]["addresses"][0] == {"type": "InternalIP", "address": "10.66.255.2"}
    assert "ephemeral-storage" in worker["status"]["allocatable"]
    assert control["status"]["nodeInfo"]["machineID"] != worker["status"]["nodeInfo"]["machineID"]


def test_the_storage_class_is_the_default_one() -> None:
    assert storage_class()["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"


def test_every_port_of_a_cluster_is_set_by_hand(tmp_path: Path) -> None:
    options = kwokctl_configuration(AddressBlock(1), Path("/bin"), tmp_path)["options"]
    ports = [options[key] for key in options if key.endswith("Port")]
    assert (len(ports), len(set(ports))) == (6, 6)
    assert options["bindAddress"] == "127.0.0.1"


def test_only_kwokctls_own_arguments_are_overridden(tmp_path: Path) -> None:
    patches = kwokctl_configuration(AddressBlock(1), Path("/bin"), tmp_path)["componentsPatches"]
    arguments = {(p["name"], a["key"]): a for p in patches for a in p["extraArgs"]}
    overridden = {key for key, argument in arguments.items() if argument["override"]}
    assert overridden == {
        ("kube-controller-manager", "node-monitor-grace-period"),
        ("kwok-controller", "node-lease-duration-seconds"),
    }
    assert arguments["kube-scheduler", "leader-elect"]["value"] == "false"
    assert arguments["kube-apiserver", "service-cluster-ip-range"]["value"] == "127.129.0.0/16"


def test_the_audit_log_tells_of_writes_and_holds_no_bodies() -> None:
    levels = [rule["level"] for rule in audit_policy()["rules"]]
    assert set(levels) == {"None", "Metadata"}
    (recorded,) = [rule for rule in audit_policy()["rules"] if rule["level"] == "Metadata"]
    assert set(recorded["verbs"]) == {"create", "update", "patch", "delete", "deletecollection"}


def claim(**changes: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "a", "name": "data-mysql-0", "uid": "0123456789",
        "annotations": {"volume.kubernetes.io/selected-node": "kind-worker"},
    }  # fmt: skip
    spec = {
        "storageClassName": STORAGE_CLASS,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "8Gi"}},
    }
    return {"metadata": {**metadata, **changes.pop("metadata", {})}, "spec": {**spec, **changes}}


def test_a_claim_is_answered_once_its_pod_has_a_node() -> None:
    assert wants_volume(claim())
    assert not wants_volume(claim(metadata={"annotations": {}}))
    assert not wants_volume(claim(volumeName="pvc-1"))
    assert not wants_volume(claim(storageClassName="other"))
    assert not wants_volume(claim(metadata={"deletionTimestamp": "now"}))


class Api:
    """Remembers what was created and deleted."""

    def __init__(self, refuse: int = 0) -> None:
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.refuse = refuse

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.refuse:
            raise ApiRefusedError("refused", status=self.refuse)
        self.created.append(body)
        return body

    def delete(self, path: str, *, uid: str = "", grace: int | None = None) -> None:
        self.deleted.append(path)


def provisioner(api: Api, root: Path) -> Provisioner:
    return Provisioner(api, root)  # type: ignore[arg-type]


def test_a_volume_lives_as_long_as_its_claim(tmp_path: Path) -> None:
    api = Api()
    provisioner(api, tmp_path).on_claim("ADDED", claim())
    (volume,) = api.created
    directory = Path(volume["spec"]["hostPath"]["path"])
    assert directory.is_dir()
    assert volume["spec"]["claimRef"]["uid"] == "0123456789"
    volume["metadata"]["uid"] = "u"
    provisioner(api, tmp_path).on_volume("MODIFIED", {**volume, "status": {"phase": "Bound"}})
    assert directory.is_dir()
    provisioner(api, tmp_path).on_volume("MODIFIED", {**volume, "status": {"phase": "Released"}})
    assert not directory.exists()
    assert api.deleted == [f"/api/v1/persistentvolumes/{volume['metadata']['name']}"]


def test_a_volume_that_exists_already_is_fine(tmp_path: Path) -> None:
    provisioner(Api(refuse=409), tmp_path).on_claim("ADDED", claim())
    with pytest.raises(ApiRefusedError):
        provisioner(Api(refuse=403), tmp_path).on_claim("ADDED", claim())


def test_nothing_outside_the_beds_own_directory_is_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    volume = volume_for(claim(), precious)
    volume["metadata"]["uid"] = "u"
    provisioner(Api(), tmp_path / "volumes").on_volume("MODIFIED", {**volume, "status": {"phase": "Released"}})
    assert precious.is_dir()


def test_only_released_volumes_of_ours_go(tmp_path: Path) -> None:
    volume = {**volume_for(claim(), tmp_path), "status": {"phase": "Released"}}
    assert volume["metadata"]["annotations"] == {"pv.kubernetes.io/provisioned-by": PROVISIONER}
    assert is_released(volume)
    foreign = {**volume, "metadata": {"name": "x", "annotations": {}}}
    assert not is_released(foreign)
