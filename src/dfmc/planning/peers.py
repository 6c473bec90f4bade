"""The peers of a cluster and what each tells the manager of itself. Pure.

A Rust client shares its node's network: its name and address are the node's. A seed peer, and a Go client, has its
pod's. idc, location and the cluster's id are what the release's values say (``X.config.host``), which is what the chart
writes into the peers' configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dfmc.matching.formula import Host
from dfmc.matching.searcher import Says
from dfmc.planning.taints import refusing_taint
from dfmc.state import PodState
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import Component, Layout
from dfmc.values.merge import get_path

Object = Mapping[str, Any]
KnownId = Callable[[Pending], int]
PeerKind = Literal["node", "seed peer", "sample"]
# What charts whose peers can say an id have as its default.
_DEFAULT_ID = 1
# A DaemonSet's pods tolerate what Kubernetes itself taints nodes with (pkg/controller/daemon/util).
_KUBERNETES_OWN = "node.kubernetes.io/"
# Stands for an id that nobody knows yet: no record has it.
_UNKNOWN_ID = -1


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        cluster: The entry it belongs to.
        kind: A node's client; a seed peer; or a host that was made up of the entry's scopes.
        name: The node's or the pod's.
        says: What it tells the manager.
    """

    cluster: str
    kind: PeerKind
    name: str
    says: Says

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.cluster, self.kind, self.name


def peers_of(
    cluster: ClusterSpec,
    layout: Layout,
    values: Mapping[str, Any],
    nodes: Sequence[Object] | None,
    pods: Sequence[PodState],
    known: KnownId = lambda symbol: _UNKNOWN_ID,
) -> tuple[Peer, ...]:
    """Return a cluster's peers: a client for each node that takes one, and its seed peers.

    Args:
        cluster: The entry.
        layout: Of the chart that the values are for.
        values: Of the release, or as rendered from the file.
        nodes: Those that the entry's nodeSelector chooses; None where they cannot be read, so that only running
            clients are known.
        pods: Of the release.
        known: Looks up ids that the values do not have yet.
    """
    client, seed = layout.components["client"], layout.components["seed_peer"]
    found: list[Peer] = []
    if get_path(values, f"{client.key}.enable", True) is not False:
        said = _said(layout, client, values, known)
        running = {pod.node: pod for pod in _of(pods, client)}
        in_host = get_path(values, f"{client.key}.hostNetwork", client.is_rust) is True
        clients = _client_hosts(cluster, nodes, running, in_host=in_host)
        found += [Peer(cluster.name, "node", name, said(host)) for name, host in clients]
    if get_path(values, f"{seed.key}.enable", True) is not False:
        said = _said(layout, seed, values, known)
        found += [
            Peer(cluster.name, "seed peer", pod.name, said(Host(pod.ip, pod.name)))
            for pod in sorted(_of(pods, seed), key=lambda pod: pod.name)
        ]
    return tuple(found)


def says_of(layout: Layout, values: Mapping[str, Any], host: Host, known: KnownId) -> Says:
    """Return what a client with these values on that host tells the manager."""
    return _said(layout, layout.components["client"], values, known)(host)


def _of(pods: Sequence[PodState], component: Component) -> Iterator[PodState]:
    for pod in pods:
        if pod.component == component.label and pod.ip and not pod.terminating:
            yield pod


def _client_hosts(
    cluster: ClusterSpec, nodes: Sequence[Object] | None, running: Mapping[str, PodState], *, in_host: bool
) -> Iterator[tuple[str, Host]]:
    """Yield each node's name and what its client's host says of itself, by name."""
    if nodes is None:
        for name, pod in sorted(running.items()):
            yield name, Host(pod.ip, name if in_host else pod.name)
        return
    for node in sorted(nodes, key=_name):
        name = _name(node)
        pod_there = running.get(name)
        if pod_there is None and _is_refused(cluster, node):
            continue
        if in_host:
            address = pod_there.ip if pod_there else _address(node, "InternalIP")
            yield name, Host(address, _address(node, "Hostname") or name)
        else:
            yield name, Host(pod_there.ip, pod_there.name) if pod_there else Host()


def _is_refused(cluster: ClusterSpec, node: Object) -> bool:
    keys = [str(taint.get("key")) for taint in (node.get("spec") or {}).get("taints") or ()]
    own = [{"key": key, "operator": "Exists"} for key in keys if key.startswith(_KUBERNETES_OWN)]
    return refusing_taint(node, [*cluster.tolerations, *own]) is not None


def _name(node: Object) -> str:
    return str((node.get("metadata") or {}).get("name", ""))


def _address(node: Object, kind: str) -> str:
    listed = (node.get("status") or {}).get("addresses") or ()
    return next((str(one["address"]) for one in listed if one.get("type") == kind and one.get("address")), "")


def _said(layout: Layout, component: Component, values: Mapping[str, Any], known: KnownId) -> Callable[[Host], Says]:
    """Return what completes a host by the values of a component: idc, location, and the id where the layout has one."""
    written: Any = get_path(values, f"{component.key}.config.host", {})
    said: Mapping[str, Any] = written if isinstance(written, Mapping) else {}
    number: Any = said.get("schedulerClusterID", _DEFAULT_ID) if "id" in layout.membership else None
    if isinstance(number, Pending):
        number = known(number)
    cluster_id = number if isinstance(number, int) and number else None

    def complete(host: Host) -> Says:
        whole = Host(
            ip=str(said.get("ip") or said.get("advertiseIP") or host.ip),
            hostname=str(said.get("hostname") or host.hostname),
            idc=str(said.get("idc") or ""),
            location=str(said.get("location") or ""),
        )
        return Says(whole, cluster_id)

    return complete
