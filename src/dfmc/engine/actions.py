"""One function per kind of step. Each is idempotent: it looks again, does what is still to do, and reads it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dfmc.clients.protocols import ChartArchive, JsonObject, KubeClient, ManagerClient
from dfmc.engine import credentials
from dfmc.engine.execute import Action, Done
from dfmc.engine.lock import Lock
from dfmc.engine.observe import observe_cluster, observe_manager
from dfmc.engine.session import Session
from dfmc.engine.wait import Patience, obstacles_now, until_ready
from dfmc.errors import AuthError, DfmcError, FindingsError, NotReadyError, RecoveryError, UnreachableError
from dfmc.planning.credentials import (
    DEFAULT_ROOT_PASSWORD,
    JWT_KEY,
    ROOT_PASSWORD,
    plan_credentials,
    previous_root_passwords,
)
from dfmc.planning.exposure import services
from dfmc.planning.ownership import record_bio, record_conflict, release_conflict, release_labels
from dfmc.planning.plan import ChartIdentity, release_changes
from dfmc.planning.proof import ProofFinding, prove
from dfmc.planning.readiness import Obstacle, summary
from dfmc.planning.records import DEFAULT_RECORD_ID, expected_record, record_changes, scopes_record
from dfmc.planning.steps import Kind, Step
from dfmc.state import ClusterRecord, Observed, ReleaseState, StoredCredentials
from dfmc.symbols import Pending, SecretRef, Symbol, resolve
from dfmc.topology.model import ClusterSpec
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.wiring import expected_components

Say = Callable[[str], None]

_MANAGER_POLL_SECONDS = 1.0
_PROOF_POLL_SECONDS = 1.0
# The manager reads scheduler states through a cache of 30 s; a pod's own keep-alive comes every 5 s.
_PROOF_SECONDS = 75.0


class Actions:
    """The actions of one run, and what they hand to each other: ids, credentials, the uid."""

    def __init__(self, session: Session, observed: Observed, chart: ChartArchive, lock: Lock) -> None:
        self.session = session
        self.topology = session.topology
        self.observed = observed
        self.chart = chart
        self.lock = lock
        self.stored: StoredCredentials | None = observed.credentials
        self.records: dict[str, ClusterRecord] = {}
        if observed.manager:
            for cluster in self.topology.clusters:
                if record := expected_record(self.topology, cluster, observed):
                    self.records[cluster.name] = record
        self.revisions: dict[str, ReleaseState] = {}
        self.proven: dict[str, Observed] = {}

    def table(self) -> Mapping[Kind, Action]:
        """Return the action of each kind; those that write make sure first that the lock is still ours."""
        return {
            Kind.NAMESPACE: self._guarded(self.namespace),
            Kind.CREDENTIALS: self._guarded(self.credentials),
            Kind.EXPOSE: self._guarded(self.expose),
            Kind.RELEASE: self._guarded(self.release),
            Kind.SCALE: self._guarded(self.release),
            Kind.RECORD: self._guarded(self.record),
            Kind.MANAGER: self.manager,
            Kind.READY: self.ready,
            Kind.PROOF: self.proof,
        }

    def _guarded(self, action: Action) -> Action:
        async def run(step: Step, say: Say) -> Done:
            await self.lock.verify()
            return await action(step, say)

        return run

    @property
    def _credentials(self) -> StoredCredentials:
        if self.stored is None:
            raise DfmcError("the credentials' Secret is not there", where=self.topology.central.name)
        return self.stored

    async def namespace(self, step: Step, say: Say) -> Done:
        """Create the entry's namespace."""
        cluster = self.topology.cluster(step.cluster)
        return await ensure_namespace(self.session, cluster)

    async def credentials(self, step: Step, say: Say) -> Done:
        """Write the credentials' Secret before anything uses it."""
        central = self.topology.central
        kube = self.session.kube_of(central)
        plan = plan_credentials(self.topology, self.stored, self.session.given)
        self.stored = await credentials.write(self.topology, kube, self.stored, plan, self.session.redactor)
        made = f"{len(plan.generate)} generated" if plan.generate else "updated"
        return Done(f"Secret {central.namespace}/dfmc-{central.release} written ({made})")

    async def expose(self, step: Step, say: Say) -> Done:
        """Apply dfmc's own Services."""
        kube = self.session.kube_of(self.topology.central)
        wanted = services(self.topology, self._credentials.uid)
        for service in wanted:
            await kube.apply(service)
        return Done(f"Services {', '.join(service['metadata']['name'] for service in wanted)}")

    # --- releases ----------------------------------------------------------------------------------------------

    async def release(self, step: Step, say: Say) -> Done:
        """Install or upgrade the release, and read it back: helm's exit 0 proves nothing."""
        cluster = self.topology.cluster(step.cluster)
        kube = self.session.kube_of(cluster)
        values = resolve(step.values, self._lookup)
        live = await kube.release(cluster.release, cluster.namespace)
        topology, uid = self.topology.metadata.name, self._credentials.uid
        if live and (conflict := release_conflict(cluster, live, topology, uid)):
            raise conflict  # somebody else was faster under the same name
        identity = ChartIdentity(self.chart.version, self.chart.sha256)
        is_wanted = live and live.status == "deployed" and not release_changes(live, identity, values, _nothing)
        if live and is_wanted and not await kube.missing(live):
            self.revisions[cluster.name] = live
            return Done(f"revision {live.revision} is as wanted", changed=False)
        if live and live.status == "uninstalling":
            # helm upgrades no such release, and installs none of its name; finishing the removal keeps the volumes.
            say(f"finishing the removal of revision {live.revision}, which was interrupted")
            await self.session.helm_of(cluster).uninstall(release=cluster.release, namespace=cluster.namespace)
            live = await kube.release(cluster.release, cluster.namespace)
        if live and live.is_pending:
            say(f"unlocking revision {live.revision}, left {live.status} by an interrupted run")
            await kube.unlock_release(cluster.release, cluster.namespace, live.revision)
        say(f"helm {'upgrade' if live else 'install'} of {self.chart.name}-{self.chart.version}")
        await self._helm_upgrade(cluster, values, live)
        after = await kube.release(cluster.release, cluster.namespace)
        self._check_deployed(cluster, live, after)
        assert after is not None  # noqa: S101 - checked above
        self.revisions[cluster.name] = after
        return Done(f"{self.chart.name}-{self.chart.version}, revision {after.revision}")

    async def _helm_upgrade(self, cluster: ClusterSpec, values: JsonObject, live: ReleaseState | None) -> None:
        helm, kube = self.session.helm_of(cluster), self.session.kube_of(cluster)
        try:
            await helm.upgrade(
                release=cluster.release,
                namespace=cluster.namespace,
                chart=self.chart.path,
                values=values,
                labels=release_labels(self.topology.metadata.name, self._credentials.uid, self.chart.sha256),
                description=f"dfmc: topology {self.topology.metadata.name}",
            )
        except DfmcError as error:
            after = await kube.release(cluster.release, cluster.namespace)
            if after and after.is_pending and (live is None or after.revision > live.revision):
                # helm has ended, the lock is ours: nobody is at work on this revision any more, and left as it is
                # it would block every later run.
                await kube.unlock_release(cluster.release, cluster.namespace, after.revision)
                after = await kube.release(cluster.release, cluster.namespace)
            state = f"revision {after.revision} is {after.status}" if after else "no release was recorded"
            error.left = error.left or f"{state}; what was applied stays, nothing was rolled back"
            error.next_step = error.next_step or "put the cause right, then run dfmc up again"
            raise

    def _check_deployed(self, cluster: ClusterSpec, before: ReleaseState | None, after: ReleaseState | None) -> None:
        if after and after.status == "deployed" and (before is None or after.revision > before.revision):
            return
        seen = f"its last revision is {after.revision}, {after.status}" if after else "there is no release"
        raise RecoveryError(
            "helm reported success, but the release is not deployed",
            where=cluster.name,
            why=seen,
            left="the objects may have been applied",
            next_step=f"kubectl --context {cluster.context} auth can-i update secrets -n {cluster.namespace}; "
            "then run dfmc up again",
        )

    def _lookup(self, symbol: Symbol) -> Any:  # noqa: ANN401 - an id or a password
        if isinstance(symbol, SecretRef):
            return self._credentials.values[symbol.key]
        step_id, _, field = symbol.key.partition("/")
        kind, _, name = step_id.partition(":")
        if kind == Kind.RECORD and name in self.records:
            return getattr(self.records[name], field)
        raise DfmcError(f"{symbol.key} is still not known", where=name, why="a bug in dfmc's plan")

    # --- the manager and its records ----------------------------------------------------------------------------

    async def manager(self, step: Step, say: Say) -> Done:
        """Wait until the manager answers an authorised request; replace root's default password on the way."""
        central = self.topology.central
        kube = self.session.kube_of(central)
        patience = Patience(central, self.session.options.timeout)
        replaced = False
        while True:
            try:
                replaced = await self._sign_in(say) or replaced
                await self.session.manager.call(_list_records)
                return Done("answers" + (", root's password replaced" if replaced else ""), changed=replaced)
            except (NotReadyError, UnreachableError) as error:
                trouble = error
            await self.session.manager.close()
            # The manager's own pods and its databases' say why; the schedulers wait for the manager themselves.
            blocking = [o for o in await self._obstacles(kube, central, say) if not _waits_for_manager(o)]
            say(
                f"waiting for {summary(blocking)}"
                if blocking
                else f"waiting for the manager: {trouble.why or trouble.what}"
            )
            patience.judge(blocking, trouble)
            await asyncio.sleep(_MANAGER_POLL_SECONDS)

    async def _obstacles(self, kube: KubeClient, central: ClusterSpec, say: Say) -> tuple[Obstacle, ...]:
        try:
            return await obstacles_now(kube, central, (), say, self.lock.verify)
        except UnreachableError:
            return ()

    async def _sign_in(self, say: Say) -> bool:
        access, stored = self.session.manager, self._credentials
        if access.is_open:
            return False
        password = stored.values[ROOT_PASSWORD]
        if stored.root_password_set:
            await access.sign_in(password, jwt_key=stored.values.get(JWT_KEY, ""))
            return False
        await self.lock.verify()
        # Replace first, sign in after: an authorised call before would make the manager's cache answer the
        # replacement with 500 for 30 s, and a failed sign-in the next one with 401.
        client = await access.open()
        replaced = False
        for old in [*previous_root_passwords(stored.values), DEFAULT_ROOT_PASSWORD]:
            if old == password:
                continue
            say("replacing root's password")
            try:
                await client.reset_root_password(old, password)
                replaced = True
                break
            except AuthError:
                continue  # not that one: an earlier run was stopped after replacing it, or it is still older
        await access.sign_in(password)
        kube = self.session.kube_of(self.topology.central)
        self.stored = await credentials.mark_root_password_set(self.topology, kube, stored)
        return replaced

    async def record(self, step: Step, say: Say) -> Done:
        """Name and scope the central record, or register a member; both ids are read back."""
        cluster = self.topology.cluster(step.cluster)
        name, uid = self.topology.metadata.name, self._credentials.uid
        bio, scopes = record_bio(name, uid), scopes_record(cluster.scopes)
        record = await self.session.manager.call(lambda client: self._find_record(client, cluster))
        changed = record is None
        if record is None:
            say(f"registering {cluster.name}")
            record = await self.session.manager.call(
                lambda client: client.create_cluster(name=cluster.name, bio=bio, scopes=scopes)
            )
            if conflict := record_conflict(cluster.name, record, name, uid):
                raise conflict  # somebody else was faster under the same name
        elif cluster.name != self.topology.manager.cluster and (
            conflict := record_conflict(cluster.name, record, name, uid)
        ):
            raise conflict
        if record_changes(self.topology, cluster, record, uid):
            found, changed = record, True
            record = await self.session.manager.call(
                lambda client: client.update_cluster(found, name=cluster.name, bio=bio, scopes=scopes)
            )
        self.records[cluster.name] = record
        ids = f"scheduler cluster id {record.scheduler_cluster_id}, seed peer cluster id {record.seed_peer_cluster_id}"
        return Done(ids, changed=changed)

    async def _find_record(self, client: ManagerClient, cluster: ClusterSpec) -> ClusterRecord | None:
        if cluster.name != self.topology.manager.cluster:
            return await client.cluster_by_name(cluster.name)
        found = next((r for r in await client.clusters() if r.id == DEFAULT_RECORD_ID), None)
        if found is None:
            raise NotReadyError(
                f"the manager has no record {DEFAULT_RECORD_ID}",
                where=cluster.name,
                why="it makes that record on an empty database; somebody deleted it",
                next_step="restore the manager's database, or bring up a new one",
            )
        return found

    async def look_again(self, cluster: ClusterSpec) -> None:
        """Keep, for the report of a cluster whose steps failed, how many of its pods and schedulers are up."""
        seen = await observe_cluster(self.session, cluster, deep=True)
        if seen.error is None:
            observed = replace(self.observed, clusters={**self.observed.clusters, cluster.name: seen})
            if self.session.manager.is_open:  # signing in could take a minute, with a manager that is down
                observed = await observe_manager(self.session, observed)
            self.proven[cluster.name] = observed

    def last_seen(self, cluster: ClusterSpec) -> Observed:
        """Return the newest observation of a cluster: its proof's, else the first one with what was installed since."""
        if cluster.name in self.proven:
            return self.proven[cluster.name]
        if cluster.name not in self.revisions:
            return self.observed
        now = replace(self.observed.clusters[cluster.name], release=self.revisions[cluster.name])
        return replace(self.observed, clusters={**self.observed.clusters, cluster.name: now})

    # --- waiting and proving ------------------------------------------------------------------------------------

    async def ready(self, step: Step, say: Say) -> Done:
        """Wait for every workload of the release."""
        cluster = self.topology.cluster(step.cluster)
        layout = layout_of(self.topology.chart.version)
        expected = expected_components(layout, role_of(self.topology, cluster), cluster.values)
        kube = self.session.kube_of(cluster)
        timeout = self.session.options.timeout
        replaced = await until_ready(kube, cluster, expected, timeout=timeout, say=say, verify=self.lock.verify)
        pods = f", {replaced} stuck pod{'s' if replaced > 1 else ''} replaced" if replaced else ""
        return Done(f"every workload is ready{pods}", changed=replaced > 0)

    async def proof(self, step: Step, say: Say) -> Done:
        """Prove the wiring; what settles by itself is given its time, what is plainly wrong is not."""
        cluster = self.topology.cluster(step.cluster)
        deadline = time.monotonic() + _PROOF_SECONDS
        while True:
            observed = await self._observe_for_proof(cluster)
            findings = prove(self.topology, cluster, observed)
            self.proven[cluster.name] = observed
            if not findings:
                return Done("wired as registered, schedulers active", changed=False)
            if not all(finding.settles for finding in findings) or time.monotonic() >= deadline:
                raise proof_error(cluster, findings)
            say(f"waiting: {findings[0].key} is {findings[0].seen}")
            await asyncio.sleep(_PROOF_POLL_SECONDS)

    async def _observe_for_proof(self, cluster: ClusterSpec) -> Observed:
        seen = await observe_cluster(self.session, cluster, deep=True, drift=False)
        if seen.error:
            raise seen.error
        central = self.topology.central
        if central.name in self.revisions and self.observed.clusters[central.name].release is None:
            # The first look found no release; from now on the manager may be asked.
            now = replace(self.observed.clusters[central.name], release=self.revisions[central.name])
            self.observed = replace(self.observed, clusters={**self.observed.clusters, central.name: now})
        clusters = {**self.observed.clusters, cluster.name: seen}
        observed = Observed(clusters, self.stored, self.observed.services)
        return await observe_manager(self.session, observed)


def proof_error(cluster: ClusterSpec, findings: tuple[ProofFinding, ...]) -> FindingsError:
    """Return the error that names every finding: cluster, key, expected and seen value."""
    return FindingsError(
        "is not wired as registered",
        where=cluster.name,
        why="; ".join(f"{f.key}: expected {f.expected}, seen {f.seen}" for f in findings),
        findings=[str(finding) for finding in findings],
        left=f"release {cluster.release} in namespace {cluster.namespace} is installed as it is",
        next_step="dfmc status shows every finding; helm rollback or the edit that caused it undoes a change by hand",
    )


async def ensure_namespace(session: Session, cluster: ClusterSpec) -> Done:
    """Create the entry's namespace if it is not there."""
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": cluster.namespace, "labels": {"app.kubernetes.io/managed-by": "dfmc"}},
    }
    created = await session.kube_of(cluster).create(body)
    return Done(f"namespace {cluster.namespace}" + (" created" if created else " is there"), changed=bool(created))


async def _list_records(client: ManagerClient) -> None:
    await client.clusters()


def _nothing(symbol: Symbol) -> Pending | SecretRef:
    return symbol


def _waits_for_manager(obstacle: Obstacle) -> bool:
    return "wait-for-manager" in obstacle.message or "wait-for-scheduler" in obstacle.message
