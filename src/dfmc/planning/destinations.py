"""Where the manager sends each peer of each cluster, as its records are now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dfmc.errors import DfmcError
from dfmc.matching.formula import Candidate, Ranked
from dfmc.matching.records import candidates_at
from dfmc.matching.searcher import MOST_SCORES, Answer, Searcher
from dfmc.matching.versions import generation_of
from dfmc.planning.peers import Peer
from dfmc.planning.records import expected_record
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.manager_versions import manager_version, version_in

# Scores are sums of multiples of 0.002; more digits than this are noise of binary fractions.
_DIGITS = 6


@dataclass(frozen=True)
class Destination:
    """Where one peer goes.

    Attributes:
        peer: The peer.
        answer: What the manager gives it.
        home: Its cluster's own record, with its terms for the peer; None while there is no such record.
    """

    peer: Peer
    answer: Answer
    home: Ranked | None

    @property
    def is_home(self) -> bool:
        """Whether the peer joins its own cluster."""
        return self.home is not None and self.answer.record == self.home.candidate

    @property
    def why(self) -> str:
        """What decided, in words, with the terms of the scores."""
        number, winner, home = self.peer.says.cluster_id, self.answer.winner, self.home
        own = "" if home else f"; {self.peer.cluster} has no record"
        if self.answer.by == "id":
            if self.answer.record is None:
                return f"says id {number}, which no record has: the manager answers with an error{own}"
            return (
                f"says id {number}{own}" if self.is_home or not home else f"says id {number}, not {home.candidate.id}"
            )
        if winner is None:
            return f"no record has an active scheduler{own}"
        won = f"{winner.candidate.name} scores {terms_text(winner)}"
        if self.is_home or home is None:
            return won + own
        if not home.candidate.is_active:
            return f"{home.candidate.name} has no active scheduler and is passed over; {won}"
        if round(home.score, _DIGITS) == round(winner.score, _DIGITS):
            return f"{won}, {home.candidate.name} the same; the lower id wins"
        return f"{won}, {home.candidate.name} {terms_text(home)}"


@dataclass(frozen=True)
class ClusterDestinations:
    """One entry's peers.

    Attributes:
        cluster: The entry's name.
        record: Its record; None while there is none.
        schedulers: How many of the record's schedulers are active.
        destinations: One for each peer.
        note: What is not known of it, in words.
        error: Why nothing could be read.
    """

    cluster: str
    record: Candidate | None
    schedulers: int
    destinations: tuple[Destination, ...] = ()
    note: str = ""
    error: DfmcError | None = None

    @property
    def strays(self) -> tuple[Destination, ...]:
        """The peers that join another cluster, or none."""
        return tuple(destination for destination in self.destinations if not destination.is_home)

    @property
    def membership(self) -> str:
        """How its peers find it by now: ``id``, ``scopes``, both or (without peers) empty."""
        return " and ".join(sorted({destination.answer.by for destination in self.destinations}))


def terms_text(ranked: Ranked) -> str:
    """Return a score with what it is the sum of: ``0.26 (idc 0.25, default 0.01)``, ``0.25 (idc)``."""
    parts = [(name, f"{round(value, _DIGITS):g}") for name, value in ranked.terms.as_dict().items() if value]
    score = f"{round(ranked.score, _DIGITS):g}"
    if not parts:
        return score
    words = ", ".join(f"{name} {value}" for name, value in parts) if len(parts) > 1 else parts[0][0]
    return f"{score} ({words})"


def running_version(topology: Topology, observed: Observed) -> str | None:
    """Return the version of the manager that runs, by its release; of the file's where none is installed."""
    release = observed.clusters[topology.manager.cluster].release
    return version_in(release.values, release.chart_version) if release else manager_version(topology)


def searcher_at(
    topology: Topology, observed: Observed, version: str | None = None, most_scores: int = MOST_SCORES
) -> Searcher:
    """Return the manager's searcher with its records as they are.

    Args:
        topology: The file.
        observed: With what the manager says.
        version: Of the manager; None: that of the central release.
        most_scores: As for Searcher.

    Raises:
        UsageError: The formula of that version is not known.
    """
    records = candidates_at(observed.manager) if observed.manager else ()
    return Searcher(records, generation_of(version or running_version(topology, observed)), most_scores)


def destinations_of(searcher: Searcher, peers: Sequence[Peer], record: Candidate | None) -> tuple[Destination, ...]:
    """Return where each peer of one cluster goes; errors as Searcher.answer."""
    return tuple(
        Destination(peer, searcher.answer(peer.says), searcher.score(peer.says.host, record) if record else None)
        for peer in peers
    )


def cluster_destinations(
    topology: Topology,
    cluster: ClusterSpec,
    observed: Observed,
    searcher: Searcher,
    peers: Sequence[Peer],
    note: str = "",
) -> ClusterDestinations:
    """Return where an entry's peers go; errors as Searcher.answer."""
    row = expected_record(topology, cluster, observed)
    record = next((one for one in searcher.records if row and one.id == row.scheduler_cluster_id), None)
    return ClusterDestinations(
        cluster.name, record, active_count(observed, record), destinations_of(searcher, peers, record), note
    )


def active_count(observed: Observed, record: Candidate | None) -> int:
    """Return how many schedulers of a record are active."""
    rows = observed.manager.schedulers if observed.manager and record else ()
    return sum(row.state == "active" and record is not None and row.scheduler_cluster_id == record.id for row in rows)
