from typing import Any

import pytest

from dfmc.errors import TopologyError
from dfmc.topology.model import Topology
from dfmc.values.check import RULES, ValuesProblem, check_user_values, check_values
from dfmc.values.loading import load_from_text
from topologies import entry, topology
from values_cases import CURRENT, LEGACY, guide, many_topologies


def found(wanted: Topology) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, p.path)), p.rule, p.severity) for p in check_values(wanted)]


@pytest.mark.parametrize("name", [name for name in many_topologies() if "-full" in name or "-plain" in name])
def test_a_good_topology_has_no_problem(name: str) -> None:
    assert check_values(many_topologies()[name]) == ()


def test_an_unsupported_version_is_reported_alone() -> None:
    wanted = guide("1.2.0", b={"values": {"bogus": 1}})
    assert found(wanted) == [("chart.version", "DF101", "error")]


def test_owned_and_unknown_keys_are_reported_where_they_stand() -> None:
    values = {"manager": {"enable": True}, "schedular": {"replicas": 1}, "scheduler": {"config": {"manager": None}}}
    assert found(guide(CURRENT, b={"values": values})) == [
        ("clusters.1.values.manager.enable", "DF014", "error"),
        ("clusters.1.values.scheduler.config.manager", "DF014", "error"),
        ("clusters.1.values.schedular", "DF102", "error"),
    ]


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
    ],
)
def test_what_it_can_do_is_not(version: str, more: dict[str, Any]) -> None:
    assert found(guide(version, b=more)) == []


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


def test_who_may_do_without_redis() -> None:
    assert found(guide(CURRENT, b={"redis": "none"})) == []
    assert found(guide(CURRENT, a={"redis": "none"})) == [("clusters.0.redis", "DF103", "error")]
    assert found(guide("1.0.9", b={"redis": "none"})) == [("clusters.1.redis", "DF103", "error")]
