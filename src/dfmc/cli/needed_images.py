"""Which images a topology needs: those in what helm makes of dfmc's own values, so that nothing can be forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dfmc.cli.manifests import helm_template
from dfmc.cli.rendering import OfflineValues
from dfmc.clients.kube.contexts import kube_contexts
from dfmc.errors import PreflightError
from dfmc.state import Registration
from dfmc.topology.load import STDIN_NAME, LoadedTopology
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.pod_images import pod_images

if TYPE_CHECKING:
    from dfmc.output.console import Terminal

# No image depends on an id, but values with a gap in them cannot be rendered.
_ANY_ID = Registration(1, 1)
_KIND_PREFIX = "kind-"


def needed_images(
    loaded: LoadedTopology, clusters: list[ClusterSpec], runtimes: frozenset[str], terminal: Terminal
) -> Mapping[str, tuple[str, ...]]:
    """Return the clusters that need each image, by image, sorted.

    Args:
        loaded: The file.
        clusters: Entries of it.
        runtimes: What ``runtime: auto`` shall take the nodes to report.
        terminal: For warnings of the chart.

    Raises:
        DfmcError: The chart cannot be had, or helm cannot render it.
    """
    topology = loaded.topology
    ids = {cluster.name: _ANY_ID for cluster in topology.clusters}
    offline = OfflineValues(loaded, terminal.redactor, ids, runtimes, reads_credentials=False)
    values = {cluster.name: offline.values(_as_neighbour(topology, cluster)) for cluster in clusters}
    found: dict[str, list[str]] = {}
    for name, text in helm_template(loaded, values, terminal).items():
        for image in pod_images(text):
            found.setdefault(image, []).append(name)
    return {image: tuple(found[image]) for image in sorted(found)}


def kind_clusters(loaded: LoadedTopology, clusters: list[ClusterSpec]) -> list[str]:
    """Return what kind calls the Kubernetes clusters of these entries, each once.

    A kubeconfig that kind wrote names them in its cluster entries, whatever the context is called.

    Raises:
        PreflightError: A context is not there, or leads to no kind cluster.
    """
    base = Path() if loaded.file == STDIN_NAME else Path(loaded.file).parent
    names: dict[str, None] = {}
    for cluster in clusters:
        contexts = kube_contexts(base / Path(cluster.kubeconfig).expanduser() if cluster.kubeconfig else None)
        entry = contexts.clusters.get(cluster.context)
        if entry is None or not entry.startswith(_KIND_PREFIX):
            raise PreflightError(
                f"context {cluster.context} leads to no kind cluster",
                where=cluster.name,
                why=f"{contexts.files} has no such context"
                if entry is None
                else f"its cluster is called {entry or 'nothing'}, and kind's are called kind-NAME",
                next_step='dfmc testbed up --provider kind, then eval "$(dfmc testbed env --provider kind)"',
            )
        names[entry.removeprefix(_KIND_PREFIX)] = None
    return list(names)


def _as_neighbour(topology: Topology, cluster: ClusterSpec) -> ClusterSpec:
    """Return the entry as if it were in the manager's Kubernetes cluster: images need no address to be reachable."""
    central = topology.central
    return cluster.model_copy(update={"context": central.context, "kubeconfig": central.kubeconfig})
