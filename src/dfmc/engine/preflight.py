"""What must hold before the first write: a helm that works, and the rights that the plan's steps need.

Which rights those are is planning/rights.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from dfmc.engine.session import Session
from dfmc.errors import AuthError, DfmcError
from dfmc.planning.removal import ELSEWHERE
from dfmc.planning.rights import ObjectKind, lock_rights, manager_rights, rights
from dfmc.planning.steps import Kind, Plan
from dfmc.state import AccessNeed
from dfmc.topology.model import ClusterSpec, Topology

Objects = Mapping[str, Sequence[ObjectKind]]


def needs_of(
    topology: Topology, cluster: ClusterSpec, plan: Plan, objects: Sequence[ObjectKind] = ()
) -> tuple[AccessNeed, ...]:
    """Return the rights that the plan's writing steps for one cluster need in its Kubernetes cluster."""
    kinds = {step.kind for step in plan.of(cluster.name) if step.mutates} - ELSEWHERE
    found = [*rights(topology, cluster, kinds, objects)] if kinds else []
    if cluster.name == topology.manager.cluster and plan.has_changes:
        found += lock_rights(topology)
        if any(step.kind in (Kind.MANAGER, Kind.DEREGISTER) for step in plan.steps):
            found += manager_rights(topology)
    return tuple(dict.fromkeys(found))


async def preflight(session: Session, plan: Plan, objects: Objects | None = None) -> dict[str, DfmcError]:
    """Return, by cluster, why its part of the plan cannot be carried out.

    Args:
        session: The run.
        plan: What is to be done.
        objects: Kinds of the releases' objects by cluster, where they are known.

    Raises:
        PreflightError: helm is missing, too old or does not work; nothing can be done then.
        AuthError: A right is missing in the central cluster.
    """
    topology = session.topology
    there = {step.cluster for step in plan.mutations if step.kind not in ELSEWHERE}
    writing = [cluster for cluster in topology.clusters if cluster.name in there]
    if any(step.kind in (Kind.RELEASE, Kind.SCALE, Kind.UNINSTALL) for step in plan.mutations):
        await session.helm_of(topology.central).version()
    central = topology.manager.cluster
    asked = [
        cluster for cluster in topology.clusters if cluster in writing or (cluster.name == central and plan.has_changes)
    ]
    results = await asyncio.gather(
        *(_missing(session, cluster, plan, (objects or {}).get(cluster.name, ())) for cluster in asked)
    )
    failures = {cluster.name: error for cluster, error in zip(asked, results, strict=True) if error}
    if central in failures:
        raise failures[central]
    return failures


async def _missing(
    session: Session, cluster: ClusterSpec, plan: Plan, objects: Sequence[ObjectKind]
) -> DfmcError | None:
    try:
        async with session.slots:
            denied = await session.kube_of(cluster).denied(needs_of(session.topology, cluster, plan, objects))
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
        next_step=f"kubectl --context {cluster.context} auth can-i {first.verb} {resource}{in_namespace}; "
        f"dfmc rbac -c {cluster.name} prints every right it takes",
    )
