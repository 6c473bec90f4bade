"""Faults among real programs on real nodes, and what `verify` and `doctor` say of each: `make test-kind-faults`.

Each is planted, both commands must name it, and it is healed: the cluster's bytes are proven again.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from bed_tools import ManagerRest, wait_until
from kind_world import REGISTRY, KindWorld
from scenarios import scenario

pytestmark = [pytest.mark.timeout(2400)]
A, B = "cluster-a", "cluster-b"
HOSTS = f"/etc/containerd/certs.d/{REGISTRY}:5000"
PROXY_PORT, REST_PORT = 4001, 30950


# --- planting --------------------------------------------------------------------------------------------------------


@contextmanager
def configured(world: KindWorld, component: str, file: str, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Change a component's configuration in B as somebody with kubectl would; its pods go on with the old one."""
    before = world.config(B, component)
    document = yaml.safe_load(before[file])
    change(document)
    world.write_config(B, component, {file: yaml.safe_dump(document)})
    try:
        yield
    finally:
        world.write_config(B, component, {file: before[file]})


def carry_id_1(document: dict[str, Any]) -> None:
    document["host"]["schedulerClusterID"] = 1


@contextmanager
def clients_with_id_1(world: KindWorld) -> Iterator[None]:
    """The ConfigMap is right again by the time of the pull: only the counters can show what the clients carry.

    B's scheduler starts anew before, so that it has never heard of a client.
    """
    world.restart(B, "scheduler")
    world.restart(B, "seed-client")
    with configured(world, "client", "dfdaemon.yaml", carry_id_1):
        world.restart(B, "client")
    try:
        yield
    finally:
        world.restart(B, "client")


@contextmanager
def seed_with_id_1(world: KindWorld) -> Iterator[None]:
    with configured(world, "seed-client", "dfdaemon.yaml", carry_id_1):
        world.restart(B, "seed-client")
        yield
    world.restart(B, "seed-client")


@contextmanager
def scheduler_down(world: KindWorld) -> Iterator[None]:
    world.scale(B, "scheduler", 0)
    try:
        yield
    finally:
        world.scale(B, "scheduler", 1)
        peers_anew(world)


def peers_anew(world: KindWorld) -> None:
    """Start B's peers anew: they would take five minutes to learn where their scheduler is now."""
    world.restart(B, "seed-client")
    world.restart(B, "client")


@contextmanager
def seed_down(world: KindWorld) -> Iterator[None]:
    world.scale(B, "seed-client", 0)
    try:
        yield
    finally:
        world.scale(B, "seed-client", 1)


OTHER_REDIS = "other-redis"


@contextmanager
def other_redis(world: KindWorld) -> Iterator[None]:
    """B's scheduler uses a Redis of its own: it runs and serves, and no job ever reaches it."""
    image = world.kubectl("-n", A, "get", "pods", "-o", "jsonpath={.items[*].spec.containers[*].image}").split()
    redis = next(one for one in image if "redis" in one)
    scheduler = yaml.safe_load(world.config(B, "scheduler")["scheduler.yaml"])
    password = scheduler["database"]["redis"]["password"]
    container = {
        "name": "redis",
        "image": redis,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", 'exec redis-server --bind 0.0.0.0 --dir /tmp --requirepass "$PASSWORD"'],
        "env": [{"name": "PASSWORD", "value": password}],
    }
    spec = {"containers": [container], "nodeSelector": {"cluster": "b"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": OTHER_REDIS, "namespace": B}, "spec": spec}
    (world.bed / "other-redis.json").write_text(json.dumps(pod))
    world.kubectl("apply", "-f", str(world.bed / "other-redis.json"))
    world.kubectl("-n", B, "wait", "--for=condition=Ready", f"pod/{OTHER_REDIS}", "--timeout=120s")
    address = world.kubectl("-n", B, "get", "pod", OTHER_REDIS, "-o", "jsonpath={.status.podIP}")

    def elsewhere(document: dict[str, Any]) -> None:
        document["database"]["redis"]["addrs"] = [f"{address}:6379"]

    try:
        with configured(world, "scheduler", "scheduler.yaml", elsewhere):
            world.restart(B, "scheduler")
            peers_anew(world)
            yield
    finally:
        world.restart(B, "scheduler")
        peers_anew(world)
        world.kubectl("-n", B, "delete", "pod", OTHER_REDIS, "--grace-period=1")


@contextmanager
def hosts_file_missing(world: KindWorld) -> Iterator[None]:
    """The mirror is not in hosts.toml; what is left in its place says only that the registry speaks plain HTTP."""
    node = world.nodes("b")[0]
    plain = f'[host."http://{REGISTRY}:5000"]'
    world.docker("exec", node, "sh", "-c", f"mv {HOSTS}/hosts.toml {HOSTS}/kept && echo '{plain}' > {HOSTS}/hosts.toml")
    try:
        yield
    finally:
        world.docker("exec", node, "mv", f"{HOSTS}/kept", f"{HOSTS}/hosts.toml")


@contextmanager
def proxy_dead(world: KindWorld) -> Iterator[None]:
    with world.rejected(world.nodes("b")[0], "INPUT", "--dport", str(PROXY_PORT)):
        yield


# --- verify ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with B.

    Attributes:
        cause: By which verify must name it.
        says: Is in its words.
        checks: By which doctor must name it; empty where it cannot see it.
        scope: Of the run of verify.
    """

    name: str
    plant: Callable[[KindWorld], AbstractContextManager[None]]
    cause: str
    says: str
    checks: tuple[str, ...] = ()
    scope: tuple[str, ...] = ("-c", "b")

    def __str__(self) -> str:
        return self.name


FAULTS = (
    Fault("hosts-file", hosts_file_missing, "runtime-not-wired", "its hosts.toml is missing"),
    Fault("proxy-dead", proxy_dead, "proxy-dead", "the client's proxy on kind-worker3 does not answer"),
    Fault("client-id", clients_with_id_1, "client-id", "works with the scheduler of a", ("DF374",), ()),
    Fault("seed-id", seed_with_id_1, "seed-id", "expected 2, seen 1", ("DF371",)),
    Fault("seed-down", seed_down, "seed-down", "no seed client of b is ready", ("DF353",)),
    pytest.param(
        Fault("scheduler-down", scheduler_down, "scheduler-down", "no scheduler of b is ready", ("DF353", "DF372")),
        marks=scenario("V2", real=True),
    ),
    Fault("wrong-redis", other_redis, "redis", "database.redis.addrs", ("DF371",)),
)


def causes(report: dict[str, Any], cluster: str) -> dict[str, str]:
    """What verify says of a cluster: sentences by id."""
    found = next(one for one in report["clusters"] if one["name"] == cluster)
    listed = [*(cause for pull in found["pulls"] for cause in pull["causes"]), *found["causes"]]
    return {cause["id"]: cause["what"] for cause in reversed(listed)}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_is_named_and_when_healed_bytes_are_proven_again(world: KindWorld, fault: Fault) -> None:
    with world.figures.seconds(f"{fault}: all of it"):
        with fault.plant(world):
            with world.figures.seconds(f"{fault}: verify"):
                report = world.verify(*fault.scope, code=1)
            found = {(one["id"], one["cluster"]) for one in world.findings()} if fault.checks else set()
        said = causes(report, "b")
        assert fault.cause in said, said
        assert fault.says in said[fault.cause]
        assert {(check, "b") for check in fault.checks} <= found, found
        assert {cluster for _, cluster in found} <= {"b"}, found
        healed = world.verify("-c", "b")
    assert healed["proven"] is True


def manager(world: KindWorld) -> ManagerRest:
    """The manager's REST API at its node port, signed in once."""
    address = world.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
    secret = world.kubectl("-n", A, "get", "secret", "dfmc-dragonfly", "-o", "json")
    password = b64decode(json.loads(secret)["data"]["root-password"]).decode()
    api = ManagerRest(f"http://{address}:{REST_PORT}")

    def signed_in() -> bool:
        status, answer = api.request("POST", "/api/v1/users/signin", {"name": "root", "password": password})
        if status != 200:
            time.sleep(8)  # refused within seconds of another one, right or wrong (manager's cache)
            return False
        api.token = answer["token"]
        return True

    wait_until("a sign-in", signed_in, 90)
    return api


def forget_answers(world: KindWorld) -> None:
    """Make the manager look anew which cluster a peer belongs to: it keeps answers in itself and in Redis."""
    command = 'redis-cli -a "$REDIS_PASSWORD" --no-auth-warning FLUSHALL'
    world.kubectl("-n", A, "exec", "dragonfly-redis-master-0", "--", "sh", "-c", command)
    world.restart(A, "manager")


@scenario("V3", real=True)
def test_scopes_that_send_clients_to_another_cluster_are_named(world: KindWorld) -> None:
    """The last one: B is made one of scopes, and then somebody edits the records in the console."""
    document = yaml.safe_load(world.file.read_text())
    document["clusters"][1]["membership"] = "scopes"
    world.file.write_text(yaml.safe_dump(document, sort_keys=False))
    world.dfmc("up", "--yes", "--timeout", "10m")
    forget_answers(world)
    peers_anew(world)
    assert world.verify("-c", "b")["proven"] is True

    api = manager(world)
    rows = {row["name"]: row for row in api.get("/api/v1/clusters?per_page=1000")}

    def write(name: str, scopes: dict[str, Any]) -> None:
        body = {"is_default": rows[name]["is_default"], "scopes": scopes}
        status, answer = api.request("PATCH", f"/api/v1/clusters/{rows[name]['id']}", body)
        assert status == 200, answer

    write("a", {"idc": "cluster-2"})
    write("b", {"idc": "elsewhere"})
    forget_answers(world)
    world.restart(B, "client")
    report = world.verify(code=1)
    said = causes(report, "b")
    assert "scopes" in said, said
    assert "the scopes send the client on kind-worker3 to a" in said["scopes"]
    assert ("DF373", "b") in {(one["id"], one["cluster"]) for one in world.findings()}
    write("a", rows["a"]["scopes"])
    write("b", rows["b"]["scopes"])
    forget_answers(world)
    peers_anew(world)
    assert world.verify("-c", "b")["proven"] is True
