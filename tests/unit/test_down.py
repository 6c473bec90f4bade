"""``down`` over doubles of two Kubernetes clusters: order, what stays, what another run finishes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dfmc.engine.down import down
from dfmc.engine.reports import DownReport, down_error
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import AuthError, ConflictError, DfmcError, PartialError, RecoveryError, UnreachableError
from dfmc.planning.ownership import object_metadata, release_labels
from dfmc.planning.steps import Plan
from dfmc.planning.teardown import Remains, make_teardown
from dfmc.redaction import Redactor
from dfmc.state import AccessNeed, ReleaseState
from dfmc.topology.load import load_text
from dfmc.topology.model import ClusterSpec
from fakes import FakeKube
from observed_worlds import UID, finished, fresh

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: guide}
chart: {repository: https://charts.example/, version: 1.7.4}
manager: {cluster: a, address: manager.example, expose: {type: LoadBalancer}}
clusters:
- {name: a, context: a, namespace: cluster-a}
- {name: b, context: b, namespace: cluster-b, scopes: {idc: b}}
- {name: c, context: c, namespace: cluster-c, scopes: {idc: c}}
"""
LOADED = load_text(TEXT, "topology.yaml")
FILE = LOADED.topology
CLAIMS = {
    "data-dragonfly-mysql-0": {"app.kubernetes.io/instance": "dragonfly", "app.kubernetes.io/name": "mysql"},
    "storage-dragonfly-seed-client-0": {"app": "dragonfly", "component": "seed-client"},
    "data-x-dragonfly-mysql-0": {"app.kubernetes.io/instance": "x-dragonfly", "app.kubernetes.io/name": "mysql"},
    "somebody-elses": {},
}


class OneRelease(FakeKube):
    """A Kubernetes cluster with one release; its deletions are also told to everybody's log."""

    def __init__(self, cluster: ClusterSpec, log: list[str]) -> None:
        super().__init__()
        self.cluster, self.log = cluster, log
        self.denies = ""
        labels = release_labels("guide", UID, "ab" * 32)
        self.live: ReleaseState | None = ReleaseState(
            "dragonfly", cluster.namespace, 3, "deployed", "dragonfly", "1.7.4", "2.5.0", {}, labels
        )
        self.put("Namespace", cluster.namespace, None, {"app.kubernetes.io/managed-by": "dfmc"})
        self.put("ConfigMap", "kube-root-ca.crt", cluster.namespace)

    def put(self, kind: str, name: str, namespace: str | None, labels: dict[str, str] | None = None) -> None:
        metadata: dict[str, Any] = {"name": name, "labels": labels or {}}
        if namespace:
            metadata["namespace"] = namespace
        self._stored({"kind": kind, "metadata": metadata})

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        return [need for need in verbs if need.verb == self.denies]

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        return self.live

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self.log.append(f"{self.cluster.name}: delete {kind} {name}")
        if kind == "Namespace":
            self.objects = {key: obj for key, obj in self.objects.items() if key[1] != name}
        return await super().delete(api_version, kind, name, namespace, uid=uid)


class Helm:
    def __init__(self, kube: OneRelease) -> None:
        self.kube = kube

    async def version(self) -> str:
        return "4.1.0"

    async def uninstall(self, *, release: str, namespace: str) -> None:
        self.kube.log.append(f"{self.kube.cluster.name}: uninstall")
        if error := self.kube.fail.get("uninstall"):
            raise error
        self.kube.live = None


class Clusters:
    """All three, as a factory of clients."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.of = {cluster.name: OneRelease(cluster, self.log) for cluster in FILE.clusters}
        central = self.of["a"]
        secret = {"kind": "Secret", "metadata": object_metadata("dfmc-dragonfly", "cluster-a", "guide", UID)}
        central._stored({**secret, "data": {}})
        for name in ("manager-rest", "manager-grpc", "manager-redis"):
            central._stored({"kind": "Service", "metadata": object_metadata(name, "cluster-a", "guide", UID)})
        for name, labels in CLAIMS.items():
            central.put("PersistentVolumeClaim", name, "cluster-a", labels)

    def kube(self, cluster: ClusterSpec) -> OneRelease:
        return self.of[cluster.name]

    def helm(self, cluster: ClusterSpec) -> Helm:
        return Helm(self.of[cluster.name])

    def manager(self, base_url: str) -> Any:
        raise AssertionError("the manager is not asked")

    def down(self, *, delete_data: bool = False, agree: bool = True) -> DownReport:
        async def main() -> DownReport:
            async with Session(LOADED, self, Redactor(), RunOptions(timeout=5)) as session:  # type: ignore[arg-type]
                return await down(session, confirm=lambda plan: agree, delete_data=delete_data)

        return asyncio.run(asyncio.wait_for(main(), 60))

    def left(self, name: str) -> set[str]:
        return {f"{kind} {object_name}" for kind, _, object_name in self.of[name].objects}


def results(report: DownReport) -> dict[str, str]:
    return {cluster.name: cluster.result for cluster in report.clusters}


def test_members_go_before_the_manager_and_data_stays() -> None:
    world = Clusters()
    report = world.down()
    assert down_error(report) is None
    uninstalls = [line for line in world.log if "uninstall" in line]
    assert (set(uninstalls[:2]), uninstalls[2]) == ({"b: uninstall", "c: uninstall"}, "a: uninstall")
    assert {f"PersistentVolumeClaim {name}" for name in CLAIMS} | {"Secret dfmc-dragonfly"} <= world.left("a")
    assert "Service manager-rest" not in world.left("a")
    assert world.left("b") == set()
    assert "PersistentVolumeClaim data-dragonfly-mysql-0" in report.clusters[0].kept
    assert "PersistentVolumeClaim somebody-elses" not in report.clusters[0].kept


def test_with_data_only_what_is_somebody_elses_stays() -> None:
    world = Clusters()
    report = world.down(delete_data=True)
    assert world.left("a") == {
        "Namespace cluster-a",
        "ConfigMap kube-root-ca.crt",
        "PersistentVolumeClaim data-x-dragonfly-mysql-0",
        "PersistentVolumeClaim somebody-elses",
        "Lease dfmc-guide",
    }
    assert report.clusters[0].kept == ()
    assert "namespace cluster-a stays" in report.clusters[0].done[-1]


def test_a_namespace_that_holds_the_lock_goes_last_and_nobody_calls_that_a_lost_lock() -> None:
    world = Clusters()
    for name in ("data-x-dragonfly-mysql-0", "somebody-elses"):
        del world.of["a"].objects["PersistentVolumeClaim", "cluster-a", name]
    assert down_error(world.down(delete_data=True)) is None
    assert world.log[-1] == "a: delete Namespace cluster-a"
    assert world.left("a") == set()


def test_a_second_down_finds_nothing_and_a_no_changes_nothing() -> None:
    world = Clusters()
    assert world.down(agree=False).declined
    assert world.log == []
    world.down(delete_data=True)
    done = len(world.log)
    assert results(world.down()) == {"a": "absent", "b": "absent", "c": "absent"}
    assert len(world.log) == done


def test_a_member_that_is_out_of_reach_keeps_the_manager_and_the_next_down_does_the_rest() -> None:
    world = Clusters()
    lost = world.of["b"]
    lost.fail["get Namespace kube-system"] = UnreachableError("no answer", where="b")
    report = world.down()
    error = down_error(report)
    assert isinstance(error, PartialError)
    assert set(error.failures) == {"a", "b"}
    assert "could not be taken down" in error.failures["a"].why
    assert results(report) == {"a": "failed", "b": "failed", "c": "removed"}
    assert "a: uninstall" not in world.log
    lost.fail.clear()
    assert down_error(world.down()) is None
    assert world.log.count("c: uninstall") == 1


def test_a_member_whose_volumes_cannot_be_listed_keeps_the_manager() -> None:
    world = Clusters()
    world.of["b"].fail["list PersistentVolumeClaim cluster-b"] = AuthError("cannot list")
    report = world.down()
    assert results(report) == {"a": "failed", "b": "failed", "c": "removed"}
    assert report.clusters[1].error is not None
    assert report.clusters[1].error.where == "b"


def test_a_member_whose_helm_fails_blocks_the_manager() -> None:
    world = Clusters()
    world.of["b"].fail["uninstall"] = DfmcError("helm failed")
    report = world.down()
    assert results(report) == {"a": "blocked", "b": "failed", "c": "removed"}
    assert report.clusters[0].blocked_by == "uninstall:b"
    assert isinstance(down_error(report), PartialError)


def test_a_member_in_which_a_right_is_missing_keeps_the_manager() -> None:
    world = Clusters()
    world.of["b"].denies = "delete"
    report = world.down()
    assert results(report) == {"a": "failed", "b": "failed", "c": "removed"}
    assert isinstance(report.clusters[1].error, AuthError)
    assert not {"a: uninstall", "b: uninstall"} & set(world.log)


def test_a_release_that_is_not_ours_is_left_alone() -> None:
    world = Clusters()
    foreign = world.of["c"].live
    assert foreign is not None
    world.of["c"].live = replace(foreign, labels={})
    report = world.down()
    assert isinstance(report.clusters[2].error, ConflictError)
    assert "c: uninstall" not in world.log
    assert "a: uninstall" not in world.log
    world.of["a"].live = world.of["c"].live
    with pytest.raises(ConflictError):
        world.down()


def plan_of(**changes: Any) -> Plan:
    remains = {cluster.name: Remains() for cluster in FILE.clusters}
    return make_teardown(FILE, replace(finished(FILE), **changes), remains, delete_data=True)


def test_without_the_credentials_nobody_knows_whose_the_releases_are() -> None:
    with pytest.raises(RecoveryError):
        plan_of(credentials=None)


def test_nothing_there_means_nothing_to_do() -> None:
    remains = {cluster.name: Remains() for cluster in FILE.clusters}
    assert make_teardown(FILE, fresh(FILE), remains, delete_data=True).steps == ()


def test_credentials_of_an_external_database_are_never_deleted() -> None:
    text = TEXT.replace("cluster: a,", "cluster: a, database: {host: db, password: {env: X}},")
    file = load_text(text, "topology.yaml").topology
    remains = {cluster.name: Remains() for cluster in file.clusters}
    made = make_teardown(file, finished(file), remains, delete_data=True)
    assert made.step("uninstall:a") is not None
    assert made.step("forget:a") is None
