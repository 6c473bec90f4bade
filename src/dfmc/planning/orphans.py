"""Orphans: what is left of clusters that are not in the file any more, and the steps of ``up --prune``. Pure.

Only what carries this topology's own mark counts: a record with our uid in its bio, a release with our labels. A record
and a release belong together when the release's schedulers are told the record's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dfmc.errors import ConflictError, DfmcError, NotReadyError
from dfmc.planning.ownership import is_ours
from dfmc.planning.records import DEFAULT_RECORD_ID, expected_record, scheduler_cluster_id
from dfmc.planning.removal import with_deregistration
from dfmc.planning.steps import Kind, Step
from dfmc.planning.teardown import Remains, cluster_steps
from dfmc.state import ClusterRecord, Observed, ObservedCluster, StrayRelease
from dfmc.topology.model import ClusterSpec, Topology


@dataclass(frozen=True)
class Orphan:
    """What is left of one cluster.

    Attributes:
        name: The record's, else the place of the release.
        record: Its record, where there is one.
        stray: Its release, where it was found.
    """

    name: str
    record: ClusterRecord | None
    stray: StrayRelease | None

    @property
    def what(self) -> str:
        """What there is, in words."""
        parts = []
        if self.record:
            parts.append(f"record id {self.record.id}")
        if self.stray:
            release = self.stray.release
            parts.append(f"release {release.name} in namespace {release.namespace} of context {self.stray.context}")
        elif self.record:
            parts.append("no release of it in any context of the file")
        return ", ".join(parts)


def orphans(topology: Topology, observed: Observed) -> tuple[Orphan, ...]:
    """Return the orphans, those with a record first, by id."""
    stored = observed.credentials
    if stored is None:
        return ()
    names = {cluster.name.casefold() for cluster in topology.clusters}
    expected = [expected_record(topology, cluster, observed) for cluster in topology.clusters]
    known = {DEFAULT_RECORD_ID, *(record.id for record in expected if record)}
    rows = observed.manager.records if observed.manager else ()
    left = [
        record
        for record in sorted(rows, key=lambda row: row.id)
        if record.id not in known
        and record.name.casefold() not in names
        and is_ours(record, topology.metadata.name, stored.uid)
    ]
    by_id: dict[int, StrayRelease] = {}
    others = []
    for stray in observed.strays:
        number = scheduler_cluster_id(stray.release.values)
        if number in {record.scheduler_cluster_id for record in left} and number not in by_id:
            by_id[number] = stray
        else:
            others.append(stray)
    with_record = [Orphan(record.name, record, by_id.get(record.scheduler_cluster_id)) for record in left]
    return (*with_record, *(Orphan(_place(stray), None, stray) for stray in others))


def described(found: Sequence[Orphan]) -> dict[str, str]:
    """Return what there is, in words, by name."""
    return {orphan.name: orphan.what for orphan in found}


def with_orphans(topology: Topology, found: Sequence[Orphan]) -> Topology:
    """Return the topology with an entry for each orphan whose release is known, for what acts on entries."""
    return topology.model_copy(
        update={"clusters": (*topology.clusters, *(_entry(orphan) for orphan in found if orphan.stray))}
    )


def prune_steps(topology: Topology, observed: Observed) -> tuple[list[Step], dict[str, DfmcError]]:
    """Return the steps that remove the orphans, and why some cannot be removed. Volume claims stay."""
    found = orphans(topology, observed)
    whole = with_orphans(topology, found)
    steps: list[Step] = []
    failures: dict[str, DfmcError] = {}
    for orphan in found:
        if error := _refusal(topology, orphan, observed):
            failures[orphan.name] = error
            continue
        steps += _steps(whole, orphan, observed)
    return steps, failures


def _steps(whole: Topology, orphan: Orphan, observed: Observed) -> list[Step]:
    manager = f"{Kind.MANAGER}:{whole.manager.cluster}"
    steps: list[Step] = []
    if stray := orphan.stray:
        seen = ObservedCluster(orphan.name, namespace_exists=True, release=stray.release)
        world = replace(observed, clusters={**observed.clusters, orphan.name: seen})
        remains = {orphan.name: Remains(stray.claims, stray.bridges, stray.namespace_object)}
        steps = cluster_steps(whole, whole.cluster(orphan.name), world, remains, (manager,), delete_data=False)
    if orphan.record and observed.manager:
        # An entry of another name may have taken the release over: its schedulers leave the old id with the upgrade.
        users = [
            f"{Kind.RELEASE}:{name}"
            for name, seen in observed.clusters.items()
            if seen.release and scheduler_cluster_id(seen.release.values) == orphan.record.scheduler_cluster_id
        ]
        steps = with_deregistration(
            steps,
            orphan.name,
            orphan.record,
            observed.manager,
            is_unseen=orphan.stray is None and not users,
            needs=(manager, *users),
        )
    return steps


def _refusal(topology: Topology, orphan: Orphan, observed: Observed) -> DfmcError | None:
    if observed.manager is None:
        return NotReadyError(
            "cannot be pruned while the manager cannot be asked for its record",
            where=orphan.name,
            why=str(observed.manager_error or "the manager is not there yet"),
            next_step="dfmc up brings the manager up; then dfmc up --prune",
        )
    if orphan.record is None or orphan.stray is not None:
        return None
    number = orphan.record.scheduler_cluster_id
    if any(seen.release and scheduler_cluster_id(seen.release.values) == number for seen in observed.clusters.values()):
        return None
    rows = observed.manager.schedulers
    active = [row.host_name for row in rows if row.scheduler_cluster_id == number and row.state == "active"]
    if not active:
        return None
    return ConflictError(
        "is not in the file and still runs somewhere",
        where=orphan.name,
        why=f"schedulers {', '.join(active[:5])} are active, and no context of the file has its release",
        left="nothing of it was touched",
        next_step=f"put its entry back into the file, then dfmc remove-cluster {orphan.name}; or uninstall its release "
        "where it runs, then dfmc up --prune",
    )


def _entry(orphan: Orphan) -> ClusterSpec:
    assert orphan.stray is not None  # noqa: S101 - the caller has asked
    release = orphan.stray.release
    # Not validated: the place of a release is no name that a file could have.
    return ClusterSpec.model_construct(
        name=orphan.name,
        context=orphan.stray.context,
        kubeconfig=orphan.stray.kubeconfig,
        namespace=release.namespace,
        release=release.name,
    )


def _place(stray: StrayRelease) -> str:
    return f"{stray.context}/{stray.release.namespace}/{stray.release.name}"
