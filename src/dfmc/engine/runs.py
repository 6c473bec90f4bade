"""The runs behind ``plan`` and ``up``: observe → plan → (execute → prove) → report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from dfmc import __version__
from dfmc.clients.protocols import ChartArchive
from dfmc.engine.actions import Actions, ensure_namespace
from dfmc.engine.chart_objects import chart_objects
from dfmc.engine.credentials import secret_versions
from dfmc.engine.events import Note
from dfmc.engine.execute import Outcomes, execute
from dfmc.engine.lock import locked
from dfmc.engine.peers import with_moves
from dfmc.engine.preflight import preflight
from dfmc.engine.preparation import observe_all, observe_with_chart, plan_for, prepare
from dfmc.engine.reporting import up_report
from dfmc.engine.reports import UpReport
from dfmc.engine.run_state import RunState
from dfmc.engine.session import Session
from dfmc.engine.strays import prune_actions, pruned
from dfmc.errors import ConflictError, DfmcError, UnreachableError
from dfmc.planning.fingerprint import NAMESPACE, Fingerprint, fingerprint, text_digest
from dfmc.planning.orphans import described, orphans
from dfmc.planning.rights import ObjectKind
from dfmc.planning.saved import SavedPlan, described_steps
from dfmc.planning.steps import Kind, Plan
from dfmc.state import Observed

Confirm = Callable[[Plan], bool]

_PLANS_AT_MOST = 3


async def plan(session: Session) -> Plan:
    """Return what ``up`` would do; writes nothing.

    Raises:
        DfmcError: The central cluster cannot be planned for.
    """
    return (await plan_to_save(session))[0]


async def plan_to_save(session: Session) -> tuple[Plan, SavedPlan]:
    """Return what ``up`` would do, for people and for a later ``up --plan``; errors as plan."""
    session.selected()
    await prepare(session)
    observed, chart = await observe_with_chart(session)
    made = await with_moves(session, plan_for(session, observed, chart), observed)
    options = session.options
    saved = SavedPlan(
        topology=session.topology.metadata.name,
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        only=options.only,
        adopt=options.consent.adopt,
        allow=tuple(sorted(options.consent.allow)),
        fingerprint=await _fingerprint(session, observed, chart),
        steps=described_steps(made),
        prune=options.consent.prune,
    )
    return made, saved


async def _fingerprint(session: Session, observed: Observed, chart: ChartArchive) -> Fingerprint:
    run = {
        "dfmc": __version__,
        "the topology's text": text_digest(session.loaded.text),
        "chart": f"{chart.name}-{chart.version}, sha256 {chart.sha256}",
        **await secret_versions(session.topology, session.kube_of(session.topology.central)),
    }
    if session.options.consent.prune:
        left = described(orphans(session.topology, observed))
        run["orphans"] = "; ".join(f"{name}: {what}" for name, what in left.items()) or "none"
    names = [cluster.name for cluster in session.selected()]
    return fingerprint(session.topology, observed, selected=names, run=run)


async def up(session: Session, *, confirm: Confirm, saved: SavedPlan | None = None) -> UpReport:
    """Make the world as the file says, and prove it.

    What fails for one cluster is in the report; only what makes the whole run senseless is raised.

    Args:
        session: The run.
        confirm: Shown the plan when it writes something, and again when the world has moved and there is more to
            write by the time the lock is ours; False ends the run with nothing done.
        saved: A plan that was agreed to before: nobody is asked, and nothing else is done.

    Raises:
        DfmcError: The central cluster cannot be planned for, the lock is held or lost, the machine is not fit, the
            saved plan is out of date.
    """
    started = time.monotonic()
    session.selected()
    await prepare(session)
    central = session.topology.central
    observed, chart = await observe_with_chart(session)
    made = plan_for(session, observed, chart)
    if saved:
        saved.refuse_stale(made, await _fingerprint(session, observed, chart))
    for _ in range(_PLANS_AT_MOST):
        if made.has_changes and not saved:
            made = await with_moves(session, made, observed)
        if made.has_changes and not saved and not confirm(made):
            return UpReport(session.topology.metadata.name, (), made, 0.0, changed=False, declined=True)
        refused = await preflight(session, made, await _objects(session, made, chart))
        made = made.without(refused)
        if not observed.clusters[central.name].namespace_exists:
            await ensure_namespace(session, central)  # the Lease lives in it
        before = await _fingerprint(session, observed, chart) if saved else None
        patience = session.options.lock_timeout
        async with locked(session.kube_of(central), session.topology, "up", _sayer(session), patience) as lock:
            agreed = made
            if agreed.has_changes:
                # The world may have moved while the user read the plan or another run held the lock.
                observed = await observe_all(session)
                made = plan_for(session, observed, chart).without(refused)
            if saved and before:
                now = await _fingerprint(session, observed, chart)
                # Its namespace is our own doing.
                if changes := before.without(central.name, NAMESPACE).changes(now.without(central.name, NAMESPACE)):
                    raise saved.stale(changes)
            if not made.exceeds(agreed):
                made = replace(made, moves=agreed.moves)
                run = RunState(session, observed, chart, lock)
                return await lock.while_held(_carry_out(made, run, started))
        session.observer(Note("", "there is more to do by now than the plan said; here is the new one", "warning"))
    raise ConflictError(
        "the clusters change faster than plans are made",
        where=session.topology.metadata.name,
        why=f"each of {_PLANS_AT_MOST} plans was out of date before it could be carried out",
        next_step="see who else changes them, then run dfmc up again",
    )


async def _objects(session: Session, made: Plan, chart: ChartArchive) -> dict[str, tuple[ObjectKind, ...]]:
    """Return the kinds of objects of the releases that the plan writes.

    Where helm cannot render a cluster's values, the usual kinds must do: its own step will tell, and stop nobody else.
    """
    helm = session.helm_of(session.topology.central)
    wanted = [session.topology.cluster(step.cluster) for step in made.mutations if step.kind is Kind.RELEASE]
    if not wanted:
        return {}
    await helm.version()
    found = await chart_objects(session.topology, wanted, chart.path, helm)
    return {name: kinds for name, kinds in found.items() if not isinstance(kinds, DfmcError)}


async def _carry_out(made: Plan, run: RunState, started: float) -> UpReport:
    session = run.session
    actions = {**prune_actions(session, run.observed, run.lock), **Actions(run).table()}
    outcomes = await execute(made, actions, session.observer, session.slots)
    failed = [cluster for cluster in session.selected() if _can_be_looked_at(outcomes, cluster.name)]
    await asyncio.gather(*(run.look_again(cluster) for cluster in failed))
    report = up_report(session, made, run, outcomes, time.monotonic() - started)
    return replace(report, pruned=pruned(run.observed, session, made, outcomes))


def _sayer(session: Session) -> Callable[[str], None]:
    return lambda text: session.observer(Note(session.topology.central.name, text))


def _can_be_looked_at(outcomes: Outcomes, cluster: str) -> bool:
    """Tell whether a cluster's failure leaves something to count: not where its API server is out of reach."""
    error = outcomes.error_of(cluster)
    return error is not None and not isinstance(error, UnreachableError)
