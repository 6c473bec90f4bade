"""Which kind clusters a bed consists of: their names, nodes, labels and the console's port. Pure.

The guide's file (control plane, two workers for each cluster, the console's port mapping on the first of A's workers)
is what comes out for the guide's topology; another topology gets a kind cluster for each of its contexts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from dfmc.testbed.plan import WORKERS_PER_ENTRY, ClusterNeed, node_prefix

_API_VERSION = "kind.x-k8s.io/v1alpha4"


@dataclass(frozen=True)
class PortMapping:
    """A node port that the host sees on loopback: 8080 is other people's port too, on every other address."""

    node_port: int
    host_port: int


@dataclass(frozen=True)
class ConsoleNeed:
    """Which nodes of which context get the console's port mapping."""

    context: str
    labels: Mapping[str, str]
    mapping: PortMapping


@dataclass(frozen=True)
class KindNode:
    """A worker: the labels of its topology entry, and perhaps the console's port."""

    labels: Mapping[str, str]
    mapping: PortMapping | None = None


@dataclass(frozen=True)
class KindCluster:
    """A kind cluster.

    Attributes:
        context: What the topology calls it.
        name: What kind calls it; kind's own context is ``kind-NAME``.
        workers: In the order of the file, beside one control plane.
    """

    context: str
    name: str
    workers: tuple[KindNode, ...]

    @property
    def control_plane(self) -> str:
        """Name of the control plane's container, which is also its host name on Docker's network."""
        return f"{self.name}-control-plane"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all node containers, by kind's rule."""
        numbers = range(1, len(self.workers) + 1)
        return (self.control_plane, *(f"{self.name}-worker{number if number > 1 else ''}" for number in numbers))

    @property
    def mapping(self) -> PortMapping | None:
        """The port that the host sees."""
        return next((worker.mapping for worker in self.workers if worker.mapping), None)

    def covers(self, wanted: KindCluster) -> bool:
        """Tell whether the cluster has every worker and port that another plan of it wants."""
        lacking = Counter(map(_labels, wanted.workers)) - Counter(map(_labels, self.workers))
        return not lacking and wanted.mapping in (None, self.mapping)

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        workers = [
            {
                "labels": dict(worker.labels),
                "mapping": [worker.mapping.node_port, worker.mapping.host_port] if worker.mapping else None,
            }
            for worker in self.workers
        ]
        return {"context": self.context, "name": self.name, "workers": workers}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KindCluster:
        """Read what `to_json` wrote."""
        workers = (
            KindNode(worker["labels"], PortMapping(*worker["mapping"]) if worker["mapping"] else None)
            for worker in data["workers"]
        )
        return cls(data["context"], data["name"], tuple(workers))


def plan_clusters(
    needs: Iterable[ClusterNeed], console: ConsoleNeed | None, known: Sequence[KindCluster] = ()
) -> tuple[KindCluster, ...]:
    """Return the kind cluster of each context that a topology needs.

    Args:
        needs: One per context.
        console: Where the console's port goes; None for no mapping.
        known: The clusters that the bed has already; a context keeps the name it has.
    """
    names = {cluster.context: cluster.name for cluster in known}
    planned = []
    for need in needs:
        if need.context not in names:
            names[need.context] = _free_name(node_prefix(need.context), set(names.values()))
        workers = [KindNode(dict(labels)) for labels in need.selectors for _ in range(WORKERS_PER_ENTRY)]
        if console is not None and console.context == need.context:
            index = next((i for i, worker in enumerate(workers) if worker.labels == dict(console.labels)), 0)
            workers[index] = replace(workers[index], mapping=console.mapping)
        planned.append(KindCluster(need.context, names[need.context], tuple(workers)))
    return tuple(planned)


def kind_config(cluster: KindCluster) -> str:
    """Return the file for ``kind create cluster --config``."""
    nodes: list[dict[str, Any]] = [{"role": "control-plane"}]
    for worker in cluster.workers:
        node: dict[str, Any] = {"role": "worker"}
        if worker.mapping is not None:
            node["extraPortMappings"] = [
                {
                    "containerPort": worker.mapping.node_port,
                    "hostPort": worker.mapping.host_port,
                    "listenAddress": "127.0.0.1",
                }
            ]
        if worker.labels:
            node["labels"] = dict(worker.labels)
        nodes.append(node)
    config = {"kind": "Cluster", "apiVersion": _API_VERSION, "nodes": nodes}
    return yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False)


def _free_name(stem: str, taken: set[str]) -> str:
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    return name


def _labels(worker: KindNode) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(worker.labels.items()))
