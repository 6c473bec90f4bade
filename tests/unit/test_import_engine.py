"""Looking for what is running: contexts that do not answer, rights that are missing, passwords that are tried."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from dfmc.engine.importing import ImportRequest, import_running
from dfmc.errors import AuthError, DfmcError, UnreachableError
from dfmc.planning.importing.found import Wishes
from dfmc.planning.importing.importer import Imported
from dfmc.redaction import Redactor
from dfmc.state import ClusterRecord, KubernetesFacts, ReleaseState
from fakes import FakeKube, NoPulls
from import_worlds import hand_made, record

CENTRAL = {"manager": {"enable": True}, "mysql": {"enable": True}, "redis": {"enable": True}}
MEMBER = {
    "manager": {"enable": False},
    "scheduler": {"config": {"manager": {"schedulerClusterID": 2}}},
    "externalManager": {"host": "dragonfly-manager.a.svc.cluster.local"},
    "externalRedis": {"password": "sesame-canary-redis"},
}
ROWS = (record(1, "cluster-1"), record(2, "cluster-2"))


class Kube(FakeKube):
    """One API server with releases."""

    def __init__(self, uid: str, *releases: ReleaseState, wrong: Mapping[str, DfmcError] | None = None) -> None:
        super().__init__()
        self.uid = uid
        self.releases = {(one.namespace, one.name): one for one in releases}
        self.wrong = dict(wrong or {})

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        if "facts" in self.wrong:
            raise self.wrong["facts"]
        return KubernetesFacts(self.uid, "v1.34.4")

    async def release_places(
        self, labels: Mapping[str, str], namespace: str | None = None
    ) -> Sequence[tuple[str, str]]:
        if namespace is None and "places" in self.wrong:
            raise self.wrong["places"]
        return [place for place in self.releases if namespace in (None, place[0])]

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        if namespace in self.wrong:
            raise self.wrong[namespace]
        return self.releases.get((namespace, name))


class Manager:
    """Takes one password, and counts what it is asked."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.tried: list[str] = []

    async def sign_in(self, *candidates: str) -> int:
        self.tried += candidates
        if self.password not in candidates:
            raise AuthError("the manager does not accept root's password")
        return candidates.index(self.password)

    async def clusters(self) -> Sequence[ClusterRecord]:
        return ROWS

    async def schedulers(self) -> Sequence[Any]:
        return ()

    async def seed_peers(self) -> Sequence[Any]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""


class Factory(NoPulls):
    def __init__(self, kubes: Mapping[str, Kube], manager: Manager) -> None:
        self.kubes = kubes
        self.there = manager

    def kube(self, cluster: Any) -> Kube:
        return self.kubes[cluster.context]

    def helm(self, cluster: object) -> Any:
        raise AssertionError("no helm")

    def manager(self, base_url: str) -> Any:
        return self.there

    def chart_source(self) -> Any:
        raise AssertionError("no chart")


A = hand_made("a", CENTRAL).release
B = hand_made("b", MEMBER).release


def run(
    kubes: Mapping[str, Kube], *, manager: Manager | None = None, say: list[str] | None = None, **changes: Any
) -> Imported:
    request = ImportRequest(tuple(kubes), (), "", None, Wishes(access="https://manager.example"))
    factory = Factory(kubes, manager or Manager("dragonfly"))
    said = say if say is not None else []
    imported = asyncio.run(import_running(replace(request, **changes), factory, Redactor(), said.append))
    assert [line for kube in kubes.values() for line in kube.mutations] == []
    return imported


def test_releases_of_other_charts_are_passed_over_and_all_namespaces_searched() -> None:
    other = replace(B, namespace="c", chart_name="podinfo")
    imported = run({"one": Kube("u1", A, B, other)})
    assert imported.names == ("cluster-1", "cluster-2")


def test_two_contexts_of_one_kubernetes_cluster_give_each_release_once() -> None:
    said: list[str] = []
    imported = run({"one": Kube("u1", A, B), "two": Kube("u1", A, B)}, say=said)
    assert imported.names == ("cluster-1", "cluster-2")
    assert imported.text.count("context: one") == 2
    assert "two leads to the same Kubernetes cluster as one" in said[0]


def test_a_context_that_does_not_answer_is_named_and_the_others_imported() -> None:
    away = Kube("u2", wrong={"facts": UnreachableError("the API server does not answer")})
    imported = run({"one": Kube("u1", A, B), "two": away})
    assert imported.names == ("cluster-1", "cluster-2")
    assert any("context two could not be read" in warning for warning in imported.warnings)
    assert "context two could not be read" in imported.text
    with pytest.raises(UnreachableError):
        run({"two": away})


def test_a_release_that_cannot_be_read_is_named() -> None:
    broken = Kube("u1", A, B, wrong={"b": DfmcError("the release record cannot be read")})
    imported = run({"one": broken})
    assert imported.names == ("cluster-1",)
    assert any("release one/b/dragonfly could not be read" in warning for warning in imported.warnings)
    assert any("record cluster-2 (id 2) has no release" in warning for warning in imported.warnings)


def test_without_the_right_to_list_secrets_everywhere_namespaces_can_be_named() -> None:
    kube = Kube("u1", A, B, wrong={"places": AuthError("secrets is forbidden")})
    with pytest.raises(AuthError) as raised:
        run({"one": kube})
    assert "--namespace" in raised.value.next_step
    assert run({"one": kube}, namespaces=("a", "b")).names == ("cluster-1", "cluster-2")


def test_the_charts_password_is_tried_only_where_none_is_given() -> None:
    manager = Manager("other-password")
    with pytest.raises(AuthError) as raised:
        run({"one": Kube("u1", A, B)}, manager=manager)
    assert manager.tried == ["dragonfly"]
    assert "--root-password-env" in raised.value.next_step
    manager = Manager("other-password")
    run({"one": Kube("u1", A, B)}, manager=manager, root_password="other-password")
    assert manager.tried == ["other-password"]


def test_the_redactor_learns_what_the_releases_hold() -> None:
    redactor = Redactor()
    request = ImportRequest(("one",), (), "", None, Wishes(access="https://manager.example"))
    factory = Factory({"one": Kube("u1", A, B)}, Manager("dragonfly"))
    imported = asyncio.run(import_running(request, factory, redactor, lambda text: None))
    assert "sesame" not in redactor.mask("sesame-canary-redis")
    assert "sesame" not in imported.text
