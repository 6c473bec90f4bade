"""From outcomes and observations to the reports that a run ends with."""

from __future__ import annotations

from dataclasses import replace

from dfmc.engine.events import StepEnded
from dfmc.engine.execute import Outcomes
from dfmc.engine.reports import ClusterReport, ClusterResult, UpReport
from dfmc.engine.run_state import RunState
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.exposure import manager_endpoint, redis_addresses
from dfmc.planning.proof import ProofFinding, active_rows
from dfmc.planning.records import expected_record
from dfmc.planning.steps import Kind, Plan
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec


def up_report(session: Session, made: Plan, run: RunState, outcomes: Outcomes, seconds: float) -> UpReport:
    """Return the end of a run: every selected cluster with its result, its error, and what it was blocked by."""
    reports = []
    for cluster in session.selected():
        ended = outcomes.of(cluster.name)
        error = made.failures.get(cluster.name) or outcomes.error_of(cluster.name)
        blocked = outcomes.blocked(cluster.name)
        changed = any(end.state == "done" for end in ended)
        result: ClusterResult = "changed" if changed else "unchanged"
        if error or blocked:
            result = "failed" if error else "blocked"
        report = cluster_report(session, cluster, run.last_seen(cluster), result, ())
        record = run.records.get(cluster.name)
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


def _cause(outcomes: Outcomes, blocked: StepEnded) -> DfmcError | None:
    """Return the failure that a step waited for in vain."""
    first = outcomes.ended.get(blocked.blocked_by)
    return first.error if first else None


def cluster_report(
    session: Session,
    cluster: ClusterSpec,
    observed: Observed,
    result: ClusterResult,
    findings: tuple[ProofFinding, ...],
) -> ClusterReport:
    """Return one cluster as an observation has it; ``result`` and ``findings`` are the caller's."""
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
