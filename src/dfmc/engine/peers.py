"""Reads the peers of clusters: their nodes, page by page, and what their releases say of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from dfmc.engine.session import Session
from dfmc.errors import AuthError, DfmcError
from dfmc.planning.peers import Object, Peer, peers_of
from dfmc.state import ObservedCluster
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import layout_of

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
