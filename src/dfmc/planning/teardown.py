"""make_teardown: from the file and what is there to the steps of ``down``. Pure.

Members first, all at once, then the central cluster: a member without its manager could not even be looked at. What
holds data stays unless told otherwise: volume claims, and with them the credentials that fit the data and the manager's
records, which are rows of the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.errors import DfmcError
from dfmc.planning.credentials import secret_name
from dfmc.planning.ownership import TOPOLOGY_LABEL, object_conflict, place_conflict, release_conflict, stored_conflict
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step, in_order
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.layouts import layout_of
from dfmc.values.names import fullname

_MANAGED_BY = "app.kubernetes.io/managed-by"
_DATABASES = ("mysql", "redis")


@dataclass(frozen=True)
class Remains:
    """What of a cluster outlives its release.

    Attributes:
        claims: Names of the release's PersistentVolumeClaims.
        bridges: Names of this topology's Services that lead to the central cluster.
        namespace: The Namespace as it is; None where there is none.
    """

    claims: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    namespace: Mapping[str, Any] | None = None


def is_claim_of(cluster: ClusterSpec, topology: Topology, labels: Mapping[str, str]) -> bool:
    """Tell whether a volume claim is the release's, by the labels that its StatefulSet has given it.

    A StatefulSet's controller adds the labels of its selector to every claim (Kubernetes:
    ``pkg/controller/statefulset/stateful_set_utils.go``); names would not tell ``x-dragonfly-mysql`` from
    ``dragonfly-mysql``.
    """
    if labels.get("app.kubernetes.io/instance") == cluster.release:
        return labels.get("app.kubernetes.io/name") in _DATABASES
    components = {component.label for component in layout_of(topology.chart.version).components.values()}
    return labels.get("app") == fullname(cluster.release, topology.chart.name) and labels.get("component") in components


def keeps_records(topology: Topology, *, delete_data: bool) -> bool:
    """Whether the manager's records outlive ``down``: nobody but its owner deletes rows of an external database."""
    return not delete_data or topology.manager.database is not None


def make_teardown(
    topology: Topology,
    observed: Observed,
    remains: Mapping[str, Remains],
    *,
    delete_data: bool,
    refused: Mapping[str, DfmcError] | None = None,
) -> Plan:
    """Return the steps that take the topology down.

    Args:
        topology: Loaded and checked.
        observed: Releases, own Services and credentials.
        remains: By cluster, where it could be looked at.
        delete_data: Also volume claims and, where the database goes with them, the credentials.
        refused: Members that preflight found a right missing in, and why; like one that is out of reach, such a
            member keeps the central cluster.

    Raises:
        DfmcError: The central cluster cannot be looked at or is not ours: then nobody knows what is.
    """
    central = topology.central
    stored = observed.credentials
    error = observed.clusters[central.name].error or (stored_conflict(topology, stored) if stored else None)
    error = error or _conflict(topology, central, observed)
    if error:
        raise error
    failures: dict[str, DfmcError] = {}
    steps: list[Step] = []
    for member in topology.members:
        trouble = observed.clusters[member.name].error or _conflict(topology, member, observed)
        trouble = trouble or (refused or {}).get(member.name)
        if trouble:
            failures[member.name] = trouble
            continue
        steps += cluster_steps(topology, member, observed, remains, (), delete_data=delete_data)
    if failures:
        failures[central.name] = _kept(central, tuple(failures))
    else:
        members = tuple(step.id for step in steps if step.kind is Kind.UNINSTALL)
        steps += cluster_steps(topology, central, observed, remains, members, delete_data=delete_data)
    present = {step.id for step in steps}
    steps = [
        Step(one.kind, one.cluster, one.action, tuple(need for need in one.needs if need in present), one.changes)
        for one in steps
    ]
    return Plan(topology.metadata.name, topology.chart.version, in_order(steps), failures)


def _conflict(topology: Topology, cluster: ClusterSpec, observed: Observed) -> DfmcError | None:
    if taken := place_conflict(topology, cluster, observed):
        return taken
    release = observed.clusters[cluster.name].release
    uid = observed.credentials.uid if observed.credentials else None
    return release_conflict(cluster, release, topology.metadata.name, uid) if release else None


def _kept(central: ClusterSpec, members: tuple[str, ...]) -> DfmcError:
    return DfmcError(
        "is kept",
        where=central.name,
        why=f"{', '.join(members)} could not be taken down and would be left without a manager",
        left="the manager, its records and its data are as they were",
        next_step="put the cause right, then run dfmc down again",
    )


def cluster_steps(
    topology: Topology,
    cluster: ClusterSpec,
    observed: Observed,
    remains: Mapping[str, Remains],
    needs: tuple[str, ...],
    *,
    delete_data: bool,
) -> list[Step]:
    """Return the steps that take one cluster down, after the steps in ``needs``; what is not there needs none."""
    name, seen, left = cluster.name, observed.clusters[cluster.name], remains[cluster.name]
    is_central = name == topology.manager.cluster
    steps: list[Step] = []

    def delete(kind: Kind, *deleted: str, after: tuple[str, ...]) -> None:
        changes = tuple(FieldChange(one, "(there)", None) for one in deleted)
        steps.append(Step(kind, name, Action.DELETE, after, changes))

    uninstall = f"{Kind.UNINSTALL}:{name}"
    if seen.release:
        chart = f"{seen.release.chart_name}-{seen.release.chart_version}"
        what = f"release {cluster.release} ({chart}, revision {seen.release.revision})"
        delete(Kind.UNINSTALL, what, after=needs)
    if is_central and (services := _own_services(topology, observed)):
        delete(Kind.UNEXPOSE, *(f"Service {one}" for one in services), after=(*needs, uninstall))
    if left.bridges:
        delete(Kind.UNBRIDGE, *(f"Service {one}" for one in left.bridges), after=(*needs, uninstall))
    if delete_data and left.claims:
        delete(Kind.VOLUMES, *(f"PersistentVolumeClaim {one}" for one in left.claims), after=(*needs, uninstall))
    forgets = is_central and delete_data and observed.credentials and not keeps_records(topology, delete_data=True)
    if forgets:
        secret = f"Secret {secret_name(topology)}"
        delete(Kind.FORGET, secret, after=(*needs, uninstall, f"{Kind.VOLUMES}:{name}"))
    keeps_secret = is_central and observed.credentials and not forgets
    keeps_claims = left.claims and not delete_data
    if is_own_namespace(topology, left.namespace) and not keeps_secret and not keeps_claims:
        kinds = (Kind.UNINSTALL, Kind.UNEXPOSE, Kind.UNBRIDGE, Kind.VOLUMES, Kind.FORGET)
        after = (*needs, *(f"{kind}:{name}" for kind in kinds))
        if is_central:  # the Lease goes with it, so that nothing may be left to do
            after += tuple(f"{kind}:{member.name}" for member in topology.members for kind in (*kinds, Kind.DISCARD))
        delete(Kind.DISCARD, f"Namespace {cluster.namespace}, if nothing else is in it", after=after)
    return steps


def _own_services(topology: Topology, observed: Observed) -> list[str]:
    uid = observed.credentials.uid if observed.credentials else None
    name = topology.metadata.name
    central = topology.manager.cluster
    return [key for key, live in observed.services.items() if object_conflict(central, live, name, uid) is None]


def is_own_namespace(topology: Topology, namespace: Mapping[str, Any] | None) -> bool:
    """Whether dfmc made the namespace for this topology (or, before it noted for whom, at all)."""
    metadata = (namespace or {}).get("metadata") or {}
    owner = (metadata.get("annotations") or {}).get(TOPOLOGY_LABEL, topology.metadata.name)
    return (metadata.get("labels") or {}).get(_MANAGED_BY) == "dfmc" and owner == topology.metadata.name
