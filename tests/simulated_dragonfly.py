"""A model of Dragonfly's data plane that moves the counters of clients, seeds and schedulers as the real ones do.

What it does was seen with manager and scheduler 2.5.1 and client 1.4.0: the scheduler has a seed fetch what no peer of
its cluster has; without a seed or a scheduler the client fetches by itself; whoever has a piece uploads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dfmc.planning.pulls import ClusterView, Counters, Peer, Place, World
from dfmc.state import PeerCounters, SchedulerCounters


@dataclass
class SimPeer:
    """A client or seed client: ``joined`` is the id that it carries."""

    cluster: str
    pod: str
    node: str
    is_seed: bool
    joined: int
    up: bool = True
    proxy_up: bool = True
    wired: bool = True
    moved: dict[str, int] = field(default_factory=dict)
    has: set[str] = field(default_factory=set)

    def count(self, name: str, amount: int) -> None:
        self.moved[name] = self.moved.get(name, 0) + amount

    @property
    def counters(self) -> PeerCounters:
        return PeerCounters(**self.moved)

    def page(self) -> str:
        counters, prefix = self.counters, "dragonfly_client_"
        lines = [f'{prefix}version{{git_version="1.4.0",git_commit="x",platform="linux",build_time="now"}} 1']
        traffic = {
            "BACK_TO_SOURCE": counters.from_source,
            "REMOTE_PEER": counters.from_peers,
            "LOCAL_PEER": counters.from_disk,
        }
        lines += [
            f"# HELP {prefix}download_traffic Counter of the number of the download traffic.",
            f"# TYPE {prefix}download_traffic counter",
            *(f'{prefix}download_traffic{{type="{kind}"}} {count}' for kind, count in traffic.items() if count),
        ]
        plain = {
            "upload_traffic": counters.uploaded,
            "proxy_request_total": counters.requests,
            "proxy_request_via_dfdaemon_total": counters.requests_p2p,
        }
        for name, count in plain.items():
            if count:  # what was never touched is not on a real page either
                lines += [f"# TYPE {prefix}{name} counter", f"{prefix}{name} {count}"]
        return "\n".join(lines) + "\n"


@dataclass
class SimScheduler:
    """One scheduler of a cluster."""

    cluster: str
    pod: str
    id: int
    up: bool = True
    clients: int = 0
    seeds: int = 0

    def page(self) -> str:
        name, labels = "dragonfly_scheduler_register_peer_total", 'priority="LEVEL0",task_type="STANDARD"'
        lines = ['dragonfly_scheduler_version{git_version="v2.5.1"} 1', f"# TYPE {name} counter"]
        for host_type, count in (("normal", self.clients), ("super", self.seeds)):
            if count:
                lines.append(f'{name}{{host_type="{host_type}",{labels}}} {count}')
        return "\n".join(lines) + "\n"


class ProxyDeadError(Exception):
    """Nothing listens at the proxy's port."""


class SimulatedDragonfly:
    """Clusters ``a``, ``b``, ...: with ids from 1, two nodes with a client, a seed and a scheduler each."""

    def __init__(self, clusters: Iterable[str] = ("a", "b"), nodes: int = 2) -> None:
        self.ids = {name: number for number, name in enumerate(clusters, start=1)}
        self.peers: dict[tuple[str, str], SimPeer] = {}
        self.schedulers: dict[tuple[str, str], SimScheduler] = {}
        for name, identity in self.ids.items():
            pods = [(f"dragonfly-client-{name}{n}", f"worker-{name}{n}", False) for n in range(1, nodes + 1)]
            for pod, node, is_seed in [*pods, ("dragonfly-seed-client-0", f"worker-{name}1", True)]:
                self.peers[name, pod] = SimPeer(name, pod, node, is_seed, identity)
            self.schedulers[name, "dragonfly-scheduler-0"] = SimScheduler(name, "dragonfly-scheduler-0", identity)

    def client(self, cluster: str, number: int = 1) -> SimPeer:
        return self.peers[cluster, f"dragonfly-client-{cluster}{number}"]

    def clients(self, cluster: str) -> list[SimPeer]:
        return [peer for peer in self.peers.values() if peer.cluster == cluster and not peer.is_seed]

    def seed(self, cluster: str) -> SimPeer:
        return self.peers[cluster, "dragonfly-seed-client-0"]

    def scheduler(self, cluster: str) -> SimScheduler:
        return self.schedulers[cluster, "dragonfly-scheduler-0"]

    def pull_by_runtime(self, client: SimPeer, content: str, size: int) -> None:
        """As a container runtime does: past the proxy where that is dead or not known to it."""
        if client.wired and client.proxy_up:
            self.pull(client, content, size)

    def pull(self, client: SimPeer, content: str, size: int) -> None:
        if not client.proxy_up:
            raise ProxyDeadError
        client.count("requests", 1)
        client.count("requests_p2p", 1)
        scheduler = next((one for one in self.schedulers.values() if one.id == client.joined and one.up), None)
        if scheduler is not None:
            scheduler.clients += 1
        if content in client.has:
            client.count("from_disk", size)
            return
        holders = self._holders(client, content) if scheduler else []
        if not holders and scheduler:
            seeds = [one for one in self.peers.values() if one.is_seed and one.up and one.joined == client.joined]
            for seed in sorted(seeds, key=lambda one: one.cluster)[-1:]:  # whichever; but always the same one
                scheduler.seeds += 1
                seed.count("from_source", size)
                seed.has.add(content)
            holders = self._holders(client, content)
        client.has.add(content)
        if not holders:
            client.count("from_source", size)
            return
        client.count("from_peers", size)
        for number, holder in enumerate(holders):
            holder.count("uploaded", size // len(holders) + (size % len(holders) if number == 0 else 0))

    def _holders(self, client: SimPeer, content: str) -> list[SimPeer]:
        return [one for one in self.peers.values() if one.up and one.joined == client.joined and content in one.has]

    def page(self, cluster: str, pod: str) -> str:
        if (cluster, pod) in self.schedulers:
            return self.schedulers[cluster, pod].page()
        return self.peers[cluster, pod].page()

    # --- as the engine would see it --------------------------------------------------------------------------------

    def counters(self) -> Counters:
        return Counters(
            {Place(*key): peer.counters for key, peer in self.peers.items() if peer.up},
            {Place(*key): SchedulerCounters(one.clients, one.seeds) for key, one in self.schedulers.items() if one.up},
        )

    def world(self, **views: ClusterView) -> World:
        peers = [
            Peer(Place(*key), peer.node, "seed" if peer.is_seed else "client")
            for key, peer in self.peers.items()
            if peer.up
        ]
        schedulers = [Place(*key) for key, one in self.schedulers.items() if one.up]
        clusters = {
            name: views.get(name)
            or ClusterView(name, "id", int(self.scheduler(name).up), int(self.seed(name).up), (), f"kubectl -n {name}")
            for name in self.ids
        }
        return World(clusters, peers, schedulers)
