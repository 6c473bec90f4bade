"""What a topology asks of the chart that this chart version cannot do, found before anything is contacted.

These rules need the chart's layout, so they are here and not with topology/check.py, which knows the file alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import host_of
from dfmc.values.keys import KeyProblem, unknown_keys
from dfmc.values.layouts import Layout, layout_of, parse_version, unsupported
from dfmc.values.owned import owned_problems

# Dragonfly 2.1.0, whose scheduler is the first that starts without Redis, came with this chart.
_WITHOUT_REDIS_SINCE = (1, 1, 0)

FilePath = tuple[str | int, ...]
Severity = Literal["error", "warning"]

# Ids as in topology/check.py, which has those below 100; DF014 is one rule with two finders.
RULES: Mapping[str, str] = {
    "DF014": "values do not set what dfmc sets",
    "DF101": "the chart's version is one that dfmc writes values for",
    "DF102": "values are keys that the chart has",
    "DF103": "the chart can do what is asked of it",
    "DF104": "peers that join by scopes say which idc they are in",
    "DF105": "settings have an effect on this chart",
}


@dataclass(frozen=True)
class ValuesProblem:
    """One thing in the file that the chart cannot do.

    Attributes:
        path: In the file, e.g. ``("clusters", 1, "values", "scheduler", "replcas")``.
        message: What is wrong and what was probably meant.
        severity: A warning says that something has no effect.
        rule: Id in RULES.
    """

    path: FilePath
    message: str
    severity: Severity = "error"
    rule: str = ""


def check_values(topology: Topology) -> tuple[ValuesProblem, ...]:
    """Return every problem of a loaded topology with its chart; an unsupported version is reported alone."""
    refusal = unsupported(topology.chart.version)
    if refusal is not None:
        return (ValuesProblem(("chart", "version"), refusal, rule="DF101"),)
    layout = layout_of(topology.chart.version)
    found = list(check_user_values(topology))
    for index, cluster in enumerate(topology.clusters):
        if cluster.redis == "none" and cluster.name == topology.manager.cluster:
            message = "the manager needs its Redis: write redis: shared in this entry"
            found.append(ValuesProblem(("clusters", index, "redis"), message, rule="DF103"))
        found += _cluster_problems(("clusters", index), cluster, layout, topology.chart.version)
    return tuple(found)


def check_user_values(topology: Topology) -> tuple[ValuesProblem, ...]:
    """Return every key in the file's raw ``values`` that dfmc owns or that the chart does not have.

    ``defaults.values`` have been merged into every entry, so what stands there is reported there, once.
    """
    layout, version = layout_of(topology.chart.version), topology.chart.version
    defaults = topology.defaults.values
    found = list(_values_problems(("defaults", "values"), defaults, layout, version))
    for index, cluster in enumerate(topology.clusters):
        own = _beyond(cluster.values, defaults)
        found += _values_problems(("clusters", index, "values"), own, layout, version)
    return tuple(found)


def _values_problems(
    place: FilePath, values: Mapping[str, Any], layout: Layout, version: str
) -> Iterator[ValuesProblem]:
    owned = owned_problems(values, layout)
    yield from (ValuesProblem((*place, *problem.path), problem.message, rule="DF014") for problem in owned)
    for problem in unknown_keys(values, version):
        if not any(_is_within(problem, other) or _is_within(other, problem) for other in owned):
            yield ValuesProblem((*place, *problem.path), problem.message, rule="DF102")


def _is_within(inner: KeyProblem, outer: KeyProblem) -> bool:
    return inner.path[: len(outer.path)] == outer.path


def _beyond(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an entry's merged values that ``defaults`` did not bring."""
    own: dict[str, Any] = {}
    for key, value in values.items():
        if key in defaults and defaults[key] == value:
            continue
        below = defaults.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        own[key] = _beyond(value, below) if both else value  # type: ignore[arg-type] # both are maps here
    return own


def _cluster_problems(place: FilePath, cluster: ClusterSpec, layout: Layout, version: str) -> Iterator[ValuesProblem]:
    membership = cluster.membership or layout.membership[0]
    if membership not in layout.membership:
        yield ValuesProblem(
            (*place, "membership"),
            f"chart {version} has no cluster id for peers; they find their cluster by its scopes",
            rule="DF103",
        )
    host, scope = host_of(cluster), cluster.scopes
    if membership == "scopes" and scope.idc and host.idc is None:
        yield ValuesProblem(
            (*place, "scopes", "idc"),
            f"the scope serves several idcs ({scope.idc}), and peers join by scopes: say which one they are in, "
            "as host.idc",
            rule="DF104",
        )
    yield from _runtime_problems((*place, "runtime"), cluster, layout, version)
    if cluster.redis == "none" and parse_version(version) < _WITHOUT_REDIS_SINCE:
        yield ValuesProblem((*place, "redis"), f"schedulers of chart {version} need a Redis", rule="DF103")
    yield from _tracing_problems((*place, "tracing"), cluster, layout, version)
    if layout.logs == "verbose" and cluster.pprof_port is not None and cluster.log_level != "debug":
        yield ValuesProblem(
            (*place, "pprofPort"),
            f"chart {version} opens the profiler's port only with logLevel: debug",
            "warning",
            "DF105",
        )
    if layout.runtime != "dfinit" and cluster.images.dfinit.model_fields_set:
        yield ValuesProblem((*place, "images", "dfinit"), f"chart {version} has no dfinit", "warning", "DF105")


def _runtime_problems(place: FilePath, cluster: ClusterSpec, layout: Layout, version: str) -> Iterator[ValuesProblem]:
    spec = cluster.runtime
    if layout.runtime == "injection":
        if spec.type == "podman":
            message = f"chart {version} cannot configure podman; it can containerd, cri-o and docker"
            yield ValuesProblem((*place, "type"), message, rule="DF103")
        if spec.restart is not None and spec.type not in ("docker", "auto"):
            message = f"chart {version} decides itself when to restart {spec.type}"
            yield ValuesProblem((*place, "restart"), message, "warning", "DF105")
    elif spec.inject_config_path is not None:
        message = f"chart {version} always sets containerd's config_path"
        severity: Severity = "warning" if spec.inject_config_path else "error"
        rule = "DF105" if spec.inject_config_path else "DF103"
        yield ValuesProblem((*place, "injectConfigPath"), message, severity, rule)


def _tracing_problems(place: FilePath, cluster: ClusterSpec, layout: Layout, version: str) -> Iterator[ValuesProblem]:
    spec = cluster.tracing
    if spec is None or spec.type == layout.tracing:
        return
    if spec.type == "jaeger":
        message = f"chart {version} brings no Jaeger; give tracing: {{type: otlp, endpoint: HOST:4317}} of your own"
    else:
        message = f"chart {version} sends traces to Jaeger alone; use tracing: {{type: jaeger}}"
    yield ValuesProblem((*place, "type"), message, rule="DF103")
