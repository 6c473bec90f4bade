"""The runs behind the commands: plan, up, status. Each is observe → plan → (execute → prove) → report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from dfmc.engine.actions import Actions, ensure_namespace
from dfmc.engine.events import Note, StepEnded
from dfmc.engine.execute import Outcomes, execute
from dfmc.engine.lock import locked
from dfmc.engine.observe import observe
from dfmc.engine.preflight import preflight
from dfmc.engine.preparation import check_selection, fetch_chart, observe_with_chart, plan_for, prepare, selected
from dfmc.engine.reports import ClusterReport, ClusterResult, StatusReport, UpReport
from dfmc.engine.session import Session
from dfmc.errors import ConflictError, DfmcError, UnreachableError
from dfmc.planning.exposure import manager_endpoint, redis_addresses
from dfmc.planning.proof import ProofFinding, active_rows, prove, workload_findings
from dfmc.planning.records import expected_record
from dfmc.planning.steps import Kind, Plan
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec

Confirm = Callable[[Plan], bool]

_PLANS_AT_MOST = 3


async def plan(session: Session) -> Plan:
    """Return what ``up`` would do; writes nothing.

    Raises:
        DfmcError: The central cluster cannot be planned for.
    """
    check_selection(session)
    await prepare(session)
    observed, chart = await observe_with_chart(session)
    return plan_for(session, observed, chart)


async def up(session: Session, *, confirm: Confirm) -> UpReport:
    """Make the world as the file says, and prove it.

    What fails for one cluster is in the report; only what makes the whole run senseless is raised.

    Args:
        session: The run.
        confirm: Shown the plan when it writes something, and again when the world has moved and there is more to
            write by the time the lock is ours; False ends the run with nothing done.

    Raises:
        DfmcError: The central cluster cannot be planned for, the lock is held, the machine is not fit.
    """
    started = time.monotonic()
    check_selection(session)
    await prepare(session)
    central = session.topology.central
    observed, chart = await observe_with_chart(session)
    made = plan_for(session, observed, chart)
    for _ in range(_PLANS_AT_MOST):
        if made.has_changes and not confirm(made):
            return UpReport(session.topology.metadata.name, (), made, 0.0, changed=False, declined=True)
        refused = await preflight(session, made)
        made = made.without(refused)
        if not observed.clusters[central.name].namespace_exists:
            await ensure_namespace(session, central)  # the Lease lives in it
        async with locked(session.kube_of(central), session.topology, "up", _sayer(session)) as lock:
            agreed = made
            if agreed.has_changes:
                # The world may have moved while the user read the plan or another run held the lock.
                observed = await observe(session, only=session.options.only)
                made = plan_for(session, observed, chart).without(refused)
            if not made.exceeds(agreed):
                actions = Actions(session, observed, chart, lock)
                outcomes = await execute(made, actions.table(), session.observer, session.slots)
                failed = [cluster for cluster in selected(session) if _can_be_looked_at(outcomes, cluster.name)]
                await asyncio.gather(*(actions.look_again(cluster) for cluster in failed))
                return _report(session, made, actions, outcomes, time.monotonic() - started)
        session.observer(Note("", "there is more to do by now than the plan said; here is the new one", "warning"))
    raise ConflictError(
        "the clusters change faster than plans are made",
        where=session.topology.metadata.name,
        why=f"each of {_PLANS_AT_MOST} plans was out of date before it could be carried out",
        next_step="see who else changes them, then run dfmc up again",
    )


def _sayer(session: Session) -> Callable[[str], None]:
    return lambda text: session.observer(Note(session.topology.central.name, text))


async def status(session: Session) -> StatusReport:
    """Return how every cluster stands against the file; writes nothing and waits for nothing."""
    check_selection(session)
    await prepare(session)
    observed = await observe(session, deep=True, only=session.options.only)
    chart = await fetch_chart(session)
    drift: dict[str, tuple[str, ...]] = {}
    failures: dict[str, DfmcError] = {}
    try:
        made = plan_for(session, observed, chart)
        failures = dict(made.failures)
        for step in made.mutations:
            if step.conditional:
                continue
            lines = tuple(f"{step.id}: {change}" for change in step.changes) or (f"{step.id}: {step.note}",)
            drift[step.cluster] = drift.get(step.cluster, ()) + lines
    except DfmcError as central_error:
        failures[session.topology.manager.cluster] = central_error
    reports = []
    for cluster in selected(session):
        seen = observed.clusters[cluster.name]
        error = failures.get(cluster.name) or seen.error
        findings: tuple[ProofFinding, ...] = ()
        if seen.release is not None and error is None:
            try:
                findings = (
                    *prove(session.topology, cluster, observed),
                    *workload_findings(session.topology, cluster, seen),
                )
            except DfmcError as raised:  # where the central cluster cannot be planned for, no plan has found it
                error = raised
        report = _cluster_report(session, cluster, observed, "failed" if error else "unchanged", findings)
        reports.append(replace(report, drift=drift.get(cluster.name, ()), error=error))
    return StatusReport(session.topology.metadata.name, tuple(reports), _foreign(session, observed))


def _foreign(session: Session, observed: Observed) -> tuple[str, ...]:
    if observed.manager is None:
        return ()
    expected = [expected_record(session.topology, cluster, observed) for cluster in session.topology.clusters]
    ours = {record.id for record in expected if record}
    return tuple(f"{record.name} (id {record.id})" for record in observed.manager.records if record.id not in ours)


def _can_be_looked_at(outcomes: Outcomes, cluster: str) -> bool:
    """Tell whether a cluster's failure leaves something to count: not where its API server is out of reach."""
    error = outcomes.error_of(cluster)
    return error is not None and not isinstance(error, UnreachableError)


def _cause(outcomes: Outcomes, blocked: StepEnded) -> DfmcError | None:
    """Return the failure that a step waited for in vain."""
    first = outcomes.ended.get(blocked.blocked_by)
    return first.error if first else None


def _report(session: Session, made: Plan, actions: Actions, outcomes: Outcomes, seconds: float) -> UpReport:
    reports = []
    for cluster in selected(session):
        ended = outcomes.of(cluster.name)
        error = made.failures.get(cluster.name) or outcomes.error_of(cluster.name)
        blocked = outcomes.blocked(cluster.name)
        changed = any(end.state == "done" for end in ended)
        result: ClusterResult = "changed" if changed else "unchanged"
        if error or blocked:
            result = "failed" if error else "blocked"
        report = _cluster_report(session, cluster, actions.last_seen(cluster), result, ())
        record = actions.records.get(cluster.name)
        cause = _cause(outcomes, blocked) if blocked and not error else None
        reports.append(
            replace(
                report,
                registration=record.registration if record else report.registration,
                seconds=sum(end.seconds for end in ended if end.step.kind is not Kind.MANAGER),
                error=error or cause,
                blocked_by=blocked.blocked_by if blocked and not error else "",
            )
        )
    changed_any = any(end.state == "done" for end in outcomes.ended.values())
    return UpReport(session.topology.metadata.name, tuple(reports), made, seconds, changed=changed_any)


def _cluster_report(
    session: Session,
    cluster: ClusterSpec,
    observed: Observed,
    result: ClusterResult,
    findings: tuple[ProofFinding, ...],
) -> ClusterReport:
    topology, seen = session.topology, observed.clusters[cluster.name]
    record = expected_record(topology, cluster, observed)
    manager = redis = ""
    try:
        endpoint = manager_endpoint(topology, cluster, observed)
        manager = f"{endpoint.host}:{endpoint.grpc_port}"
        redis = ", ".join(str(address) for address in redis_addresses(topology, cluster, observed))
    except DfmcError:
        pass  # the plan has it as this cluster's failure
    pods = [pod for pod in seen.pods if not pod.terminating]
    schedulers = [pod for pod in pods if pod.component == "scheduler"]
    rows = observed.manager.schedulers if observed.manager and record else ()
    active = active_rows(record.registration, pods, rows) if record else ()
    release = seen.release
    return ClusterReport(
        name=cluster.name,
        role="manager" if cluster.name == topology.manager.cluster else "member",
        context=cluster.context,
        namespace=cluster.namespace,
        result=result,
        registration=record.registration if record else None,
        chart=f"{release.chart_name}-{release.chart_version}" if release else "",
        revision=release.revision if release else 0,
        release_status=release.status if release else "",
        schedulers=(len(active), len(schedulers)),
        pods=(sum(pod.ready for pod in pods), len(pods)),
        manager=manager,
        redis=redis,
        findings=findings,
    )
