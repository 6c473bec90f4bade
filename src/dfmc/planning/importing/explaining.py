"""What ``up --adopt`` changes once the file is there, and why: the planner is asked, each of its fields explained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dfmc.planning.consent import Consent
from dfmc.planning.exposure import service_names
from dfmc.planning.importing.found import Found
from dfmc.planning.importing.leftovers import LeftOut
from dfmc.planning.importing.world import World
from dfmc.planning.ownership import CHART_LABEL
from dfmc.planning.plan import ChartIdentity, make_plan
from dfmc.planning.steps import FieldChange, Kind, Plan, Step
from dfmc.state import Observed, ObservedCluster
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import role_of
from dfmc.values.layouts import data, layout_of
from dfmc.values.merge import get_path
from dfmc.values.render import preset

Reasons = dict[str, list[str]]

_OWNED = {
    "switch": "every switch is written out, because charts change their defaults",
    "id": "the ids are written out, as the manager's record has them",
    "address": "addresses are written out, as dfmc makes them for members",
    "credential": "credentials come from dfmc's Secret: those of the database stay, public ones are replaced",
    "name": "other clusters find objects by the chart's own names",
    "setting": "the file's own fields decide this",
}
_STEPS = {
    Kind.CREDENTIALS: "dfmc keeps the credentials in a Secret of its own; what is public, or not there, is made anew",
    Kind.EXPOSE: "dfmc's own Services in front of the manager and Redis",
    Kind.BRIDGE: "Services of dfmc's own in this namespace lead to the manager's address, which is no name",
    Kind.MANAGER: "root gets a password that is not in the chart for all to read",
    Kind.RECORD: "the manager's record gets this topology's mark, and its entry's name and scopes",
    Kind.NAMESPACE: "it is not there any more",
    Kind.SCALE: "after its first start",
}
_OWNERSHIP = "helm's record of the release gets this topology's mark, and the digest of its chart"
_PRESET = "dfmc's presets for every cluster: databases' images that still exist, one client restarted at a time"
_NO_EFFECT = "no effect: null keeps the entry's nodeSelector and tolerations away from what never had them"
_WRITTEN_OUT = "written out, so that the file alone decides"
_TAKEN_AWAY = "not in this file, so up takes it away"
_SPREAD = re.compile(r"(mysql|redis|jaeger)\..*\.(nodeSelector|tolerations)$")


def adoption_plan(topology: Topology, found: Found, world: World) -> Plan:
    """Return what ``up --adopt`` would do with the world as it was found.

    Raises:
        DfmcError: The central cluster cannot be planned for.
    """
    services = {str(get_path(one, "metadata.name")): one for one in found.services}
    clusters = {
        member.name: ObservedCluster(
            member.name,
            facts=member.found.kubernetes,
            namespace_exists=True,
            release=member.found.release,
            missing=member.found.missing,
            edited=member.found.edited,
            bridges=member.found.bridges,
        )
        for member in world.members
    }
    observed = Observed(
        clusters=clusters,
        credentials=found.stored,
        services={name: services[name] for name in service_names(topology) if name in services},
        manager=found.manager,
    )
    # Of which archive a release was made only dfmc's own label says; without one the plan has it as a change anyway.
    digest = found.central.release.labels.get(CHART_LABEL, "unknown")
    chart = ChartIdentity(topology.chart.version, digest)
    return make_plan(topology, observed, chart=chart, given={}, consent=Consent(adopt=True))


def explained(topology: Topology, made: Plan, left_out: Mapping[str, tuple[LeftOut, ...]]) -> dict[str, Reasons]:
    """Return the fields that a plan changes, by entry and reason."""
    found: dict[str, Reasons] = {}
    for step in made.mutations:
        reasons = found.setdefault(step.cluster, {})
        for change in step.changes:
            reason = _reason(topology, step, change, left_out.get(step.cluster, ()))
            fields = reasons.setdefault(reason, [])
            if (field := _field(step, change)) not in fields:
                fields.append(field)
    return {name: reasons for name, reasons in found.items() if reasons}


def _field(step: Step, change: FieldChange) -> str:
    if step.kind in (Kind.EXPOSE, Kind.BRIDGE):
        return change.path.partition(".")[0]  # the Service's name
    if step.kind is not Kind.RELEASE:
        return change.path
    if change.path.endswith("schedulerClusterID") or change.path.endswith("clusterID"):
        return f"{change.path} ({_shown(change.old)} → {_shown(change.new)})"
    return change.path


def _shown(value: Any) -> str:  # noqa: ANN401 - a leaf of values
    return "unset" if value is None else str(value)


def _reason(topology: Topology, step: Step, change: FieldChange, left_out: tuple[LeftOut, ...]) -> str:
    if step.kind is not Kind.RELEASE:
        return _STEPS.get(step.kind, f"{step.kind}")
    if change.path in ("owner", "chart archive (sha256)"):
        return _OWNERSHIP
    if change.path == "chart":
        return f"one chart for all: {change.old} becomes {change.new}"
    if change.new == "(as the chart has it)" or change.path.startswith("ConfigMap "):
        return "it was edited or deleted by hand"
    if change.new == "(deleted and made anew)":
        return "Kubernetes never changes them in place"
    path = re.sub(r"\[\d+\]", "", change.path)
    for one in left_out:
        if one.why and (path == one.path or path.startswith(f"{one.path}.")):
            return f"{_TAKEN_AWAY}: {one.why}"
    if group := _owner(topology, path):
        return _OWNED[group]
    return _own_reason(topology, topology.cluster(step.cluster), path, change)


def _owner(topology: Topology, path: str) -> str:
    """Return the group of keys that dfmc alone writes to which a path belongs; empty for none."""
    layout = layout_of(topology.chart.version)
    keys = {"seed_peer": layout.components["seed_peer"].key, "client": layout.components["client"].key}
    for group, paths in data()["owned"].items():
        for pattern in paths:
            owned = pattern.format(**keys)
            if path == owned or path.startswith(f"{owned}.") or owned.startswith(f"{path}."):
                return str(group)
    return ""


def _own_reason(topology: Topology, cluster: ClusterSpec, path: str, change: FieldChange) -> str:
    if change.new is None and _SPREAD.search(path):
        return _NO_EFFECT
    tree = preset(layout_of(topology.chart.version).presets, role_of(topology, cluster))
    if get_path(tree, path) is not None:
        return _OWNED["switch"] if path.endswith(".enable") else _PRESET
    return _WRITTEN_OUT if change.new is not None else _TAKEN_AWAY
