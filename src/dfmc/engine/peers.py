"""Reads the peers of clusters (their nodes, page by page, and their pods) for what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dfmc.engine.session import Session
from dfmc.errors import AuthError, DfmcError
from dfmc.planning.moving import SeenPeers, changed_by, moves_by
from dfmc.planning.peers import Object, Peer, peers_of
from dfmc.planning.steps import Kind, Plan
from dfmc.state import Observed, ObservedCluster, PodState
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import layout_of

# Nobody waits longer for a plan because of what it tells beside its steps.
_PATIENCE = 30.0
_BLIND = "its nodes may not be listed: only clients that run are known"


@dataclass(frozen=True)
class NodesSeen:
    """The nodes that an entry's nodeSelector chooses.

    Attributes:
        nodes: None where they may not be listed.
        error: Why they could not be read.
    """

    nodes: tuple[Object, ...] | None = None
    error: DfmcError | None = None


async def read_nodes(
    session: Session, clusters: Iterable[ClusterSpec], patience: float | None = None
) -> dict[str, NodesSeen]:
    """Return the nodes of clusters, all at once, by name."""
    chosen = list(clusters)
    found = await asyncio.gather(*(_nodes(session, cluster, patience) for cluster in chosen))
    return {cluster.name: seen for cluster, seen in zip(chosen, found, strict=True)}


async def _nodes(session: Session, cluster: ClusterSpec, patience: float | None) -> NodesSeen:
    kube = session.kube_of(cluster)
    try:
        async with session.slots, asyncio.timeout(patience):
            return NodesSeen(tuple(await kube.list("v1", "Node", labels=cluster.node_selector)))
    except AuthError:
        return NodesSeen()
    except TimeoutError:
        return NodesSeen(error=DfmcError("nodes were not listed in time", where=cluster.name))
    except DfmcError as error:
        return NodesSeen(error=error)


def peers_now(cluster: ClusterSpec, state: ObservedCluster, seen: NodesSeen) -> tuple[tuple[Peer, ...], str]:
    """Return a cluster's peers as they are now, and what is not known of them, in words."""
    if state.release is None:
        return (), "not installed: it has no peers"
    layout = layout_of(state.release.chart_version)
    peers = peers_of(cluster, layout, state.release.values, seen.nodes, state.pods)
    return peers, _BLIND if seen.nodes is None else ""


async def with_moves(session: Session, plan: Plan, observed: Observed) -> Plan:
    """Return the plan with the peers that change cluster by it, where it changes anything that decides.

    What cannot be read for this keeps no plan from being carried out: it is told as not known.
    """
    if observed.manager is None or not changed_by(plan):
        return plan
    clusters = [cluster for cluster in session.topology.clusters if _has_peers(plan, observed, cluster)]
    nodes = await read_nodes(session, clusters, _PATIENCE)
    pods = await asyncio.gather(*(_pods(session, cluster, observed) for cluster in clusters))
    seen = {}
    for cluster, (found, trouble) in zip(clusters, pods, strict=True):
        error = nodes[cluster.name].error
        seen[cluster.name] = SeenPeers(nodes[cluster.name].nodes, found, str(error) if error else trouble)
    return replace(plan, moves=moves_by(session.topology, observed, plan, seen))


def _has_peers(plan: Plan, observed: Observed, cluster: ClusterSpec) -> bool:
    """Whether there are peers to ask about: the cluster answers, and is installed or will be."""
    state = observed.clusters[cluster.name]
    planned = plan.step(f"{Kind.RELEASE}:{cluster.name}")
    return state.facts is not None and state.error is None and (state.release is not None or planned is not None)


async def _pods(session: Session, cluster: ClusterSpec, observed: Observed) -> tuple[tuple[PodState, ...], str]:
    """Return the pods of a cluster's release, and why they are not known."""
    if observed.clusters[cluster.name].release is None:
        return (), ""
    try:
        async with session.slots, asyncio.timeout(_PATIENCE):
            return tuple(await session.kube_of(cluster).pods(cluster.release, cluster.namespace)), ""
    except TimeoutError:
        return (), f"its pods were not listed within {_PATIENCE:g} s"
    except DfmcError as error:
        return (), str(error)
