"""Typed fields of an entry, one after the other, in the words of each layout."""

from typing import Any

import pytest

from dfmc.values.merge import get_path
from values_cases import CURRENT, LEGACY, NEWEST, VERSIONS, external, guide, rendered


def at(values: dict[str, Any], *paths: str) -> list[Any]:
    return [get_path(values, path, "missing") for path in paths]


def test_placement_reaches_every_pod_of_the_release() -> None:
    wanted = guide(CURRENT, a={"tolerations": [{"operator": "Exists"}]})
    pods = ["manager", "scheduler", "seedClient", "client", "mysql.primary", "redis.master", "redis.replica"]
    values = rendered(wanted, "a")
    assert at(values, *(f"{pod}.nodeSelector" for pod in pods)) == [{"cluster": "a"}] * len(pods)
    assert at(values, *(f"{pod}.tolerations" for pod in pods)) == [[{"operator": "Exists"}]] * len(pods)


@pytest.mark.parametrize(("level", "verbose"), [("debug", True), ("info", False), ("error", False)])
def test_the_legacy_layout_knows_debug_or_not(level: str, verbose: bool) -> None:
    values = rendered(guide(LEGACY, a={"logLevel": level, "pprofPort": 18066}), "a")
    for part in ("manager", "scheduler", "seedPeer", "dfdaemon"):
        assert at(values, f"{part}.config.verbose", f"{part}.config.pprofPort") == [verbose, 18066]


def test_the_current_layout_takes_levels_and_profiles_its_go_parts() -> None:
    values = rendered(guide(CURRENT, a={"logLevel": "warn", "pprofPort": 18066}), "a")
    levels = ("manager.config.server.logLevel", "scheduler.config.server.logLevel")
    assert at(values, *levels, "client.config.log.level", "seedClient.config.log.level") == ["warn"] * 4
    profiled = ("manager.config.pprofPort", "scheduler.config.pprofPort", "client.config.pprofPort")
    assert at(values, *profiled) == [18066, 18066, "missing"]


def test_rust_clients_take_levels_beside_go_parts_that_take_a_switch() -> None:
    values = rendered(guide("1.3.39", a={"logLevel": "debug", "pprofPort": 18066}), "a")
    assert at(values, "manager.config.verbose", "scheduler.config.verbose") == [True, True]
    assert at(values, "client.config.log.level", "seedClient.config.log.level") == ["debug", "debug"]
    assert at(values, "client.config.verbose", "client.config.pprofPort") == ["missing", "missing"]
    assert at(values, "manager.config.pprofPort", "manager.config.server.logLevel") == [18066, "missing"]
    later = rendered(guide("1.3.40", a={"logLevel": "debug"}), "a")
    assert at(later, "manager.config.server.logLevel", "manager.config.verbose") == ["debug", "missing"]


OTLP = {"type": "otlp", "endpoint": "otel:4317", "protocol": "grpc", "path": "/v1", "headers": {"tenant": "t"}}


@pytest.mark.parametrize(
    ("version", "written"),
    [
        ("1.3.31", {"addr": "otel:4317"}),
        ("1.3.34", {"addr": "otel:4317", "headers": {"tenant": "t"}}),
        ("1.3.37", {"protocol": "grpc", "endpoint": "otel:4317", "headers": {"tenant": "t"}}),
        ("1.4.3", {"protocol": "grpc", "endpoint": "otel:4317", "path": "/v1", "headers": {"tenant": "t"}}),
        (NEWEST, {"protocol": "grpc", "endpoint": "otel:4317", "path": "/v1", "headers": {"tenant": "t"}}),
    ],
)
def test_traces_are_configured_in_the_words_of_the_chart(version: str, written: dict[str, Any]) -> None:
    values = rendered(guide(version, a={"tracing": OTLP}), "a")
    parts = ("manager", "scheduler", "client")
    assert at(values, *(f"{part}.config.tracing" for part in parts)) == [written] * 3
    # Before 1.4.3 the seed clients' template takes the clients' part.
    own = "missing" if version < "1.4.3" else written
    assert at(values, "seedClient.config.tracing", "jaeger") == [own, "missing"]


def test_charts_without_a_jaeger_send_the_servers_traces_to_a_collector_of_your_own() -> None:
    endpoint = "http://jaeger.example:14268/api/traces"
    values = rendered(guide("1.2.0", a={"tracing": {"type": "jaeger", "endpoint": endpoint}}), "a")
    assert at(values, "manager.config.jaeger", "scheduler.config.jaeger", "jaeger") == [endpoint, endpoint, "missing"]
    assert at(values, "client.config.tracing", "seedClient.config.tracing") == ["missing", "missing"]


def test_members_have_no_metrics_service_of_a_manager_they_do_not_run() -> None:
    for version in VERSIONS:
        values = rendered(guide(version, b={"metrics": True}), "b")
        assert at(values, "manager.metrics.enable", "scheduler.metrics.enable") == [False, True]


@pytest.mark.parametrize("version", ["1.1.66", "1.4.4", CURRENT, NEWEST])
def test_one_client_at_a_time_is_updated(version: str) -> None:
    for cluster in ("a", "b"):
        values = rendered(guide(version), cluster)
        assert get_path(values, "client.updateStrategy.rollingUpdate.maxUnavailable") == 1


def test_the_legacy_chart_brings_its_jaeger_only_when_asked() -> None:
    own = rendered(guide(LEGACY, a={"tracing": {"type": "jaeger"}}), "a")
    assert own["jaeger"]["enable"] is True
    endpoint = "http://jaeger.example:14268/api/traces"
    elsewhere = rendered(guide(LEGACY, a={"tracing": {"type": "jaeger", "endpoint": endpoint}}), "a")
    assert at(elsewhere, "jaeger.enable", "dfdaemon.config.jaeger", "manager.config.jaeger") == [
        False,
        endpoint,
        endpoint,
    ]
    assert rendered(guide(LEGACY), "a")["jaeger"] == {"enable": False}


def test_the_ingress_belongs_to_the_central_cluster_alone() -> None:
    wanted = external(CURRENT)
    assert get_path(rendered(wanted, "a"), "manager.ingress") == {
        "enable": True,
        "className": "nginx",
        "path": "/",
        "pathType": "ImplementationSpecific",
        "hosts": ["manager.example"],
        "tls": [{"secretName": "t", "hosts": ["m"]}],
    }
    assert get_path(rendered(wanted, "b"), "manager.ingress") == {"enable": False}
