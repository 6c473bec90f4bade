"""What a pull's counters mean: where the bytes came from, and if from elsewhere than they should, why. Pure.

Evidence, in this order: traffic and uploads of every client and every seed of all clusters; what registered with the
schedulers; what is known of the clusters beside that. That the pull succeeded is no evidence at all: without a proxy
the runtime goes to the registry by itself, and a client with another cluster's id is served by that cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dfmc.planning.pulls import ClusterView, Movement, Outcome, Pull, World
from dfmc.state import PeerCounters

Source = Literal["seed", "peers", "disk", "registry", "other-cluster", "none", "unknown"]


@dataclass(frozen=True)
class Cause:
    """Why a pull, or a cluster, is not as it should be.

    Attributes:
        id: Stable, for programs.
        sentence: One, without a full stop.
        next_step: The command or edit that goes on from here.
    """

    id: str
    sentence: str
    next_step: str = ""


@dataclass(frozen=True)
class Verdict:
    """What one pull showed.

    Attributes:
        source: Where the node's client had the bytes from. ``seed``: from its own seed, which fetched them from the
            registry; ``registry``: the client fetched them by itself; ``none``: no byte came through Dragonfly.
        received: Bytes that the node's client gave to the runtime.
        fetched: Bytes that the cluster's peers fetched from the registry during the pull.
        crossed: Bytes that came from other clusters' peers.
        causes: Why it is not as it should be; empty means proven.
        notes: What else is worth saying.
    """

    source: Source
    received: int
    fetched: int
    crossed: int
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()


def judge(world: World, pull: Pull, outcome: Outcome, moved: Movement) -> Verdict:
    """Return what the counters say of a pull."""
    case = _Case(world, pull, outcome, moved)
    return Verdict(
        source=case.source,
        received=case.mine.received if case.mine else 0,
        fetched=case.cluster_total.from_source,
        crossed=case.crossed,
        causes=tuple(case.causes()),
        notes=tuple(case.notes()),
    )


@dataclass(frozen=True)
class _Case:
    world: World
    pull: Pull
    outcome: Outcome
    moved: Movement

    @property
    def view(self) -> ClusterView:
        return self.world.clusters[self.pull.cluster]

    @property
    def mine(self) -> PeerCounters | None:
        """Of the node's own client; None when they are not known."""
        return self.moved.peers.get(self.pull.place)

    @cached_property
    def cluster_total(self) -> PeerCounters:
        return self.moved.of_cluster(self.pull.cluster)

    @cached_property
    def seed_total(self) -> PeerCounters:
        return self.moved.total(self.world.seeds(self.pull.cluster))

    @property
    def is_at_home(self) -> bool | None:
        """Whether a client registered with the cluster's own schedulers; None when that is not known."""
        registered = self.moved.registered(self.world.schedulers_of(self.pull.cluster))
        return None if registered is None else registered.clients > 0

    @cached_property
    def crossed(self) -> int:
        """Bytes from other clusters' peers, as far as that can be known."""
        return self.moved.incoming(self.pull.cluster) if self.is_cluster_known else 0

    @cached_property
    def is_cluster_known(self) -> bool:
        """What moved is known of every peer of the cluster."""
        own = (peer.place for peer in self.world.peers if peer.place.cluster == self.pull.cluster)
        return not any(place in self.moved.lost for place in own)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Other clusters where a client registered or whose peers sent bytes out."""
        found = []
        for name in self.world.clusters:
            registered = self.moved.registered(self.world.schedulers_of(name))
            has_sent = self.moved.outgoing(name) > 0
            if name != self.pull.cluster and (has_sent or (registered is not None and registered.clients > 0)):
                found.append(name)
        return tuple(found)

    @cached_property
    def is_guest(self) -> bool:
        """The client worked with another cluster's scheduler, for sure or because its own has none."""
        is_homeless = self.is_at_home is False or (self.view.schedulers == 0 and self.crossed > 0)
        return is_homeless and bool(self.hosts)

    @property
    def source(self) -> Source:
        mine = self.mine
        if mine is None:
            return "unknown"
        if mine.received == 0:
            return "unknown" if self.outcome.error else "none"
        if mine.from_source > 0 and mine.from_source >= mine.from_peers:
            return "registry"
        if mine.from_disk > mine.from_peers:
            return "disk"
        if self.crossed > 0 or self.is_guest:
            return "other-cluster"
        return "seed" if self.seed_total.from_source > 0 else "peers"

    # --- causes --------------------------------------------------------------------------------------------------

    def causes(self) -> Iterator[Cause]:
        yield from self._lost_evidence()
        if self.outcome.error is not None:
            yield from self._failed()
            return
        mine = self.mine
        if mine is None:
            return
        if mine.received == 0:
            yield self._direct(mine)
            return
        if self.outcome.size is not None and mine.received < self.outcome.size:
            yield Cause(
                "partly",
                f"only {mine.received} of {self.outcome.size} bytes came through Dragonfly",
                self._kubectl("logs", self.pull.pod),
            )
        if self.is_guest:
            yield self._guest()
        elif self.crossed > 0:
            yield self._foreign_peer()
        elif mine.from_source > 0:
            yield self._by_itself(mine)
        elif self.outcome.is_fresh and self.pull.is_first:
            yield from self._nobody_fetched()
        elif not self.pull.is_first and 2 * self.cluster_total.from_source > mine.received:
            yield self._fetched_again()

    def notes(self) -> Iterator[str]:
        mine = self.mine
        if mine is None or mine.received == 0:
            return
        if mine.from_disk > 0 and not self.outcome.is_fresh:
            yield f"node {self.pull.node} had the content already: this pull shows its cache only"
        elif self.pull.is_first and self.cluster_total.from_source == 0 and not self.outcome.is_fresh:
            yield f"cluster {self.pull.cluster} had the content already: this pull does not show who fetches it"
        if self.pull.is_first and self.cluster_total.from_source > 1.5 * mine.received:
            yield "the registry was asked for more than one copy, or others pulled at the same time"

    def _lost_evidence(self) -> Iterator[Cause]:
        for place, why in self.moved.lost.items():
            kubectl = self.world.clusters[place.cluster].kubectl
            yield Cause(
                "evidence",
                f"the counters of pod {place.pod} in cluster {place.cluster} are not known: {why}",
                f"{kubectl} describe pod {place.pod}",
            )

    def _failed(self) -> Iterator[Cause]:
        error = self.outcome.error
        assert error is not None  # noqa: S101 - the caller has looked
        if self.view.schedulers == 0:
            yield self._scheduler_down("the pull failed")
        elif self.view.seeds == 0:
            yield self._seed_down("the pull failed")
        elif self.outcome.proxy_answers is False:
            words = f"the client's proxy on {self.pull.node} does not answer"
            yield Cause("proxy-dead", words, self._kubectl("logs", self.pull.pod))
        words = f"the pull failed: {error.what}" + (f": {error.why}" if error.why else "")
        yield Cause("pull-failed", words, error.next_step or self._kubectl("logs", self.pull.pod))

    def _direct(self, mine: PeerCounters) -> Cause:
        """The pull succeeded and no byte went through the node's client."""
        node = self.pull.node
        if self.outcome.was_present:
            words = f"node {node} had the image already, so that nothing was pulled"
            return Cause("present", words, "name an image that no node has")
        went_by = "the pull did not go through Dragonfly at all"
        if mine.requests_p2p > 0:
            words = f"{went_by}: the client on {node} was asked for it and served no byte"
            return Cause("no-bytes", words, self._kubectl("logs", self.pull.pod))
        if mine.requests > 0:
            words = f"{went_by}: no rule of the proxy on {node} matches what was asked for"
            return Cause("no-rule", words, "look at client.config.proxy.rules in the values")
        if self.outcome.proxy_answers is False:
            words = f"{went_by}: the client's proxy on {node} does not answer"
            return Cause("proxy-dead", words, self._kubectl("logs", self.pull.pod))
        if self.outcome.proxy_answers:
            words = f"{went_by}: the runtime of {node} does not ask the proxy, its hosts.toml is missing or another's"
            return Cause("runtime-not-wired", words, self._up("writes it anew when the client's pod starts again"))
        words = f"{went_by}: hosts.toml is missing on {node}, or its proxy port is dead"
        return Cause("direct", words, self._kubectl("logs", self.pull.pod))

    def _guest(self) -> Cause:
        """The client is served by another cluster."""
        others = " and ".join(self.hosts)
        if self.view.schedulers == 0:
            return self._scheduler_down(f"its clients work with {others}")
        if self.view.membership == "scopes":
            words = f"the scopes send the client on {self.pull.node} to {others}"
            return Cause("scopes", words, f"dfmc match {self.world.file} shows which cluster a peer joins")
        said = self._said_of("client")
        words = f"the client on {self.pull.node} works with the scheduler of {others}: it carries another cluster's id"
        return Cause("client-id", words + said, self._up("gives it its own id"))

    def _foreign_peer(self) -> Cause:
        """The client is at home, yet bytes came from elsewhere: somebody else's seed or client is here."""
        for name in self.hosts:
            seeds = [place for place in self.world.seeds(name) if place in self.moved.peers]
            if any(self.moved.peers[place].uploaded > 0 for place in seeds):
                words = f"the seed of {name} serves {self.pull.cluster}: it carries another cluster's id"
                return Cause("seed-id", words + self._said_of("seed-client", name), self._up("gives it its own", name))
        others = " and ".join(self.hosts) or "a peer that is in no cluster of the file"
        words = f"{self.crossed} bytes came from {others}"
        return Cause("crossing", words, f"dfmc status {self.world.file} shows how every cluster is wired")

    def _by_itself(self, mine: PeerCounters) -> Cause:
        """The client fetched from the registry, which is its seed's work."""
        fell_back = f"the client on {self.pull.node} fetched {mine.from_source} bytes from the registry by itself"
        registered = self.moved.registered(self.world.schedulers_of(self.pull.cluster))
        if self.view.schedulers == 0:
            return self._scheduler_down(fell_back)
        if self.is_at_home is False:
            words = f"{fell_back}: it did not reach a scheduler of its cluster{self._said_of('client')}"
            if len(self.world.schedulers_of(self.pull.cluster)) > 1:  # which refuses who has not announced itself
                words += ", or asked one that does not know its node yet"
            return Cause("scheduler-unreached", words, self._kubectl("logs", self.pull.pod))
        if self.view.seeds == 0:
            return self._seed_down(fell_back)
        # A scheduler may still know the seed from before and ask it to fetch; it registers where it belongs.
        said = self._said_of("seed-client")
        if not said and (apart := self._apart()):
            minutes = max(1, round(self.view.settles / 60))
            return Cause("schedulers-apart", f"{fell_back}: {apart}", f"verify again in {minutes} min")
        if registered is not None and registered.seeds == 0:
            words = f"{fell_back}: its seed is ready and registered elsewhere"
            if not said:  # ready comes before announced: seen for some seconds after a start
                said = ", or has only just started: verify again in a minute"
            return Cause("seed-id", words + said, self._up("gives it its own id"))
        words = f"{fell_back}, beside its seed"
        return Cause("client-source", words, self._kubectl("logs", self.pull.pod))

    def _apart(self) -> str:
        """Return how client and seed went to different schedulers of their own cluster; empty where they did not."""
        own = self.world.schedulers_of(self.pull.cluster)
        counted = {place.pod: self.moved.schedulers[place] for place in own if place in self.moved.schedulers}
        if len(own) < 2 or len(counted) < len(own):
            return ""
        asked = {pod for pod, one in counted.items() if one.clients}
        seeded = {pod for pod, one in counted.items() if one.seeds}
        if seeded and seeded <= asked:
            return ""
        told = f"its seed told {' and '.join(sorted(seeded - asked))}" if seeded else "no seed came of that"
        why = "not every peer knows every scheduler yet"
        return f"it asked {' and '.join(sorted(asked))} and {told}: {why}"

    def _nobody_fetched(self) -> Iterator[Cause]:
        if self.cluster_total.from_source == 0 and self.is_cluster_known:
            words = f"nobody in {self.pull.cluster} counted a fetch from the registry, though the content is new"
            yield Cause("evidence", words, f"dfmc status {self.world.file}")

    def _fetched_again(self) -> Cause:
        words = (
            f"{self.cluster_total.from_source} bytes were fetched from the registry again (or for somebody else, who "
            "pulled at the same time)"
        )
        return Cause("fetched-again", words, "verify again when nobody else pulls")

    def _scheduler_down(self, consequence: str) -> Cause:
        words = f"no scheduler of {self.pull.cluster} is ready: {consequence}"
        return Cause("scheduler-down", words, f"{self.view.kubectl} get pods -l component=scheduler")

    def _seed_down(self, consequence: str) -> Cause:
        words = f"no seed client of {self.pull.cluster} is ready: {consequence}"
        return Cause("seed-down", words, f"{self.view.kubectl} get pods -l component=seed-client")

    def _said_of(self, component: str, cluster: str = "") -> str:
        """Return what the proof found in a component's configuration, to end a sentence with."""
        for finding in self.world.clusters[cluster or self.pull.cluster].wiring:
            config_map = finding.key.partition("/")[0]
            is_seed = config_map.endswith("seed-client")
            if "/" in finding.key and config_map.endswith("client") and is_seed == (component == "seed-client"):
                return f" ({finding.key}: expected {finding.expected}, seen {finding.seen})"
        return ""

    def _kubectl(self, *words: str) -> str:
        return " ".join((self.view.kubectl, *words))

    def _up(self, what: str, cluster: str = "") -> str:
        return f"dfmc up {self.world.file} -c {cluster or self.pull.cluster} {what}"
