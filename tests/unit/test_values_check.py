from typing import Any

import pytest

from dfmc.errors import TopologyError
from dfmc.linting.loading import load_from_text
from dfmc.topology.model import Topology
from dfmc.values.check import RULES, ValuesProblem, check_own_keys, check_user_values, check_values
from dfmc.values.defaults import check_defaults
from dfmc.values.merge import merge
from topologies import entry, topology
from values_cases import CURRENT, LEGACY, NEWEST, VERSIONS, guide, rendered, topologies_of


def found(wanted: Topology) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, p.path)), p.rule, p.severity) for p in check_values(wanted)]


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "9.9.9"])
def test_a_topology_that_the_chart_can_do_has_no_error(version: str) -> None:
    for name, wanted in topologies_of(version).items():
        problems = found(wanted)
        assert [problem for problem in problems if problem[2] == "error"] == [], name
        if name in ("plain", "external", "id", "scopes"):
            assert problems == [], name


def test_an_unsupported_version_is_reported_alone() -> None:
    wanted = guide("0.9.0", b={"values": {"bogus": 1}})
    assert found(wanted) == [("chart.version", "DF101", "error")]


def test_a_version_newer_than_all_known_gets_the_newest_layout_and_a_warning() -> None:
    newer = guide("1.8.5")
    (problem,) = check_values(newer)
    assert (problem.path, problem.rule, problem.severity) == (("chart", "version"), "DF106", "warning")
    assert "chart 1.8.5 is newer than 1.7.8" in problem.message
    assert "layout M3" in problem.message
    assert found(guide(NEWEST)) == []


@pytest.mark.parametrize(("version", "severity"), [("1.7.4", "error"), ("1.7.6", "warning"), ("1.8.5", "warning")])
def test_a_missing_key_is_an_error_only_where_the_charts_keys_are_known(version: str, severity: str) -> None:
    wanted = guide(version, b={"values": {"bogus": 1}})
    (problem,) = check_user_values(wanted)
    assert (problem.rule, problem.severity) == ("DF102", severity)


def test_the_charts_own_defaults_decide_where_they_are_at_hand() -> None:
    values = {"novel": {"switch": True}, "client": {"config": {"gc": {}}}, "scheduler": {"replicas": 1}}
    wanted = guide("1.8.5", b={"values": values})
    defaults = {"novel": {"switch": False}, "scheduler": {"replicas": 3}, "client": {"config": {"proxy": {}}}}
    (problem,) = check_user_values(wanted, defaults)
    assert (problem.path, problem.severity) == (("clusters", 1, "values", "client", "config", "gc"), "error")


def test_what_dfmc_writes_and_a_newer_chart_lacks_is_said_once() -> None:
    wanted = guide("1.8.5")
    defaults = merge(as_defaults(rendered(wanted, "a")), as_defaults(rendered(wanted, "b")))
    assert check_own_keys(wanted, defaults) == ()
    del defaults["manager"]["metrics"]
    defaults["seedClient"]["enable"] = {"always": True}
    assert check_own_keys(wanted, defaults) == (
        "dfmc writes seedClient.enable in vain: chart 1.8.5 wants a map here, not a single value",
        "dfmc writes manager.metrics in vain: chart 1.8.5 has no key manager.metrics",
    )


def as_defaults(values: Any) -> Any:
    """Default values of a chart that has just these keys."""
    if isinstance(values, dict):
        return {key: as_defaults(value) for key, value in values.items()}
    return [] if isinstance(values, list) else "default"


def test_owned_and_unknown_keys_are_reported_where_they_stand() -> None:
    values = {"manager": {"enable": True}, "schedular": {"replicas": 1}, "scheduler": {"config": {"manager": None}}}
    assert found(guide(CURRENT, b={"values": values})) == [
        ("clusters.1.values.manager.enable", "DF014", "error"),
        ("clusters.1.values.scheduler.config.manager", "DF014", "error"),
        ("clusters.1.values.schedular", "DF102", "error"),
    ]


@pytest.mark.parametrize(
    ("version", "image", "expected"),
    [
        (LEGACY, {}, [("clusters.1.scopes.hostnames", "DF105", "warning")]),
        (LEGACY, {"tag": "v2.1.22"}, [("clusters.1.scopes.hostnames", "DF105", "warning")]),
        (LEGACY, {"tag": "v2.1.33"}, []),
        (LEGACY, {"tag": "latest"}, []),
        (LEGACY, {"digest": "sha256:" + "0" * 64}, []),
        (CURRENT, {}, []),
    ],
)
def test_host_names_are_no_scope_for_a_manager_before_2_1_33(
    version: str, image: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    images, scopes = {"manager": image}, {"idc": "cluster-2", "hostnames": ["^b-"]}
    assert found(guide(version, a={"images": images}, b={"scopes": scopes})) == expected


def test_a_dead_key_is_reported_once() -> None:
    values = {"scheduler": {"config": {"manager": {"addr": "x"}}}, "externalManager": {"enable": True}}
    problems = check_user_values(guide(CURRENT, b={"values": values}))
    assert [problem.rule for problem in problems] == ["DF014", "DF014"]


def test_what_defaults_bring_is_reported_there_once() -> None:
    values = {"bogus": 1, "client": {"nonsense": True}}
    merged = values | {"other": 2}
    wanted = topology(
        chart={"repository": "https://charts.example/", "version": CURRENT},
        defaults={"values": values},
        clusters=[entry("a", values=values), entry("b", values=merged)],
    )
    assert [path for path, _, _ in found(wanted)] == [
        "defaults.values.bogus",
        "defaults.values.client.nonsense",
        "clusters.1.values.other",
    ]


@pytest.mark.parametrize(
    ("version", "more", "expected"),
    [
        (LEGACY, {"membership": "id"}, ("clusters.1.membership", "DF103", "error")),
        (LEGACY, {"scopes": {"idc": "x|y"}}, ("clusters.1.scopes.idc", "DF104", "error")),
        (CURRENT, {"scopes": {"idc": "x|y"}, "membership": "scopes"}, ("clusters.1.scopes.idc", "DF104", "error")),
        (LEGACY, {"runtime": {"type": "podman"}}, ("clusters.1.runtime.type", "DF103", "error")),
        (
            LEGACY,
            {"runtime": {"type": "containerd", "restart": True}},
            ("clusters.1.runtime.restart", "DF105", "warning"),
        ),
        (CURRENT, {"runtime": {"injectConfigPath": True}}, ("clusters.1.runtime.injectConfigPath", "DF105", "warning")),
        (CURRENT, {"runtime": {"injectConfigPath": False}}, ("clusters.1.runtime.injectConfigPath", "DF103", "error")),
        (CURRENT, {"tracing": {"type": "jaeger"}}, ("clusters.1.tracing.type", "DF103", "error")),
        (LEGACY, {"tracing": {"type": "otlp", "endpoint": "x:1"}}, ("clusters.1.tracing.type", "DF103", "error")),
        (LEGACY, {"pprofPort": 18066}, ("clusters.1.pprofPort", "DF105", "warning")),
        (LEGACY, {"images": {"dfinit": {"tag": "v1"}}}, ("clusters.1.images.dfinit", "DF105", "warning")),
        ("1.1.60", {"images": {"dfinit": {"tag": "v1"}}}, ("clusters.1.images.dfinit", "DF105", "warning")),
        ("1.1.60", {"membership": "id"}, ("clusters.1.membership", "DF103", "error")),
        ("1.4.4", {"membership": "id"}, ("clusters.1.membership", "DF103", "error")),
        ("1.4.4", {"scopes": {"idc": "x|y"}}, ("clusters.1.scopes.idc", "DF104", "error")),
        ("1.3.0", {"runtime": {"type": "docker"}}, ("clusters.1.runtime.type", "DF103", "error")),
        ("1.3.0", {"runtime": {"type": "podman"}}, ("clusters.1.runtime.type", "DF103", "error")),
        ("1.1.37", {"runtime": {"type": "podman"}}, ("clusters.1.runtime.type", "DF103", "error")),
        ("1.3.23", {"runtime": {"restart": False}}, ("clusters.1.runtime.restart", "DF103", "error")),
        (
            CURRENT,
            {"runtime": {"type": "none", "restart": True}},
            ("clusters.1.runtime.restart", "DF105", "warning"),
        ),
        (
            CURRENT,
            {"runtime": {"type": "none", "registries": ["ghcr.io"]}},
            ("clusters.1.runtime.registries", "DF105", "warning"),
        ),
        (
            CURRENT,
            {"runtime": {"type": "docker", "registries": ["ghcr.io"]}},
            ("clusters.1.runtime.registries", "DF105", "warning"),
        ),
        (
            LEGACY,
            {"runtime": {"type": "docker", "injectConfigPath": True}},
            ("clusters.1.runtime.injectConfigPath", "DF105", "warning"),
        ),
        (LEGACY, {"logLevel": "warn"}, ("clusters.1.logLevel", "DF105", "warning")),
        ("1.3.39", {"logLevel": "error"}, ("clusters.1.logLevel", "DF105", "warning")),
        ("1.3.39", {"pprofPort": 18066}, ("clusters.1.pprofPort", "DF105", "warning")),
        ("1.3.30", {"tracing": {"type": "otlp", "endpoint": "x:1"}}, ("clusters.1.tracing.type", "DF103", "error")),
        (
            "1.3.30",
            {"tracing": {"type": "jaeger", "endpoint": "http://j:14268/api/traces"}},
            ("clusters.1.tracing.type", "DF105", "warning"),
        ),
        (
            "1.3.36",
            {"tracing": {"type": "otlp", "endpoint": "x:1", "protocol": "http"}},
            ("clusters.1.tracing.protocol", "DF103", "error"),
        ),
        (
            "1.3.33",
            {"tracing": {"type": "otlp", "endpoint": "x:1", "headers": {"a": "b"}}},
            ("clusters.1.tracing.headers", "DF105", "warning"),
        ),
        (
            "1.4.2",
            {"tracing": {"type": "otlp", "endpoint": "x:1", "path": "/v1/traces"}},
            ("clusters.1.tracing.path", "DF105", "warning"),
        ),
        (NEWEST, {"tracing": {"type": "jaeger"}}, ("clusters.1.tracing.type", "DF103", "error")),
        (NEWEST, {"runtime": {"injectConfigPath": False}}, ("clusters.1.runtime.injectConfigPath", "DF103", "error")),
        (
            "1.1.60",
            {"values": {"client": {"enable": True}}},
            ("clusters.1.values.client.enable", "DF014", "error"),
        ),
        (
            NEWEST,
            {"values": {"scheduler": {"service": {"type": "NodePort"}}}},
            ("clusters.1.values.scheduler.service.type", "DF102", "error"),
        ),
    ],
)
def test_what_the_chart_cannot_do_is_said(version: str, more: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert found(guide(version, b=more)) == [expected]


@pytest.mark.parametrize(
    ("version", "more"),
    [
        (CURRENT, {"scopes": {"idc": "x|y"}}),
        (LEGACY, {"scopes": {"idc": "x|y"}, "host": {"idc": "x"}}),
        (LEGACY, {"scopes": {"cidrs": ["10.0.0.0/8"]}}),
        (CURRENT, {"membership": "scopes"}),
        (LEGACY, {"membership": "scopes"}),
        (NEWEST, {"membership": "scopes"}),
        ("1.4.4", {"scopes": {"idc": "x|y"}, "host": {"idc": "x"}}),
        ("1.3.1", {"runtime": {"type": "docker"}}),
        ("1.3.23", {"runtime": {"restart": True}}),
        ("1.3.24", {"runtime": {"restart": False}}),
        ("1.3.40", {"logLevel": "warn", "pprofPort": 18066}),
        ("1.3.31", {"tracing": {"type": "otlp", "endpoint": "x:1"}}),
        ("1.3.37", {"tracing": {"type": "otlp", "endpoint": "x:1", "protocol": "http"}}),
        ("1.1.60", {"tracing": {"type": "jaeger"}}),
        (CURRENT, {"values": {"scheduler": {"service": {"type": "NodePort"}}}}),
    ],
)
def test_what_it_can_do_is_not(version: str, more: dict[str, Any]) -> None:
    assert found(guide(version, b=more)) == []


def test_a_jaeger_of_your_own_has_an_address_where_the_chart_brings_none() -> None:
    problems = found(guide("1.2.0", b={"tracing": {"type": "jaeger"}}))
    assert ("clusters.1.tracing.type", "DF103", "error") in problems


def test_what_defaults_say_of_runtimes_is_not_held_against_a_cluster_without_one() -> None:
    shared = {"registries": ["https://ghcr.io"], "restart": False}
    wanted = topology(
        chart={"repository": "https://charts.example/", "version": CURRENT},
        defaults={"runtime": shared},
        clusters=[entry("a", runtime=shared), entry("b", runtime=shared | {"type": "none"})],
    )
    assert found(wanted) == []


def test_every_rule_has_a_sentence() -> None:
    wanted = guide(CURRENT, b={"values": {"bogus": 1, "redis": None}, "tracing": {"type": "jaeger"}})
    problems: tuple[ValuesProblem, ...] = check_values(wanted)
    assert {problem.rule for problem in problems} <= RULES.keys()


def test_what_several_entries_inherit_is_one_diagnostic_at_its_place() -> None:
    text = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: 1.7.4}
manager: {cluster: a}
defaults:
  tracing: {type: jaeger}
clusters:
- {name: a, context: k, namespace: a, nodeSelector: {c: a}}
- {name: b, context: k, namespace: b, nodeSelector: {c: b}, scopes: {idc: b}, values: {schedular: {}}}
"""
    with pytest.raises(TopologyError) as refused:
        load_from_text(text, "x.yaml")
    assert [(d.line, d.column, d.path, d.rule) for d in refused.value.diagnostics] == [
        (7, 13, "defaults.tracing.type", "DF103"),
        (10, 88, "clusters[1].values.schedular", "DF102"),
    ]


def test_a_loaded_file_is_held_against_a_charts_defaults_with_positions() -> None:
    text = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: 1.9.0}
manager: {cluster: a}
clusters:
- {name: a, context: k, namespace: a, values: {novel: {switch: true, swich: true}}}
"""
    loaded = load_from_text(text, "x.yaml")
    assert {(d.line, d.rule) for d in loaded.warnings} >= {(4, "DF106"), (7, "DF102")}
    with pytest.raises(TopologyError) as refused:
        check_defaults(loaded, {"novel": {"switch": False}})
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.line, diagnostic.column) == (7, 70)
    assert diagnostic.message == "chart 1.9.0 has no key novel.swich; did you mean novel.switch?"
    assert refused.value.exit_code == 3
    sentences = check_defaults(loaded, {"novel": {"switch": False, "swich": False}})
    assert any("no key redis" in sentence for sentence in sentences)


def test_who_may_do_without_redis() -> None:
    assert found(guide(CURRENT, b={"redis": "none"})) == []
    assert found(guide(CURRENT, a={"redis": "none"})) == [("clusters.0.redis", "DF103", "error")]
    assert found(guide("1.0.9", b={"redis": "none"})) == [("clusters.1.redis", "DF103", "error")]
