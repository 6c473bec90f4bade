from copy import deepcopy
from typing import Any

import pytest
import yaml

from dfmc.state import Registration
from dfmc.symbols import Pending
from dfmc.topology.model import Topology
from dfmc.values.layouts import layout_of
from dfmc.values.wiring import (
    Finding,
    Wiring,
    check_wiring,
    expected_components,
    expected_wiring,
    expected_workloads,
)
from values_cases import CURRENT, LEGACY, SECRETS, guide, inputs, known, rendered

MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local:65003"
REDIS: dict[str, Any] = {
    "addrs": ["dragonfly-redis-master.cluster-a.svc.cluster.local:6379"],
    "password": SECRETS["redis-password"],
    "brokerDB": 1,
    "backendDB": 2,
}
HOST: dict[str, Any] = {"idc": "cluster-2", "location": ""}
SCHEDULER: dict[str, Any] = {
    "manager": {"addr": MANAGER, "schedulerClusterID": 2},
    "host": HOST,
    "database": {"redis": REDIS},
    "job": {"redis": REDIS},
}
CLIENT: dict[str, Any] = {"manager": {"addr": f"http://{MANAGER}"}, "host": HOST | {"schedulerClusterID": 2}}


def config_map(component: str, file: str, content: Any) -> dict[str, Any]:
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    labels = {"app": "dragonfly", "release": "dragonfly", "component": component}
    return {"metadata": {"name": f"dragonfly-{component}", "labels": labels}, "data": {file: text}}


def member(**changes: Any) -> list[dict[str, Any]]:
    """The ConfigMaps of a current member that is wired right, with some files changed."""
    contents = {
        "scheduler": deepcopy(SCHEDULER),
        "seed-client": deepcopy(CLIENT) | {"seedPeer": {"enable": True}},
        "client": deepcopy(CLIENT),
    }
    contents |= {key.replace("_", "-"): value for key, value in changes.items()}
    files = {"scheduler": "scheduler.yaml"}
    return [config_map(name, files.get(name, "dfdaemon.yaml"), content) for name, content in contents.items()]


def expected(wanted: Topology | None = None, **changes: Any) -> Wiring:
    wanted = wanted or guide(CURRENT)
    return expected_wiring(wanted, wanted.cluster("b"), inputs(wanted, "b", **changes), known)


def keys(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{finding.component}/{finding.key}" for finding in findings]


def test_a_member_wired_right_has_no_finding() -> None:
    assert check_wiring(member(), expected()) == ()


def test_a_wrong_id_is_named_with_what_must_be_and_what_is() -> None:
    wrong = deepcopy(CLIENT)
    wrong["host"]["schedulerClusterID"] = 1
    (finding,) = check_wiring(member(client=wrong), expected())
    assert finding == Finding(
        "client", "dragonfly-client", "dfdaemon.yaml: host.schedulerClusterID", "2", "1", is_secret=False
    )
    assert str(finding) == "dragonfly-client/dfdaemon.yaml: host.schedulerClusterID: expected 2, seen 1"


def test_numbers_may_be_written_as_text_but_not_as_something_else() -> None:
    for right in (2, "2"):
        scheduler = deepcopy(SCHEDULER)
        scheduler["manager"]["schedulerClusterID"] = right
        assert check_wiring(member(scheduler=scheduler), expected()) == ()
    for wrong in (True, None, [2], {"id": 2}, "02", 2.5):
        scheduler = deepcopy(SCHEDULER)
        scheduler["manager"]["schedulerClusterID"] = wrong
        assert len(check_wiring(member(scheduler=scheduler), expected())) == 1, wrong


@pytest.mark.parametrize("addresses", [[], None, ["elsewhere:6379"], [*REDIS["addrs"], "elsewhere:6379"], "text"])
def test_redis_addresses_must_be_exactly_the_managers(addresses: Any) -> None:
    scheduler = deepcopy(SCHEDULER)
    scheduler["job"] = {"redis": REDIS | {"addrs": addresses}}
    assert keys(check_wiring(member(scheduler=scheduler), expected())) == ["scheduler/scheduler.yaml: job.redis.addrs"]


def test_a_wrong_password_is_found_and_never_shown() -> None:
    scheduler = deepcopy(SCHEDULER)
    scheduler["database"] = {"redis": REDIS | {"password": "leaked-password"}}
    (finding,) = check_wiring(member(scheduler=scheduler), expected())
    assert finding.is_secret
    assert finding.key == "scheduler.yaml: database.redis.password"
    assert "leaked-password" not in repr(finding)
    assert SECRETS["redis-password"] not in repr(finding)


def test_an_unknown_password_is_not_compared() -> None:
    wanted = guide(CURRENT)
    wiring = expected_wiring(wanted, wanted.cluster("b"), inputs(wanted, "b"))
    assert not any(fact.is_secret for fact in wiring.facts)
    assert check_wiring(member(), wiring) == ()


def test_a_component_without_its_config_map_is_found() -> None:
    maps = [item for item in member() if item["metadata"]["labels"]["component"] != "seed-client"]
    (finding,) = check_wiring(maps, expected())
    assert (finding.component, finding.config_map, finding.seen) == (
        "seed-client",
        "dragonfly-seed-client",
        "none",
    )


def test_config_maps_of_another_release_prove_nothing() -> None:
    others = deepcopy(member())
    for other in others:
        other["metadata"]["labels"]["release"] = "other"
    assert len(check_wiring(others, expected())) == 3
    assert check_wiring([*others, *member()], expected()) == ()


def test_a_file_that_cannot_be_parsed_is_a_finding_that_quotes_nothing_of_it() -> None:
    (finding,) = check_wiring(member(scheduler='database:\n  redis:\n    password: p#w: "leaked\n'), expected())
    assert finding.key == "scheduler.yaml"
    assert "syntax error in line" in finding.seen
    assert "leaked" not in repr(finding)


def test_an_empty_file_misses_everything() -> None:
    facts = [fact for fact in expected().facts if fact.component.label == "client"]
    assert len(check_wiring(member(client=""), expected())) == len(facts)


def test_a_managerless_configuration_is_found_whatever_else_it_says() -> None:
    maps = member()
    maps[2]["data"]["dynconfig.yaml"] = "schedulers: []\n"
    (finding,) = check_wiring(maps, expected())
    assert (finding.component, finding.key) == ("client", "dynconfig.yaml")


def test_membership_by_scopes_wants_no_id_and_the_right_idc() -> None:
    wanted = guide(CURRENT, b={"membership": "scopes"})
    for none in (None, 0, ""):
        client = {"manager": CLIENT["manager"], "host": HOST | {"schedulerClusterID": none}}
        maps = member(client=client, seed_client=client | {"seedPeer": {"enable": True}})
        assert check_wiring(maps, expected(wanted)) == ()
    assert keys(check_wiring(member(), expected(wanted))) == [
        "seed-client/dfdaemon.yaml: host.schedulerClusterID",
        "client/dfdaemon.yaml: host.schedulerClusterID",
    ]
    elsewhere = CLIENT | {"host": {"idc": "cluster-1"}}
    found = check_wiring(
        member(client=elsewhere, seed_client=CLIENT | {"host": {"idc": "cluster-2"}}), expected(wanted)
    )
    assert "client/dfdaemon.yaml: host.idc" in keys(found)


def test_legacy_seed_peers_have_an_id_of_their_own_and_all_addresses_must_be_right() -> None:
    wanted = guide(LEGACY)
    manager = {"enable": True, "netAddrs": [{"type": "tcp", "addr": MANAGER}]}
    seed_peer = {"scheduler": {"manager": manager | {"seedPeer": {"enable": True, "clusterID": 3}}}, "host": HOST}
    client = {"scheduler": {"manager": manager}, "host": HOST}
    maps = [
        config_map("scheduler", "scheduler.yaml", SCHEDULER),
        config_map("seed-peer", "dfget.yaml", seed_peer),
        config_map("dfdaemon", "dfget.yaml", client),
    ]
    assert check_wiring(maps, expected(wanted)) == ()
    two = {"enable": True, "netAddrs": [{"type": "tcp", "addr": MANAGER}, {"type": "tcp", "addr": "elsewhere:65003"}]}
    maps[2] = config_map("dfdaemon", "dfget.yaml", client | {"scheduler": {"manager": two}})
    maps[1] = config_map(
        "seed-peer", "dfget.yaml", {"scheduler": {"manager": manager | {"seedPeer": {"clusterID": 2}}}}
    )
    assert set(keys(check_wiring(maps, expected(wanted)))) == {
        "seed-peer/dfget.yaml: scheduler.manager.seedPeer.clusterID",
        "seed-peer/dfget.yaml: scheduler.manager.seedPeer.enable",
        "seed-peer/dfget.yaml: host.idc",
        "dfdaemon/dfget.yaml: scheduler.manager.netAddrs[].addr",
    }


@pytest.mark.parametrize(
    ("version", "manager"),
    [("1.1.66", {"addrs": [f"http://{MANAGER}"]}), ("1.2.17", {"addrs": [f"http://{MANAGER}"]})]
    + [(version, {"addr": f"http://{MANAGER}"}) for version in ("1.2.18", "1.4.4")],
)
def test_seed_clients_that_register_have_an_id_and_clients_an_idc(version: str, manager: dict[str, Any]) -> None:
    wanted = guide(version)
    client = {"manager": manager, "host": {"idc": "cluster-2"}}
    seed = client | {"seedPeer": {"enable": True, "clusterID": 3}}
    assert check_wiring(member(client=client, seed_client=seed), expected(wanted)) == ()
    wrong = client | {"seedPeer": {"enable": True, "clusterID": 2}}
    stray = client | {"manager": {"addrs": ["http://elsewhere:65003"], "addr": "http://elsewhere:65003"}}
    (address,) = manager
    assert keys(check_wiring(member(client=stray, seed_client=wrong), expected(wanted))) == [
        "seed-client/dfdaemon.yaml: seedPeer.clusterID",
        f"client/dfdaemon.yaml: manager.{address}",
    ]
    # A client without a scheme in front of the address never starts.
    bare = client | {"manager": {address: [MANAGER] if address == "addrs" else MANAGER}}
    assert len(check_wiring(member(client=bare, seed_client=seed), expected(wanted))) == 1


@pytest.mark.parametrize("version", ["1.7.5", "1.7.8", "9.9.9"])
def test_a_release_that_lost_its_manager_is_found_component_by_component(version: str) -> None:
    """What charts from 1.7.5 on make of a member without externalManager: healthy, and alone."""
    wanted = guide(version)
    alone = {"host": CLIENT["host"]}
    maps = member(client=alone, seed_client=alone | {"seedPeer": {"enable": True}})
    for item in maps:
        item["data"]["dynconfig.yaml"] = "scheduler: {}\n"
    assert keys(check_wiring(maps, expected(wanted))) == [
        *("scheduler/dynconfig.yaml", "seed-client/dynconfig.yaml", "client/dynconfig.yaml"),
        *("seed-client/dfdaemon.yaml: manager.addr", "client/dfdaemon.yaml: manager.addr"),
    ]


def test_ids_that_are_not_registered_yet_are_left_out_not_guessed() -> None:
    ids = Registration(Pending("record:b/scheduler_cluster_id"), Pending("record:b/seed_peer_cluster_id"))
    assert not any("ID" in fact.path for fact in expected(registration=ids).facts)


def test_components_that_the_users_values_switch_off_are_not_missed() -> None:
    wanted = guide(CURRENT, b={"values": {"seedClient": {"enable": False}}})
    maps = [item for item in member() if item["metadata"]["labels"]["component"] != "seed-client"]
    assert check_wiring(maps, expected(wanted)) == ()
    layout = layout_of(CURRENT)
    assert expected_components(layout, "member", rendered(wanted, "b")) == ("scheduler", "client")
    assert expected_components(layout, "central", {}) == ("manager", "scheduler", "seed-client", "client")


@pytest.mark.parametrize(
    ("version", "seeds", "client"),
    [
        *((version, "seed-peer", "dfdaemon") for version in (LEGACY, "1.1.37", "1.1.60")),
        *((version, "seed-client", "client") for version in ("1.1.66", "1.4.4", CURRENT, "1.7.8")),
    ],
)
def test_the_workloads_of_a_release_are_known_by_kind_and_name(version: str, seeds: str, client: str) -> None:
    wanted, layout = guide(version), layout_of(version)

    def workloads(cluster: str, role: Any) -> list[tuple[str, str]]:
        values = rendered(wanted, cluster)
        return [(found.kind, found.name) for found in expected_workloads("p2p", layout, role, values)]

    members = [
        ("StatefulSet", "p2p-dragonfly-scheduler"),
        ("StatefulSet", f"p2p-dragonfly-{seeds}"),
        ("DaemonSet", f"p2p-dragonfly-{client}"),
    ]
    assert workloads("b", "member") == members
    databases = [("StatefulSet", f"p2p-{name}") for name in ("mysql", "redis-master", "redis-replicas")]
    assert workloads("a", "central") == [("Deployment", "p2p-dragonfly-manager"), *members, *databases]


def test_a_member_without_redis_must_have_no_address_and_no_password() -> None:
    wiring = expected(guide(CURRENT, b={"redis": "none"}))
    for addresses, password in (([], ""), (None, None)):
        redis: dict[str, Any] = {"redis": {"addrs": addresses, "password": password, "brokerDB": 1, "backendDB": 2}}
        scheduler = deepcopy(SCHEDULER) | {"database": redis, "job": redis}
        assert check_wiring(member(scheduler=scheduler), wiring) == ()
    assert keys(check_wiring(member(), wiring)) == [
        "scheduler/scheduler.yaml: database.redis.addrs",
        "scheduler/scheduler.yaml: database.redis.password",
        "scheduler/scheduler.yaml: job.redis.addrs",
        "scheduler/scheduler.yaml: job.redis.password",
    ]
