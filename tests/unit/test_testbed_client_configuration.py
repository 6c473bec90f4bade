"""A client's configuration: the pod's own but for addresses and directories."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.supervisor.client_configuration import (
    ClientPlace,
    HealthQuestion,
    client_ports,
    health_question,
    log_level,
    rewritten_client,
)
from dfmc.testbed.supervisor.configuration import ProcessPlace

PLACE = ClientPlace(
    ProcessPlace(Path("/bed/pod"), listen="127.64.255.2", advertise="10.64.255.2", hostname="kind-worker"),
    storage=Path("/bed/pod/storage"),
    socket=Path("/bed/0123.sock"),
)

CLIENT: dict[str, Any] = {
    "host": {"idc": "cluster-2", "location": "", "schedulerClusterID": 77},
    "server": {"pluginDir": "/usr/local/lib/dragonfly/plugins/dfdaemon/", "adaptiveRateLimit": {"cpuThreshold": 100}},
    "download": {"protocol": "tcp", "server": {"socketPath": "/var/run/dragonfly/dfdaemon.sock"}},
    "upload": {"server": {"port": 4000, "requestRateLimit": 200}},
    "manager": {"addr": "http://manager.a:65003"},
    "scheduler": {"announceInterval": "5m"},
    "storage": {"dir": "/var/lib/dragonfly/", "keep": True, "server": {"tcpPort": 4005, "quicPort": 4006}},
    "proxy": {
        "server": {"port": 4001},
        "registryMirror": {"addr": "https://index.docker.io"},
        "rules": [{"regex": "blobs/sha256.*"}],
    },
    "health": {"server": {"port": 4003}},
    "metrics": {"server": {"port": 4002}},
    "stats": {"server": {"port": 4004}},
    "network": {"enableIPv6": False},
}

REWRITTEN = {
    "host.ip", "host.hostname", "server.pluginDir", "server.cacheDir", "download.server.socketPath", "manager.addr",
    "upload.server.ip", "proxy.server.ip", "metrics.server.ip", "health.server.ip", "stats.server.ip",
    "storage.dir", "storage.server.ip",
}  # fmt: skip


def dial(host: str) -> str:
    return {"manager.a": "127.128.0.3"}.get(host, host)


def leaves(node: Any, path: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {key: value for name, child in node.items() for key, value in leaves(child, f"{path}.{name}").items()}
    return {path.removeprefix("."): node}


def test_only_paths_and_addresses_change() -> None:
    original = copy.deepcopy(CLIENT)
    document = rewritten_client(CLIENT, PLACE, dial)
    assert original == CLIENT
    before, after = leaves(CLIENT), leaves(document)
    assert {path for path in after if after[path] != before.get(path)} == REWRITTEN
    assert before.keys() <= after.keys()
    assert document["host"] == {
        "idc": "cluster-2", "location": "", "schedulerClusterID": 77, "ip": "10.64.255.2", "hostname": "kind-worker",
    }  # fmt: skip
    assert document["manager"]["addr"] == "http://127.128.0.3:65003"
    assert {
        document[name]["server"]["ip"] for name in ("upload", "proxy", "metrics", "health", "stats", "storage")
    } == {"127.64.255.2"}


def test_an_empty_document_gets_everything_that_two_clients_of_one_machine_would_share() -> None:
    assert set(leaves(rewritten_client({}, PLACE, dial))) == REWRITTEN - {"manager.addr"}


def test_an_address_that_the_chart_configured_stays() -> None:
    document = rewritten_client({"host": {"ip": "10.9.9.9", "hostname": "given"}}, PLACE, dial)
    assert document["host"] == {"ip": "10.9.9.9", "hostname": "given"}


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ({"addr": "http://manager.a:65003"}, {"addr": "http://127.128.0.3:65003"}),
        ({"addr": "https://manager.a:65003"}, {"addr": "https://127.128.0.3:65003"}),
        ({"addr": "http://elsewhere:1"}, {"addr": "http://elsewhere:1"}),
        ({"addrs": ["http://manager.a:65003"]}, {"addr": "http://127.128.0.3:65003"}),
        # The chart's own mistakes are the client's to report.
        ({"addr": "manager.a:65003"}, {"addr": "manager.a:65003"}),
        ({"addr": "http://[::"}, {"addr": "http://[::"}),
        ({}, {}),
        (None, None),
    ],
)
def test_the_managers_address_keeps_its_form(manager: Any, expected: Any) -> None:
    assert rewritten_client({"manager": manager}, PLACE, dial)["manager"] == expected


def probing(address: str) -> dict[str, Any]:
    return {"readinessProbe": {"exec": {"command": ["/bin/grpc_health_probe", f"-addr={address}", "-rpc-timeout=3s"]}}}


@pytest.mark.parametrize(
    ("container", "question"),
    [
        (probing("unix:///var/run/dragonfly/dfdaemon.sock"), HealthQuestion(socket=PLACE.socket)),
        (probing("unix:///elsewhere.sock"), None),
        (probing(":4100"), HealthQuestion(port=4100)),
        ({}, HealthQuestion(port=4000)),
        ({"readinessProbe": {"httpGet": {"path": "/healthy", "port": 4003}}}, HealthQuestion(port=4000)),
    ],
)
def test_readiness_is_asked_where_the_charts_probe_asks(container: dict[str, Any], question: Any) -> None:
    assert health_question(container, CLIENT, PLACE) == question


def test_ports_are_those_of_the_configuration() -> None:
    assert client_ports(CLIENT) == (4000, 4001, 4002, 4003, 4004, 4005)
    assert client_ports({"proxy": {"server": {"port": 5001}}, "health": None})[1] == 5001


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        (["--log-level=debug", "--console"], "debug"),
        (["--verbose"], "info"),
        (["--log-level=shout"], "info"),
        ([], "info"),
    ],
)
def test_the_log_level_is_the_containers(arguments: list[str], level: str) -> None:
    assert log_level({"args": arguments}) == level
