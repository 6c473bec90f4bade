"""``down``: observe → plan → (lock → execute) → report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from dfmc.engine.chart_objects import release_objects
from dfmc.engine.events import Note
from dfmc.engine.execute import Outcomes, execute
from dfmc.engine.lock import Lock, locked
from dfmc.engine.observe import observe
from dfmc.engine.preflight import preflight
from dfmc.engine.reports import DownCluster, DownReport, DownResult
from dfmc.engine.session import Session
from dfmc.engine.teardown import TeardownActions, remains_of
from dfmc.errors import DfmcError
from dfmc.planning.rights import ObjectKind
from dfmc.planning.steps import Kind, Plan
from dfmc.planning.teardown import Remains, keeps_records, make_teardown
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec

Confirm = Callable[[Plan], bool]


async def down(session: Session, *, confirm: Confirm, delete_data: bool) -> DownReport:
    """Take the topology down: members first, then the central cluster.

    Args:
        session: The run.
        confirm: Shown the plan when it deletes something; False ends the run with nothing done.
        delete_data: Also volume claims, and credentials where the data that they fit goes with them.

    Raises:
        DfmcError: The central cluster cannot be looked at or is not this topology's; the lock is held or lost.
    """
    started = time.monotonic()
    topology = session.topology
    observed, remains = await _look(session)
    made = make_teardown(topology, observed, remains, delete_data=delete_data)
    if not made.has_changes:
        return _report(session, made, Outcomes(), remains, time.monotonic() - started, delete_data=delete_data)
    if not confirm(made):
        return DownReport(topology.metadata.name, (), made, 0.0, declined=True)
    refused = await preflight(session, made, _objects(observed))
    if not observed.clusters[topology.manager.cluster].namespace_exists:
        # Without the central namespace there is no place for a lock, and no run of `up` that it would keep out.
        return await _carry_out(session, None, refused, delete_data=delete_data, started=started)
    kube, patience = session.kube_of(topology.central), session.options.lock_timeout

    def say(text: str) -> None:
        session.observer(Note(topology.manager.cluster, text))

    async with locked(kube, topology, "down", say, patience) as lock:
        work = _carry_out(session, lock, refused, delete_data=delete_data, started=started)
        return await lock.while_held(work)


def _objects(observed: Observed) -> dict[str, tuple[ObjectKind, ...]]:
    """Return the kinds of objects of the releases; where a manifest cannot be read, the usual ones must do."""
    found = {}
    for name, seen in observed.clusters.items():
        if seen.release:
            with suppress(DfmcError):
                found[name] = release_objects(seen.release)
    return found


async def _look(session: Session) -> tuple[Observed, dict[str, Remains]]:
    observed = await observe(session, drift=False, manager=False)
    topology = session.topology
    clusters, remains = dict(observed.clusters), {}
    reachable = [cluster for cluster in topology.clusters if clusters[cluster.name].error is None]
    found = await asyncio.gather(*(_remains(session, cluster) for cluster in reachable))
    for cluster, left in zip(reachable, found, strict=True):
        if isinstance(left, Remains):
            remains[cluster.name] = left
        else:
            clusters[cluster.name] = replace(clusters[cluster.name], error=left)
    return replace(observed, clusters=clusters), remains


async def _remains(session: Session, cluster: ClusterSpec) -> Remains | DfmcError:
    try:
        async with session.slots:
            return await remains_of(session.kube_of(cluster), session, cluster)
    except DfmcError as error:
        error.where = error.where or cluster.name
        return error


async def _carry_out(
    session: Session, lock: Lock | None, refused: dict[str, DfmcError], *, delete_data: bool, started: float
) -> DownReport:
    """Plan again, now that nobody else is at work, and do it."""
    observed, remains = await _look(session)
    made = make_teardown(session.topology, observed, remains, delete_data=delete_data, refused=refused)
    uid = observed.credentials.uid if observed.credentials else None
    actions = TeardownActions(session, uid, lock)
    outcomes = await execute(made, actions.table(), session.observer, session.slots)
    return _report(session, made, outcomes, remains, time.monotonic() - started, delete_data=delete_data)


def _report(
    session: Session,
    made: Plan,
    outcomes: Outcomes,
    remains: dict[str, Remains],
    seconds: float,
    *,
    delete_data: bool,
) -> DownReport:
    topology = session.topology
    reports = []
    for cluster in topology.clusters:
        ended = outcomes.of(cluster.name)
        error = made.failures.get(cluster.name) or outcomes.error_of(cluster.name)
        blocked = outcomes.blocked(cluster.name)
        result: DownResult = "removed" if any(end.state == "done" for end in ended) else "absent"
        if error or blocked:
            result = "failed" if error else "blocked"
        reports.append(
            DownCluster(
                name=cluster.name,
                context=cluster.context,
                namespace=cluster.namespace,
                result=result,
                done=tuple(end.text for end in ended if end.state in ("done", "unchanged") and end.text),
                kept=_kept(session, cluster, made, remains.get(cluster.name, Remains()), delete_data=delete_data),
                error=error,
                blocked_by=blocked.blocked_by if blocked and not error else "",
            )
        )
    return DownReport(topology.metadata.name, tuple(reports), made, seconds)


def _kept(
    session: Session, cluster: ClusterSpec, made: Plan, remains: Remains, *, delete_data: bool
) -> tuple[str, ...]:
    """Return what of a cluster stays on purpose."""
    topology = session.topology
    if cluster.name in made.failures:
        return ()
    kept = [] if delete_data else [f"PersistentVolumeClaim {name}" for name in remains.claims]
    if cluster.name == topology.manager.cluster and keeps_records(topology, delete_data=delete_data):
        if remains.namespace is not None and made.step(f"{Kind.DISCARD}:{cluster.name}") is None:
            kept.append(f"Secret dfmc-{cluster.release}")
        place = "the external database" if topology.manager.database else "its volume"
        kept.append(f"the manager's records, in {place}")
    return tuple(kept)
