"""The proof from the inside: what the live ConfigMaps of a release must say, and what they say.

A wrong id makes no pod unhealthy, so the configuration files that the processes read are compared with what the
manager registered. The same table (data/layouts.yaml) that says what must be where is used for every layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from dfmc.symbols import Pending, SecretRef, Symbol, resolve
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.addressing import wired_values
from dfmc.values.context import RenderContext, context_of
from dfmc.values.inputs import ValuesInputs
from dfmc.values.layouts import Component, ComponentName, Layout, Role
from dfmc.values.merge import get_path
from dfmc.values.names import component_name, database_service, fullname

MASK = "(secret)"
_ABSENT = "nothing"
# The managerless mode of charts from 1.7.5 on leaves this key in the components' ConfigMaps.
_MANAGERLESS_KEY = "dynconfig.yaml"


@dataclass(frozen=True)
class Fact:
    """One thing that a component's configuration file must say.

    Attributes:
        path: In the file, dotted; ``a[].b`` is b of every element of the list a.
        expected: A scalar, a list of scalars, True, or None for "must be absent (or zero)".
        is_secret: Its value is never shown.
    """

    component: Component
    path: str
    expected: Any
    is_secret: bool = False


@dataclass(frozen=True)
class Wiring:
    """What one cluster's live configuration must say.

    Attributes:
        app: Value of the label ``app`` of the release's ConfigMaps.
        release: helm's release.
        components: That must have a ConfigMap with their file.
        facts: In the order of the table.
    """

    app: str
    release: str
    components: tuple[Component, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Finding:
    """One difference between what must be and what is.

    Attributes:
        component: Label of the component, e.g. ``seed-client``.
        config_map: Name of its ConfigMap, or the name it should have.
        key: File and path, e.g. ``scheduler.yaml: manager.schedulerClusterID``.
        expected: Readable; masked when secret.
        seen: Likewise.
    """

    component: str
    config_map: str
    key: str
    expected: str
    seen: str
    is_secret: bool = False

    def __str__(self) -> str:
        return f"{self.config_map}/{self.key}: expected {self.expected}, seen {self.seen}"


@dataclass(frozen=True)
class Workload:
    """One workload that a release must have: its Kubernetes kind, its name and the component it runs."""

    kind: str
    name: str
    component: str


def expected_components(layout: Layout, role: Role, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels of the components that a release must run, given the values it was rendered with.

    A user's values may switch the clients or the seed peers off; what the values do not say is on.
    """
    return tuple(component.label for component in _running(layout, role, values))


def expected_workloads(
    release: str, layout: Layout, role: Role, values: Mapping[str, Any], chart: str = "dragonfly"
) -> tuple[Workload, ...]:
    """Return the workloads that a release must have, the bundled databases' among them."""
    found = [
        Workload(component.kind, component_name(release, component.label, chart), component.label)
        for component in _running(layout, role, values)
    ]
    if get_path(values, "mysql.enable") is True:
        found.append(Workload("StatefulSet", database_service(release), "primary"))
    if get_path(values, "redis.enable") is True:
        found.append(Workload("StatefulSet", f"{release}-redis-master", "master"))
        if get_path(values, "redis.architecture", "replication") == "replication":
            found.append(Workload("StatefulSet", f"{release}-redis-replicas", "replica"))
    return tuple(found)


def _running(layout: Layout, role: Role, values: Mapping[str, Any]) -> Iterator[Component]:
    for component in layout.components.values():
        switch = get_path(values, f"{component.key}.enable", True)
        if switch is not False and (role == "central" or component.name != "manager"):
            yield component


def expected_wiring(
    topology: Topology,
    cluster: ClusterSpec,
    inputs: ValuesInputs,
    known: Callable[[Symbol], object] = lambda symbol: symbol,
) -> Wiring:
    """Return what the live ConfigMaps of one cluster must say.

    Args:
        topology: The file.
        cluster: One of its entries.
        inputs: With the ids that the manager registered and the addresses that the cluster's pods use.
        known: Looks up symbols. One it returns as it is cannot be compared: such a fact is left out.

    Raises:
        TopologyError: dfmc writes no values for the chart's version.
    """
    ctx = context_of(topology, cluster, inputs)
    components = tuple(_running(ctx.layout, ctx.role, cluster.values))
    facts = tuple(fact for component in components for fact in _facts(ctx, component, known))
    app = fullname(cluster.release, topology.chart.name)
    return Wiring(app, cluster.release, components, facts)


def seen_wiring(
    config_maps: Sequence[Mapping[str, Any]], release: str, layout: Layout
) -> Mapping[ComponentName, Mapping[str, Any]]:
    """Return what the live ConfigMaps of a release say about its wiring: component, name of the value, value.

    The names are those of ``data/layouts.yaml``. What a component's file does not say is left out, and so is a file
    that is no YAML: check_wiring tells about it.

    Args:
        config_maps: Kubernetes objects; those of other releases are passed over.
        release: helm's release.
        layout: Of its chart.
    """
    seen: dict[ComponentName, dict[str, Any]] = {}
    for config_map in config_maps:
        if _labels(config_map).get("release") != release:
            continue
        for component in layout.components.values():
            text = (config_map.get("data") or {}).get(component.file)
            if component.label != _label(config_map) or not isinstance(text, str):
                continue
            try:
                content = yaml.load(text, Loader=yaml.CSafeLoader)
            except yaml.YAMLError:
                continue
            found = seen.setdefault(component.name, {})
            for path, name in layout.wiring_of(component.name, external_redis=True).items():
                value = _at(content, path)
                if value not in (None, "", []):
                    found.setdefault(name, value)
    return seen


def _facts(ctx: RenderContext, component: Component, known: Callable[[Symbol], object]) -> Iterator[Fact]:
    table = ctx.layout.wiring_of(component.name, external_redis="redis" not in ctx.bundled)
    wired = wired_values(ctx)
    for path, name in table.items():
        raw = wired[name]
        if raw is None and name in ("idc", "location"):
            continue  # the file does not say; the chart's empty string stays
        expected = resolve(raw, known)
        if not _has_symbol(expected):
            yield Fact(component, path, expected, is_secret=isinstance(raw, SecretRef))


def _has_symbol(value: Any) -> bool:  # noqa: ANN401
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, Pending | SecretRef) for item in items)


def check_wiring(config_maps: Sequence[Mapping[str, Any]], expected: Wiring) -> tuple[Finding, ...]:
    """Return every difference between the live ConfigMaps and what they must say; empty means wired right.

    Args:
        config_maps: Kubernetes objects of the namespace; those of other releases are passed over.
        expected: From expected_wiring.
    """
    own = [config_map for config_map in config_maps if _belongs(config_map, expected)]
    findings = [
        Finding(
            _label(config_map), _name(config_map), _MANAGERLESS_KEY, "no such key", "a configuration without manager"
        )
        for config_map in own
        if _MANAGERLESS_KEY in (config_map.get("data") or {})
    ]
    for component in expected.components:
        facts = [fact for fact in expected.facts if fact.component == component]
        files = [m for m in own if _label(m) == component.label and component.file in (m.get("data") or {})]
        if not files:
            name = f"{expected.app}-{component.label}"
            findings.append(Finding(component.label, name, component.file, "the component's configuration", "none"))
        for config_map in files:
            findings += _check_file(config_map, component, facts)
    return tuple(findings)


def _check_file(config_map: Mapping[str, Any], component: Component, facts: Sequence[Fact]) -> Iterator[Finding]:
    def finding(key: str, expected: str, seen: str, is_secret: bool = False) -> Finding:
        return Finding(component.label, _name(config_map), key, expected, seen, is_secret)

    try:
        content = yaml.load(config_map["data"][component.file], Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        # The parser's own message quotes the text around the error, which may be a password: only the place is told.
        mark = getattr(error, "problem_mark", None)
        place = f"a syntax error in line {mark.line + 1}" if mark else "a syntax error"
        yield finding(component.file, "YAML that can be read", place)
        return
    for fact in facts:
        seen = _at(content, fact.path)
        if _agrees(fact.expected, seen):
            continue
        key = f"{component.file}: {fact.path}"
        if fact.is_secret:
            yield finding(key, MASK, _ABSENT if seen in (None, "") else "another value", is_secret=True)
        else:
            yield finding(key, _words(fact.expected), _words(seen))


def _at(content: Any, path: str) -> Any:  # noqa: ANN401 - parsed YAML
    outer, of_every, inner = path.partition("[].")
    found = get_path(content, outer)
    if not of_every:
        return found
    return [get_path(item, inner) for item in found] if isinstance(found, list) else found


def _agrees(expected: Any, seen: Any) -> bool:  # noqa: ANN401
    """Whether two values mean the same: YAML may give a number or its text, and null, '' and 0 all mean none."""
    if expected is None or expected == "":
        return seen in (None, "", 0) and not isinstance(seen, bool)
    if isinstance(expected, list):
        if not expected:
            return seen in (None, [])
        return (
            isinstance(seen, list)
            and len(seen) == len(expected)
            and all(_agrees(one, other) for one, other in zip(expected, seen, strict=True))
        )
    if isinstance(expected, bool) or isinstance(seen, bool):
        return expected is seen
    return seen is not None and not isinstance(seen, list | dict) and str(expected) == str(seen)


def _words(value: Any) -> str:  # noqa: ANN401
    if value is None or value == "":
        return _ABSENT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value) or "an empty list"
    return "a map" if isinstance(value, Mapping) else str(value)


def _labels(config_map: Mapping[str, Any]) -> Mapping[str, Any]:
    labels: Mapping[str, Any] = config_map.get("metadata", {}).get("labels") or {}
    return labels


def _belongs(config_map: Mapping[str, Any], expected: Wiring) -> bool:
    labels = _labels(config_map)
    return labels.get("release") == expected.release and labels.get("app") == expected.app


def _label(config_map: Mapping[str, Any]) -> str:
    return str(_labels(config_map).get("component", ""))


def _name(config_map: Mapping[str, Any]) -> str:
    return str(config_map.get("metadata", {}).get("name", ""))
