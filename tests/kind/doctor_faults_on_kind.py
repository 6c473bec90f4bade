"""Faults of real nodes, which the embedded bed has not, and what `doctor` says of each: `make test-kind-faults`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from bed_tools import wait_until
from kind_world import KindWorld, is_ready
from scenarios import scenario

pytestmark = [pytest.mark.timeout(900)]
GRPC_PORT = 65003


@contextmanager
def cordoned(world: KindWorld) -> Iterator[None]:
    world.kubectl("cordon", "-l", "cluster=b")
    try:
        yield
    finally:
        world.kubectl("uncordon", "-l", "cluster=b")


@contextmanager
def tainted(world: KindWorld) -> Iterator[None]:
    world.kubectl("taint", "nodes", "-l", "cluster=b", "batch=only:NoSchedule")
    try:
        yield
    finally:
        world.kubectl("taint", "nodes", "-l", "cluster=b", "batch=only:NoSchedule-")


@contextmanager
def kubelet_stopped(world: KindWorld) -> Iterator[None]:
    node = world.nodes("b")[-1]

    def is_up() -> bool:
        return is_ready(json.loads(world.kubectl("get", "node", node, "-o", "json")))

    world.docker("exec", node, "systemctl", "stop", "kubelet")
    try:
        wait_until("a node that is not ready", lambda: not is_up(), 120)
        yield
    finally:
        world.docker("exec", node, "systemctl", "start", "kubelet")
        wait_until("the node", is_up, 120)


@contextmanager
def port_taken(world: KindWorld) -> Iterator[None]:
    """Something else sits in the node's network at the port that the client uses for QUIC."""
    container: dict[str, Any] = {"name": "web", "image": "busybox:latest", "imagePullPolicy": "IfNotPresent"}
    container |= {"command": ["sleep", "3600"], "ports": [{"containerPort": 4006}]}
    spec = {"nodeName": world.nodes("b")[0], "hostNetwork": True, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    (world.bed / "web.json").write_text(json.dumps(pod))
    world.kubectl("apply", "-f", str(world.bed / "web.json"))
    try:
        world.kubectl("-n", "default", "wait", "--for=condition=Ready", "pod/web", "--timeout=120s")
        yield
    finally:
        world.kubectl("-n", "default", "delete", "pod", "web", "--grace-period=1")


@contextmanager
def manager_refused(world: KindWorld) -> Iterator[None]:
    """B's nodes let no pod through to the manager."""
    with ExitStack() as stack:
        for node in world.nodes("b"):
            stack.enter_context(world.rejected(node, "FORWARD", "--dport", str(GRPC_PORT)))
        yield


def entry(**settings: Any) -> Callable[[KindWorld], AbstractContextManager[None]]:
    """Return what writes these settings into b's entry of the file."""

    @contextmanager
    def edited(world: KindWorld) -> Iterator[None]:
        kept = world.file.read_text()
        document = yaml.safe_load(kept)
        document["clusters"][1].update(settings)
        world.file.write_text(yaml.safe_dump(document, sort_keys=False))
        try:
            yield
        finally:
            world.file.write_text(kept)

    return edited


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with B's nodes.

    Attributes:
        check: By which doctor must name it.
        says: Pattern in its words.
        brings: Checks that may speak of what comes of it.
    """

    name: str
    plant: Callable[[KindWorld], AbstractContextManager[None]]
    check: str
    says: str
    brings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


FAULTS = (
    Fault("cordoned", cordoned, "DF321", "none of its 2 nodes takes pods.*is cordoned", ("DF341",)),
    Fault("tainted", tainted, "DF321", "none of its 2 nodes takes pods.*tainted batch=only:NoSchedule", ("DF341",)),
    Fault("kubelet", kubelet_stopped, "DF321", "not ready", ("DF341", "DF353", "DF354", "DF374")),
    Fault("host-port", port_taken, "DF324", "port 4006 of node .* is taken.*default/web"),
    Fault("runtime", entry(runtime={"type": "cri-o"}), "DF322", "run containerd", ("DF354",)),
    Fault(
        "no-class",
        entry(persistence={"seedPeer": {"storageClass": "fast"}}),
        "DF325",
        "no StorageClass fast",
        ("DF354",),
    ),
    pytest.param(Fault("unreachable", manager_refused, "DF341", "65003"), marks=scenario("W7", real=True)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_of_nodes_is_named_and_nothing_else(world: KindWorld, fault: Fault) -> None:
    with fault.plant(world), world.figures.seconds(f"{fault}: doctor"):
        found = world.findings()
    words = {f"{one['id']} {one['cluster']}: {one['what']} | {one['why']} | {one['place']}" for one in found}
    assert any(re.search(rf"^{fault.check} b: .*{fault.says}", one) for one in words), words
    assert {one["id"] for one in found} <= {fault.check, *fault.brings}, words


def test_when_all_is_healed_doctor_finds_nothing(world: KindWorld) -> None:
    wait_until("the end of what was healed", lambda: _is_healthy(world), 300)


def _is_healthy(world: KindWorld) -> bool:
    report = world.doctor(code=None)
    return bool(report["healthy"])
