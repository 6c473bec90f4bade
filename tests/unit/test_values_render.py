from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfmc.errors import TopologyError
from dfmc.state import Registration
from dfmc.symbols import Pending, SecretRef, symbols_in
from dfmc.topology.model import Topology
from dfmc.values.inputs import ManagerEndpoint
from dfmc.values.keys import unknown_keys
from dfmc.values.merge import get_path
from values_cases import CURRENT, LEGACY, NEWEST, VERSIONS, guide, many_topologies, rendered

TOPOLOGIES = many_topologies()
MANAGER = "dragonfly-manager.cluster-a.svc.cluster.local"


def at(values: dict[str, Any], *paths: str) -> list[Any]:
    return [get_path(values, path, "missing") for path in paths]


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_every_rendered_key_is_one_that_the_chart_has(name: str, cluster: str) -> None:
    wanted = TOPOLOGIES[name]
    for first_install in (True, False):
        values = rendered(wanted, cluster, first_install=first_install)
        assert unknown_keys(values, wanted.chart.version) == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_switches_are_written_out_in_both_roles(version: str) -> None:
    switches = ("manager.enable", "mysql.enable", "redis.enable", "scheduler.enable")
    wanted = guide(version)
    assert at(rendered(wanted, "a"), *switches) == [True, True, True, True]
    assert at(rendered(wanted, "b"), *switches) == [False, False, False, True]


@pytest.mark.parametrize("version", ["1.1.12", "1.1.37", "1.1.38", "1.1.65"])
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_charts_with_both_data_planes_run_the_go_one(version: str, cluster: str) -> None:
    values = rendered(guide(version), cluster)
    switches = ("seedPeer.enable", "dfdaemon.enable", "client.enable", "seedClient.enable")
    assert at(values, *switches) == [True, True, False, False]
    assert [*values["client"], *values["seedClient"]] == ["enable", "enable"]


@pytest.mark.parametrize("version", ["1.1.66", "1.2.18", "1.4.4"])
def test_seed_clients_that_register_get_the_seed_peers_id_and_peers_say_their_idc(version: str) -> None:
    wanted = guide(version)
    ids = ("scheduler.config.manager.schedulerClusterID", "seedClient.config.seedPeer.clusterID")
    assert at(rendered(wanted, "a"), *ids) == [1, 1]
    values = rendered(wanted, "b")
    assert at(values, *ids) == [2, 3]
    assert at(values, "client.config.host", "seedClient.config.host") == [{"idc": "cluster-2"}] * 2


@pytest.mark.parametrize(("version", "written"), [("1.1.69", True), ("1.1.70", False), ("1.2.18", False)])
def test_clients_are_told_the_managers_url_only_where_the_chart_would_get_it_wrong(version: str, written: bool) -> None:
    urls = [f"http://{MANAGER}:65003"] if written else "missing"
    paths = ("client.config.manager.addrs", "seedClient.config.manager.addrs")
    assert at(rendered(guide(version), "b"), *paths) == [urls, urls]
    assert at(rendered(guide(version), "a"), *paths) == ["missing", "missing"]


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "1.2.18"])
def test_externalmanager_alone_names_the_manager_where_the_clients_own_key_is_dead(version: str) -> None:
    values = rendered(guide(version), "b")
    assert at(values, "client.config.manager", "seedClient.config.manager") == ["missing", "missing"]
    assert values["externalManager"] == {"host": MANAGER, "restPort": 8080, "grpcPort": 65003}


def test_the_newest_layout_gets_what_the_one_before_gets() -> None:
    for cluster in ("a", "b"):
        assert (
            rendered(guide(NEWEST), cluster) == rendered(guide("9.9.9"), cluster) == rendered(guide(CURRENT), cluster)
        )


def test_the_current_layout_has_three_ids_in_both_roles() -> None:
    ids = (
        "scheduler.config.manager.schedulerClusterID",
        "seedClient.config.host.schedulerClusterID",
        "client.config.host.schedulerClusterID",
    )
    wanted = guide(CURRENT)
    assert at(rendered(wanted, "a"), *ids) == [1, 1, 1]
    assert at(rendered(wanted, "b"), *ids) == [2, 2, 2]


def test_the_legacy_layout_takes_each_id_from_its_own_field() -> None:
    ids = ("scheduler.config.manager.schedulerClusterID", "seedPeer.config.scheduler.manager.seedPeer.clusterID")
    wanted = guide(LEGACY)
    assert at(rendered(wanted, "a"), *ids) == [1, 1]
    assert at(rendered(wanted, "b"), *ids) == [2, 3]


def test_membership_by_scopes_takes_the_charts_default_id_away_with_a_null() -> None:
    values = rendered(guide(CURRENT, b={"membership": "scopes"}), "b")
    for component in ("client", "seedClient"):
        host = values[component]["config"]["host"]
        assert host == {"schedulerClusterID": None, "idc": "cluster-2"}
    assert get_path(values, "scheduler.config.manager.schedulerClusterID") == 2


@pytest.mark.parametrize(
    ("scopes", "host", "expected"),
    [
        ({"idc": "one", "location": "eu|de"}, {}, {"idc": "one", "location": "eu|de"}),
        ({"idc": "one|two"}, {}, {}),
        ({"idc": "one|two"}, {"idc": "two"}, {"idc": "two"}),
        ({"idc": "one", "location": "eu"}, {"idc": "x", "location": "eu|de"}, {"idc": "x", "location": "eu|de"}),
        ({"cidrs": ["10.0.0.0/8"]}, {}, {}),
    ],
)
@pytest.mark.parametrize("version", [LEGACY, CURRENT])
def test_peers_say_what_the_host_says_or_the_scope_where_it_is_one_value(
    version: str, scopes: dict[str, Any], host: dict[str, str], expected: dict[str, str]
) -> None:
    values = rendered(guide(version, b={"scopes": scopes, "host": host} if host else {"scopes": scopes}), "b")
    parts = ["scheduler", "seedPeer", "dfdaemon"] if version == LEGACY else ["scheduler", "seedClient", "client"]
    for part in parts:
        said = dict(get_path(values, f"{part}.config.host", {}))
        said.pop("schedulerClusterID", None)
        assert said == expected


def test_members_are_told_the_manager_and_the_shared_redis() -> None:
    values = rendered(guide(CURRENT), "b")
    assert values["externalManager"] == {"host": MANAGER, "restPort": 8080, "grpcPort": 65003}
    assert values["externalRedis"] == {
        "addrs": ["dragonfly-redis-master.cluster-a.svc.cluster.local:6379"],
        "masterName": "",
        "username": "",
        "password": SecretRef("redis-password"),
        "db": 0,
        "brokerDB": 1,
        "backendDB": 2,
    }
    assert "externalMysql" not in values


def test_the_central_cluster_finds_its_own_manager_and_holds_the_credentials() -> None:
    values = rendered(guide(CURRENT), "a")
    assert not {"externalManager", "externalRedis", "externalMysql"} & values.keys()
    assert symbols_in(values) == {
        ("redis", "auth", "password"): SecretRef("redis-password"),
        ("mysql", "auth", "password"): SecretRef("database-password"),
        ("mysql", "auth", "rootPassword"): SecretRef("database-root-password"),
        ("manager", "config", "auth", "jwt", "key"): SecretRef("jwt-key"),
    }


def test_legacy_members_are_told_the_manager_in_each_component() -> None:
    values = rendered(guide(LEGACY), "b", manager=ManagerEndpoint("manager.example", 1, 2))
    for part in ("seedPeer", "dfdaemon"):
        addresses = get_path(values, f"{part}.config.scheduler.manager.netAddrs")
        assert addresses == [{"type": "tcp", "addr": "manager.example:2"}]
    assert values["externalManager"] == {"host": "manager.example", "restPort": 1, "grpcPort": 2}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_keys_that_no_chart_ever_read_are_not_written(version: str, cluster: str) -> None:
    values = rendered(guide(version), cluster)
    assert at(values, "scheduler.config.manager.addr", "externalManager.enable") == ["missing", "missing"]


def test_external_databases_replace_the_bundled_ones_and_members_follow() -> None:
    wanted = TOPOLOGIES["1.7.4-external"]
    central, member = rendered(wanted, "a"), rendered(wanted, "b")
    assert at(central, "mysql.enable", "redis.enable") == [False, False]
    assert central["externalMysql"] == {
        "migrate": True,
        "host": "db.example",
        "port": 3306,
        "username": "dragonfly",
        "password": SecretRef("database-password"),
        "database": "manager",
    }
    assert central["externalRedis"] == member["externalRedis"]
    assert central["externalRedis"]["addrs"] == ["r.example:6380"]
    assert [central["externalRedis"][key] for key in ("db", "brokerDB", "backendDB")] == [3, 4, 5]


def test_the_chart_that_uses_redis_headless_service_gets_a_redis_without_replicas() -> None:
    before, broken = (rendered(guide(version), "a")["redis"] for version in ("1.1.66", "1.1.67"))
    assert broken == before | {"architecture": "standalone"}
    (address,) = rendered(guide("1.1.67"), "b")["externalRedis"]["addrs"]
    assert address == "dragonfly-redis-headless.cluster-a.svc.cluster.local:6379"


def test_an_external_redis_without_password_gets_none() -> None:
    wanted = guide(CURRENT, manager={"cluster": "a", "redis": {"addresses": ["one:1"]}})
    assert rendered(wanted, "b")["externalRedis"]["password"] == ""


def test_one_manager_starts_alone_and_the_wanted_number_follows() -> None:
    wanted = guide(CURRENT, a={"replicas": {"manager": 3, "scheduler": 2}})
    first, later = rendered(wanted, "a", first_install=True), rendered(wanted, "a")
    assert at(first, "manager.replicas", "scheduler.replicas") == [1, 2]
    assert at(later, "manager.replicas", "scheduler.replicas") == [3, 2]
    assert get_path(rendered(guide(CURRENT), "a"), "manager.replicas") == 1
    assert at(rendered(wanted, "b"), "manager.replicas") == ["missing"]


def test_nothing_but_the_number_of_managers_depends_on_the_first_installation() -> None:
    for name, wanted in TOPOLOGIES.items():
        for cluster in ("a", "b"):
            first, later = rendered(wanted, cluster, first_install=True), rendered(wanted, cluster)
            first.get("manager", {}).pop("replicas", None)
            later.get("manager", {}).pop("replicas", None)
            assert first == later, name


def test_the_files_own_values_win_and_a_null_takes_away() -> None:
    mine = {"client": {"resources": None, "nodeSelector": {"extra": "1"}}, "seedClient": {"enable": False}}
    values = rendered(guide(CURRENT, b={"values": mine, "resources": {"client": {"limits": {"cpu": "1"}}}}), "b")
    assert values["client"]["resources"] is None
    assert values["client"]["nodeSelector"] == {"cluster": "b", "extra": "1"}
    assert values["seedClient"]["enable"] is False


def test_an_unsupported_chart_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"chart 0\.9\.9"):
        rendered(guide("0.9.9"), "a")


def test_what_is_not_known_yet_stays_a_symbol() -> None:
    ids = Registration(Pending("record:b/scheduler_cluster_id"), Pending("record:b/seed_peer_cluster_id"))
    wanted = guide(LEGACY)
    values = rendered(wanted, "b", registration=ids, manager=ManagerEndpoint(Pending("expose:a/host")))
    found = symbols_in(values)
    assert found["scheduler", "config", "manager", "schedulerClusterID"] == ids.scheduler_cluster_id
    assert found["externalManager", "host"] == Pending("expose:a/host")
    address = found["dfdaemon", "config", "scheduler", "manager", "netAddrs", "0", "addr"]
    assert address == Pending("expose:a/host:65003")


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "metrics": st.booleans(),
        "logLevel": st.sampled_from(["debug", "info", "warn", "error"]),
        "pprofPort": st.integers(-1, 65535),
        "replicas": st.fixed_dictionaries({}, optional={"manager": st.integers(0, 9), "seedPeer": st.integers(0, 9)}),
        "host": st.fixed_dictionaries({"idc": st.sampled_from(["x", "y"])}),
        "membership": st.sampled_from(["id", "scopes"]),
        "runtime": st.fixed_dictionaries({"type": st.sampled_from(["containerd", "cri-o", "docker", "none", "auto"])}),
        "images": st.fixed_dictionaries({"registry": st.sampled_from(["r.example", "r.example:5000/x"])}),
        "values": st.fixed_dictionaries({"clusterDomain": st.sampled_from(["one", "two"])}),
    },
)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([LEGACY, CURRENT, "1.0.5", "1.1.20", "1.1.50", "1.2.5", "1.3.35", "1.5.5", "1.7.6"]),
    SETTINGS,
    st.integers(1, 999),
    st.integers(1, 999),
)
def test_rendering_is_deterministic_changes_nothing_and_always_writes_the_ids(
    version: str, entry: dict[str, Any], scheduler_id: int, seed_peer_id: int
) -> None:
    document = guide(version, b=entry).model_dump(by_alias=True)
    wanted = Topology.model_validate(deepcopy(document))
    ids = Registration(scheduler_id, seed_peer_id)
    values = rendered(wanted, "b", registration=ids)
    assert values == rendered(wanted, "b", registration=ids)
    assert wanted.model_dump(by_alias=True) == document
    assert get_path(values, "scheduler.config.manager.schedulerClusterID") == scheduler_id
    if version < "1.1.66":
        assert get_path(values, "seedPeer.config.scheduler.manager.seedPeer.clusterID") == seed_peer_id
    elif version < "1.4.5":
        assert get_path(values, "seedClient.config.seedPeer.clusterID") == seed_peer_id
    else:
        peer_id = None if entry.get("membership") == "scopes" else scheduler_id
        for part in ("client", "seedClient"):
            assert get_path(values, f"{part}.config.host.schedulerClusterID", "missing") == peer_id
    values["scheduler"]["config"]["manager"]["schedulerClusterID"] = 0
    values["manager"].clear()
    assert get_path(rendered(wanted, "b", registration=ids), "manager.enable") is False
