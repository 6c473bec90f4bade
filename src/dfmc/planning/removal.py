"""make_removal: from the file and what is there to the steps of ``remove-cluster``. Pure.

The only safe order: the release goes, its schedulers become inactive, their rows go (the manager deletes no record
that has any), then the record, then what ``down`` would take of a member. The entry goes last, so that a run that was
stopped anywhere can be run again.
"""

from __future__ import annotations

from dataclasses import replace

from dfmc.errors import DfmcError, NotReadyError, PreflightError, UnreachableError, UsageError
from dfmc.planning.ownership import is_ours, place_conflict, release_conflict, stored_conflict
from dfmc.planning.records import DEFAULT_RECORD_ID, expected_record
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step, in_order
from dfmc.planning.teardown import Remains, cluster_steps
from dfmc.state import ClusterRecord, Observed, ObservedManager
from dfmc.topology.model import ClusterSpec, Topology

# These act on the manager and on the file, not in the cluster itself.
ELSEWHERE = frozenset({Kind.DEREGISTER, Kind.ENTRY})


def refuse_central(topology: Topology, name: str) -> None:
    """Refuse to remove the manager's cluster.

    Raises:
        UsageError: It is the manager's cluster.
    """
    if name != topology.manager.cluster:
        return
    members = [member.name for member in topology.members]
    why = f"{', '.join(members)} {'is' if len(members) == 1 else 'are'} registered there" if members else ""
    raise UsageError(
        f"{name} is the manager's cluster",
        why=why or "there is no topology without it",
        left="nothing was changed",
        next_step="dfmc down takes the whole topology down",
    )


def make_removal(
    topology: Topology,
    observed: Observed,
    name: str,
    remains: Remains,
    *,
    delete_data: bool,
    force: bool,
) -> Plan:
    """Return the steps that remove a member.

    Args:
        topology: Loaded and checked, with the member.
        observed: The central cluster, the member, and the manager's rows.
        name: The member's.
        remains: What of it outlives its release.
        delete_data: Also its volume claims.
        force: Go on where its cluster cannot be reached.

    Raises:
        DfmcError: The central cluster cannot be looked at or is not this topology's, the manager cannot be asked, the
            member cannot be reached, or its release is not this topology's.
    """
    central, member, stored = topology.central, topology.cluster(name), observed.credentials
    at_center = observed.clusters[central.name]
    error = at_center.error or (stored_conflict(topology, stored) if stored else None)
    error = error or _conflict(topology, central, observed) or _conflict(topology, member, observed)
    error = error or _manager_trouble(topology, observed)
    if error:
        raise error
    seen = observed.clusters[name]
    is_unseen = seen.error is not None
    if seen.error and not (force and _is_out_of_reach(seen.error)):
        raise _unreachable(seen.error) if _is_out_of_reach(seen.error) else seen.error
    steps = [] if is_unseen else cluster_steps(topology, member, observed, {name: remains}, (), delete_data=delete_data)
    record = own_record(topology, member, observed)
    if record and observed.manager:
        steps = with_deregistration(steps, name, record, observed.manager, is_unseen=is_unseen)
    needs = tuple(step.id for step in steps)
    steps.append(Step(Kind.ENTRY, name, Action.DELETE, needs, (FieldChange(f"entry {name} of the file", "", None),)))
    return Plan(topology.metadata.name, topology.chart.version, in_order(_with_present_needs(steps)))


def with_deregistration(
    steps: list[Step],
    name: str,
    record: ClusterRecord,
    rows: ObservedManager,
    *,
    is_unseen: bool,
    needs: tuple[str, ...] = (),
) -> list[Step]:
    """Return the steps of a member with the one that takes it out of the manager, right after its release is gone.

    Args:
        steps: What happens in its cluster.
        name: Of the cluster, as in the steps.
        record: Its record.
        rows: The manager's.
        is_unseen: Nobody can see whether its release is gone.
        needs: Other steps that have to come before.
    """
    schedulers = [one for one in rows.schedulers if one.scheduler_cluster_id == record.scheduler_cluster_id]
    seeds = [one for one in rows.seed_peers if one.seed_peer_cluster_id == record.seed_peer_cluster_id]
    deleted = [
        *(f"scheduler {one.host_name} ({one.state})" for one in schedulers),
        *(f"seed peer {one.host_name}" for one in seeds),
        f"record {record.name} (id {record.id})",
    ]
    step = Step(
        Kind.DEREGISTER,
        name,
        Action.DELETE,
        (*needs, f"{Kind.UNINSTALL}:{name}"),
        tuple(FieldChange(one, "(there)", None) for one in deleted),
        note="waits until all of them have stayed inactive, for its cluster cannot be seen" if is_unseen else "",
    )
    after = (Kind.UNBRIDGE, Kind.VOLUMES, Kind.DISCARD)
    later = [replace(one, needs=(*one.needs, step.id)) if one.kind in after else one for one in steps]
    return [*later, step]


def own_record(topology: Topology, member: ClusterSpec, observed: Observed) -> ClusterRecord | None:
    """Return the member's record where this topology has made it; never the manager's first one."""
    record = expected_record(topology, member, observed)
    stored = observed.credentials
    if record is None or stored is None or record.id == DEFAULT_RECORD_ID:
        return None
    return record if is_ours(record, topology.metadata.name, stored.uid) else None


def left_behind(topology: Topology, observed: Observed, name: str) -> tuple[str, ...]:
    """Return what a removal leaves, because nobody can reach it or because it is not ours."""
    member, seen = topology.cluster(name), observed.clusters[name]
    left = []
    if seen.error:
        at = f"--context {member.context} -n {member.namespace}"
        left.append(
            f"whatever is in namespace {member.namespace} of context {member.context}; when it is back: "
            f"helm --kube-context {member.context} -n {member.namespace} uninstall {member.release}, "
            f"kubectl {at} get all,pvc,secrets"
        )
    record = expected_record(topology, member, observed)
    if record and own_record(topology, member, observed) is None:
        left.append(f"record {record.name} (id {record.id}), which this topology did not make")
    if observed.manager is None and observed.credentials is not None:
        left.append(
            f"its record, in the database of a manager that is not running: after the next dfmc up, "
            f"dfmc up --prune removes {name}"
        )
    return tuple(left)


def _conflict(topology: Topology, cluster: ClusterSpec, observed: Observed) -> DfmcError | None:
    if taken := place_conflict(topology, cluster, observed):
        return taken
    release = observed.clusters[cluster.name].release
    uid = observed.credentials.uid if observed.credentials else None
    return release_conflict(cluster, release, topology.metadata.name, uid) if release else None


def _manager_trouble(topology: Topology, observed: Observed) -> DfmcError | None:
    """Return why a manager that is installed cannot be asked."""
    central = topology.central
    if observed.manager is not None or observed.clusters[central.name].release is None:
        return None
    return observed.manager_error or NotReadyError(
        "the manager cannot be asked yet",
        where=central.name,
        why="root's password has not been replaced",
        left="nothing was changed",
        next_step=f"dfmc up -c {central.name} finishes it; then remove the cluster",
    )


def _is_out_of_reach(error: DfmcError) -> bool:
    # A kubeconfig without the context is what a cluster leaves that is gone for good.
    return isinstance(error, UnreachableError | PreflightError)


def _unreachable(error: DfmcError) -> DfmcError:
    raised = UnreachableError(
        error.what,
        where=error.where,
        why=error.why,
        left="nothing was changed",
        next_step="run it again when the cluster answers; where it is gone for good: --force-unreachable",
    )
    raised.__cause__ = error
    return raised


def _with_present_needs(steps: list[Step]) -> list[Step]:
    present = {step.id for step in steps}
    return [replace(step, needs=tuple(need for need in step.needs if need in present)) for step in steps]
