"""A member in another Kubernetes cluster that is given nothing but an IP address of the manager's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bed_tools import BedTools, wait_until
from bed_world import World
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.layout import BedRequest
from dfmc.testbed.supervisor.cluster import LOAD_BALANCER
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

MANAGER, REDIS = "dfmc-dragonfly-manager", "dfmc-dragonfly-redis"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Cluster a and member b, each in a Kubernetes cluster of its own, with a's node as the manager's address."""
    directory = tmp_path_factory.mktemp("bed") / "kwok"
    try:
        bed = kwok_bed.up(BedRequest(clusters=2, directory=directory, helm=4, clients="simulated"), lambda line: None)
        made = World(BedTools(bed), tmp_path_factory.mktemp("state"), {})
        made.first = made.dfmc("up", str(made.topology))
        yield made
    finally:
        kwok_bed.down(directory, lambda line: None)


def internal_address(world: World) -> str:
    """Return the InternalIP of the central cluster's first node, at which its node ports answer."""
    addresses = world.tools.objects("nodes", context="bed-a")[0]["status"]["addresses"]
    return str(next(item["address"] for item in addresses if item["type"] == "InternalIP"))


def leads(world: World) -> dict[str, str]:
    """Return where each slice of the member's bridges leads."""
    found = world.tools.objects(
        "endpointslices", "-n", "cluster-b", "-l", "app.kubernetes.io/managed-by=dfmc", context="bed-b"
    )
    return {
        one["metadata"]["name"]: f"{one['endpoints'][0]['addresses'][0]}:{one['ports'][0]['port']}" for one in found
    }


def services(world: World) -> set[str]:
    """Return the names of dfmc's Services in the member."""
    arguments = ("services", "-n", "cluster-b", "-l", "app.kubernetes.io/managed-by=dfmc")
    return {one["metadata"]["name"] for one in world.tools.objects(*arguments, context="bed-b")}


def report(world: World) -> dict[str, Any]:
    """Return ``status`` of member b."""
    ended = world.dfmc("status", "-o", "json", str(world.topology), code=None)
    document: dict[str, Any] = json.loads(ended.stdout)
    return next(one for one in document["clusters"] if one["name"] == "b")


def test_a_member_that_has_only_an_address_is_registered_over_its_bridge(world: World) -> None:
    address = internal_address(world)
    assert leads(world) == {
        f"{MANAGER}-grpc": f"{address}:30951",
        f"{MANAGER}-rest": f"{address}:30950",
        f"{REDIS}-redis": f"{address}:30952",
    }
    assert world.active_schedulers(world.manager())[2] == ["dragonfly-scheduler-0"]
    values = json.loads(
        world.tools.helm("-n", "cluster-b", "get", "values", "dragonfly", "-o", "json", context="bed-b")
    )
    assert values["externalManager"]["host"] == f"{MANAGER}.cluster-b.svc.cluster.local"
    assert values["externalRedis"]["addrs"] == [f"{REDIS}.cluster-b.svc.cluster.local:6379"]
    again = world.dfmc("up", str(world.topology))
    assert "is as wanted" not in again.text  # no release step at all


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (("delete", "endpointslice", f"{MANAGER}-grpc"), f"{MANAGER}.grpc leads to: (unset)"),
        (("delete", "service", REDIS), REDIS),
        (
            ("patch", "service", MANAGER, "--type=json", "-p", '[{"op": "remove", "path": "/spec/ports/0"}]'),
            f"{MANAGER}.ports",
        ),
    ],
)
def test_a_damaged_bridge_is_told_and_mended(world: World, damage: tuple[str, ...], told: str) -> None:
    before = leads(world)
    world.tools.kubectl("-n", "cluster-b", *damage, context="bed-b")
    drift = "\n".join(report(world)["drift"])
    assert "bridge:b" in drift
    assert told in drift
    world.dfmc("up", str(world.topology))
    wait_until("the bridge is whole", lambda: leads(world) == before and services(world) == {MANAGER, REDIS})
    assert report(world)["drift"] == []


def test_a_load_balancers_address_takes_the_place_of_node_ports_without_an_upgrade(world: World) -> None:
    text = world.topology.read_text()

    def balance(document: dict[str, Any]) -> None:
        del document["manager"]["address"]
        document["manager"]["expose"] = {"type": "LoadBalancer"}

    world.edit(balance)
    revisions = world.tools.objects("secrets", "-n", "cluster-b", "-l", "owner=helm", context="bed-b")
    world.dfmc("up", str(world.topology))
    ports = {name.rpartition("-")[2]: target for name, target in leads(world).items()}
    address = ports["grpc"].partition(":")[0]
    assert address != internal_address(world)
    assert ports == {"grpc": f"{address}:65003", "rest": f"{address}:8080", "redis": f"{address}:6379"}
    assert revisions == world.tools.objects("secrets", "-n", "cluster-b", "-l", "owner=helm", context="bed-b")
    world.topology.write_text(text)
    world.dfmc("up", str(world.topology))


@scenario("W5", real=True)
def test_a_load_balancer_that_gets_no_address_ends_the_member_alone_and_the_next_up_does_the_rest(world: World) -> None:
    """As in a cluster that has no controller for load balancers; dfmc itself reaches the manager all the while."""
    text, before = world.topology.read_text(), leads(world)

    def balance(document: dict[str, Any]) -> None:
        del document["manager"]["address"]
        document["manager"]["expose"] = {"type": "LoadBalancer", "annotations": {LOAD_BALANCER: "none"}}

    world.edit(balance)
    services_of_a = ("-n", "cluster-a", "delete", "service", "manager-rest", "manager-grpc", "manager-redis")
    world.tools.kubectl(*services_of_a)
    ended = world.dfmc("up", "--timeout", "5s", str(world.topology), code=9)
    assert "in a got no address from a load balancer within 5 s" in ended.text
    assert "there may be none for load balancers" in ended.text
    assert leads(world) == before
    world.edit(lambda document: document["manager"]["expose"].pop("annotations"))
    world.dfmc("up", str(world.topology))
    assert leads(world)[f"{MANAGER}-grpc"].endswith(":65003")
    world.topology.write_text(text)
    world.dfmc("up", str(world.topology))
    assert leads(world) == before


def test_somebody_elses_service_of_that_name_is_a_conflict_of_the_member_alone(world: World) -> None:
    annotations = ("annotate", "service", REDIS, "dfmc.io/topology-", "dfmc.io/uid-")
    world.tools.kubectl("-n", "cluster-b", *annotations, context="bed-b")
    ended = world.dfmc("up", str(world.topology), code=9)
    assert f"Service {REDIS} exists and is not this topology's" in ended.text
    world.dfmc("up", "--adopt", str(world.topology))
    assert report(world)["drift"] == []


def test_remove_cluster_leaves_nothing_of_the_bridges(world: World) -> None:
    world.dfmc("remove-cluster", "b", str(world.topology), "--yes", "--delete-data")
    assert services(world) == set()
    wait_until("the slices are collected", lambda: leads(world) == {})
    gone = world.tools.kubectl("get", "namespace", "cluster-b", context="bed-b", check=False)
    assert gone == ""
    assert "context: bed-b" not in world.topology.read_text()
