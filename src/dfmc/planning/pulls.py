"""Which node pulls when, and what the counters of a whole world say of one pull. Pure.

Two pulls in each cluster, one after the other: the first must make the cluster's own seed fetch the content from the
registry, the second must not touch the registry at all. The content is the same one everywhere, so that the first
pull of the next cluster also shows that nothing crosses: there it could be had from a neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

from dfmc.errors import DfmcError
from dfmc.planning.proof import ProofFinding
from dfmc.state import PeerCounters, SchedulerCounters

PULLS_IN_A_CLUSTER = 2
# How long a started scheduler takes at most to be active in the manager, and a peer to have announced itself.
_UNDER_WAY = 15.0
# A scheduler asks only seeds of its ring, which it makes anew every 30 s (scheduler/resource/standard/seed_peer.go,
# SeedPeerRefreshInterval), asking each seed that it knows, 2 s at most each one that is gone; until then a first client
# fetches by itself, and nothing is wrong.
SETTLE_SECONDS = _UNDER_WAY + 30.0 + 10.0

C = TypeVar("C", PeerCounters, SchedulerCounters)


class Place(NamedTuple):
    """A pod of a cluster of the file."""

    cluster: str
    pod: str


@dataclass(frozen=True)
class Peer:
    """A running client or seed client.

    Attributes:
        node: Its Kubernetes node.
        ip: The pod's address, the node's for a client.
    """

    place: Place
    node: str
    role: Literal["client", "seed"]
    is_ready: bool = True
    ip: str = ""


@dataclass(frozen=True)
class ClusterView:
    """What is known of a cluster beside its counters.

    Attributes:
        name: In the file.
        membership: How its peers find their cluster.
        schedulers: Ready scheduler pods.
        seeds: Ready seed client pods.
        wiring: What its proof found wrong.
        kubectl: The beginning of a kubectl command in its namespace.
        settles: Seconds after which its peers know a new scheduler at the latest.
    """

    name: str
    membership: str
    schedulers: int
    seeds: int
    wiring: tuple[ProofFinding, ...] = ()
    kubectl: str = "kubectl"
    settles: float = SETTLE_SECONDS


@dataclass(frozen=True)
class World:
    """Every cluster whose counters are read.

    Attributes:
        file: The topology file as one types it.
    """

    clusters: Mapping[str, ClusterView]
    peers: Sequence[Peer]
    schedulers: Sequence[Place] = ()
    file: str = "topology.yaml"

    def without(self, dropped: Collection[Place]) -> World:
        """Return the world without these pods."""
        return replace(
            self,
            peers=tuple(peer for peer in self.peers if peer.place not in dropped),
            schedulers=tuple(place for place in self.schedulers if place not in dropped),
        )

    def seeds(self, cluster: str) -> tuple[Place, ...]:
        """Return a cluster's seed clients."""
        return tuple(peer.place for peer in self.peers if peer.place.cluster == cluster and peer.role == "seed")

    def schedulers_of(self, cluster: str) -> tuple[Place, ...]:
        """Return a cluster's schedulers."""
        return tuple(place for place in self.schedulers if place.cluster == cluster)


@dataclass(frozen=True)
class Pull:
    """One pull on one node.

    Attributes:
        node: Kubernetes node.
        pod: The client on it.
        is_first: Of its cluster.
    """

    cluster: str
    node: str
    pod: str
    is_first: bool

    @property
    def place(self) -> Place:
        """Of the node's client."""
        return Place(self.cluster, self.pod)


def plan_pulls(peers: Iterable[Peer], clusters: Sequence[str]) -> tuple[Pull, ...]:
    """Return the pulls of these clusters in their order: the first two nodes of each, by name, with a ready client."""
    clients = sorted((one for one in peers if one.role == "client" and one.is_ready), key=attrgetter("node", "place"))
    found: list[Pull] = []
    for cluster in clusters:
        by_node = {one.node: one.place.pod for one in reversed(clients) if one.place.cluster == cluster}
        for number, node in enumerate(sorted(by_node)[:PULLS_IN_A_CLUSTER]):
            found.append(Pull(cluster, node, by_node[node], is_first=number == 0))
    return tuple(found)


@dataclass(frozen=True)
class Outcome:
    """How a pull went, as whoever pulled tells it.

    Attributes:
        seconds: It took.
        size: Bytes of the content; None where that is not known exactly.
        error: Why it failed.
        is_fresh: Nobody can have had this content before the run.
        was_present: The node had it before this pull.
        is_kept: The node still has it: it could not be removed.
        proxy_answers: Whether the client's proxy port does; asked only where nothing moved.
    """

    seconds: float
    size: int | None = None
    error: DfmcError | None = None
    is_fresh: bool = False
    was_present: bool = False
    is_kept: bool = False
    proxy_answers: bool | None = None


@dataclass(frozen=True)
class Counters:
    """What every peer and scheduler has counted by some moment.

    Attributes:
        unread: Why a place's page could not be read.
    """

    peers: Mapping[Place, PeerCounters] = field(default_factory=dict)
    schedulers: Mapping[Place, SchedulerCounters] = field(default_factory=dict)
    unread: Mapping[Place, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Movement:
    """What moved between two moments.

    Attributes:
        lost: Places whose movement is not known, and why.
    """

    peers: Mapping[Place, PeerCounters]
    schedulers: Mapping[Place, SchedulerCounters]
    lost: Mapping[Place, str]

    def total(self, places: Iterable[Place]) -> PeerCounters:
        """Return the sum over these peers, as far as it is known."""
        return reduce(_plus, (self.peers[place] for place in places if place in self.peers), PeerCounters())

    def of_cluster(self, cluster: str) -> PeerCounters:
        """Return the sum over all peers of a cluster."""
        return self.total(place for place in self.peers if place.cluster == cluster)

    def registered(self, places: Sequence[Place]) -> SchedulerCounters | None:
        """Return what registered with these schedulers; None where that of one of them (or of any) is not known."""
        if not places or any(place not in self.schedulers for place in places):
            return None
        found = [self.schedulers[place] for place in places]
        return SchedulerCounters(sum(one.clients for one in found), sum(one.seeds for one in found))

    def incoming(self, cluster: str) -> int:
        """Return the bytes that a cluster's peers got from other clusters' peers.

        What a peer uploads another one receives, so that within a cluster both are equal; it is an exact figure as
        long as the cluster sends nothing out at the same time, and too small a one otherwise. The receiver counts a
        piece when it has it, the sender when the last byte is out, which may be a moment later.
        """
        total = self.of_cluster(cluster)
        return max(0, total.from_peers - total.uploaded)

    def outgoing(self, cluster: str) -> int:
        """Return the bytes that a cluster's peers sent to other clusters' peers; exact as ``incoming`` is."""
        total = self.of_cluster(cluster)
        return max(0, total.uploaded - total.from_peers)


def movement(before: Counters, after: Counters) -> Movement:
    """Return the difference; what cannot be compared is lost, with the reason."""
    lost = {**before.unread, **after.unread}
    peers = dict(_moved(before.peers, after.peers, lost))
    schedulers = dict(_moved(before.schedulers, after.schedulers, lost))
    return Movement(peers, schedulers, lost)


def _moved(before: Mapping[Place, C], after: Mapping[Place, C], lost: dict[Place, str]) -> Iterator[tuple[Place, C]]:
    for place in sorted(before.keys() | after.keys()):
        if place in lost:
            continue
        if place not in before or place not in after:
            lost[place] = "it was not there all the time"
            continue
        moved = after[place].since(before[place])
        if any(value < 0 for value in vars(moved).values()):
            lost[place] = "it started anew during the pull"
            continue
        yield place, moved


def _plus(one: PeerCounters, other: PeerCounters) -> PeerCounters:
    return PeerCounters(*(mine + theirs for mine, theirs in zip(vars(one).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Rhythm:
    """How often a client or seed client does what makes schedulers and peers know each other; seconds.

    Attributes:
        refresh: Asks the manager for its cluster's schedulers (``dynconfig.refreshInterval``).
        announce: Tells those that it knows of itself (``scheduler.announceInterval``).
    """

    refresh: float
    announce: float


@dataclass(frozen=True)
class PeerStart:
    """When a running client or seed client started, in seconds since 1970; None where that is not known."""

    started: float | None
    rhythm: Rhythm
    is_seed: bool = False


def seconds_to_settle(schedulers: Sequence[float | None], peers: Sequence[PeerStart], now: float) -> float:
    """Return for how long a cluster's schedulers and peers may not know each other yet.

    A peer that is older than a scheduler keeps to the schedulers that it knows until it asks the manager again, and no
    scheduler takes a peer that has not announced itself there (client 1.4.0: dynconfig/mod.rs, announcer/mod.rs).
    Until then the same content leads a client to one scheduler and the seed to another (each picks by its own ring of
    schedulers, grpc/scheduler.rs), where they do not find each other, and the client fetches by itself. The chart's
    clients ask every 5 minutes.

    Args:
        schedulers: When each of them started, in seconds since 1970; None where that is not known.
        peers: All of the cluster.
        now: By the clock of whoever says when they started.
    """
    starts = [moment for moment in schedulers if moment is not None]
    seeds = [peer.started for peer in peers if peer.is_seed and peer.started is not None]
    until = [moment + SETTLE_SECONDS for moment in (*starts, *seeds)]
    longest = SETTLE_SECONDS
    # One scheduler alone is there before any peer of it is: a peer that finds none ends, and starts again.
    newest = max(starts, default=0.0) + (_UNDER_WAY if len(schedulers) > 1 else 0.0)
    for peer in peers:
        if peer.started is not None and peer.started < newest:
            known = _next_tick(peer.started, peer.rhythm.refresh, newest)
            last = SETTLE_SECONDS if peer.is_seed else _UNDER_WAY
            until.append(_next_tick(peer.started, peer.rhythm.announce, known) + last)
            longest = max(longest, peer.rhythm.refresh + peer.rhythm.announce + last)
    return min(max(max(until, default=now) - now, 0.0), longest)


def _next_tick(started: float, interval: float, moment: float) -> float:
    """Return when something that happens at its start and then at that interval does so from that moment on."""
    return started + math.ceil(max(moment - started, 0.0) / interval) * interval if interval > 0 else moment
