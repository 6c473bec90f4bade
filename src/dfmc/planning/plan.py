"""make_plan: from the file and the observed world to steps. Pure; the same inputs give the same plan.

A step is in the plan when it has something to do, or when it proves something (manager, ready, proof). What a step
needs is filtered by what is there, so a plan for a finished topology is nothing but checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dfmc.errors import DfmcError, TopologyError
from dfmc.planning.adoption import adopted_credentials, adoption_change, adopts
from dfmc.planning.bridges import bridge_steps
from dfmc.planning.consent import NO_CONSENT, Consent
from dfmc.planning.credentials import ROOT_PASSWORD, CredentialPlan, plan_credentials
from dfmc.planning.differences import edit_changes, given_up_annotations, missing_from, value_differences
from dfmc.planning.exposure import manager_endpoint, redis_addresses, selects_beyond, services
from dfmc.planning.made_anew import changed_ids
from dfmc.planning.orphans import described, orphans, prune_steps
from dfmc.planning.ownership import (
    CHART_LABEL,
    RESTART_LABEL,
    object_conflict,
    place_conflict,
    record_conflict,
    release_conflict,
    release_labels,
    stored_conflict,
)
from dfmc.planning.records import (
    DEFAULT_RECORD_ID,
    DEFAULT_RECORD_NAMES,
    expected_record,
    foreign_records,
    pending_registration,
    record_changes,
)
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step, in_order
from dfmc.planning.upgrades import recreated, upgrade_refusal
from dfmc.redaction import MASK
from dfmc.state import Observed, ObservedCluster, Registration, ReleaseState
from dfmc.symbols import Pending, SecretRef, Symbol, symbols_in
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.inputs import ValuesInputs
from dfmc.values.render import render_values


@dataclass(frozen=True)
class ChartIdentity:
    """The chart that ``up`` installs: version from Chart.yaml, sha256 of the archive in hex."""

    version: str
    sha256: str


def values_inputs(topology: Topology, cluster: ClusterSpec, observed: Observed, *, first_install: bool) -> ValuesInputs:
    """Return what the entry's values need beside the file; errors as exposure.manager_endpoint."""
    record = expected_record(topology, cluster, observed)
    if cluster.name == topology.manager.cluster:
        # The manager seeds record 1 on an empty database, so the central cluster's ids are known before it exists.
        registration = record.registration if record else Registration(DEFAULT_RECORD_ID, DEFAULT_RECORD_ID)
    else:
        registration = record.registration if record else pending_registration(cluster.name)
    facts = observed.clusters[cluster.name].facts
    return ValuesInputs(
        registration=registration,
        manager=manager_endpoint(topology, cluster, observed),
        redis_addresses=redis_addresses(topology, cluster, observed),
        runtimes=facts.runtimes if facts else None,
        first_install=first_install,
    )


def make_plan(
    topology: Topology,
    observed: Observed,
    *,
    chart: ChartIdentity,
    given: Mapping[str, str],
    consent: Consent = NO_CONSENT,
) -> Plan:
    """Return the steps that make the world as the file says, and prove it.

    Args:
        topology: Loaded and checked.
        observed: From engine.observe.
        chart: The fetched chart's identity.
        given: Credentials that the file refers to, already read from env, files and Secrets.
        consent: What the user agrees to beyond the file.

    Raises:
        DfmcError: The central cluster cannot be planned for; nothing else makes sense then.
    """
    adopted = adopted_credentials(topology, observed, consent)
    credentials = plan_credentials(topology, observed.credentials, given, adopted)
    planner = _Planner(topology, observed, chart, credentials, consent)
    return planner.plan()


class _Planner:
    """The state of one planning: what is known, what was found wrong."""

    def __init__(
        self,
        topology: Topology,
        observed: Observed,
        chart: ChartIdentity,
        credentials: CredentialPlan,
        consent: Consent,
    ) -> None:
        self.topology = topology
        self.observed = observed
        self.chart = chart
        self.credentials = credentials
        self.consent = consent
        self.uid = observed.credentials.uid if observed.credentials else None
        self.changed_ids = changed_ids(topology, observed)
        self.failures: dict[str, DfmcError] = {}

    def plan(self) -> Plan:
        central, name = self.topology.central, self.topology.metadata.name
        stored = self.observed.credentials
        error = self._trouble(central) or (stored_conflict(self.topology, stored) if stored else None)
        if error:
            raise error
        steps = self._central_steps(central)
        for member in self.topology.members:
            error = self._trouble(member)
            if error is None:
                try:
                    steps += self._member_steps(member)
                    continue
                except TopologyError:
                    raise
                except DfmcError as raised:
                    error = raised
            self.failures[member.name] = error
        if self.consent.prune:
            pruning, refused = prune_steps(self.topology, self.observed)
            steps += pruning
            self.failures |= refused
        left = described(orphans(self.topology, self.observed))
        present = {step.id for step in steps}
        steps = [replace(step, needs=tuple(need for need in step.needs if need in present)) for step in steps]
        return Plan(
            topology=name,
            chart_version=self.chart.version,
            steps=in_order(steps),
            failures=self.failures,
            manager_installed=self.observed.manager is not None or self._is_deployed(central),
            orphans=left,
            foreign=tuple(
                one for name, one in foreign_records(self.topology, self.observed).items() if name not in left
            ),
        )

    def _trouble(self, cluster: ClusterSpec) -> DfmcError | None:
        """Why nothing may be done for the cluster: unreachable, or not ours."""
        seen = self.observed.clusters[cluster.name]
        if seen.error:
            return seen.error
        if taken := place_conflict(self.topology, cluster, self.observed):
            return taken
        name = self.topology.metadata.name
        conflict = release_conflict(cluster, seen.release, name, self.uid) if seen.release else None
        if conflict and not self._adopts(cluster):
            return conflict
        version = self.chart.version
        if seen.release and (refusal := upgrade_refusal(self.topology, cluster, seen.release, version, self.consent)):
            return refusal
        record = expected_record(self.topology, cluster, self.observed)
        if cluster.name != self.topology.manager.cluster and record and not self.consent.adopt:
            return record_conflict(cluster.name, record, name, self.uid)
        return None

    def _adopts(self, cluster: ClusterSpec) -> bool:
        release = self.observed.clusters[cluster.name].release
        return adopts(self.topology, cluster, release, self.uid, self.consent)

    def _is_deployed(self, cluster: ClusterSpec) -> bool:
        release = self.observed.clusters[cluster.name].release
        return release is not None and release.status == "deployed"

    # --- steps of both roles -----------------------------------------------------------------------------------

    def _namespace(self, cluster: ClusterSpec) -> list[Step]:
        if self.observed.clusters[cluster.name].namespace_exists:
            return []
        change = FieldChange("namespace", None, cluster.namespace)
        return [Step(Kind.NAMESPACE, cluster.name, Action.CREATE, changes=(change,))]

    def _release(self, cluster: ClusterSpec, *, first_install: bool, needs: tuple[str, ...]) -> list[Step]:
        seen = self.observed.clusters[cluster.name]
        inputs = values_inputs(self.topology, cluster, self.observed, first_install=first_install)
        values = render_values(self.topology, cluster, inputs)
        assumed = self._assumed_ids(seen.release, values)
        changes = release_changes(seen.release, self.chart, values, lambda s: assumed.get(s.key, self._known(s)))
        changes += tuple(FieldChange(name, "(deleted)", "(as the chart has it)") for name in seen.missing)
        changes += tuple(change for one in seen.edited for change in edit_changes(one))
        if seen.release and self._adopts(cluster):
            changes = (adoption_change(self.topology, seen.release), *changes)
        note = _release_note(seen)
        if changes and not note and cluster.name in self.changed_ids:
            note = str(self.changed_ids[cluster.name])
        if not changes and not note and not assumed:
            return []
        if not changes and not note:
            note = "only if the manager's record has other ids by now"
            return [Step(Kind.RELEASE, cluster.name, Action.UPDATE, needs, (), values, note, conditional=True)]
        if seen.release is None:
            return [Step(Kind.RELEASE, cluster.name, Action.CREATE, needs, changes, values, note)]
        anew = recreated(self.topology, cluster, seen.release, self.chart.version)
        changes += tuple(FieldChange(str(one), "(as it is)", "(deleted and made anew)") for one in anew)
        return [Step(Kind.RELEASE, cluster.name, Action.UPDATE, needs, changes, values, note, recreate=anew)]

    def _assumed_ids(self, release: ReleaseState | None, values: Mapping[str, Any]) -> dict[str, int]:
        """Return the ids that a release has, by their symbols, while a manager that is there cannot be asked for them.

        It may restart at this moment, which is no reason to plan an upgrade of every member.
        """
        if self.observed.manager is not None or release is None:
            return {}
        assumed: dict[str, int] = {}
        for path, symbol in symbols_in(values).items():
            live: Any = release.values
            for key in path:
                live = live.get(key) if isinstance(live, Mapping) else None
            if isinstance(symbol, Pending) and symbol.key.startswith(f"{Kind.RECORD}:") and isinstance(live, int):
                assumed.setdefault(symbol.key, live)
        return assumed

    def _ready_and_proof(self, name: str) -> list[Step]:
        ready = Step(Kind.READY, name, Action.CHECK, (f"release:{name}", f"scale:{name}"))
        manager = f"manager:{self.topology.manager.cluster}"
        return [ready, Step(Kind.PROOF, name, Action.CHECK, (ready.id, f"record:{name}", manager))]

    def _record(self, cluster: ClusterSpec) -> list[Step]:
        central = self.topology.manager.cluster
        needs: tuple[str, ...] = (f"manager:{central}",)
        if cluster.name != central and cluster.name.casefold() in DEFAULT_RECORD_NAMES:
            needs += (f"record:{central}",)  # which gives that name up
        if self.observed.manager is None and self.observed.clusters[cluster.name].release and self._manager_was_there:
            note = "the manager does not answer now; what differs is put right when it does"
            return [Step(Kind.RECORD, cluster.name, Action.UPDATE, needs, note=note, conditional=True)]
        record = expected_record(self.topology, cluster, self.observed)
        changes = record_changes(self.topology, cluster, record, self.uid)
        if record and not changes:
            return []
        action = Action.UPDATE if record or cluster.name == central else Action.CREATE
        is_anew = action is Action.CREATE and cluster.name in self.changed_ids
        note = f"registered anew: {self.changed_ids[cluster.name]}" if is_anew else ""
        return [Step(Kind.RECORD, cluster.name, action, needs, changes, note=note)]

    @property
    def _manager_was_there(self) -> bool:
        return self.observed.credentials is not None and self.observed.credentials.root_password_set

    # --- the central cluster -----------------------------------------------------------------------------------

    def _central_steps(self, central: ClusterSpec) -> list[Step]:
        name = central.name
        steps = self._namespace(central)
        steps += self._credentials(name) + self._expose(name)
        release = self.observed.clusters[name].release
        # A fresh database tolerates one manager only: replicas racing on its seed deny root for ever (v2.5.1 and
        # before, dragonfly#4924). The wanted number comes with `scale`, once the first one has answered.
        first_install = release is None or not (self._has_managed(release) or self._adopts(central))
        steps += self._release(central, first_install=first_install, needs=(f"credentials:{name}", f"expose:{name}"))
        steps += [self._manager(name), *self._record(central)]
        if first_install:
            steps += self._scale(central)
        return steps + self._ready_and_proof(name)

    def _has_managed(self, release: ReleaseState) -> bool:
        """Whether a manager has answered on this database before: we have signed in, or there are several of them."""
        live = release.values.get("manager")
        replicas = live.get("replicas") if isinstance(live, Mapping) else None
        return self._manager_was_there or (isinstance(replicas, int) and replicas > 1)

    def _credentials(self, name: str) -> list[Step]:
        stored, plan = self.observed.credentials, self.credentials
        if stored and not plan.has_changes:
            return []
        changes = [FieldChange(key, None, "(generated)") for key in plan.generate]
        changes += [FieldChange(key, None, MASK) for key in plan.added]
        changes += [FieldChange(key, MASK, MASK) for key in plan.replaced]
        action = Action.UPDATE if stored else Action.CREATE
        return [Step(Kind.CREDENTIALS, name, action, (f"namespace:{name}",), tuple(changes))]

    def _expose(self, name: str) -> list[Step]:
        changes: tuple[FieldChange, ...] = ()
        for wanted in services(self.topology, self.uid or ""):
            service = wanted["metadata"]["name"]
            live = self.observed.services.get(service)
            conflict = object_conflict(name, live, self.topology.metadata.name, self.uid) if live else None
            if conflict and not self.consent.adopt:
                raise conflict
            changes += missing_from(live and live.get("spec"), wanted["spec"], service)
            if live:
                extra = selects_beyond(live, wanted)
                changes += tuple(FieldChange(f"{service}.selector.{key}", old, None) for key, old in extra.items())
                annotations = live["metadata"].get("annotations")
                asked = wanted["metadata"]["annotations"]
                changes += missing_from(annotations, asked, f"{service}.annotations")
                changes += given_up_annotations(live["metadata"], asked, f"{service}.annotations")
        if not changes:
            return []
        action = Action.UPDATE if self.observed.services else Action.CREATE
        return [Step(Kind.EXPOSE, name, action, (f"credentials:{name}",), changes)]

    def _manager(self, name: str) -> Step:
        stored = self.observed.credentials
        needs = (f"release:{name}",)
        if stored and stored.root_password_set and ROOT_PASSWORD not in self.credentials.replaced:
            return Step(Kind.MANAGER, name, Action.CHECK, needs)
        change = FieldChange("root's password", "(the chart's default)" if not stored else MASK, MASK)
        return Step(Kind.MANAGER, name, Action.UPDATE, (*needs, f"credentials:{name}"), (change,))

    def _scale(self, central: ClusterSpec) -> list[Step]:
        first = render_values(
            self.topology, central, values_inputs(self.topology, central, self.observed, first_install=True)
        )
        final = render_values(
            self.topology, central, values_inputs(self.topology, central, self.observed, first_install=False)
        )
        # Both trees hold symbols, so a symbol is compared as itself: what it stands for is the same in both.
        changes = value_differences(first, final, lambda symbol: symbol)
        if not changes:
            return []
        needs = (f"manager:{central.name}", f"record:{central.name}")
        return [Step(Kind.SCALE, central.name, Action.UPDATE, needs, changes, final)]

    # --- members -----------------------------------------------------------------------------------------------

    def _member_steps(self, member: ClusterSpec) -> list[Step]:
        name = member.name
        central = self.topology.manager.cluster
        own = (f"namespace:{name}", f"record:{name}", f"bridge:{name}")
        release_needs: tuple[str, ...] = (*own, f"expose:{central}", f"credentials:{central}")
        release = self.observed.clusters[name].release
        if release and release.chart_version != self.chart.version:
            # The central cluster first: a manager of the new version serves older members, and where its change of
            # charts fails, theirs are not begun.
            release_needs += (f"manager:{central}", f"ready:{central}")
        steps = self._namespace(member) + self._record(member)
        steps += bridge_steps(self.topology, member, self.observed, self.uid or "", self.consent)
        steps += self._release(member, first_install=False, needs=release_needs)
        return steps + self._ready_and_proof(name)

    def _known(self, symbol: Symbol) -> Any:  # noqa: ANN401 - whatever the symbol stands for
        if isinstance(symbol, SecretRef):
            return self.credentials.known.get(symbol.key, symbol)
        return symbol


def release_changes(
    release: ReleaseState | None,
    chart: ChartIdentity,
    values: Mapping[str, Any],
    known: Any,  # noqa: ANN401 - differences.Lookup
) -> tuple[FieldChange, ...]:
    """Return what differs between a release and its wanted chart and values; all of the values for a new one."""
    if release is None:
        return (FieldChange("chart", None, f"dragonfly-{chart.version}"), *value_differences({}, values, known))
    changes: tuple[FieldChange, ...] = ()
    if release.chart_version != chart.version:
        changes += (
            FieldChange("chart", f"{release.chart_name}-{release.chart_version}", f"dragonfly-{chart.version}"),
        )
    wanted_label = release_labels("", "", chart.sha256)[CHART_LABEL]
    if release.labels.get(CHART_LABEL) != wanted_label and not changes:
        changes += (FieldChange("chart archive (sha256)", release.labels.get(CHART_LABEL), wanted_label),)
    return changes + value_differences(dict(release.values), dict(values), known)


def _release_note(seen: ObservedCluster) -> str:
    release = seen.release
    if release is None:
        return ""
    if release.status == "deployed":
        is_due = RESTART_LABEL in release.labels
        return "restarts pods that may have read an edited configuration; an interrupted run had repaired it" * is_due
    if release.is_pending:
        return f"recovers revision {release.revision}, left {release.status} by an interrupted run"
    return f"revision {release.revision} is {release.status}"
