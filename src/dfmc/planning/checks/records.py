"""Checks of the manager: does it answer, and do its records and scheduler rows fit the file and the clusters."""

from __future__ import annotations

from collections.abc import Iterator

from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import Check, Finding, finding_of
from dfmc.planning.ownership import is_ours, record_conflict
from dfmc.planning.records import DEFAULT_RECORD_ID, expected_record, record_changes
from dfmc.state import ClusterRecord, SchedulerRecord
from dfmc.topology.model import ClusterSpec

GROUP = "manager"
# manager/gc/scheduler.go (2.3.1 and later): once an hour, rows that have been inactive for half an hour.
_CLEANED_SECONDS = 5400.0


def of_entry(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Compare an entry with its record and its release."""
    manager, name = facts.observed.manager, facts.topology.metadata.name
    if manager is None:
        return
    record, release = expected_record(facts.topology, cluster, facts.observed), facts.seen(cluster).release
    up = f"dfmc up {facts.file} -c {cluster.name}"
    if record is None:
        if release is not None:
            ids = ", ".join(str(one.id) for one in manager.records) or "none"
            what = "it is installed and the manager has no record of it"
            yield Finding(cluster.name, what, f"records there are: {ids}", up, f"record {cluster.name}")
        return
    place = f"record {record.name} (id {record.id})"
    is_central = cluster.name == facts.topology.manager.cluster
    if not is_central and (conflict := record_conflict(cluster.name, record, name, facts.uid)):
        yield finding_of(conflict, cluster.name, place=place)
        return
    if release is None:
        what = "the manager has a record of it and it is not installed"
        why = f"there is no release {cluster.release} in namespace {cluster.namespace} of context {cluster.context}"
        yield Finding(cluster.name, what, why, up, place)
    changes = record_changes(facts.topology, cluster, record, facts.uid)
    if changes:
        why = "; ".join(str(change) for change in changes)
        yield Finding(cluster.name, "its record differs from the file", why, f"dfmc plan {facts.file}", place)


def of_nobody(facts: Facts) -> Iterator[Finding]:
    """Find records that no entry of the file stands for, and several that claim to be the default."""
    manager, topology = facts.observed.manager, facts.topology
    if manager is None:
        return
    expected = [expected_record(topology, cluster, facts.observed) for cluster in topology.clusters]
    known = {record.id for record in expected if record}
    for record in (one for one in manager.records if one.id not in known):
        yield _unknown(facts, record)
    if DEFAULT_RECORD_ID not in {record.id for record in manager.records}:
        what = f"record {DEFAULT_RECORD_ID}, the central cluster's, is gone"
        yield Finding(topology.central.name, what, "somebody deleted it", f"dfmc console {facts.file}")
    defaults = [record for record in manager.records if record.is_default]
    if len(defaults) != 1:
        names = ", ".join(f"{record.name} (id {record.id})" for record in defaults) or "none"
        yield Finding(
            topology.central.name,
            f"{len(defaults) or 'no'} records are marked as the default",
            f"{names}; peers that fit no scopes go to the default one",
            f"put it right in the manager's console: dfmc console {facts.file}",
            level="warning",
        )


def _unknown(facts: Facts, record: ClusterRecord) -> Finding:
    topology = facts.topology
    place, console = f"record {record.name} (id {record.id})", f"dfmc console {facts.file}"
    rows = [
        row
        for row in (facts.observed.manager.schedulers if facts.observed.manager else ())
        if row.scheduler_cluster_id == record.scheduler_cluster_id
    ]
    active = sum(row.state == "active" for row in rows)
    why = f"{active} of its schedulers are active" if rows else "it has no schedulers"
    if facts.uid is not None and is_ours(record, topology.metadata.name, facts.uid):
        what = f"record {record.name} (id {record.id}) is this topology's, and the file has no such cluster"
        return Finding(
            "", what, f"its entry was removed or renamed; {why}", f"delete it in the console: {console}", place
        )
    what = f"record {record.name} (id {record.id}) was not made by this topology"
    return Finding("", what, f"{why}; its bio is {record.bio!r}", f"see who made it: {console}", place, "warning")


def stale_rows(facts: Facts) -> Iterator[Finding]:
    """Find inactive scheduler rows of pods that are gone and that no clean-up will take."""
    manager = facts.observed.manager
    if manager is None:
        return
    newest = max((row.last_keep_alive for row in manager.schedulers if row.last_keep_alive), default=0.0)
    pods = {(pod.name, pod.ip) for cluster in facts.entries for pod in facts.seen(cluster).pods}
    by_id = {record.scheduler_cluster_id: record.name for record in manager.records}
    unseen = {entry.name for entry in facts.topology.clusters} - set(facts.selected)
    for row in manager.schedulers:
        if row.state != "inactive" or (row.pod_name, row.ip) in pods or _will_be_cleaned(row, newest):
            continue
        owner = by_id.get(row.scheduler_cluster_id, "")
        if owner in unseen:
            continue  # its pods were not asked for
        yield Finding(
            owner if owner in facts.selected else "",
            f"scheduler row {row.id} is of a pod that is gone: {row.host_name} ({row.ip}:{row.port})",
            "peers are given inactive schedulers too, and wait for each; a cluster with rows cannot be deleted",
            f"delete it in the console ({owner or f'cluster {row.scheduler_cluster_id}'}): dfmc console {facts.file}",
            f"scheduler row {row.id}",
            "warning",
        )


def _will_be_cleaned(row: SchedulerRecord, newest: float) -> bool:
    return bool(row.last_keep_alive) and newest - (row.last_keep_alive or 0.0) < _CLEANED_SECONDS


def unknown_ids(facts: Facts) -> Iterator[Finding]:
    """Find active schedulers under an id that no record has: the manager does not check ids."""
    manager = facts.observed.manager
    if manager is None:
        return
    ids = {record.scheduler_cluster_id for record in manager.records}
    for row in manager.schedulers:
        if row.state == "active" and row.scheduler_cluster_id not in ids:
            yield Finding(
                "",
                f"{row.host_name} ({row.ip}) is active under id {row.scheduler_cluster_id}, that no record has",
                "the manager takes any id; no peer is ever sent to that scheduler",
                "give the release that runs it the id of a record; for one of the file: dfmc up " + facts.file,
                f"scheduler row {row.id}",
            )


def _records(facts: Facts) -> Iterator[Finding]:
    for cluster in facts.entries:
        if facts.lacks(Need.RELEASE, cluster.name) is None:
            yield from of_entry(facts, cluster)
    yield from of_nobody(facts)


def _rows(facts: Facts) -> Iterator[Finding]:
    yield from stale_rows(facts)
    yield from unknown_ids(facts)


CHECKS = (
    Check(
        "DF361",
        "the manager answers root",
        GROUP,
        "The health route says OK while the database is down; only an authorised answer proves that the manager works.",
        "Look at the manager's and its database's pods.",
        answers_for=(Need.MANAGER,),
    ),
    Check(
        "DF362",
        "the manager's records, the releases and the file fit together",
        GROUP,
        "A cluster without a record has no ids; a record without a cluster draws peers to nothing; and a record of "
        "somebody else under one of the file's names stops every run.",
        "`dfmc up` registers and corrects what is the file's; what is left over is deleted in the console.",
        needs=(Need.MANAGER,),
        of_topology=_records,
    ),
    Check(
        "DF363",
        "the manager's scheduler rows are of schedulers that exist",
        GROUP,
        "A pod that comes back with another address leaves its old row behind. Managers from 2.3.1 on remove it within "
        "the hour or so; older ones never. Clients are given such addresses and wait for each.",
        "Delete the row in the console.",
        needs=(Need.MANAGER,),
        of_topology=_rows,
    ),
)
