"""Bridges: which Services lead to bare addresses, where their ports lead, and what a plan says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dfmc.errors import ConflictError, PreflightError
from dfmc.planning.bridges import bridge_object, slice_objects, wanted_bridges
from dfmc.planning.checks.reachability import endpoints_of
from dfmc.planning.exposure import manager_endpoint, redis_addresses
from dfmc.planning.ownership import object_metadata
from dfmc.planning.steps import Action, Kind, Plan
from dfmc.planning.teardown import Remains, make_teardown
from dfmc.state import BridgeObjects, KubernetesFacts, Observed
from dfmc.topology.model import Topology
from observed_worlds import UID, finished, fresh, plan, release
from topologies import entry, topology

ELSEWHERE = KubernetesFacts("uid-2", "v1.34.4", frozenset({"containerd"}))
PORTS = {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952}
MANAGER, REDIS = "dfmc-dragonfly-manager", "dfmc-dragonfly-redis"


def file_with(
    address: str | None = "192.0.2.10", expose: Mapping[str, Any] = PORTS, version: str = "1.7.4", **b: Any
) -> Topology:
    manager: dict[str, Any] = {"cluster": "a", "expose": dict(expose)}
    if address is not None:
        manager["address"] = address
    return topology(
        chart={"repository": "https://charts.example/", "version": version},
        manager=manager,
        clusters=[entry("a"), entry("b", context="other", scopes={"idc": "cluster-2"}, **b)],
    )


def elsewhere(world: Observed) -> Observed:
    return replace(world, clusters={**world.clusters, "b": replace(world.clusters["b"], facts=ELSEWHERE)})


def settled(file: Topology) -> Observed:
    """The world as ``up`` leaves it, but for the bridges."""
    world = elsewhere(finished(file))
    seen = replace(world.clusters["b"], release=release(file, file.cluster("b"), world))
    return replace(world, clusters={**world.clusters, "b": seen})


def balanced(file: Topology, world: Observed, **ingress: Mapping[str, str]) -> Observed:
    """The world in which load balancers have the given addresses: rest, grpc, redis."""
    services = {
        f"manager-{part}": {
            "kind": "Service",
            "metadata": object_metadata(f"manager-{part}", "cluster-a", "guide", UID),
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [dict(given)]}},
        }
        for part, given in ingress.items()
    }
    return replace(world, services={**world.services, **services})


def leads(file: Topology, world: Observed) -> dict[str, str]:
    return {
        f"{bridge.service}.{lead.name}": str(lead.target)
        for bridge in wanted_bridges(file, file.cluster("b"), world)
        for lead in bridge.leads
    }


def made(file: Topology, world: Observed) -> BridgeObjects:
    """What the member has once its bridges are written."""
    services: dict[str, Any] = {}
    slices: list[Mapping[str, Any]] = []
    for bridge in wanted_bridges(file, file.cluster("b"), world):
        service = bridge_object(file, file.cluster("b"), UID, bridge)
        service["metadata"]["uid"] = f"uid-of-{bridge.service}"
        services[bridge.service] = service
        slices += slice_objects(file, file.cluster("b"), UID, bridge, service)
    return BridgeObjects(services, tuple(slices))


def bridged(file: Topology, world: Observed) -> Observed:
    seen = replace(world.clusters["b"], bridges=made(file, world))
    return replace(world, clusters={**world.clusters, "b": seen})


def changes(made_plan: Plan, step: str = "bridge:b") -> list[str]:
    found = made_plan.step(step)
    return [str(change) for change in found.changes] if found else []


def test_node_ports_of_a_bare_address_are_the_bridges_usual_ports() -> None:
    file = file_with()
    world = elsewhere(fresh(file))
    assert leads(file, world) == {
        f"{MANAGER}.grpc": "192.0.2.10:30951",
        f"{MANAGER}.rest": "192.0.2.10:30950",
        f"{REDIS}.redis": "192.0.2.10:30952",
    }
    endpoint = manager_endpoint(file, file.cluster("b"), world)
    assert (endpoint.host, endpoint.rest_port, endpoint.grpc_port) == (
        f"{MANAGER}.cluster-b.svc.cluster.local",
        8080,
        65003,
    )
    assert redis_addresses(file, file.cluster("b"), world) == (f"{REDIS}.cluster-b.svc.cluster.local:6379",)


def test_the_domain_of_the_bridge_is_the_members() -> None:
    file = file_with(values={"clusterDomain": "k8s.example"})
    host = manager_endpoint(file, file.cluster("b"), elsewhere(fresh(file))).host
    assert host == f"{MANAGER}.cluster-b.svc.k8s.example"


def test_a_bridge_has_a_slice_a_port_owned_by_its_service() -> None:
    file = file_with()
    objects = made(file, elsewhere(fresh(file)))
    service = objects.services[MANAGER]
    assert service["spec"]["type"] == "ClusterIP"
    assert "selector" not in service["spec"]
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == {"grpc": 65003, "rest": 8080}
    assert [one["metadata"]["name"] for one in objects.slices] == [
        f"{MANAGER}-grpc",
        f"{MANAGER}-rest",
        f"{REDIS}-redis",
    ]
    first = objects.slices[0]
    assert first["metadata"]["labels"]["kubernetes.io/service-name"] == MANAGER
    assert first["metadata"]["ownerReferences"][0]["uid"] == f"uid-of-{MANAGER}"
    assert first["metadata"]["annotations"]["dfmc.io/uid"] == UID
    assert (first["addressType"], first["endpoints"][0]["addresses"]) == ("IPv4", ["192.0.2.10"])
    assert first["ports"] == [{"name": "grpc", "port": 30951, "protocol": "TCP"}]


def test_ipv6_is_a_family_of_its_own() -> None:
    file = file_with("[2001:db8::7]")
    objects = made(file, elsewhere(fresh(file)))
    assert objects.services[MANAGER]["spec"]["ipFamilies"] == ["IPv6"]
    assert objects.slices[0]["addressType"] == "IPv6"
    assert objects.slices[0]["endpoints"][0]["addresses"] == ["2001:db8::7"]
    assert objects.slices[0]["metadata"]["name"] == f"{MANAGER}-grpc-ipv6"
    assert leads(file, elsewhere(fresh(file)))[f"{MANAGER}.grpc"] == "[2001:db8::7]:30951"


@pytest.mark.parametrize("release", ["d", "dragonfly", "r" * 53])
def test_names_of_bridges_are_names_of_services(release: str) -> None:
    file = file_with(release=release)
    names = [bridge.service for bridge in wanted_bridges(file, file.cluster("b"), elsewhere(fresh(file)))]
    assert len(set(names)) == 2
    assert all(len(name) <= 63 for name in names)


def test_members_that_need_none_have_none() -> None:
    same, named = file_with(), file_with("dragonfly.example.com")
    assert wanted_bridges(same, same.cluster("b"), fresh(same)) == ()  # both contexts lead to one Kubernetes cluster
    assert wanted_bridges(named, named.cluster("b"), elsewhere(fresh(named))) == ()
    assert wanted_bridges(same, same.central, elsewhere(fresh(same))) == ()
    assert "bridge:b" not in {step.id for step in plan(same, fresh(same)).steps}
    lonely = file_with(redis="none")
    assert list(leads(lonely, elsewhere(fresh(lonely)))) == [f"{MANAGER}.grpc", f"{MANAGER}.rest"]


def test_doctor_asks_where_bridges_lead_whether_they_are_there_or_not() -> None:
    file = file_with()
    found = endpoints_of(file, file.cluster("b"), elsewhere(fresh(file)))
    assert [(one.name, one.address, one.is_needed) for one in found] == [
        ("grpc", "192.0.2.10:30951", True),
        ("rest", "192.0.2.10:30950", False),
        ("redis", "192.0.2.10:30952", True),
    ]
    waiting = file_with(None, BALANCER)
    assert endpoints_of(waiting, waiting.cluster("b"), elsewhere(fresh(waiting))) == ()


def test_an_external_redis_is_dialled_as_it_is() -> None:
    file = topology(
        manager={
            "cluster": "a",
            "expose": {**PORTS, "redisNodePort": None},
            "address": "192.0.2.10",
            "redis": {"addresses": ["192.0.2.20:6379"]},
        },
        clusters=[entry("a"), entry("b", context="other", scopes={"idc": "b"})],
    )
    world = elsewhere(fresh(file))
    assert redis_addresses(file, file.cluster("b"), world) == ("192.0.2.20:6379",)
    assert {name.rpartition(".")[0] for name in leads(file, world)} == {MANAGER}
    asked = endpoints_of(file, file.cluster("b"), world)
    assert [one.address for one in asked if one.name == "redis"] == ["192.0.2.20:6379"]


def test_the_plan_of_a_new_member_says_where_its_bridges_lead() -> None:
    file = file_with()
    made_plan = plan(file, elsewhere(fresh(file)))
    step, release = made_plan.step("bridge:b"), made_plan.step("release:b")
    assert step is not None
    assert release is not None
    assert (step.action, step.note) == (Action.CREATE, "")
    assert f"{MANAGER}.grpc leads to: (unset) → 192.0.2.10:30951" in changes(made_plan)
    assert set(step.needs) == {"namespace:b", "expose:a", "credentials:a"}
    assert "bridge:b" in release.needs
    assert release.values is not None
    assert release.values["externalManager"]["host"] == f"{MANAGER}.cluster-b.svc.cluster.local"


def test_what_is_bridged_needs_nothing() -> None:
    file = file_with()
    world = bridged(file, settled(file))
    assert not plan(file, world).has_changes


def test_a_changed_address_is_the_bridges_business_alone() -> None:
    before, after = file_with(), file_with("192.0.2.99")
    world = bridged(before, settled(before))
    made_plan = plan(after, world)
    assert [step.id for step in made_plan.mutations] == ["bridge:b"]
    assert changes(made_plan)[0] == f"{MANAGER}.grpc leads to: 192.0.2.10:30951 → 192.0.2.99:30951"


def damaged(objects: BridgeObjects, how: str) -> BridgeObjects:
    if how == "service":
        kept = {name: one for name, one in objects.services.items() if name != REDIS}
        return replace(objects, services=kept)
    if how == "slice":
        return replace(objects, slices=objects.slices[1:])
    if how == "not ready":
        first = {**objects.slices[0], "endpoints": [{"addresses": ["192.0.2.10"], "conditions": {"ready": False}}]}
        return replace(objects, slices=(first, *objects.slices[1:]))
    if how == "port":
        first = {**objects.slices[0], "ports": [{"name": "grpc", "port": 1, "protocol": "TCP"}]}
        return replace(objects, slices=(first, *objects.slices[1:]))
    service = {**objects.services[MANAGER], "spec": {"type": "ClusterIP", "ports": []}}
    return replace(objects, services={**objects.services, MANAGER: service})


@pytest.mark.parametrize("how", ["service", "slice", "not ready", "port", "ports"])
def test_drift_of_a_bridge_is_repaired(how: str) -> None:
    file = file_with()
    world = bridged(file, settled(file))
    seen = world.clusters["b"]
    broken = replace(world, clusters={**world.clusters, "b": replace(seen, bridges=damaged(seen.bridges, how))})
    made_plan = plan(file, broken)
    assert [step.id for step in made_plan.mutations] == ["bridge:b"]
    assert made_plan.mutations[0].action is Action.UPDATE


def test_a_service_of_somebody_else_is_a_conflict_of_that_member() -> None:
    file = file_with()
    world = bridged(file, elsewhere(fresh(file)))
    seen = world.clusters["b"]
    foreign = {**seen.bridges.services[MANAGER], "metadata": {"name": MANAGER, "namespace": "cluster-b"}}
    bridges = replace(seen.bridges, services={MANAGER: foreign})
    made_plan = plan(file, replace(world, clusters={**world.clusters, "b": replace(seen, bridges=bridges)}))
    assert isinstance(made_plan.failures["b"], ConflictError)
    assert made_plan.of("b") == ()
    assert made_plan.of("a")


def test_bridges_that_no_values_name_any_more_go_after_the_new_values_are_ready() -> None:
    before, after = file_with(), file_with("dragonfly.example.com")
    world = bridged(before, settled(before))
    made_plan = plan(after, world)
    assert [step.id for step in made_plan.mutations] == ["release:b", "unbridge:b"]
    assert made_plan.mutations[1].needs == ("release:b", "ready:b")
    assert changes(made_plan, "unbridge:b") == [
        f"Service {MANAGER}: (there) → (unset)",
        f"Service {REDIS}: (there) → (unset)",
    ]


BALANCER = {"type": "LoadBalancer"}


def test_load_balancers_without_an_address_yet_are_waited_for() -> None:
    file = file_with(None, BALANCER)
    made_plan = plan(file, elsewhere(fresh(file)))
    step = made_plan.step("bridge:b")
    assert step is not None
    assert step.note == "waits for the addresses of the central Services"
    assert f"{MANAGER}.grpc leads to: (unset) → (known after apply)" in changes(made_plan)


def test_each_load_balancer_may_have_an_address_of_its_own() -> None:
    file = file_with(None, BALANCER)
    world = balanced(
        file, elsewhere(fresh(file)), rest={"ip": "192.0.2.1"}, grpc={"ip": "192.0.2.2"}, redis={"ip": "192.0.2.3"}
    )
    assert list(leads(file, world).values()) == ["192.0.2.2:65003", "192.0.2.1:8080", "192.0.2.3:6379"]
    later = balanced(file, bridged(file, world), grpc={"ip": "192.0.2.8"})
    assert f"{MANAGER}.grpc leads to: 192.0.2.2:65003 → 192.0.2.8:65003" in changes(plan(file, later))


def test_load_balancers_with_names_become_aliases() -> None:
    file = file_with(None, BALANCER)
    names = {part: {"hostname": f"{part}.lb.example"} for part in ("rest", "grpc", "redis")}
    world = balanced(file, elsewhere(fresh(file)), **names)
    objects = made(file, world)
    assert objects.services[MANAGER]["spec"]["externalName"] == "grpc.lb.example"
    assert objects.services[REDIS]["spec"]["externalName"] == "redis.lb.example"
    assert objects.slices == ()
    assert not changes(plan(file, bridged(file, world)))


@pytest.mark.parametrize(
    ("rest", "grpc"),
    [
        ({"hostname": "rest.lb.example"}, {"hostname": "grpc.lb.example"}),
        ({"ip": "192.0.2.1"}, {"hostname": "grpc.lb.example"}),
        ({"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}),
    ],
)
def test_what_one_service_cannot_lead_to_is_refused_where_both_ports_are_needed(
    rest: dict[str, str], grpc: dict[str, str]
) -> None:
    older, newer = file_with(None, BALANCER, "1.6.9"), file_with(None, BALANCER, "1.6.27")
    given = {"rest": rest, "grpc": grpc, "redis": {"ip": "192.0.2.3"}}
    with pytest.raises(PreflightError, match="one Service of b cannot lead to") as raised:
        wanted_bridges(older, older.cluster("b"), balanced(older, elsewhere(fresh(older)), **given))
    assert "manager.expose.annotations" in raised.value.next_step
    manager = wanted_bridges(newer, newer.cluster("b"), balanced(newer, elsewhere(fresh(newer)), **given))[0]
    assert [lead.name for lead in manager.leads] == ["grpc"]


def test_node_ports_that_the_api_server_chooses_are_read_afterwards() -> None:
    file = file_with(expose={"type": "NodePort"})
    world = elsewhere(fresh(file))
    assert f"{MANAGER}.grpc leads to: (unset) → (known after apply)" in changes(plan(file, world))
    service = {"spec": {"ports": [{"nodePort": 31000}]}, "metadata": {"name": "manager-grpc"}}
    assert leads(file, replace(world, services={"manager-grpc": service}))[f"{MANAGER}.grpc"] == "192.0.2.10:31000"


@pytest.mark.parametrize(
    ("address", "expose", "why"),
    [
        ("127.0.0.1", PORTS, "loopback"),
        ("169.254.1.1", BALANCER, "link-local"),
        ("0.0.0.0", BALANCER, "no machine's"),  # noqa: S104
        ("192.0.2.10", {"type": "ClusterIP"}, "ClusterIP"),
        (None, PORTS, "manager.address is not set"),
    ],
)
def test_where_nothing_can_lead_to_the_manager_the_member_is_refused(
    address: str | None, expose: Mapping[str, Any], why: str
) -> None:
    file = file_with(address, expose)
    error = plan(file, elsewhere(fresh(file))).failures["b"]
    assert isinstance(error, PreflightError)
    assert why in error.why
    assert "an IP address" in error.next_step


def test_down_deletes_bridges_after_the_release_and_before_the_namespace() -> None:
    file = file_with()
    world = settled(file)
    namespace = {"metadata": {"name": "cluster-b", "labels": {"app.kubernetes.io/managed-by": "dfmc"}}}
    remains = {"a": Remains(), "b": Remains((), (MANAGER, REDIS), namespace)}
    made_plan = make_teardown(file, world, remains, delete_data=False)
    assert [step.id for step in made_plan.of("b")] == ["uninstall:b", "unbridge:b", "discard:b"]
    discard = made_plan.step("discard:b")
    assert discard is not None
    assert "unbridge:b" in discard.needs
    assert made_plan.step("unbridge:b").kind is Kind.UNBRIDGE  # type: ignore[union-attr]
