"""What goes wrong with the manager, its records and its databases, planted on the real parts."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_tools import ManagerRest
from bed_world import NODE_PORT
from dfmc.clients.manager_token import own_token
from dfmc.testbed.database import ManagerDatabase, manager_database
from dfmc.testbed.faults import Fault, Kind
from kill_matrix.bed import MatrixBed
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def rest(bed: MatrixBed) -> ManagerRest:
    """Return the manager's REST API for root; a sign-in right after dfmc's would be refused."""
    token = own_token(bed.world.credential("jwt-key"), 1, int(time.time()))
    return ManagerRest(f"http://{bed.world.node_address}:{NODE_PORT}", token)


def record(bed: MatrixBed, name: str) -> dict[str, Any]:
    """Return a record of the manager; empty where there is none."""
    rows = rest(bed).get("/api/v1/clusters?per_page=100")
    return next((row for row in rows if row["name"] == name), {})


def database(bed: MatrixBed) -> ManagerDatabase:
    """Return the manager's database."""
    return manager_database(bed.world.bed, bed.world.tools.context, "cluster-a")


def delete_record(bed: MatrixBed, name: str) -> dict[str, Any]:
    """Delete a record with its rows, as somebody in the console would; return it as it was."""
    api, old = rest(bed), record(bed, name)
    for row in api.get("/api/v1/schedulers?per_page=1000"):
        if row["scheduler_cluster_id"] == old["scheduler_cluster_id"]:
            assert api.request("DELETE", f"/api/v1/schedulers/{row['id']}")[0] == 200
    for row in api.get("/api/v1/seed-peers?per_page=1000"):
        if row["seed_peer_cluster_id"] == old["seed_peer_cluster_id"]:
            assert api.request("DELETE", f"/api/v1/seed-peers/{row['id']}")[0] == 200
    assert api.request("DELETE", f"/api/v1/clusters/{old['id']}")[0] == 200
    return old


def process_of(bed: MatrixBed, name: str) -> int:
    """Return the process of this bed that runs a program."""
    found = [pid for pid in bed.world.tools.pod_processes() if Path(os.readlink(f"/proc/{pid}/exe")).name == name]
    assert len(found) == 1, found
    return found[0]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that does nothing for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@scenario("R12", real=True)
def test_two_default_records_are_reported(struck: MatrixBed) -> None:
    bed = struck
    row = record(bed, "b")
    changed = {"is_default": True, "scopes": row["scopes"], "bio": row["bio"]}
    assert rest(bed).request("PATCH", f"/api/v1/clusters/{row['id']}", changed)[0] == 200
    try:
        ended = bed.world.dfmc("doctor", str(bed.world.topology), code=None)
        assert "2 records are marked as the default" in ended.text
    finally:
        rest(bed).request("PATCH", f"/api/v1/clusters/{row['id']}", {**changed, "is_default": False})


@scenario("V3", "R8", real=True)
def test_scopes_that_somebody_changed_are_shown_and_put_right_and_the_default_stays(struck: MatrixBed) -> None:
    bed, row = struck, record(struck, "b")
    changed = {"scopes": {"idc": "elsewhere"}, "is_default": row["is_default"]}
    assert rest(bed).request("PATCH", f"/api/v1/clusters/{row['id']}", changed)[0] == 200
    planned = bed.world.dfmc("plan", str(bed.world.topology)).stdout
    assert "elsewhere" in planned
    bed.world.edit(lambda document: bed.world.entry("a", document).update(scopes={"idc": "cluster-1"}))
    bed.world.dfmc("up", str(bed.world.topology))
    assert record(bed, "b")["scopes"]["idc"] == "cluster-2"
    assert record(bed, "a")["scopes"]["idc"] == "cluster-1"
    assert record(bed, "a")["is_default"]


@scenario("R11", "R9", "M3", real=True)
def test_a_record_that_somebody_deleted_is_made_again_and_its_new_ids_reach_the_member(struck: MatrixBed) -> None:
    bed = struck
    old = delete_record(bed, "b")
    gap = old["seed_peer_cluster_id"] + 40
    database(bed).query(f"ALTER TABLE seed_peer_cluster AUTO_INCREMENT = {gap}")
    ended = bed.world.dfmc("up", str(bed.world.topology))
    new = record(bed, "b")
    assert new["scheduler_cluster_id"] > old["scheduler_cluster_id"]
    assert new["seed_peer_cluster_id"] >= gap
    assert new["seed_peer_cluster_id"] != new["scheduler_cluster_id"]
    assert "b: release" in ended.text
    report = json.loads(bed.world.dfmc("status", "-o", "json", str(bed.world.topology)).stdout)
    (member,) = [one for one in report["clusters"] if one["name"] == "b"]
    ids = (member["schedulerClusterID"], member["seedPeerClusterID"])
    assert ids == (new["scheduler_cluster_id"], new["seed_peer_cluster_id"])
    seed = yaml.safe_load(bed.world.config_map("cluster-b", "dragonfly-seed-client")["data"]["dfdaemon.yaml"])
    assert seed["host"]["schedulerClusterID"] == new["scheduler_cluster_id"]
    scheduler = yaml.safe_load(bed.world.config_map("cluster-b", "dragonfly-scheduler")["data"]["scheduler.yaml"])
    assert scheduler["manager"]["schedulerClusterID"] == new["scheduler_cluster_id"]


@scenario("R3", real=True)
def test_a_record_whose_name_differs_by_case_alone_is_a_conflict_and_stays(struck: MatrixBed) -> None:
    bed = struck
    delete_record(bed, "b")
    body = {"name": "B", "scopes": {}, "scheduler_cluster_config": {}, "seed_peer_cluster_config": {}}
    body |= {"scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 15}}
    body |= {"seed_peer_cluster_config": {"load_limit": 300}, "peer_cluster_config": {"load_limit": 50}}
    status, made = rest(bed).request("POST", "/api/v1/clusters", body)
    assert status == 200, made
    try:
        ended = bed.world.dfmc("up", str(bed.world.topology), code=9)
        assert "B" in ended.stderr
        assert record(bed, "B")["bio"] == made["bio"]
    finally:
        assert rest(bed).request("DELETE", f"/api/v1/clusters/{made['id']}")[0] == 200


@scenario("W1", real=True)
def test_a_manager_whose_database_hangs_is_not_taken_for_one_that_answers(struck: MatrixBed) -> None:
    bed = struck
    with stopped(process_of(bed, "mariadbd")):
        begun = time.monotonic()
        ended = bed.world.dfmc("status", str(bed.world.topology), code=None, DFMC_STATUS_TIMEOUT="20s")
        assert time.monotonic() - begun < 90
    assert ended.code not in (0, 70), ended.text
    assert "manager" in ended.text


@scenario("R5", "K9", real=True)
def test_a_manager_that_dies_at_a_registration_is_waited_for_and_registers_once(struck: MatrixBed) -> None:
    bed = struck
    delete_record(bed, "c")

    def registers(method: str, path: str) -> bool:
        return method == "POST" and path.startswith("/api/v1/clusters")

    def die() -> None:
        os.kill(process_of(bed, "manager"), signal.SIGKILL)

    for kind in (Kind.DROP_REQUEST, Kind.DROP_ANSWER):
        bed.plan.begin()
        bed.plan.arm(Fault(kind, matches=registers, then=die))
        ended = bed.world.dfmc("up", str(bed.world.topology), code=None)
        assert bed.plan.struck
        assert ended.code in (0, 9), ended.text
        bed.plan.clear()
        bed.world.dfmc("up", str(bed.world.topology))
        rows = database(bed).query("SELECT name FROM scheduler_cluster WHERE is_del = 0 ORDER BY name")
        assert [row["name"] for row in rows] == ["a", "b", "c"]
        if kind is Kind.DROP_REQUEST:
            delete_record(bed, "c")


def redis_command(bed: MatrixBed, password: str, *words: str) -> str:
    """Say something to the bed's Redis, signed in with this password."""
    pods = bed.world.tools.pods("cluster-a", "app.kubernetes.io/name=redis,app.kubernetes.io/component=master")
    address = pods[0]["status"]["podIP"].replace("10.", "127.", 1)
    with socket.create_connection((address, 6379), 5) as connection:
        answer = b""
        for command in (("AUTH", password), words):
            parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in command)
            connection.sendall(f"*{len(command)}\r\n{parts}".encode())
            answer = connection.recv(4096)
    return answer.decode()


@scenario("M5", "N8", real=True)
def test_a_redis_password_that_is_not_theirs_is_told_in_the_programs_own_words(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    password, other = world.credential("redis-password"), "somethingElse7x"
    assert redis_command(bed, password, "CONFIG", "SET", "requirepass", other).startswith("+OK")
    try:
        at_once = ("--grace-period=0", "--force", "--wait=false")  # without Redis they take their time to end
        world.tools.kubectl("-n", "cluster-b", "delete", "pod", "dragonfly-scheduler-0", *at_once)
        world.tools.kubectl("-n", "cluster-a", "delete", "pod", "-l", "component=manager", *at_once)
        ended = world.dfmc("up", "--timeout", "25s", str(world.topology), code=None)
    finally:
        assert redis_command(bed, other, "CONFIG", "SET", "requirepass", password).startswith("+OK")
    assert ended.code in (9, 10), ended.text
    assert "dragonfly-scheduler-0" in ended.text or "dragonfly-manager" in ended.text
    assert "WRONGPASS" in ended.text or "redis" in ended.text.lower()
    assert password not in ended.text


@scenario("V2", real=True)
def test_a_scheduler_that_registered_under_another_id_is_named_with_both(struck: MatrixBed) -> None:
    world = struck.world
    name, ids = "dragonfly-scheduler", record(struck, "c")
    before = world.config_map("cluster-c", name)["data"]["scheduler.yaml"]
    wrong = before.replace(f"schedulerClusterID: {ids['scheduler_cluster_id']}", "schedulerClusterID: 1")
    assert wrong != before
    world.replace_config("cluster-c", name, {"scheduler.yaml": wrong})
    world.tools.kubectl("-n", "cluster-c", "delete", "pod", f"{name}-0")
    world.tools.kubectl("-n", "cluster-c", "rollout", "status", f"statefulset/{name}", "--timeout=60s")
    ended = world.dfmc("status", "-o", "json", str(world.topology), code=1)
    report = json.loads(ended.stdout)
    (member,) = [one for one in report["clusters"] if one["name"] == "c"]
    said = json.dumps(member)
    assert "schedulerClusterID" in said
    assert str(ids["scheduler_cluster_id"]) in said


@scenario("W6", real=True)
def test_something_else_at_the_managers_address_is_no_manager(struck: MatrixBed) -> None:
    world = struck.world
    world.edit(lambda document: document["manager"].update(access=world.bed.repository_url))
    uninstalled = world.dfmc("status", str(world.topology), code=None)
    assert uninstalled.code not in (0, 70), uninstalled.text
    assert "manager" in uninstalled.text
    assert world.credential("root-password") not in uninstalled.text
