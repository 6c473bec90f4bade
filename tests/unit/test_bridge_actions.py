"""Bridges written into a cluster in memory: waiting for load balancers, what is cleaned up, what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from dfmc.clients.protocols import ChartArchive, JsonObject
from dfmc.engine import bridge_actions
from dfmc.engine.actions import Actions
from dfmc.engine.bridging import bridges_of
from dfmc.engine.execute import Done
from dfmc.engine.lock import Lock
from dfmc.engine.observe import observe_cluster
from dfmc.engine.run_state import RunState
from dfmc.engine.session import RunOptions, Session
from dfmc.engine.teardown import TeardownActions, remains_of
from dfmc.errors import ConflictError, LockedError, NotReadyError
from dfmc.planning.bridges import live_target
from dfmc.planning.ownership import object_metadata
from dfmc.planning.steps import Action, Kind, Step
from dfmc.redaction import Redactor
from dfmc.state import KubernetesFacts, Observed, StoredCredentials
from dfmc.topology.load import load_text
from dfmc.topology.model import ClusterSpec
from fakes import FakeKube
from observed_worlds import CHART, UID, fresh

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: guide}
chart: {repository: https://charts.example/, version: 1.7.4}
manager: {cluster: a, expose: {type: LoadBalancer}}
clusters:
- {name: a, context: one, namespace: cluster-a, nodeSelector: {cluster: a}}
- {name: b, context: two, namespace: cluster-b, nodeSelector: {cluster: b}, scopes: {idc: b}}
"""
LOADED = load_text(TEXT, "topology.yaml")
SERVICES = ("manager-rest", "manager-grpc", "manager-redis")
MANAGER, REDIS = "dfmc-dragonfly-manager", "dfmc-dragonfly-redis"
ARCHIVE = ChartArchive(Path("/nowhere/dragonfly.tgz"), CHART.sha256, "dragonfly", CHART.version, "2.5.0")


class Kube(FakeKube):
    """An API server that gives uids."""

    def _stored(self, obj: JsonObject) -> JsonObject:
        named = {**obj, "metadata": {"uid": f"uid-{obj['metadata']['name']}", **obj["metadata"]}}
        return super()._stored(named)


class HeldLock:
    """A lock that is ours until it is not."""

    lost = False

    async def verify(self) -> None:
        if self.lost:
            raise LockedError("the lock was lost", where="a")


class World:
    """Two Kubernetes clusters: the central one's Services are there, the member's namespace is empty."""

    def __init__(self, text: str = TEXT, timeout: float = 5.0) -> None:
        self.loaded = load_text(text, "topology.yaml")
        self.kubes = {"a": Kube(), "b": Kube()}
        self.said: list[str] = []
        self.lock = HeldLock()
        for name in SERVICES:
            self.expose(name)
        self.kubes["b"]._stored({"kind": "Namespace", "metadata": {"name": "cluster-b"}})
        self.timeout = timeout

    def expose(self, name: str, **ingress: str) -> None:
        balancer = {"loadBalancer": {"ingress": [ingress]} if ingress else {}}
        spec = {"type": "LoadBalancer"}
        metadata = object_metadata(name, "cluster-a", "guide", UID)
        self.kubes["a"]._stored({"kind": "Service", "metadata": metadata, "spec": spec, "status": balancer})

    def kube(self, cluster: ClusterSpec) -> Kube:
        return self.kubes[cluster.name]

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager here")

    @property
    def observed(self) -> Observed:
        world = fresh(self.loaded.topology)
        seen = replace(world.clusters["b"], facts=KubernetesFacts("uid-2", "v1.34.4"))
        stored = StoredCredentials("guide", UID, {})
        return replace(world, clusters={**world.clusters, "b": seen}, credentials=stored)

    def session(self) -> Session:
        options = RunOptions(timeout=self.timeout)
        return Session(self.loaded, cast("Any", self), Redactor(), options)

    def act(self, kind: Kind, meanwhile: Callable[[], None] = lambda: None) -> Done:
        async def run() -> Done:
            state = RunState(self.session(), self.observed, ARCHIVE, cast("Lock", self.lock))
            action = Actions(state).table()[kind]

            def say(text: str) -> None:
                self.said.append(text)
                meanwhile()

            return await action(Step(kind, "b", Action.CREATE), say)

        return asyncio.run(run())

    def target(self, service: str, port: str) -> str | None:
        found = asyncio.run(bridges_of(self.kubes["b"], self.loaded.topology.cluster("b"), slices=True))
        return live_target(found, service, port)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge_actions, "_POLL_SECONDS", 0.01)


@pytest.mark.usefixtures("_quick")
def test_it_waits_for_every_load_balancer_and_leads_to_each_ones_address() -> None:
    world = World()
    left = list(SERVICES)

    def answer() -> None:
        if left:
            world.expose(left.pop(), ip=f"192.0.2.{len(left)}")

    done = world.act(Kind.BRIDGE, answer)
    assert world.said[0].startswith("waiting for the load balancer of Service manager-")
    assert (world.target(MANAGER, "rest"), world.target(MANAGER, "grpc")) == ("192.0.2.0:8080", "192.0.2.1:65003")
    assert world.target(REDIS, "redis") == "192.0.2.2:6379"
    assert "grpc to 192.0.2.1:65003" in done.text
    member = world.kubes["b"].mutations
    assert member[0] == f"apply Service {MANAGER}"
    assert all(line.startswith("apply") for line in member)


@pytest.mark.usefixtures("_quick")
def test_a_load_balancer_without_an_address_ends_the_member_with_its_controllers_words() -> None:
    world = World(timeout=0.05)
    world.expose("manager-rest", ip="192.0.2.1")
    event = {
        "kind": "Event",
        "metadata": {"name": "e", "namespace": "cluster-a"},
        "involvedObject": {"kind": "Service", "name": "manager-grpc"},
        "reason": "SyncLoadBalancerFailed",
        "message": "quota of addresses is used up",
    }
    world.kubes["a"]._stored(event)
    with pytest.raises(NotReadyError) as raised:
        world.act(Kind.BRIDGE)
    error = raised.value
    assert "manager-grpc, manager-redis in a got no address" in error.what
    assert "quota of addresses is used up" in error.why
    assert "describe service manager-grpc" in error.next_step
    assert world.kubes["b"].mutations == []


def test_nothing_is_written_once_the_lock_is_lost() -> None:
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.lock.lost = True
    with pytest.raises(LockedError):
        world.act(Kind.BRIDGE)
    assert world.kubes["b"].mutations == []


def test_slices_of_the_other_family_go_and_those_of_others_stay() -> None:
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.act(Kind.BRIDGE)
    labels = {"kubernetes.io/service-name": MANAGER}
    metadata = {"name": f"{MANAGER}-somebody", "namespace": "cluster-b", "labels": labels}
    world.kubes["b"]._stored({"kind": "EndpointSlice", "metadata": metadata})
    for name in SERVICES:
        world.expose(name, ip="2001:db8::1")
    world.act(Kind.BRIDGE)
    names = {name for kind, _, name in world.kubes["b"].objects if kind == "EndpointSlice"}
    assert names == {f"{MANAGER}-grpc-ipv6", f"{MANAGER}-rest-ipv6", f"{REDIS}-redis-ipv6", f"{MANAGER}-somebody"}
    assert world.target(MANAGER, "grpc") == "[2001:db8::1]:65003"


def test_somebody_elses_service_of_that_name_is_not_overwritten() -> None:
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.kubes["b"]._stored({"kind": "Service", "metadata": {"name": MANAGER, "namespace": "cluster-b"}, "spec": {}})
    with pytest.raises(ConflictError, match=f"Service {MANAGER} exists"):
        world.act(Kind.BRIDGE)
    assert world.kubes["b"].mutations == []


def test_bridges_that_are_wanted_no_more_are_deleted_and_others_services_are_not() -> None:
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.act(Kind.BRIDGE)
    foreign = {"kind": "Service", "metadata": {"name": "web", "namespace": "cluster-b"}, "spec": {}}
    world.kubes["b"]._stored(foreign)
    assert world.act(Kind.UNBRIDGE).changed is False
    world.loaded = load_text(TEXT.replace("LoadBalancer}", "LoadBalancer}, address: df.example"), "topology.yaml")
    assert MANAGER in world.act(Kind.UNBRIDGE).text
    assert [name for kind, _, name in world.kubes["b"].objects if kind == "Service"] == ["web"]


def test_down_finds_and_deletes_them() -> None:
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.act(Kind.BRIDGE)
    topology = world.loaded.topology

    async def down() -> Done:
        remains = await remains_of(world.kubes["b"], topology, topology.cluster("b"))
        assert remains.bridges == (MANAGER, REDIS)
        actions = TeardownActions(world.session(), UID, None)
        return await actions.unbridge(Step(Kind.UNBRIDGE, "b", Action.DELETE), lambda text: None)

    assert asyncio.run(down()).changed
    assert [name for kind, _, name in world.kubes["b"].objects if kind == "Service"] == []


def test_only_members_elsewhere_are_asked_for_bridges_and_for_slices_only_where_the_file_has_an_address() -> None:
    def asked(text: str) -> list[str]:
        world = World(text)
        cluster = world.loaded.topology.cluster("b")
        asyncio.run(observe_cluster(world.session(), cluster, deep=False))
        return [line for line in world.kubes["b"].requests if line.startswith("list")]

    assert "list Service cluster-b" in asked(TEXT)
    assert asked(TEXT.replace("context: two", "context: one")) == []
    world = World()
    for name in SERVICES:
        world.expose(name, ip="192.0.2.1")
    world.act(Kind.BRIDGE)
    world.kubes["b"].requests.clear()
    asyncio.run(observe_cluster(world.session(), world.loaded.topology.cluster("b"), deep=False))
    assert "list EndpointSlice cluster-b" in world.kubes["b"].requests
