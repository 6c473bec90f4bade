"""The real processes' configuration: the chart's own but for addresses and directories."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.supervisor.configuration import ProcessPlace, grpc_port, rewritten

PLACE = ProcessPlace(Path("/bed/pod"), listen="127.64.0.7", advertise="10.64.0.7", hostname="dragonfly-scheduler-0")

MANAGER: dict[str, Any] = {
    "server": {
        "rest": {"addr": ":8080"},
        "grpc": {"advertiseIP": None, "port": {"start": 65003, "end": 65003}},
        "logDir": "",
    },
    "auth": {"jwt": {"key": "k", "realm": "Dragonfly"}},
    "database": {
        "mysql": {"host": "mysql.a", "port": 3306, "user": "dragonfly", "password": "secret"},
        "redis": {"addrs": ["redis.a:6379"], "password": "secret"},
    },
    "metrics": {"enable": True, "addr": ":8000"},
    "job": {"gc": {"interval": "3h"}},
    "console": True,
}

SCHEDULER: dict[str, Any] = {
    "server": {"advertiseIP": "", "listenIP": "0.0.0.0", "port": 8002, "advertisePort": 8002},  # noqa: S104
    "manager": {"addr": "manager.a:65003", "schedulerClusterID": 77},
    "database": {"redis": {"addrs": ["redis.a:6379", "10.0.0.1:6380"]}},
    "job": {"redis": {"addrs": ["redis.a:6379"]}, "localWorkerNum": 4},
    "seedPeer": None,
    "pprof-port": 18066,
}

REWRITTEN = {
    "manager": {
        "server.workHome", "server.logDir", "server.cacheDir", "server.pluginDir", "server.rest.addr",
        "server.grpc.listenIP", "server.grpc.advertiseIP", "metrics.addr", "database.mysql.host",
        "database.redis.addrs",
    },
    "scheduler": {
        "server.workHome", "server.logDir", "server.cacheDir", "server.pluginDir", "server.dataDir", "server.host",
        "server.listenIP", "server.advertiseIP", "manager.addr", "database.redis.addrs", "job.redis.addrs",
        "pprof-port",
    },
}  # fmt: skip


def dial(host: str) -> str:
    return {"mysql.a": "127.128.0.1", "redis.a": "127.128.0.2", "manager.a": "127.128.0.3"}.get(host, host)


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        found: dict[str, Any] = {}
        for key, value in node.items():
            found.update(leaves(value, f"{path}.{key}" if path else key))
        return found
    return {path: node}


def test_only_the_named_keys_of_a_manager_change() -> None:
    before, after = leaves(MANAGER), leaves(rewritten("manager", MANAGER, PLACE, dial))
    assert {key for key in after if before.get(key) != after[key]} == REWRITTEN["manager"]
    assert before.keys() <= after.keys()


def test_only_the_named_keys_of_a_scheduler_change() -> None:
    before, after = leaves(SCHEDULER), leaves(rewritten("scheduler", SCHEDULER, PLACE, dial))
    assert {key for key in after if before.get(key) != after[key]} == REWRITTEN["scheduler"]
    assert after["manager.schedulerClusterID"] == 77


def test_a_manager_listens_on_its_own_address_and_says_the_pods() -> None:
    after = leaves(rewritten("manager", MANAGER, PLACE, dial))
    assert after["server.rest.addr"] == "127.64.0.7:8080"
    assert (after["server.grpc.listenIP"], after["server.grpc.advertiseIP"]) == ("127.64.0.7", "10.64.0.7")
    assert after["metrics.addr"] == "127.64.0.7:8000"
    assert after["database.mysql.host"] == "127.128.0.1"
    assert after["database.redis.addrs"] == ["127.128.0.2:6379"]


def test_addresses_nobody_knows_stay_for_the_process_to_fail_on() -> None:
    broken = copy.deepcopy(SCHEDULER)
    broken["manager"]["addr"] = "manager.elsewhere.svc.cluster.local:65003"
    after = rewritten("scheduler", broken, PLACE, dial)
    assert after["manager"]["addr"] == "manager.elsewhere.svc.cluster.local:65003"
    assert after["database"]["redis"]["addrs"] == ["127.128.0.2:6379", "10.0.0.1:6380"]


def test_an_address_the_chart_advertises_is_kept() -> None:
    given = {**SCHEDULER, "server": {**SCHEDULER["server"], "advertiseIP": "203.0.113.9"}}
    assert rewritten("scheduler", given, PLACE, dial)["server"]["advertiseIP"] == "203.0.113.9"


def test_profiling_is_off_since_it_would_listen_on_every_interface() -> None:
    assert rewritten("scheduler", SCHEDULER, PLACE, dial)["pprof-port"] == -1
    assert rewritten("manager", {**MANAGER, "pprofPort": 18066}, PLACE, dial)["pprofPort"] == -1


def test_an_empty_document_still_listens_on_loopback_alone() -> None:
    after = leaves(rewritten("manager", {}, PLACE, dial))
    assert after["server.rest.addr"] == "127.64.0.7:8080"
    assert after["server.grpc.listenIP"] == "127.64.0.7"


def test_the_original_document_is_left_alone() -> None:
    before = copy.deepcopy(SCHEDULER)
    rewritten("scheduler", SCHEDULER, PLACE, dial)
    assert before == SCHEDULER


@pytest.mark.parametrize(
    ("document", "port"),
    [
        (MANAGER, 65003),
        ({}, 65003),
        ({"server": {"grpc": {"port": {"start": 7000}}}}, 7000),
        ({"server": {"grpc": {"port": 7001}}}, 7001),
        ({"server": {"grpc": {"port": "x"}}}, 65003),
    ],
)
def test_the_managers_grpc_port_is_found(document: dict[str, Any], port: int) -> None:
    assert grpc_port("manager", document) == port


def test_the_schedulers_grpc_port_is_found() -> None:
    assert grpc_port("scheduler", {"server": {"port": 9002}}) == 9002
    assert grpc_port("scheduler", {}) == 8002
