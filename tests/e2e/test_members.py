"""Members that come and fail: one without nodes, one added by the command, secrets nowhere to be seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bed_world import World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

THIRD = {
    "name": "c",
    "context": "kind-kind",
    "namespace": "cluster-c",
    "nodeSelector": {"cluster": "c"},
    "scopes": {"idc": "cluster-3"},
}


class CommandLines(threading.Thread):
    """Collects the command line of every process that lives for more than a few milliseconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.002):
            for directory in Path("/proc").iterdir():
                if directory.name.isdigit():
                    try:
                        self.seen.add((directory / "cmdline").read_bytes())
                    except OSError:  # it has ended meanwhile
                        continue


def test_secrets_appear_in_no_argument_log_plan_or_output_of_a_whole_run(empty_world: World) -> None:
    world = empty_world
    canaries = {
        "DFMC_CANARY_REDIS": "canaryRedis7x",
        "DFMC_CANARY_ROOT": "canaryRoot7x",
        "DFMC_CANARY_JWT": "canaryJwt7x",
    }
    world.secrets.update(canaries)

    def give(document: dict[str, Any]) -> None:
        document["manager"].update(
            redisPassword={"env": "DFMC_CANARY_REDIS"},
            rootPassword={"env": "DFMC_CANARY_ROOT"},
            jwtKey={"env": "DFMC_CANARY_JWT"},
        )

    world.edit(give)
    watcher = CommandLines()
    watcher.start()
    outputs = [
        world.dfmc("-v", "plan", str(world.topology)),
        world.dfmc("plan", "-o", "json", str(world.topology)),
        world.dfmc("-v", "up", str(world.topology)),
        world.dfmc("status", "-o", "json", str(world.topology)),
        world.dfmc("up", str(world.topology), code=None, DFMC_CANARY_REDIS="canary bad#7x"),
    ]
    watcher.ended.set()
    watcher.join(10)
    assert any(b"helm" in line for line in watcher.seen), "the watcher saw no helm at all"
    generated = [world.credential(key) for key in ("database-password", "database-root-password")]
    logs = [file for file in (world.state_home / "dfmc").rglob("*") if file.is_file()]
    assert logs
    assert all(file.stat().st_mode & 0o077 == 0 for file in logs)
    texts = {f"output {number}": ended.text.encode() for number, ended in enumerate(outputs)}
    texts |= {str(file): file.read_bytes() for file in logs}
    texts |= {"a command line": b"\n".join(sorted(watcher.seen))}
    for secret in [*canaries.values(), *generated, "canary bad#7x"]:
        for place, text in texts.items():
            assert secret.encode() not in text, f"{secret} in {place}"
    assert outputs[-1].code == 4


@scenario("P13", real=True)
def test_a_member_without_nodes_fails_alone_in_the_schedulers_words_and_the_next_up_does_the_rest(
    empty_world: World,
) -> None:
    world = empty_world
    world.edit(lambda document: document["clusters"].append(THIRD))
    ended = world.dfmc("up", "--timeout", "12s", str(world.topology), code=9)
    assert "didn't match Pod's node affinity/selector" in ended.text
    assert world.tools.kubectl("-n", "cluster-c", "get", "statefulset", "dragonfly-scheduler", check=False)
    revisions = {name: world.revisions(f"cluster-{name}") for name in "abc"}
    world.grow()
    world.dfmc("up", str(world.topology))
    assert {name: world.revisions(f"cluster-{name}") for name in "abc"} == revisions
    assert world.active_schedulers(world.manager())[3] == ["dragonfly-scheduler-0"]


def test_add_cluster_splices_the_entry_and_brings_up_that_cluster_alone(empty_world: World) -> None:
    world = empty_world
    text = world.topology.read_text()
    entry = {**THIRD, "name": "d", "namespace": "cluster-d", "nodeSelector": {"cluster": "d"}}
    world.edit(lambda document: document["clusters"].append(entry))
    world.grow()
    world.topology.write_text(text)
    mark = world.audit_mark()
    ended = world.dfmc(
        *("add-cluster", "d", "--idc", "cluster-4", "--context", "kind-kind", "--namespace", "cluster-d"),
        *("--node-selector", "cluster=d", "-f", str(world.topology)),
    )
    assert "+" in ended.text
    assert "cluster-4" in ended.text
    now = world.topology.read_text()
    assert text in now or now.startswith(text.rstrip("\n"))
    world.audit_mark()
    touched = {event["objectRef"].get("namespace") or event["objectRef"]["name"] for event in world.writes_since(mark)}
    assert touched == {"cluster-d"}
    names = {row["name"] for row in world.manager().get("/api/v1/clusters?per_page=100")}
    assert names == {"a", "b", "c", "d"}
    again = world.dfmc("add-cluster", "d", "--idc", "x", "--context", "k", "-f", str(world.topology), code=None)
    assert again.code in (3, 7, 64)
    assert world.topology.read_text() == now


@scenario("U2", real=True)
def test_remove_cluster_leaves_nothing_of_it_and_the_name_may_be_used_again(empty_world: World) -> None:
    world = empty_world
    world.edit(lambda document: None)  # the form that the next edit writes
    before = world.topology.read_text()
    entry = {**THIRD, "name": "r", "namespace": "cluster-r", "nodeSelector": {"cluster": "r"}, "scopes": {"idc": "r"}}
    world.edit(lambda document: document["clusters"].append(entry))
    world.grow()
    world.dfmc("up", str(world.topology))

    def record() -> dict[str, Any] | None:
        rows = world.manager().get("/api/v1/clusters?per_page=100")
        return next((row for row in rows if row["name"] == "r"), None)

    old = record()
    assert old is not None
    mark = world.audit_mark()
    ended = world.dfmc("remove-cluster", "r", str(world.topology), "--yes", "--delete-data")
    assert "r is removed from" in ended.text
    assert world.topology.read_text() == before
    world.audit_mark()
    touched = {event["objectRef"].get("namespace") or event["objectRef"]["name"] for event in world.writes_since(mark)}
    assert touched == {"cluster-r"}
    assert record() is None
    rows = world.manager().get("/api/v1/schedulers?per_page=1000")
    assert old["scheduler_cluster_id"] not in {row["scheduler_cluster_id"] for row in rows}
    assert world.tools.kubectl("get", "namespace", "cluster-r", "--ignore-not-found", "-o", "name") == ""

    # `up` at its end proves that every component has the new record's ids.
    world.dfmc(
        *("add-cluster", "r", "--idc", "r", "--context", "kind-kind", "--namespace", "cluster-r"),
        *("--node-selector", "cluster=r", "-f", str(world.topology)),
    )
    new = record()
    assert new is not None
    assert new["id"] > old["id"]

    # What leaves the file by hand is told, and goes with --prune; its volumes stay, and its namespace with them.
    world.topology.write_text(before)
    told = world.dfmc("status", str(world.topology), code=1)
    assert f"r: orphaned, not in {world.topology}: record id {new['id']}, release dragonfly in" in told.text
    mark = world.audit_mark()
    assert "r: pruned" in world.dfmc("up", str(world.topology), "--prune", "--yes").text
    world.audit_mark()
    assert {event["objectRef"].get("namespace") for event in world.writes_since(mark)} == {"cluster-r"}
    assert record() is None
    assert world.revisions("cluster-r") == []


@scenario("N2", "M2", real=True)
def test_a_run_that_is_killed_leaves_what_the_next_run_finishes(empty_world: World) -> None:
    """Not the whole matrix: one kill in the middle of an installation of a member."""
    world = empty_world
    entry = {**THIRD, "name": "e", "namespace": "cluster-e", "nodeSelector": {"cluster": "e"}, "scopes": {"idc": "e"}}
    world.edit(lambda document: document["clusters"].append(entry))
    world.grow()
    process = subprocess.Popen(
        [sys.executable, "-m", "dfmc", "up", str(world.topology)],
        env=world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = world.tools.kubectl("-n", "cluster-e", "get", "secrets", "-l", "owner=helm", "-o", "name", check=False)
        if found.strip() or process.poll() is not None:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    world.dfmc("up", str(world.topology))
    secrets = world.tools.objects("secrets", "-n", "cluster-e", "-l", "owner=helm")
    statuses = [item["metadata"]["labels"]["status"] for item in secrets]
    assert statuses.count("deployed") == 1
    assert not [status for status in statuses if status.startswith("pending")]
    rows = [row["name"] for row in world.manager().get("/api/v1/clusters?per_page=100")]
    assert rows.count("e") == 1
    assert json.loads(world.dfmc("status", "-o", "json", str(world.topology)).stdout)["kind"] == "Status"
