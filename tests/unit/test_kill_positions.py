"""The kill matrix's positions have names that do not change from run to run, and each is struck once."""

from __future__ import annotations

import json

import pytest

from dfmc.testbed.faults import Kind
from kill_matrix.cases import cases_of
from kill_matrix.positions import FAULTS, KILLS, Blow, Case, PositionPlan, name_of

NAMED = json.dumps({"metadata": {"name": "dragonfly"}}).encode()
HELD, GIVEN_BACK = (json.dumps({"spec": {"holderIdentity": who}}).encode() for who in ("me", ""))
LEASES = "/apis/coordination.k8s.io/v1/namespaces/cluster-a/leases"


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("POST", "/api/v1/namespaces", NAMED, "POST namespaces/dragonfly"),
        ("POST", "/api/v1/namespaces/x/services?fieldManager=helm", NAMED, "POST x services/dragonfly"),
        ("PATCH", "/apis/apps/v1/namespaces/x/deployments/d?force=true", b"", "PATCH x deployments/d"),
        ("DELETE", "/api/v1/namespaces/x/configmaps/c", b"", "DELETE x configmaps/c"),
        (
            *("POST", "/api/v1/namespaces/x/secrets", b"k8s\0\n\x0csh.helm.release.v1.d.v1\x12"),
            "POST x secrets/sh.helm.release.v1.d.v1",
        ),
        ("POST", LEASES, NAMED, "POST cluster-a leases/dragonfly"),
        ("PUT", f"{LEASES}/l", HELD, "PUT cluster-a leases/l taken or renewed"),
        ("PUT", f"{LEASES}/l", GIVEN_BACK, "PUT cluster-a leases/l given back"),
        ("POST", "/api/v1/clusters", b'{"name": "b"}', "POST manager api/v1/clusters b"),
        ("PATCH", "/api/v1/clusters/1", b'{"name": "a"}', "PATCH manager api/v1/clusters/1"),
        ("POST", "/api/v1/users/1/reset_password", b"{}", "POST manager api/v1/users/1/reset_password"),
    ],
)
def test_a_change_is_named_by_what_it_changes(method: str, path: str, body: bytes, name: str) -> None:
    assert name_of(method, path, body) == name


def test_a_position_is_struck_in_its_turn_and_once() -> None:
    plan, path = PositionPlan(), "/api/v1/namespaces/x/services"
    plan.begin(Case("POST x services/dragonfly #2", Blow.SERVER_ERROR))
    faults = [plan.request("POST", path, NAMED) for _ in range(3)]
    assert [fault.kind if fault else None for fault in faults] == [None, Kind.ANSWER, None]
    assert plan.has_struck
    assert plan.positions == [f"POST x services/dragonfly{turn}" for turn in ("", " #2", " #3")]
    assert plan.request("GET", path) is None
    plan.begin()
    assert plan.request("POST", path, NAMED) is None
    assert not plan.has_struck


def test_what_reaches_no_manager_is_no_side_effect() -> None:
    answers = False
    plan = PositionPlan(lambda: answers)
    plan.begin(Case("POST manager api/v1/clusters b", Blow.DROP))
    assert plan.request("POST", "/api/v1/clusters", b'{"name": "b"}') is None
    answers = True
    assert plan.request("POST", "/api/v1/clusters", b'{"name": "b"}') is not None


def test_every_position_has_its_blows_and_those_of_members_come_first() -> None:
    positions = ["POST manager api/v1/clusters b", "POST cluster-a secrets/x", "helm upgrade cluster-c", "helm version"]
    cases = cases_of([*positions, "PUT cluster-a leases/l taken or renewed #2"], (*KILLS, *FAULTS))
    assert len(cases) == 2 * 6 + 2 * 2  # processes are killed, but answer nothing
    assert [case.is_of_member for case in cases] == [True] * 8 + [False] * 8
