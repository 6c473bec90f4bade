"""What a topology asks of the chart that this chart version cannot do, found before anything is contacted.

These rules need the chart's layout, so they are here and not with topology/check.py, which knows the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dfmc.state import Registration
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec, RuntimeSpec, Topology
from dfmc.values.context import host_of
from dfmc.values.inputs import ManagerEndpoint, ValuesInputs
from dfmc.values.key_facts import has_facts, newest_known
from dfmc.values.keys import KeyProblem, unknown_keys, unknown_keys_of
from dfmc.values.layouts import Layout, layout_of, parse_version, unsupported
from dfmc.values.owned import owned_problems
from dfmc.values.render import render_values

_HOSTNAMES_SINCE = (2, 1, 33)  # manager/searcher/searcher.go
_CHART_OF_HOSTNAMES = (1, 1, 38)  # its manager is v2.1.39
_RELEASE_TAG = re.compile(r"v?\d+\.\d+\.\d+")

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
    "DF106": "the chart's version is one that dfmc knows",
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
    found = [*_newer_version(topology.chart.version, layout), *check_user_values(topology)]
    for index, cluster in enumerate(topology.clusters):
        if cluster.redis == "none" and cluster.name == topology.manager.cluster:
            message = "the manager needs its Redis: write redis: shared in this entry"
            found.append(ValuesProblem(("clusters", index, "redis"), message, rule="DF103"))
        place: FilePath = ("clusters", index)
        found += _cluster_problems(place, cluster, layout, topology.chart.version)
        inherited = topology.defaults.runtime
        found += _runtime_problems((*place, "runtime"), cluster.runtime, inherited, layout, topology.chart.version)
        if cluster.scopes.hostnames and not _manager_may_know_hostnames(topology):
            message = (
                f"the manager of chart {topology.chart.version} ignores this scope: it came with Dragonfly 2.1.33; "
                "give images.manager.tag of a newer one, or leave it out"
            )
            found.append(ValuesProblem(("clusters", index, "scopes", "hostnames"), message, "warning", "DF105"))
    return tuple(found)


def _manager_may_know_hostnames(topology: Topology) -> bool:
    """Tell whether a manager that judges peers by their host names is used, as far as the file says it."""
    image = topology.central.images.manager
    if image.digest or (image.tag and not _RELEASE_TAG.fullmatch(image.tag)):
        return True
    if image.tag:
        return parse_version(image.tag.removeprefix("v")) >= _HOSTNAMES_SINCE
    return parse_version(topology.chart.version) >= _CHART_OF_HOSTNAMES


def _newer_version(version: str, layout: Layout) -> Iterator[ValuesProblem]:
    if parse_version(version) > parse_version(newest_known()):
        message = (
            f"chart {version} is newer than {newest_known()}, the newest that dfmc knows: it gets the values of layout "
            f"{layout.name}, checked against the chart's own defaults once it is at hand"
        )
        yield ValuesProblem(("chart", "version"), message, "warning", "DF106")


def check_user_values(topology: Topology, defaults: Mapping[str, Any] | None = None) -> tuple[ValuesProblem, ...]:
    """Return every key in the file's raw ``values`` that dfmc owns or that the chart does not have.

    ``defaults.values`` have been merged into every entry, so what stands there is reported there, once. Where dfmc has
    no facts of the chart's version, a missing key is an error only by the chart's own default values.

    Args:
        topology: Loaded.
        defaults: The chart's own default values where they are at hand.
    """
    found = list(_values_problems(("defaults", "values"), topology.defaults.values, topology.chart.version, defaults))
    for index, cluster in enumerate(topology.clusters):
        own = _beyond(cluster.values, topology.defaults.values)
        found += _values_problems(("clusters", index, "values"), own, topology.chart.version, defaults)
    return tuple(found)


def check_own_keys(topology: Topology, defaults: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence for each key that dfmc writes and a chart beyond its facts does not have.

    No reason to stop: what matters for the wiring is proven on what the chart makes of the values.

    Args:
        topology: Loaded.
        defaults: The chart's own default values.
    """
    version = topology.chart.version
    found: dict[str, None] = {}
    for cluster in topology.clusters:
        nobody = Pending(f"record:{cluster.name}")
        inputs = ValuesInputs(Registration(nobody, nobody), ManagerEndpoint(nobody), (nobody,), frozenset())
        values = render_values(topology, cluster.model_copy(update={"values": {}}), inputs)
        for problem in unknown_keys_of(values, defaults, version):
            found[f"dfmc writes {'.'.join(problem.path)} in vain: {problem.message}"] = None
    return tuple(found)


def _values_problems(
    place: FilePath, values: Mapping[str, Any], version: str, defaults: Mapping[str, Any] | None
) -> Iterator[ValuesProblem]:
    owned = owned_problems(values, layout_of(version))
    yield from (ValuesProblem((*place, *problem.path), problem.message, rule="DF014") for problem in owned)
    certain = defaults is not None or has_facts(version)
    severity: Severity = "error" if certain else "warning"
    doubt = "" if certain else ", as far as dfmc can tell without it"
    missing = unknown_keys(values, version) if defaults is None else unknown_keys_of(values, defaults, version)
    for problem in missing:
        if not any(_is_within(problem, other) or _is_within(other, problem) for other in owned):
            yield ValuesProblem((*place, *problem.path), f"{problem.message}{doubt}", severity, "DF102")


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
    if cluster.redis == "none" and parse_version(version) < _WITHOUT_REDIS_SINCE:
        yield ValuesProblem((*place, "redis"), f"schedulers of chart {version} need a Redis", rule="DF103")
    yield from _tracing_problems((*place, "tracing"), cluster, layout, version)
    yield from _log_problems(place, cluster, layout, version)
    if layout.runtime != "dfinit" and cluster.images.dfinit.model_fields_set:
        message = f"chart {version} runs no dfinit in the cluster"
        yield ValuesProblem((*place, "images", "dfinit"), message, "warning", "DF105")


def _log_problems(place: FilePath, cluster: ClusterSpec, layout: Layout, version: str) -> Iterator[ValuesProblem]:
    if layout.logs != "verbose":
        return
    if cluster.log_level in ("warn", "error"):
        coarse = [part.label for part in layout.components.values() if not part.is_rust]
        message = f"chart {version} knows debug and info alone; {cluster.log_level} is info in {', '.join(coarse)}"
        yield ValuesProblem((*place, "logLevel"), message, "warning", "DF105")
    if cluster.pprof_port is not None and cluster.log_level != "debug":
        message = f"chart {version} opens the profiler's port only with logLevel: debug"
        yield ValuesProblem((*place, "pprofPort"), message, "warning", "DF105")


def _runtime_problems(
    place: FilePath, spec: RuntimeSpec, inherited: RuntimeSpec, layout: Layout, version: str
) -> Iterator[ValuesProblem]:
    if spec.type in ("none", "containerd-no-cri"):
        # With containerd-no-cri the registries are in the lines to type on the nodes. What defaults say is for others.
        idle = {"restart": "restart", "inject_config_path": "injectConfigPath"}
        idle |= {"registries": "registries"} if spec.type == "none" else {}
        for field, word in idle.items():
            if field in spec.model_fields_set and getattr(spec, field) != getattr(inherited, field):
                message = f"no effect: with runtime {spec.type} the chart configures nothing on the nodes"
                yield ValuesProblem((*place, word), message, "warning", "DF105")
        return
    if spec.type not in ("auto", *layout.runtimes):
        able = " and ".join((", ".join(layout.runtimes[:-1]), layout.runtimes[-1]))
        message = f"chart {version} cannot configure {spec.type}; it can {able}"
        yield ValuesProblem((*place, "type"), message, rule="DF103")
        return
    is_choice = spec.type in layout.restart or (spec.type == "auto" and bool(layout.restart))
    if layout.runtime == "injection":
        yield from _injection_problems(place, spec, version, is_choice)
    else:
        yield from _dfinit_problems(place, spec, version, is_choice)


def _injection_problems(place: FilePath, spec: RuntimeSpec, version: str, is_choice: bool) -> Iterator[ValuesProblem]:
    if spec.restart is not None and not is_choice:
        message = f"chart {version} decides itself when to restart {spec.type}"
        yield ValuesProblem((*place, "restart"), message, "warning", "DF105")
    if spec.inject_config_path is not None and spec.type not in ("containerd", "auto"):
        message = f"no effect: {spec.type} has no config_path"
        yield ValuesProblem((*place, "injectConfigPath"), message, "warning", "DF105")


def _dfinit_problems(place: FilePath, spec: RuntimeSpec, version: str, is_choice: bool) -> Iterator[ValuesProblem]:
    if spec.restart is False and not is_choice:
        message = f"chart {version} restarts the runtime whenever a client starts, and cannot be told not to"
        yield ValuesProblem((*place, "restart"), message, rule="DF103")
    if spec.registries and spec.type == "docker":
        message = f"no effect: chart {version} makes the client docker's proxy for every registry"
        yield ValuesProblem((*place, "registries"), message, "warning", "DF105")
    if spec.inject_config_path is not None:
        message = f"chart {version} always sets containerd's config_path"
        severity: Severity = "warning" if spec.inject_config_path else "error"
        rule = "DF105" if spec.inject_config_path else "DF103"
        yield ValuesProblem((*place, "injectConfigPath"), message, severity, rule)


def _tracing_problems(place: FilePath, cluster: ClusterSpec, layout: Layout, version: str) -> Iterator[ValuesProblem]:
    spec = cluster.tracing
    if spec is None:
        return
    target = layout.tracing.get(spec.type)
    if target is None and spec.type == "jaeger":
        message = f"chart {version} brings no Jaeger; give tracing: {{type: otlp, endpoint: HOST:4317}} of your own"
        yield ValuesProblem((*place, "type"), message, rule="DF103")
    if target is None and spec.type == "otlp":
        message = f"chart {version} sends traces to Jaeger alone; use tracing: {{type: jaeger}}"
        yield ValuesProblem((*place, "type"), message, rule="DF103")
    if target is None:
        return
    if spec.type == "jaeger" and spec.endpoint is None and not target.bundled:
        message = f"chart {version} brings no Jaeger: give the URL of your own collector as endpoint"
        yield ValuesProblem((*place, "type"), message, rule="DF103")
    silent = [part.label for name, part in layout.components.items() if name not in target.reads]
    if silent:
        message = f"on chart {version} {' and '.join(silent)} send no traces to {spec.type}"
        yield ValuesProblem((*place, "type"), message, "warning", "DF105")
    if spec.type == "otlp" and "protocol" not in target.fields and spec.protocol != "grpc":
        yield ValuesProblem((*place, "protocol"), f"chart {version} sends traces over grpc alone", rule="DF103")
    for word in ("path", "headers", *(() if spec.type == "otlp" else ("protocol",))):
        if word in spec.model_fields_set and word not in target.fields:
            message = f"chart {version} takes no {word} for traces to {spec.type}"
            yield ValuesProblem((*place, word), message, "warning", "DF105")
