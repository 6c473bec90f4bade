"""``match --live``: where every peer of every cluster goes, by the manager's records and schedulers as they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dfmc.engine.observe import observe
from dfmc.engine.peers import NodesSeen, peers_now, read_nodes
from dfmc.engine.session import Session
from dfmc.errors import DfmcError, FindingsError
from dfmc.matching.contest import BudgetSpentError
from dfmc.matching.hostnames import PatternTooLargeError
from dfmc.matching.searcher import Searcher
from dfmc.planning.destinations import (
    ClusterDestinations,
    active_count,
    cluster_destinations,
    running_version,
    searcher_at,
)
from dfmc.planning.records import expected_record, foreign_records
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec


@dataclass(frozen=True)
class LiveMatch:
    """What the manager would answer.

    Attributes:
        version: Of the manager; None where it is not known.
        searcher: Its records and formula.
        schedulers: How many active ones each record has, by its id.
        entries: Name of the entry that a record stands for, by its id.
        foreign: Records that no entry stands for, as ``name (id N)``.
        clusters: The selected entries.
    """

    topology: str
    version: str | None
    searcher: Searcher
    schedulers: dict[int, int]
    entries: dict[int, str]
    foreign: tuple[str, ...]
    clusters: tuple[ClusterDestinations, ...]

    @property
    def strays(self) -> int:
        """How many peers join another cluster than their own, or none."""
        return sum(len(cluster.strays) for cluster in self.clusters)


async def live_searcher(session: Session, version: str | None = None) -> LiveMatch:
    """Return the manager's searcher alone, with no entry looked at; errors as live_match."""
    observed = await _observed(session, only=(session.topology.manager.cluster,), deep=False)
    return _report(session, observed, version, ())


async def live_match(session: Session, version: str | None = None) -> LiveMatch:
    """Return where every peer of the selected clusters goes; writes nothing.

    A cluster that cannot be read has its error; the others are told all the same.

    Args:
        session: The run.
        version: Of the manager; None: that of the central release.

    Raises:
        DfmcError: The manager cannot be asked.
        FindingsError: There is none yet.
        UsageError: The formula of that version is not known.
    """
    chosen = session.selected()
    observed = await _observed(session, only=session.options.only, deep=True)
    readable = [cluster for cluster in chosen if observed.clusters[cluster.name].error is None]
    nodes = await read_nodes(session, readable, session.options.timeout)
    searcher = searcher_at(session.topology, observed, version)
    clusters = []
    for cluster in chosen:
        clusters.append(_destinations(session, cluster, observed, searcher, nodes.get(cluster.name)))
        await asyncio.sleep(0)  # thousands of nodes take seconds: Ctrl-C must get a word in
    return _report(session, observed, version, tuple(clusters))


async def _observed(session: Session, *, only: tuple[str, ...], deep: bool) -> Observed:
    observed = await observe(session, only=only, deep=deep, drift=False, patience=session.options.timeout)
    central = session.topology.central
    if observed.manager is not None:
        return observed
    if error := observed.manager_error or observed.clusters[central.name].error:
        raise error
    raise FindingsError(
        "there is no manager to ask yet",
        where=central.name,
        why=f"release {central.release} is not in namespace {central.namespace}, or its first run has not ended",
        next_step=f"dfmc up {session.loaded.file}; without a manager, dfmc match tells what the file means",
    )


def _report(
    session: Session, observed: Observed, version: str | None, clusters: tuple[ClusterDestinations, ...]
) -> LiveMatch:
    topology = session.topology
    searcher = searcher_at(topology, observed, version)
    expected = {cluster.name: expected_record(topology, cluster, observed) for cluster in topology.clusters}
    return LiveMatch(
        topology=topology.metadata.name,
        version=version or running_version(topology, observed),
        searcher=searcher,
        schedulers={record.id: active_count(observed, record) for record in searcher.records},
        entries={record.scheduler_cluster_id: name for name, record in expected.items() if record},
        foreign=tuple(foreign_records(topology, observed).values()),
        clusters=clusters,
    )


def _destinations(
    session: Session, cluster: ClusterSpec, observed: Observed, searcher: Searcher, seen: NodesSeen | None
) -> ClusterDestinations:
    state = observed.clusters[cluster.name]
    error = state.error or (seen.error if seen else None)
    if error is not None or seen is None:
        return ClusterDestinations(cluster.name, None, 0, error=error)
    try:
        peers, note = peers_now(cluster, state, seen)
        return cluster_destinations(session.topology, cluster, observed, searcher, peers, note)
    except (BudgetSpentError, PatternTooLargeError) as limit:
        error = DfmcError(
            "the records cannot be compared", where=cluster.name, why=str(limit), next_step="simplify their scopes"
        )
    except DfmcError as raised:
        error = raised
    return ClusterDestinations(cluster.name, None, 0, error=error)
