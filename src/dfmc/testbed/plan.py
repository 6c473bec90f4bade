"""What a bed consists of: clusters, nodes and addresses for a topology. Pure.

A plan only grows: names and addresses given once stay, so that `up` with a changed file adds what is missing and
touches nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from dfmc.errors import PreflightError
from dfmc.testbed.addressing import BLOCKS, NODES_PER_CLUSTER, AddressBlock

WORKERS_PER_ENTRY = 2


@dataclass(frozen=True)
class ClusterNeed:
    """What the topology wants of one Kubernetes cluster.

    Attributes:
        context: Name of the kubeconfig context.
        selectors: Node labels of each entry in it, in the file's order; empty for an entry without nodeSelector.
    """

    context: str
    selectors: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class NodePlan:
    """A node.

    Attributes:
        name: As kind names its nodes.
        number: From 1, unique in the cluster; decides the address.
        labels: Of the topology alone; the usual ``kubernetes.io`` labels are added where the object is made.
        control_plane: Tainted, so that nothing is scheduled there.
    """

    name: str
    number: int
    labels: Mapping[str, str]
    control_plane: bool = False


@dataclass(frozen=True)
class ClusterPlan:
    """A Kubernetes cluster: its context, its address block, its nodes."""

    context: str
    index: int
    nodes: tuple[NodePlan, ...]

    @property
    def name(self) -> str:
        """Its name for kwokctl, and of its directory."""
        return f"c{self.index}"

    @property
    def block(self) -> AddressBlock:
        """Its addresses and ports."""
        return AddressBlock(self.index)


@dataclass(frozen=True)
class BedPlan:
    """All clusters of a bed, in the order in which the file names their contexts first."""

    clusters: tuple[ClusterPlan, ...]

    @property
    def repository_port(self) -> int:
        """Loopback port of the bed's chart repository."""
        return self.clusters[0].block.ports.repository

    @property
    def origin_port(self) -> int:
        """Loopback port of the bed's origin of blobs."""
        return self.clusters[0].block.ports.origin

    def cluster(self, context: str) -> ClusterPlan:
        """Return the cluster behind ``context``.

        Raises:
            PreflightError: The bed has no such context.
        """
        for cluster in self.clusters:
            if cluster.context == context:
                return cluster
        raise PreflightError(
            f"the bed has no context {context}",
            why=f"it has {', '.join(c.context for c in self.clusters)}",
            next_step="name it in the topology file and run `dfmc testbed up FILE` again",
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {"clusters": [asdict(cluster) for cluster in self.clusters]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BedPlan:
        """Read what `to_json` wrote."""
        return cls(
            tuple(
                ClusterPlan(
                    context=cluster["context"],
                    index=cluster["index"],
                    nodes=tuple(NodePlan(**node) for node in cluster["nodes"]),
                )
                for cluster in data["clusters"]
            )
        )


def grow(
    plan: BedPlan | None, needs: Iterable[ClusterNeed], start: int, is_free: Callable[[AddressBlock], bool]
) -> BedPlan:
    """Return ``plan`` with whatever ``needs`` asks for and it lacks.

    Args:
        plan: The bed so far; None for a new one.
        needs: One per context.
        start: Index of the first address block to try; a bed's own starting point keeps beds apart.
        is_free: Tells whether nobody on this machine uses a block.

    Raises:
        PreflightError: No address block is free, or a cluster would get too many nodes.
    """
    clusters = list(plan.clusters) if plan else []
    for need in needs:
        known = next((i for i, cluster in enumerate(clusters) if cluster.context == need.context), None)
        if known is None:
            index = _free_block({cluster.index for cluster in clusters}, start, is_free)
            first = NodePlan(f"{node_prefix(need.context)}-control-plane", 1, {}, control_plane=True)
            clusters.append(ClusterPlan(need.context, index, (first,)))
            known = len(clusters) - 1
        clusters[known] = _with_workers(clusters[known], need.selectors)
    return BedPlan(tuple(clusters))


def node_prefix(context: str) -> str:
    """Return the first part of the node names of a context: kind's own for kind's contexts."""
    name = context.removeprefix("kind-")
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "bed"


def _with_workers(cluster: ClusterPlan, selectors: Iterable[Mapping[str, str]]) -> ClusterPlan:
    nodes = list(cluster.nodes)
    spare = [node for node in nodes if not node.control_plane]
    for selector in selectors:
        for _ in range(WORKERS_PER_ENTRY):
            taken = next((node for node in spare if dict(node.labels) == dict(selector)), None)
            if taken is not None:
                spare.remove(taken)
                continue
            workers = sum(not node.control_plane for node in nodes)
            suffix = "worker" if workers == 0 else f"worker{workers + 1}"
            nodes.append(NodePlan(f"{node_prefix(cluster.context)}-{suffix}", len(nodes) + 1, dict(selector)))
    if len(nodes) > NODES_PER_CLUSTER:
        raise PreflightError(
            f"the topology wants {len(nodes)} nodes in context {cluster.context}",
            why=f"a cluster of the bed holds {NODES_PER_CLUSTER}",
        )
    return replace(cluster, nodes=tuple(nodes))


def _free_block(taken: set[int], start: int, is_free: Callable[[AddressBlock], bool]) -> int:
    for offset in range(len(BLOCKS)):
        index = BLOCKS[(start + offset) % len(BLOCKS)]
        if index not in taken and is_free(AddressBlock(index)):
            return index
    raise PreflightError(
        f"all {len(BLOCKS)} address blocks of this machine are in use",
        next_step="stop another bed with `dfmc testbed down`",
    )
