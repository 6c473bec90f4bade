"""Names and init waits: what passes in a pod passes here, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from dfmc.testbed.supervisor.cluster_dns import ClusterDns
from dfmc.testbed.supervisor.init_waits import Check, checks_of

OUTSIDE = {"manager.example": ("192.0.2.1",)}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "a", "name": name}, "spec": spec}


def piece(owner: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": owner}
    return {"metadata": {"namespace": "a", "name": owner, "labels": labels}, "endpoints": list(endpoints)}


DNS = ClusterDns(
    services=[
        service("manager", clusterIP="127.128.0.5"),
        service("db", clusterIP="None"),
        service("empty", clusterIP="None"),
        service("alias", type="ExternalName", externalName="manager.example"),
        service("hop", type="ExternalName", externalName="manager.a.svc.cluster.local."),
        service("number", type="ExternalName", externalName="192.0.2.9"),
        service("loop", type="ExternalName", externalName="loop.a.svc.cluster.local"),
    ],
    slices=[
        piece(
            "db",
            {"addresses": ["10.64.0.1"], "hostname": "db-0", "conditions": {"ready": True}},
            {"addresses": ["10.64.0.2"], "hostname": "db-1", "conditions": {"ready": False}},
            {"addresses": ["10.64.0.3"]},
        )
    ],
    outside=lambda name: OUTSIDE.get(name, ()),
)


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("manager.a.svc.cluster.local", True),
        ("manager.a.svc.cluster.local.", True),
        ("manager", True),  # no dot: the search path applies
        ("manager.a.svc", False),  # a dot: it does not
        ("manager.a", False),
        ("manager.elsewhere.svc.cluster.local", False),
        ("manager.a.svc.other.domain", False),
        ("127.128.0.5", False),
        ("10.64.0.1", False),
        ("::1", False),
        ("", False),
        ("manager.example", True),
        ("unknown.example", False),
        ("db.a.svc.cluster.local", True),
        ("empty.a.svc.cluster.local", False),
        ("alias.a.svc.cluster.local", True),
        ("number.a.svc.cluster.local", False),
        ("loop.a.svc.cluster.local", False),
    ],
)
def test_nslookup_succeeds_as_busyboxs_does(argument: str, found: bool) -> None:
    assert DNS.nslookup(argument, "a") is found


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("manager", ("127.128.0.5",)),
        ("manager.a", ("127.128.0.5",)),
        ("manager.a.svc", ("127.128.0.5",)),
        ("manager.a.svc.cluster.local", ("127.128.0.5",)),
        ("192.0.2.7", ("192.0.2.7",)),
        ("db.a", ("10.64.0.1", "10.64.0.3")),
        ("db-0.db", ("10.64.0.1",)),
        ("db-1.db", ()),
        ("hop.a.svc.cluster.local", ("127.128.0.5",)),
        ("manager.example", ("192.0.2.1",)),
        ("manager.b", ()),
        ("", ()),
    ],
)
def test_programs_resolve_along_the_search_path(host: str, addresses: tuple[str, ...]) -> None:
    assert DNS.resolve(host, "a") == addresses


def test_a_short_name_belongs_to_the_pods_namespace() -> None:
    assert DNS.resolve("manager", "b") == ()
    assert not DNS.nslookup("manager", "b")


def wait(script: str) -> tuple[Check, ...]:
    return checks_of({"command": ["sh", "-c", script]})


def test_both_halves_of_the_charts_wait_are_checks() -> None:
    host = "dragonfly-mysql.cluster-a.svc.cluster.local"
    loop = f"until nslookup {host} && nc -vz {host} 3306; do echo waiting for mysql; sleep 2; done;"
    assert wait(loop) == (Check("nslookup", host), Check("nc", host, 3306))


@pytest.mark.parametrize(
    "condition", ["nslookup  && nc -vz  ", "nslookup && nc -vz host", "nc -vz host port", "nc -vz 8080", "nc -vz h 0"]
)
def test_a_wait_without_its_operands_never_ends(condition: str) -> None:
    assert any(check.tool == "never" for check in wait(f"until {condition}; do sleep 2; done;"))


def test_other_init_containers_do_not_wait() -> None:
    assert wait("mkdir -p /data && chown 1001 /data") == ()
    assert checks_of({}) == ()
    assert checks_of({"args": ["until nc -z h 1; do sleep 1; done"]}) == (Check("nc", "h", 1),)
