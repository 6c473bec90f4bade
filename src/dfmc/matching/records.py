"""The manager's records as candidates: as a topology makes them, and as a manager that was asked has them."""

from __future__ import annotations

from collections.abc import Collection

from dfmc.matching.formula import Candidate, ClusterScopes
from dfmc.state import ObservedManager
from dfmc.topology.model import ClusterSpec, Topology


def candidates_of(topology: Topology, inactive: Collection[str] = ()) -> tuple[Candidate, ...]:
    """Return a record for each entry, with the id that a first ``dfmc up`` would get for it.

    The central cluster's is record 1, which the manager makes itself and marks as the default; members are registered
    in the file's order.

    Args:
        topology: The file.
        inactive: Names of clusters that have no active scheduler.
    """
    entries = (topology.central, *topology.members)
    return tuple(
        Candidate(
            id=number,
            name=entry.name,
            scopes=scopes_of(entry),
            is_default=entry.name == topology.manager.cluster,
            is_active=entry.name not in inactive,
        )
        for number, entry in enumerate(entries, start=1)
    )


def scopes_of(entry: ClusterSpec) -> ClusterScopes:
    """Return what the manager stores of an entry's scopes."""
    scopes = entry.scopes
    return ClusterScopes(
        idc=scopes.idc or "", location=scopes.location or "", cidrs=scopes.cidrs, hostnames=scopes.hostnames
    )


def candidates_at(manager: ObservedManager) -> tuple[Candidate, ...]:
    """Return the manager's own records as its searcher sees them.

    One is active when it has a scheduler that is alive and schedules: rows say ``schedule`` among their features
    (manager/rpcserver, ListSchedulers); those of managers before features say nothing.
    """
    active = {
        row.scheduler_cluster_id
        for row in manager.schedulers
        if row.state == "active" and (not row.features or "schedule" in row.features)
    }
    return tuple(
        Candidate(
            id=record.scheduler_cluster_id,
            name=record.name,
            scopes=ClusterScopes(**vars(record.scopes)),
            is_default=record.is_default,
            is_active=record.scheduler_cluster_id in active,
        )
        for record in manager.records
    )
