"""``status``: how every cluster stands against the file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.observe import observe
from dfmc.engine.preparation import fetch_chart, plan_for, prepare
from dfmc.engine.reporting import cluster_report
from dfmc.engine.reports import StatusReport
from dfmc.engine.session import Session
from dfmc.engine.strays import with_strays_in_time
from dfmc.errors import DfmcError, UnreachableError
from dfmc.planning.made_anew import changed_id
from dfmc.planning.orphans import described, orphans
from dfmc.planning.proof import ProofFinding, prove, workload_findings
from dfmc.planning.records import foreign_records
from dfmc.planning.steps import Plan

Show = Callable[[StatusReport], None]


async def status(session: Session) -> StatusReport:
    """Return how every cluster stands against the file; writes nothing and waits for nothing.

    A cluster that does not answer within the run's timeout is told as such; the others are looked at all the same.
    """
    session.selected()
    return await _status(session, await _chart(session))


async def watch(session: Session, show: Show, interval: float) -> NoReturn:
    """Look again and again, ``interval`` seconds between the end of a look and the next, until cancelled."""
    session.selected()
    chart = await _chart(session)
    while True:
        if isinstance(chart, DfmcError):
            chart = await _chart(session)
        show(await _status(session, chart))
        await asyncio.sleep(interval)


async def _chart(session: Session) -> ChartArchive | DfmcError:
    """Return the chart, or why there is nothing to compare the releases with."""
    try:
        async with asyncio.timeout(session.options.timeout):
            return await fetch_chart(session)
    except TimeoutError:
        return UnreachableError("the chart cannot be had in time", why=f"not within {session.options.timeout:g} s")
    except DfmcError as error:
        return error


async def _status(session: Session, chart: ChartArchive | DfmcError) -> StatusReport:
    patience = session.options.timeout
    observed = await observe(session, deep=True, only=session.options.only, patience=patience)
    left: Mapping[str, str] = {}
    if not session.options.only:
        observed = await with_strays_in_time(session, observed, patience)
        left = described(orphans(session.topology, observed))
    drift: dict[str, tuple[str, ...]] = {}
    failures: dict[str, DfmcError] = {}
    unknown = chart if isinstance(chart, DfmcError) else None
    try:
        async with asyncio.timeout(patience):
            await prepare(session)
    except TimeoutError:
        unknown = UnreachableError("the credentials that the file refers to cannot be read in time")
    except DfmcError as missing:
        unknown = missing
    try:
        if not unknown and not isinstance(chart, DfmcError):
            made = plan_for(session, observed, chart)
            failures, drift = dict(made.failures), _drift(made)
    except DfmcError as central_error:
        failures[session.topology.manager.cluster] = central_error
    reports = []
    for cluster in session.selected():
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
        anew = None if error else changed_id(session.topology, cluster, observed)
        reports.append(replace(report, drift=drift.get(cluster.name, ()), error=error, changed_id=anew))
    foreign = tuple(one for name, one in foreign_records(session.topology, observed).items() if name not in left)
    name = session.topology.metadata.name
    return StatusReport(name, tuple(reports), foreign, unknown, orphans=left, unsearched=observed.unsearched)


def _drift(made: Plan) -> dict[str, tuple[str, ...]]:
    """Return what ``up`` would change, one line each, by cluster."""
    drift: dict[str, tuple[str, ...]] = {}
    for step in made.mutations:
        if step.conditional:
            continue
        lines = tuple(f"{step.id}: {change}" for change in step.changes) or (f"{step.id}: {step.note}",)
        drift[step.cluster] = drift.get(step.cluster, ()) + lines
    return drift
