"""The manager's records: which one stands for an entry of the file, and what differs between the two. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.planning.ownership import record_bio
from dfmc.planning.steps import FieldChange
from dfmc.state import ClusterRecord, Observed, Registration, ScopesRecord
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec, Scopes, Topology

DEFAULT_RECORD_ID = 1
# What the manager calls that record itself (2.1.1 and later; before), compared without regard to case.
DEFAULT_RECORD_NAMES = frozenset({"cluster-1", "scheduler-cluster-1"})


def scopes_record(scopes: Scopes) -> ScopesRecord:
    """Return the scopes of an entry in the form of a record."""
    return ScopesRecord(scopes.idc or "", scopes.location or "", scopes.cidrs, scopes.hostnames)


def pending_registration(cluster: str) -> Registration:
    """Return the ids that the step ``record:<cluster>`` will bring."""
    return Registration(
        Pending(f"record:{cluster}/scheduler_cluster_id"), Pending(f"record:{cluster}/seed_peer_cluster_id")
    )


def expected_record(topology: Topology, cluster: ClusterSpec, observed: Observed) -> ClusterRecord | None:
    """Return the record that stands for the entry: the default one for the central cluster, by name for members.

    The manager makes record 1 itself, under a name of its own, and it belongs to the cluster it runs in.
    """
    if observed.manager is None:
        return None
    if cluster.name == topology.manager.cluster:
        return next((r for r in observed.manager.records if r.id == DEFAULT_RECORD_ID), None)
    # A member may be called as the manager calls record 1; that one belongs to the central cluster all the same.
    found = observed.manager.record(cluster.name)
    return None if found and found.id == DEFAULT_RECORD_ID else found


def foreign_records(topology: Topology, observed: Observed) -> dict[str, str]:
    """Return the records that no entry stands for, as ``name (id N)``, by name, in the order of ids."""
    if observed.manager is None:
        return {}
    expected = [expected_record(topology, cluster, observed) for cluster in topology.clusters]
    ours = {record.id for record in expected if record}
    others = [record for record in observed.manager.records if record.id not in ours]
    return {record.name: f"{record.name} (id {record.id})" for record in sorted(others, key=lambda row: row.id)}


def record_changes(
    topology: Topology, cluster: ClusterSpec, record: ClusterRecord | None, uid: str | None
) -> tuple[FieldChange, ...]:
    """Return what differs between a record and the entry it stands for."""
    scopes = scopes_record(cluster.scopes)
    if record is None:
        # The manager makes record 1 itself; what it will say is known only to a manager that answers.
        is_central = cluster.name == topology.manager.cluster
        first = f"record {DEFAULT_RECORD_ID} (the manager's own)" if is_central else None
        changes = [FieldChange("record", first, cluster.name)]
        changes += [FieldChange(f"scopes.{key}", None, value) for key, value in vars(scopes).items() if value]
        return tuple(changes)
    changes = []
    if record.name != cluster.name:
        changes.append(FieldChange("record.name", record.name, cluster.name))
    if uid is None or record.bio != record_bio(topology.metadata.name, uid):
        changes.append(FieldChange("record.bio", record.bio or None, "dfmc's mark"))
    for key, value in vars(scopes).items():
        if getattr(record.scopes, key) != value:
            changes.append(FieldChange(f"scopes.{key}", getattr(record.scopes, key) or None, value or None))
    return tuple(changes)


def scheduler_cluster_id(values: Mapping[str, Any]) -> int:
    """Return the id that a release's schedulers are told, by the one path that every chart has for it; 0 for none."""
    node: Any = values
    for key in ("scheduler", "config", "manager", "schedulerClusterID"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, int) else 0
