"""``doctor``: gathers each fact once, all clusters at the same time, and runs the checks over them.

Nothing is written but access reviews, which are questions, and the probe pods, which are gone when it returns. What
cannot be read is a fact as well: the checks say so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.doctor_cluster import ClusterGatherer
from dfmc.engine.gathered import Gathered
from dfmc.engine.lock import lease_name
from dfmc.engine.observe import observe
from dfmc.engine.preparation import fetch_chart, plan_for, prepare
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import ClusterFacts, Facts, Need
from dfmc.planning.checks.model import Outcome, needed_by, run_checks
from dfmc.planning.checks.table import CHECKS
from dfmc.planning.credentials import DEFAULT_ROOT_PASSWORD
from dfmc.planning.ownership import release_conflict
from dfmc.planning.plan import ChartIdentity
from dfmc.state import Observed
from dfmc.values.passwords import PUBLIC_JWT_KEY

_CENTRAL_LOST = "the plan begins with the central cluster, which another check complains of"


@dataclass(frozen=True)
class DoctorReport:
    """What ``doctor`` found.

    Attributes:
        outcomes: One for each check, in the order of the table.
    """

    facts: Facts
    outcomes: tuple[Outcome, ...]

    @property
    def topology(self) -> str:
        """Name of the topology."""
        return self.facts.topology.metadata.name


async def doctor(session: Session, *, skip: Collection[str] = (), pods: bool = True) -> DoctorReport:
    """Return what every check says.

    Args:
        session: The run; ``options.only`` restricts which clusters are looked at.
        skip: Ids of checks that are left out, with everything that only they need.
        pods: Also ask from inside, by short-lived pods.

    Raises:
        UsageError: ``options.only`` names a cluster that the file has not.
    """
    session.selected()
    gathered = Gathered(needed_by(CHECKS, skip))
    names = [cluster.name for cluster in session.selected()]
    if not pods:
        gathered.absent |= {(Need.PROBES, name): "left out by --no-pods" for name in names}
    helm, chart, given, observed = await _first_look(session, gathered)
    _note_observed(session, gathered, observed, names)
    facts = Facts(
        topology=session.topology,
        file=session.loaded.file,
        selected=tuple(names),
        observed=observed,
        now=time.time(),
        clusters={},
        helm=helm,
        chart=ChartIdentity(chart.version, chart.sha256) if chart else None,
        given=given,
    )
    facts = _with_plan(session, gathered, facts, chart)
    facts, clusters = await asyncio.gather(
        _with_manager(session, gathered, facts), _clusters(session, gathered, facts, chart)
    )
    unread, absent = gathered.ordered(names)
    facts = replace(facts, clusters=clusters, unread=unread, absent=absent)
    return DoctorReport(facts, run_checks(CHECKS, facts, skip))


async def _first_look(
    session: Session, gathered: Gathered
) -> tuple[str, ChartArchive | None, Mapping[str, str], Observed]:
    """Ask helm, fetch the chart, read given credentials and observe, all at once."""

    async def given() -> Mapping[str, str]:
        await prepare(session)
        return session.given

    helm_of = session.helm_of(session.topology.central)
    nobody: ChartArchive | None = None
    nothing: Mapping[str, str] = {}
    async with asyncio.TaskGroup() as group:
        helm = group.create_task(gathered.read(Need.HELM, "", helm_of.version, ""))
        chart = group.create_task(gathered.read(Need.CHART, "", lambda: _chart(session), nobody))
        credentials = group.create_task(gathered.read(Need.GIVEN, "", given, nothing))
        observed = group.create_task(observe(session, deep=True, only=session.options.only))
    return helm.result(), chart.result(), credentials.result(), observed.result()


async def _chart(session: Session) -> ChartArchive | None:
    return await fetch_chart(session)


def _note_observed(session: Session, gathered: Gathered, observed: Observed, names: Sequence[str]) -> None:
    """Sort what the observation could not see into what failed and what is not there yet."""
    central = session.topology.manager.cluster
    for name in dict.fromkeys((*names, central)):
        seen = observed.clusters[name]
        if seen.error is None:
            if seen.release is None and name in names:
                gathered.absent[Need.INSTALLED, name] = "not installed yet"
            continue
        if seen.facts is None:
            if name in names:
                gathered.unread[Need.CLUSTER, name] = seen.error
        elif name in names:
            gathered.unread[Need.RELEASE, name] = seen.error
    manager_needs = (Need.MANAGER, Need.MANAGER_CLOCK, Need.LOGIN, Need.FORGERY)
    if observed.manager_error is not None:
        gathered.unread[Need.MANAGER, ""] = observed.manager_error
        gathered.absent |= {(need, ""): "the manager could not be asked" for need in manager_needs[1:]}
    elif observed.manager is None:
        why = "there is no manager yet"
        if observed.clusters[central].error is not None:
            why = f"the central cluster {central} could not be read"
        elif observed.clusters[central].release is not None:
            why = "dfmc has not signed in to the manager yet: dfmc up goes on"
        gathered.absent |= {(need, ""): why for need in manager_needs}


def _with_plan(session: Session, gathered: Gathered, facts: Facts, chart: ChartArchive | None) -> Facts:
    """Plan as ``status`` does; a central cluster that stops planning is told of by the check that looks at it."""
    observed, central = facts.observed, session.topology.central
    if chart is None or (Need.GIVEN, "") in gathered.unread:
        gathered.absent[Need.PLAN, ""] = "it needs the chart and the credentials that the file refers to"
        return facts
    seen = observed.clusters[central.name]
    name = session.topology.metadata.name
    if seen.error or (seen.release and release_conflict(central, seen.release, name, facts.uid)):
        gathered.absent[Need.PLAN, ""] = _CENTRAL_LOST
        return facts
    if observed.credentials is not None and observed.credentials.topology != name:
        gathered.absent[Need.PLAN, ""] = _CENTRAL_LOST
        return facts
    try:
        return replace(facts, plan=plan_for(session, observed, chart))
    except DfmcError as error:
        gathered.unread[Need.PLAN, ""] = error
        return facts


async def _with_manager(session: Session, gathered: Gathered, facts: Facts) -> Facts:
    """Ask the manager what everybody could ask it, and for its clock; read the lock."""
    central = session.topology.central
    call = session.manager.call
    # One after the other: a sign-in, even a refused one, empties and fills a cache in the manager.
    forged = await gathered.read(Need.FORGERY, "", lambda: call(lambda m: m.takes_key(PUBLIC_JWT_KEY)), False)
    signed_in = await gathered.read(
        Need.LOGIN, "", lambda: call(lambda m: m.takes_password(DEFAULT_ROOT_PASSWORD)), False
    )
    nothing: float | None = None
    ahead = await gathered.read(Need.MANAGER_CLOCK, "", lambda: call(lambda m: m.clock_ahead()), nothing)
    lease = None
    if facts.observed.clusters[central.name].facts is not None:
        kube, none = session.kube_of(central), None
        lease = await gathered.read(
            Need.LEASE,
            "",
            lambda: kube.get("coordination.k8s.io/v1", "Lease", lease_name(session.topology), central.namespace),
            none,
        )
    return replace(
        facts,
        takes_default_key=forged,
        takes_default_password=signed_in,
        manager_clock_ahead=ahead,
        lease=lease,
    )


async def _clusters(
    session: Session, gathered: Gathered, facts: Facts, chart: ChartArchive | None
) -> dict[str, ClusterFacts]:
    answering = [cluster for cluster in facts.entries if (Need.CLUSTER, cluster.name) not in gathered.unread]
    gatherers = [ClusterGatherer(session, gathered, facts, cluster, chart) for cluster in answering]
    found = await asyncio.gather(*(gatherer.gather() for gatherer in gatherers))
    there = {cluster.name: one for cluster, one in zip(answering, found, strict=True)}
    return {name: there.get(name, ClusterFacts()) for name in facts.selected}


def is_blind(report: DoctorReport) -> DfmcError | None:
    """Return the error of every cluster where not one could be asked, for one and the same kind of reason."""
    errors = [report.facts.unread.get((Need.CLUSTER, name)) for name in report.facts.selected]
    found = [error for error in errors if error is not None]
    if found and len(found) == len(errors) and len({type(error) for error in found}) == 1:
        return found[0]
    return None
