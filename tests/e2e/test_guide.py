"""The main job on both layouts and both helm majors: up, proven, quiet the second time, and the proof has teeth."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest
import yaml
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.config import new_client_from_config

from bed_world import SECONDS, World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def numbers_of_the_day(count: int) -> list[int]:
    """Return all of ``count`` cases, or where the bed's tests take turns (DFMC_E2E_PART) the one whose turn it is."""
    if os.environ.get("DFMC_E2E_PART", "all") == "all":
        return list(range(count))
    return [datetime.now(UTC).timetuple().tm_yday % count]


def chart_version(world: World) -> str:
    return str(yaml.safe_load(world.topology.read_text())["chart"]["version"])


@scenario("S4", real=True)
def test_a_and_b_are_registered_under_ids_1_and_2_and_their_schedulers_active(world: World) -> None:
    api = world.manager()
    records = {row["name"]: row for row in api.get("/api/v1/clusters?per_page=100")}
    assert set(records) == {"a", "b"}
    assert (records["a"]["id"], records["b"]["id"]) == (1, 2)
    assert records["a"]["is_default"]
    assert records["b"]["scopes"]["idc"] == "cluster-2"
    assert world.active_schedulers(api) == {1: ["dragonfly-scheduler-0"], 2: ["dragonfly-scheduler-0"]}
    status, _ = api.request("POST", "/api/v1/users/signin", {"name": "root", "password": "dragonfly"})
    assert status == 401, "root's default password still works"


def test_the_last_lines_say_how_to_sign_in(world: World) -> None:
    assert "root" in world.first.text
    assert "dfmc status" in world.first.text or "dfmc console" in world.first.text
    assert world.credential("root-password") not in world.first.text


@scenario("K11", real=True)
def test_a_second_up_writes_nothing_and_says_so(world: World) -> None:
    revisions = world.revisions("cluster-a") + world.revisions("cluster-b")
    kubernetes, rest = world.audit_mark(), len(world.manager_audit())
    again = world.dfmc("up", str(world.topology))
    assert "nothing to do" in again.text
    assert world.revisions("cluster-a") + world.revisions("cluster-b") == revisions
    world.audit_mark()
    assert world.writes_since(kubernetes) == []
    asked = [(method, path) for _, method, path in world.manager_audit()[rest:]]
    assert {method for method, _ in asked} <= {"GET", "POST"}
    assert all(path.endswith("/signin") for method, path in asked if method == "POST")


@scenario("V6", real=True)
def test_plan_and_status_agree_that_nothing_is_left(world: World) -> None:
    kubernetes, rest = world.audit_mark(), len(world.manager_audit())
    assert world.dfmc("plan", "--detailed-exitcode", str(world.topology)).code == 0
    document = json.loads(world.dfmc("status", "-o", "json", str(world.topology)).stdout)
    assert document["kind"] == "Status"
    assert {cluster["name"] for cluster in document["clusters"]} == {"a", "b"}
    world.audit_mark()
    assert world.writes_since(kubernetes) == []  # looking is not writing
    asked = [(method, path) for _, method, path in world.manager_audit()[rest:]]
    assert all(method == "GET" or path.endswith("/signin") for method, path in asked)


# Before anything is spoiled by hand: helm 4 rightly refuses to overwrite fields that somebody else has set since.
def test_one_changed_field_of_b_changes_b_alone(world: World) -> None:
    central, member = world.revisions("cluster-a"), world.revisions("cluster-b")
    world.edit(lambda document: world.entry("b", document).update(labels={"region": "eu"}, logLevel="warn"))
    mark = world.audit_mark()
    planned = world.dfmc("plan", "--detailed-exitcode", str(world.topology), code=None)
    if planned.code == 0:  # a layout without log levels has nothing to change: take a field that every layout has
        world.edit(lambda document: world.entry("b", document).update(pprofPort=18077))
        planned = world.dfmc("plan", "--detailed-exitcode", str(world.topology), code=2)
    assert planned.code == 2
    world.dfmc("up", str(world.topology))
    world.audit_mark()
    assert world.revisions("cluster-a") == central
    assert len(world.revisions("cluster-b")) == len(member) + 1
    namespaces = {event["objectRef"].get("namespace") for event in world.writes_since(mark)}
    assert namespaces == {"cluster-b"}


CORRUPTIONS = {
    # layout of the chart -> what is spoiled: ConfigMap, file, path, value
    "1.7.4": [
        ("dragonfly-scheduler", "scheduler.yaml", "manager.schedulerClusterID", 1),
        ("dragonfly-seed-client", "dfdaemon.yaml", "host.schedulerClusterID", 1),
        ("dragonfly-client", "dfdaemon.yaml", "host.schedulerClusterID", 1),
        ("dragonfly-client", "dfdaemon.yaml", "manager.addr", "http://elsewhere.example:65003"),
        ("dragonfly-scheduler", "scheduler.yaml", "manager.addr", "elsewhere.example:65003"),
        ("dragonfly-scheduler", "scheduler.yaml", "database.redis.addrs", ["elsewhere.example:6379"]),
    ],
    "1.1.1": [
        ("dragonfly-scheduler", "scheduler.yaml", "manager.schedulerClusterID", 1),
        ("dragonfly-seed-peer", "dfget.yaml", "scheduler.manager.seedPeer.clusterID", 1),
        ("dragonfly-dfdaemon", "dfget.yaml", "host.idc", "cluster-1"),
        ("dragonfly-dfdaemon", "dfget.yaml", "scheduler.manager.netAddrs", [{"type": "tcp", "addr": "other:65003"}]),
        ("dragonfly-scheduler", "scheduler.yaml", "manager.addr", "elsewhere.example:65003"),
        ("dragonfly-scheduler", "scheduler.yaml", "database.redis.addrs", ["elsewhere.example:6379"]),
    ],
}


def spoil(content: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for key in above:
        content = content[key]
    assert content[last] != value
    content[last] = value


def corruption(world: World, number: int) -> tuple[str, str, dict[str, str], dict[str, str], tuple[str, ...]]:
    """Return a ConfigMap of b, its data as they are and spoiled, and the words in which that must be told."""
    name, file, path, value = CORRUPTIONS[chart_version(world)][number]
    before = world.config_map("cluster-b", name)["data"]
    content = yaml.safe_load(before[file])
    spoil(content, path, value)
    leaf = path.rsplit(".", 1)[0] if isinstance(value, list) else path
    seen = value[0]["addr"] if isinstance(value, list) and isinstance(value[0], dict) else value
    seen = seen[0] if isinstance(seen, list) else seen
    words = ("b", name, file, leaf.split(".")[-1], str(seen), "expected", "edited by hand")
    return name, file, before, {file: yaml.safe_dump(content)}, words


@pytest.mark.parametrize("number", range(6))
@scenario("V4", real=True)
def test_one_wrong_key_in_a_member_is_named_with_what_was_expected(world: World, number: int) -> None:
    name, _, before, spoiled, words = corruption(world, number)
    world.replace_config("cluster-b", name, spoiled)
    try:
        ended = world.dfmc("status", str(world.topology), code=1)
        for word in words:
            assert word in ended.text, f"{word!r} is missing in:\n{ended.text}"
    finally:
        world.replace_config("cluster-b", name, before)
    world.dfmc("status", str(world.topology))


@contextmanager
def somebody_who_keeps_editing(world: World, name: str, data: dict[str, str]) -> Iterator[list[int]]:
    """Overwrite a ConfigMap of b again and again, as another operator would; yields how often it was reached."""
    stop, reached = threading.Event(), [0]
    client = new_client_from_config(world.environment["KUBECONFIG"], world.tools.context)

    def edit() -> None:
        ends = time.monotonic() + SECONDS
        while not stop.wait(0.02) and time.monotonic() < ends:  # faster than up comes from its repair to its proof
            try:
                CoreV1Api(client).patch_namespaced_config_map(name, "cluster-b", {"data": data})
                reached[0] += 1
            except ApiException as error:  # it is being made anew
                if error.status != HTTPStatus.NOT_FOUND:
                    raise

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        yield reached
    finally:
        stop.set()
        thread.join(60)
        client.close()
        assert not thread.is_alive()


@pytest.mark.parametrize("number", numbers_of_the_day(6))
@scenario("V4", real=True)
def test_up_repairs_one_wrong_key_and_fails_naming_it_where_it_comes_back(world: World, number: int) -> None:
    name, file, before, spoiled, words = corruption(world, number)
    with somebody_who_keeps_editing(world, name, spoiled) as reached:
        ended = world.dfmc("up", str(world.topology), code=None)
    assert reached[0] > 1
    assert ended.code != 0, ended.text
    said = ended.text[ended.text.index(f"deleting ConfigMap {name}") :]
    for word in words[:-1]:
        assert word in said, f"{word!r} is missing in:\n{said}"
    mended = world.dfmc("up", str(world.topology))
    assert f"ConfigMap {name}, {file}: " in mended.text
    assert world.config_map("cluster-b", name)["data"] == before
    assert "nothing to do" in world.dfmc("up", str(world.topology)).text
