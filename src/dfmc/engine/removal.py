"""``remove-cluster``: observe → plan → (lock → execute) → report; the entry goes out of the file under the lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from dfmc.engine.chart_objects import release_objects
from dfmc.engine.deregistration import Deregistration
from dfmc.engine.events import Note
from dfmc.engine.execute import Action, Done, Outcomes, execute
from dfmc.engine.lock import Lock, locked
from dfmc.engine.observe import observe
from dfmc.engine.preflight import preflight
from dfmc.engine.reports import DownCluster, DownReport, DownResult
from dfmc.engine.session import Session
from dfmc.engine.teardown import TeardownActions, remains_of
from dfmc.errors import DfmcError
from dfmc.planning.removal import left_behind, make_removal, refuse_central
from dfmc.planning.steps import Kind, Plan, Step
from dfmc.planning.teardown import Remains
from dfmc.state import Observed

Confirm = Callable[[Plan], bool]
Say = Callable[[str], None]
AGAIN = "dfmc remove-cluster"


class Removal:
    """One run of ``remove-cluster``.

    Args:
        session: The run.
        name: The member's.
        edit: Takes the entry out of the file; called last, under the lock.
        delete_data: Also volume claims.
        force: Go on where the member's cluster cannot be reached.
    """

    def __init__(
        self, session: Session, name: str, *, edit: Callable[[], None], delete_data: bool, force: bool
    ) -> None:
        self._session = session
        self._name = name
        self._edit = edit
        self._delete_data = delete_data
        self._force = force

    async def run(self, confirm: Confirm) -> DownReport:
        """Remove the cluster; see remove."""
        started = time.monotonic()
        session, topology = self._session, self._session.topology
        observed, remains = await self._look()
        made = self._plan(observed, remains)
        if not confirm(made):
            return DownReport(topology.metadata.name, (), made, 0.0, declined=True)
        release = observed.clusters[self._name].release
        refused = await preflight(session, made, {self._name: release_objects(release)} if release else None)
        if error := refused.get(self._name):
            raise error
        if not observed.clusters[topology.manager.cluster].namespace_exists:
            # Without the central namespace there is no place for a lock, and no run that it would keep out.
            return await self._carry_out(None, started)

        def say(text: str) -> None:
            session.observer(Note(topology.manager.cluster, text))

        kube, patience = session.kube_of(topology.central), session.options.lock_timeout
        async with locked(kube, topology, "remove-cluster", say, patience) as lock:
            return await lock.while_held(self._carry_out(lock, started))

    async def _look(self) -> tuple[Observed, Remains]:
        session, topology = self._session, self._session.topology
        observed = await observe(session, drift=False, only=(self._name,))
        seen = observed.clusters[self._name]
        if seen.error:
            return observed, Remains()
        member = topology.cluster(self._name)
        try:
            return observed, await remains_of(session.kube_of(member), topology, member)
        except DfmcError as error:
            error.where = error.where or self._name
            clusters = {**observed.clusters, self._name: replace(seen, error=error)}
            return replace(observed, clusters=clusters), Remains()

    def _plan(self, observed: Observed, remains: Remains) -> Plan:
        return make_removal(
            self._session.topology, observed, self._name, remains, delete_data=self._delete_data, force=self._force
        )

    async def _carry_out(self, lock: Lock | None, started: float) -> DownReport:
        """Plan again, now that nobody else is at work, and do it."""
        observed, remains = await self._look()
        made = self._plan(observed, remains)
        outcomes = await execute(made, self._actions(lock, observed), self._session.observer, self._session.slots)
        return self._report(made, outcomes, observed, remains, time.monotonic() - started)

    def _actions(self, lock: Lock | None, observed: Observed) -> Mapping[Kind, Action]:
        uid = observed.credentials.uid if observed.credentials else None
        again = f"{AGAIN} {self._name}"
        teardown = TeardownActions(self._session, uid, lock, again=again)
        unseen = [self._name] if observed.clusters[self._name].error else []
        manager = Deregistration(self._session, uid or "", lock, unseen=unseen, again=again)
        more = {Kind.DEREGISTER: manager.deregister, Kind.ENTRY: self._entry}
        return {**teardown.table(), **{kind: teardown.guarded(action) for kind, action in more.items()}}

    async def _entry(self, step: Step, say: Say) -> Done:
        self._edit()
        return Done(f"the entry {step.cluster} is out of the file")

    def _report(
        self, made: Plan, outcomes: Outcomes, observed: Observed, remains: Remains, seconds: float
    ) -> DownReport:
        topology, name = self._session.topology, self._name
        member, ended = topology.cluster(name), outcomes.of(name)
        error = outcomes.error_of(name)
        kept = [] if self._delete_data else [f"PersistentVolumeClaim {claim}" for claim in remains.claims]
        result: DownResult = "failed" if error else "removed"
        report = DownCluster(
            name=name,
            context=member.context,
            namespace=member.namespace,
            result=result,
            done=tuple(end.text for end in ended if end.state in ("done", "unchanged") and end.text),
            kept=(*kept, *left_behind(topology, observed, name)),
            error=error,
        )
        return DownReport(topology.metadata.name, (report,), made, seconds)


async def remove(
    session: Session,
    name: str,
    *,
    confirm: Confirm,
    edit: Callable[[], None],
    delete_data: bool,
    force_unreachable: bool,
) -> DownReport:
    """Remove a member: its release, its rows and record in the manager, what dfmc made for it, its entry.

    Args:
        session: The run.
        name: The member's.
        confirm: Shown the plan; False ends the run with nothing done.
        edit: Takes the entry out of the file; called last, under the lock.
        delete_data: Also its volume claims.
        force_unreachable: Do the manager's and the file's part where its cluster cannot be reached.

    Raises:
        DfmcError: It is the manager's cluster, the central cluster cannot be looked at, the manager cannot be asked,
            the member cannot be reached or is not this topology's; the lock is held or lost. What fails later is in
            the report.
    """
    refuse_central(session.topology, name)
    removal = Removal(session, name, edit=edit, delete_data=delete_data, force=force_unreachable)
    return await removal.run(confirm)
