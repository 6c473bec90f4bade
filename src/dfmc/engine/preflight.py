"""What must hold before the first write: a helm that works, and the rights that the plan's steps need.

A user who may install but not update Secrets gets exit 0 from helm and a release that blocks every later run
(observed on helm 3.21 and 4.2), so a missing right is found by asking, not by trying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from dfmc.clients.protocols import AccessNeed
from dfmc.engine.manager_access import PORT_FORWARD
from dfmc.engine.session import Session
from dfmc.errors import AuthError, DfmcError
from dfmc.planning.steps import Kind, Plan
from dfmc.topology.model import ClusterSpec, Topology

# What helm does to the chart's objects, and what dfmc reads of them afterwards; (group, resources).
_CHART_OBJECTS = (
    ("", ("configmaps", "secrets", "services", "serviceaccounts")),
    ("apps", ("deployments", "statefulsets", "daemonsets")),
)
_CHART_VERBS = ("get", "create", "update", "patch")


def needs_of(topology: Topology, cluster: ClusterSpec, plan: Plan) -> tuple[AccessNeed, ...]:
    """Return the rights that the plan's writing steps for one cluster need in its Kubernetes cluster."""
    kinds = {step.kind for step in plan.of(cluster.name) if step.mutates}
    return needs_of_kinds(topology, cluster, kinds, locks=plan.has_changes)


def needs_of_kinds(
    topology: Topology, cluster: ClusterSpec, kinds: Collection[Kind], *, locks: bool
) -> tuple[AccessNeed, ...]:
    """Return the rights that writing steps of these kinds need in the cluster's Kubernetes cluster.

    Args:
        topology: The file.
        cluster: An entry.
        kinds: Of the steps.
        locks: Whether any step of the run writes, and so needs the lock and the manager.
    """
    kinds, namespace = set(kinds), cluster.namespace
    found: list[AccessNeed] = []
    if Kind.NAMESPACE in kinds:
        found.append(AccessNeed("create", "", "namespaces"))
    if kinds & {Kind.RELEASE, Kind.SCALE}:
        for group, resources in _CHART_OBJECTS:
            found += [AccessNeed(verb, group, name, namespace) for name in resources for verb in _CHART_VERBS]
        # delete: a pod that cannot start with old settings makes room for the new ones (engine/wait.py).
        found += [AccessNeed(verb, "", "pods", namespace) for verb in ("list", "delete")]
    if Kind.EXPOSE in kinds:
        found += [AccessNeed(verb, "", "services", namespace) for verb in ("create", "patch")]
    if Kind.CREDENTIALS in kinds:
        found += [AccessNeed(verb, "", "secrets", namespace) for verb in ("create", "update")]
    if cluster.name == topology.manager.cluster and locks:
        found += [AccessNeed(verb, "coordination.k8s.io", "leases", namespace) for verb in ("get", "create", "update")]
        if topology.manager.access == PORT_FORWARD:
            found.append(AccessNeed("get", "", "pods/portforward", namespace))
    return tuple(dict.fromkeys(found))


async def preflight(session: Session, plan: Plan) -> dict[str, DfmcError]:
    """Return, by cluster, why its part of the plan cannot be carried out.

    Raises:
        PreflightError: helm is missing, too old or does not work; nothing can be done then.
        AuthError: A right is missing in the central cluster.
    """
    topology = session.topology
    writing = [cluster for cluster in topology.clusters if any(step.mutates for step in plan.of(cluster.name))]
    if any(step.kind in (Kind.RELEASE, Kind.SCALE) for step in plan.mutations):
        await session.helm_of(topology.central).version()
    central = topology.manager.cluster
    asked = [cluster for cluster in topology.clusters if cluster in writing or (cluster.name == central and writing)]
    results = await asyncio.gather(*(_missing(session, cluster, plan) for cluster in asked))
    failures = {cluster.name: error for cluster, error in zip(asked, results, strict=True) if error}
    if central in failures:
        raise failures[central]
    return failures


async def _missing(session: Session, cluster: ClusterSpec, plan: Plan) -> DfmcError | None:
    try:
        async with session.slots:
            denied = await session.kube_of(cluster).denied(needs_of(session.topology, cluster, plan))
    except DfmcError as error:
        error.where = error.where or cluster.name
        return error
    if not denied:
        return None
    first = denied[0]
    in_namespace = f" -n {first.namespace}" if first.namespace else ""
    resource = f"{first.resource}.{first.group}" if first.group else first.resource
    return AuthError(
        f"{len(denied)} right{'s are' if len(denied) > 1 else ' is'} missing",
        where=cluster.name,
        why="; ".join(str(need) for need in denied),
        next_step=f"kubectl --context {cluster.context} auth can-i {first.verb} {resource}{in_namespace}",
    )
