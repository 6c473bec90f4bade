"""What comes before every run: the credentials that the file refers to, the chart, the first look."""

from __future__ import annotations

import asyncio

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.credentials import read_given
from dfmc.engine.events import Note
from dfmc.engine.observe import observe
from dfmc.engine.session import Session
from dfmc.engine.strays import with_strays
from dfmc.planning.plan import ChartIdentity, make_plan
from dfmc.planning.steps import Plan
from dfmc.state import Observed
from dfmc.values.defaults import check_defaults
from dfmc.values.key_facts import has_facts


async def prepare(session: Session) -> None:
    """Read the credentials that the file refers to; a missing one stops the run before anything is touched."""
    central_kube = session.kube_of(session.topology.central)
    session.given = await read_given(session.topology, central_kube, session.base, session.redactor)


async def fetch_chart(session: Session) -> ChartArchive:
    """Return the file's chart, its digest checked; the observer is told what a digest or a key could not prove."""
    spec = session.topology.chart
    path = str(session.base / spec.path) if spec.path else None
    archive = await session.factory.chart_source().fetch(
        repository=spec.repository, path=path, name=spec.name, version=spec.version, sha256=spec.sha256
    )
    if archive.warning:
        session.observer(Note("", archive.warning, "warning"))
    if not has_facts(spec.version):
        defaults = await session.helm_of(session.topology.central).show_values(archive.path)
        for sentence in check_defaults(session.loaded, defaults):
            session.observer(Note("", sentence, "warning"))
    return archive


async def observe_with_chart(session: Session) -> tuple[Observed, ChartArchive]:
    """Look at the clusters and fetch the chart at the same time."""
    chart_task = asyncio.ensure_future(fetch_chart(session))
    try:
        observed = await observe_all(session)
        return observed, await chart_task
    finally:
        chart_task.cancel()


async def observe_all(session: Session) -> Observed:
    """Look at the selected clusters, and for what is left of others where the run is about the whole file."""
    observed = await observe(session, only=session.options.only)
    return observed if session.options.only else await with_strays(session, observed)


def plan_for(session: Session, observed: Observed, chart: ChartArchive) -> Plan:
    """Return the plan for the selected clusters; errors as make_plan."""
    identity = ChartIdentity(chart.version, chart.sha256)
    made = make_plan(session.topology, observed, chart=identity, given=session.given, consent=session.options.consent)
    return made.restricted(session.options.only) if session.options.only else made
