"""What the guide's readers have: releases by plain helm, a record by the REST API. ``import`` is their way to dfmc."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_tools import ManagerRest, node_port_service, wait_until
from bed_world import NODE_PORT, World
from dfmc.values.merge import merge

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local"
REDIS = "dragonfly-redis-master.cluster-a.svc.cluster.local:6379"
# What the guide's two values files say (docs of Dragonfly, "Multi-cluster Kubernetes"), for the chart of its time.
LOUD = {"metrics": {"enable": True}, "config": {"verbose": True, "pprofPort": 18066}}
RUNTIME = {"containerd": {"enable": True, "injectConfigPath": True, "registries": ["https://ghcr.io"]}}
TO_MANAGER = {"netAddrs": [{"type": "tcp", "addr": f"{MANAGER}:65003"}]}
OLD = {
    "a": {
        "containerRuntime": RUNTIME,
        "scheduler": {"image": "dragonflyoss/scheduler", "tag": "latest", "replicas": 1, **LOUD},
        "seedPeer": {"image": "dragonflyoss/dfdaemon", "tag": "latest", "replicas": 1, **LOUD},
        "dfdaemon": {"image": "dragonflyoss/dfdaemon", "tag": "latest", **LOUD},
        "manager": {"image": "dragonflyoss/manager", "tag": "latest", "replicas": 1, **LOUD},
        "jaeger": {"enable": True},
    },
    "b": {
        "containerRuntime": RUNTIME,
        "scheduler": {
            "image": "dragonflyoss/scheduler",
            "tag": "latest",
            "replicas": 1,
            "config": {"manager": {"addr": f"{MANAGER}:65003", "schedulerClusterID": 2}},
        },
        "seedPeer": {
            "image": "dragonflyoss/dfdaemon",
            "tag": "latest",
            "replicas": 1,
            "config": {"scheduler": {"manager": {**TO_MANAGER, "seedPeer": {"enable": True, "clusterID": 2}}}},
        },
        "dfdaemon": {
            "image": "dragonflyoss/dfdaemon",
            "tag": "latest",
            "config": {"host": {"idc": "cluster-2"}, "scheduler": {"manager": TO_MANAGER}},
        },
        "manager": {"enable": False},
        "externalManager": {"enable": True, "host": MANAGER, "restPort": 8080, "grpcPort": 65003},
        "redis": {"enable": False},
        "externalRedis": {"addrs": [REDIS], "password": "dragonfly"},
        "mysql": {"enable": False},
        "jaeger": {"enable": True},
    },
}
# The same with today's chart, as somebody translates it by hand.
DFINIT = {
    "dfinit": {
        "enable": True,
        "config": {"containerRuntime": {"containerd": {"configPath": "/etc/containerd/config.toml"}}},
    }
}
NEW = {
    "a": {
        "manager": {"replicas": 1},
        "scheduler": {"replicas": 1, "metrics": {"enable": True}},
        "seedClient": {"replicas": 1},
        "client": {**DFINIT, "config": {"host": {"location": "eu"}}},
    },
    "b": {
        "manager": {"enable": False},
        "scheduler": {"replicas": 1, "config": {"manager": {"schedulerClusterID": 2}}},
        "seedClient": {"replicas": 1, "config": {"host": {"schedulerClusterID": 2}}},
        "client": {**DFINIT, "config": {"host": {"schedulerClusterID": 2, "idc": "cluster-2"}}},
        "externalManager": {"enable": True, "host": MANAGER, "restPort": 8080, "grpcPort": 65003},
        "redis": {"enable": False},
        "externalRedis": {"addrs": [REDIS], "password": "dragonfly"},
        "mysql": {"enable": False},
    },
}
SETS: dict[str, tuple[str, dict[str, Any]]] = {"1.1.1": ("guide-legacy", OLD), "1.7.4": ("guide", NEW)}


def by_hand(world: World, version: str, values: dict[str, Any]) -> None:
    """Do what the guide says, with helm and the REST API alone."""
    parts = ("manager", "scheduler", *(("seedPeer", "dfdaemon") if version == "1.1.1" else ("seedClient", "client")))

    def placed(name: str) -> dict[str, Any]:
        selected = {part: {"nodeSelector": {"cluster": name}} for part in parts if (name, part) != ("b", "manager")}
        return merge(values[name], selected)

    world.tools.install("cluster-a", placed("a"), version=version, wait=False)
    world.tools.apply(node_port_service("cluster-a", NODE_PORT))
    api = ManagerRest(f"http://{world.node_address}:{NODE_PORT}")
    wait_until("the manager's answer", lambda: api.request("GET", "/healthy")[0] == 200, 180)
    api.sign_in()
    body = {"name": "cluster-2", "scopes": {"idc": "cluster-2"}, "is_default": False}
    common = {"scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 40}}
    common |= {"seed_peer_cluster_config": {"load_limit": 300}, "peer_cluster_config": {"load_limit": 50}}
    status, made = api.request("POST", "/api/v1/clusters", {**body, **common})
    assert (status, made["id"]) == (200, 2), made
    world.tools.install("cluster-b", placed("b"), version=version, wait=False)


@pytest.fixture(scope="module", params=list(SETS))
def hand_made(
    request: pytest.FixtureRequest, make_bed: Callable[..., AbstractContextManager[World]]
) -> Iterator[World]:
    """The guide's two clusters as its readers have them; dfmc has never been here."""
    example, values = SETS[request.param]
    with make_bed(example, 3) as world:
        world.secrets = {}
        by_hand(world, request.param, values)
        yield world


def imported(world: World, *arguments: str) -> tuple[Path, str]:
    target = world.state_home / "imported.yaml"
    target.unlink(missing_ok=True)
    where = ("--context", world.tools.context, "--repository", world.bed.repository_url)
    ended = world.dfmc("import", *where, *arguments, "--output", str(target))
    return target, ended.stderr


def asked_since(world: World, mark: int) -> list[tuple[str, str]]:
    """Return what the manager was asked, by its own log."""
    return [(method, path.partition("?")[0]) for _, method, path in world.manager_audit()[mark:]]


def changed(world: World, file: Path, *options: str) -> dict[str, list[str]]:
    """Return the fields that the plan changes, by step."""
    document = json.loads(world.dfmc("plan", *options, "-o", "json", str(file)).stdout)
    assert not document.get("failures"), document
    return {
        step["id"]: [change["path"] for change in step["changes"]]
        for step in document["steps"]
        if step["action"] != "check"
    }


def test_the_guides_set_up_is_imported_explained_and_taken_over(hand_made: World) -> None:
    world = hand_made
    # The manager writes its own log some seconds late.
    wait_until("the record in the manager's log", lambda: ("POST", "/api/v1/clusters") in asked_since(world, 0))
    mark, rest = world.audit_mark(), len(world.manager_audit())
    file, told = imported(world)
    world.audit_mark()
    assert world.writes_since(mark) == []  # import only reads
    wait_until("import in the manager's log", lambda: ("GET", "/api/v1/schedulers") in asked_since(world, rest))
    asked = asked_since(world, rest)
    assert all(method == "GET" or (method == "POST" and path.endswith("/signin")) for method, path in asked), asked
    assert "⚠" not in told, told

    text = file.read_text()
    document = yaml.safe_load(text)
    assert [(entry["name"], entry["namespace"]) for entry in document["clusters"]] == [
        ("cluster-1", "cluster-a"),
        ("cluster-2", "cluster-b"),
    ]
    assert document["clusters"][1]["scopes"] == {"idc": "cluster-2"}
    assert document["manager"]["expose"] == {"type": "NodePort", "restNodePort": NODE_PORT}
    assert "password: dragonfly" not in text
    assert imported(world)[0].read_text() == text  # the same world, the same file

    world.dfmc("validate", str(file))
    comments = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    words = set(re.split(r"[\s,:()]+", comments))
    plan = changed(world, file, "--adopt")
    assert plan["release:cluster-1"][0] == plan["release:cluster-2"][0] == "owner"
    for step, paths in plan.items():
        for path in paths:
            said = path.partition(".")[0] if step.startswith("expose:") else path
            assert said in words or said in comments, f"{step} changes {path}, which no comment explains:\n{text}"

    world.dfmc("up", "--adopt", str(file))
    world.dfmc("status", str(file))
    again = world.dfmc("up", str(file))
    assert "nothing to do" in again.text
    assert changed(world, file) == {}
    api = world.manager()
    assert {(row["id"], row["name"]) for row in api.get("/api/v1/clusters?per_page=100")} == {
        (1, "cluster-1"),
        (2, "cluster-2"),
    }
    for ids in (1, 2):
        # A pod that was replaced may have left a row that the manager still counts as active.
        assert set(world.active_schedulers(api)[ids]) == {"dragonfly-scheduler-0"}

    # What dfmc manages by now is imported as a file that changes nothing.
    own, told = imported(world)
    assert "⚠" not in told, told
    assert changed(world, own) == {}
    assert "What up --adopt changes" not in own.read_text()


def test_a_file_of_what_dfmc_brought_up_changes_nothing(up_world: World) -> None:
    world = up_world
    mark = world.audit_mark()
    file, told = imported(world)
    world.audit_mark()
    assert world.writes_since(mark) == []
    assert "⚠" not in told, told
    assert changed(world, file) == {}
    assert world.dfmc("plan", "--detailed-exitcode", str(file)).code == 0
    for key in ("root-password", "jwt-key", "redis-password", "database-password"):
        assert world.credential(key) not in file.read_text() + told


def test_a_record_without_a_release_is_named_and_the_file_is_not_written_over(up_world: World) -> None:
    world = up_world
    file, _ = imported(world, "-n", "cluster-a")
    assert "record b (id 2) has no release in these contexts" in file.read_text()
    refused = world.dfmc("import", "--context", world.tools.context, "--output", str(file), code=64)
    assert "is there already" in refused.stderr
