from typing import Any

import pytest

from dfmc.values.keys import has_key
from dfmc.values.layouts import layout_of
from dfmc.values.merge import get_path, nest
from dfmc.values.owned import owned_keys, owned_problems
from scenarios import scenario
from values_cases import CURRENT, LEGACY, VERSIONS, guide, rendered


def paths(values: dict[str, Any], version: str = CURRENT) -> list[str]:
    return [".".join(problem.path) for problem in owned_problems(values, layout_of(version))]


@pytest.mark.parametrize(
    "path",
    [
        "manager.enable",
        "redis.enable",
        "scheduler.config.manager.schedulerClusterID",
        "client.config.host.schedulerClusterID",
        "seedClient.config.host.idc",
        "externalManager.host",
        "externalRedis.password",
        "redis.auth.password",
        "manager.config.auth.jwt.key",
        "fullnameOverride",
        "client.config.manager.addr",
        "manager.replicas",
    ],
)
def test_ids_addresses_credentials_switches_and_names_are_dfmcs(path: str) -> None:
    assert paths(nest({path: "mine"})) == [path]


@pytest.mark.parametrize(
    "path",
    [
        "scheduler.replicas",
        "seedClient.enable",
        "client.config.host.ip",
        "externalRedis.tls.caCert",
        "redis.master.persistence.size",
        "manager.service.type",
        "clusterDomain",
        "manager.config.auth.jwt.timeout",
    ],
)
def test_everything_else_is_the_users(path: str) -> None:
    assert paths(nest({path: "mine"})) == []


@pytest.mark.parametrize("value", [None, "x", [1]])
def test_what_would_replace_a_map_with_owned_keys_is_refused_too(value: Any) -> None:
    assert paths({"client": {"config": {"host": value}}}) == ["client.config.host"]
    assert paths({"redis": value}) == ["redis"]


def test_an_empty_map_replaces_nothing() -> None:
    assert paths({"externalManager": {}, "redis": {}}) == []


def test_the_keys_that_no_chart_ever_read_are_explained() -> None:
    values = nest({"scheduler.config.manager.addr": "x:65003", "externalManager.enable": True})
    found = owned_problems(values, layout_of(CURRENT))
    assert all("no chart reads" in problem.message for problem in found)
    assert len(found) == 2


def test_each_layout_owns_its_own_names() -> None:
    legacy, current = owned_keys(layout_of(LEGACY)), owned_keys(layout_of(CURRENT))
    assert "seedPeer.config.scheduler.manager.seedPeer.clusterID" in legacy
    assert "seedClient.config.host.schedulerClusterID" in current
    assert "seedClient.config.host.schedulerClusterID" not in legacy


def test_the_data_plane_that_stays_off_is_dfmcs_to_switch() -> None:
    values = {"client": {"enable": True}, "seedClient": {"enable": True}}
    for version in ("1.1.12", "1.1.65"):
        assert paths(values, version) == ["client.enable", "seedClient.enable"]
        (first, _) = owned_problems(values, layout_of(version))
        assert (
            first.message == "client.enable is not yours to set: on this chart dfmc runs seedPeer and dfdaemon instead"
        )
    assert paths(values, "1.1.66") == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cluster", ["a", "b"])
def test_whatever_the_wiring_writes_is_owned(version: str, cluster: str) -> None:
    values = rendered(guide(version), cluster)
    layout = layout_of(version)
    owned = owned_keys(layout)
    wired = {*layout.ids, *layout.manager_addresses, "externalManager.host", "externalRedis.addrs", "redis.enable"}
    assert wired <= owned.keys() | {"externalManager.host"}
    for path in wired:
        if get_path(values, path, "missing") != "missing":
            assert paths(nest({path: 1}), version) == [path]
            assert has_key(path, version)


@scenario("N14", real=True)
def test_the_variable_that_makes_a_managers_second_start_fail_is_refused() -> None:
    def of(*names: str) -> dict[str, Any]:
        return {"manager": {"extraEnvVars": [{"name": name, "value": "x"} for name in names]}}

    (problem,) = owned_problems(of("TZ", "DRAGONFLY_PAT"), layout_of(CURRENT))
    assert problem.path == ("manager", "extraEnvVars")
    assert "DRAGONFLY_PAT" in problem.message
    assert owned_problems(of("TZ"), layout_of(CURRENT)) == ()
    assert owned_problems({"manager": {"extraEnvVars": "DRAGONFLY_PAT"}}, layout_of(CURRENT)) == ()
