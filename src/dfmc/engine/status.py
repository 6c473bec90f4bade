"""``status``: how every cluster stands against the file."""

from __future__ import annotations

from dataclasses import replace

from dfmc.engine.observe import observe
from dfmc.engine.preparation import check_selection, fetch_chart, plan_for, prepare, selected
from dfmc.engine.reporting import cluster_report
from dfmc.engine.reports import StatusReport
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.proof import ProofFinding, prove, workload_findings
from dfmc.planning.records import expected_record
from dfmc.state import Observed


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
        report = cluster_report(session, cluster, observed, "failed" if error else "unchanged", findings)
        reports.append(replace(report, drift=drift.get(cluster.name, ()), error=error))
    return StatusReport(session.topology.metadata.name, tuple(reports), _foreign(session, observed))


def _foreign(session: Session, observed: Observed) -> tuple[str, ...]:
    if observed.manager is None:
        return ()
    expected = [expected_record(session.topology, cluster, observed) for cluster in session.topology.clusters]
    ours = {record.id for record in expected if record}
    return tuple(f"{record.name} (id {record.id})" for record in observed.manager.records if record.id not in ours)
