"""The manager and its records: waiting for it, signing in, registering."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dfmc.clients.protocols import KubeClient, ManagerClient
from dfmc.engine import credentials
from dfmc.engine.execute import Done
from dfmc.engine.run_state import RunState
from dfmc.engine.wait import Patience, add_last_words, obstacles_now
from dfmc.errors import AuthError, NotReadyError, UnreachableError
from dfmc.planning.credentials import DEFAULT_ROOT_PASSWORD, JWT_KEY, ROOT_PASSWORD, previous_root_passwords
from dfmc.planning.ownership import record_bio, record_conflict
from dfmc.planning.readiness import Obstacle, summary
from dfmc.planning.records import DEFAULT_RECORD_ID, record_changes, scopes_record
from dfmc.planning.steps import Step
from dfmc.state import ClusterRecord
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]

_MANAGER_POLL_SECONDS = 1.0


class ManagerActions:
    """The actions of the kinds MANAGER and RECORD."""

    def __init__(self, run: RunState) -> None:
        self.run = run

    async def manager(self, step: Step, say: Say) -> Done:
        """Wait until the manager answers an authorised request; replace root's default password on the way."""
        central = self.run.topology.central
        kube = self.run.session.kube_of(central)
        patience = Patience(central, self.run.session.options.timeout)
        replaced = False
        while True:
            try:
                replaced = await self._sign_in(say) or replaced
                await self.run.session.manager.call(_list_records)
                return Done("answers" + (", root's password replaced" if replaced else ""), changed=replaced)
            except (NotReadyError, UnreachableError) as error:
                trouble = error
            await self.run.session.manager.close()
            # The manager's own pods and its databases' say why; the schedulers wait for the manager themselves.
            blocking = [o for o in await self._obstacles(kube, central, say) if not _waits_for_manager(o)]
            say(
                f"waiting for {summary(blocking)}"
                if blocking
                else f"waiting for the manager: {trouble.why or trouble.what}"
            )
            try:
                patience.judge(blocking, trouble)
            except NotReadyError as error:
                await add_last_words(kube, central, blocking, error)
                raise
            await asyncio.sleep(_MANAGER_POLL_SECONDS)

    async def _obstacles(self, kube: KubeClient, central: ClusterSpec, say: Say) -> tuple[Obstacle, ...]:
        try:
            return await obstacles_now(kube, central, (), say, self.run.lock.verify)
        except UnreachableError:
            return ()

    async def _sign_in(self, say: Say) -> bool:
        access, stored = self.run.session.manager, self.run.credentials
        if access.is_open:
            return False
        password = stored.values[ROOT_PASSWORD]
        if stored.root_password_set:
            await access.sign_in(password, jwt_key=stored.values.get(JWT_KEY, ""))
            return False
        await self.run.lock.verify()
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
        kube = self.run.session.kube_of(self.run.topology.central)
        self.run.stored = await credentials.mark_root_password_set(self.run.topology, kube, stored)
        return replaced

    async def record(self, step: Step, say: Say) -> Done:
        """Name and scope the central record, or register a member; both ids are read back."""
        cluster = self.run.topology.cluster(step.cluster)
        name, uid = self.run.topology.metadata.name, self.run.credentials.uid
        bio, scopes = record_bio(name, uid), scopes_record(cluster.scopes)
        record = await self.run.session.manager.call(lambda client: self._find_record(client, cluster))
        changed, may_adopt = record is None, self.run.session.options.consent.adopt
        if record is None:
            say(f"registering {cluster.name}")
            record = await self.run.session.manager.call(
                lambda client: client.create_cluster(name=cluster.name, bio=bio, scopes=scopes)
            )
            if conflict := record_conflict(cluster.name, record, name, uid):
                raise conflict  # somebody else was faster under the same name
        elif (
            not may_adopt
            and cluster.name != self.run.topology.manager.cluster
            and (conflict := record_conflict(cluster.name, record, name, uid))
        ):
            raise conflict
        if record_changes(self.run.topology, cluster, record, uid):
            found, changed = record, True
            record = await self.run.session.manager.call(
                lambda client: client.update_cluster(found, name=cluster.name, bio=bio, scopes=scopes)
            )
        self.run.records[cluster.name] = record
        ids = f"scheduler cluster id {record.scheduler_cluster_id}, seed peer cluster id {record.seed_peer_cluster_id}"
        return Done(ids, changed=changed)

    async def _find_record(self, client: ManagerClient, cluster: ClusterSpec) -> ClusterRecord | None:
        if cluster.name != self.run.topology.manager.cluster:
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


async def _list_records(client: ManagerClient) -> None:
    await client.clusters()


def _waits_for_manager(obstacle: Obstacle) -> bool:
    return "wait-for-manager" in obstacle.message or "wait-for-scheduler" in obstacle.message
