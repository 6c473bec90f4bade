"""Installing and upgrading a release: helm does it, and its record is read back, for exit 0 proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dfmc.clients.protocols import JsonObject
from dfmc.engine.execute import Done
from dfmc.engine.restarts import Restarts, due_since
from dfmc.engine.run_state import RunState
from dfmc.errors import DfmcError, RecoveryError
from dfmc.planning.differences import edit_changes
from dfmc.planning.ownership import release_conflict, release_labels
from dfmc.planning.plan import ChartIdentity, release_changes
from dfmc.planning.steps import Kind, Recreated, Step
from dfmc.state import ReleaseState
from dfmc.symbols import Pending, SecretRef, Symbol, resolve
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]


class ReleaseActions:
    """The actions of the kinds RELEASE and SCALE."""

    def __init__(self, run: RunState) -> None:
        self.run = run

    async def release(self, step: Step, say: Say) -> Done:
        """Install or upgrade the release, and read it back: helm's exit 0 proves nothing."""
        cluster = self.run.topology.cluster(step.cluster)
        kube = self.run.session.kube_of(cluster)
        values = resolve(step.values, self._lookup)
        live = await kube.release(cluster.release, cluster.namespace)
        topology, uid = self.run.topology.metadata.name, self.run.credentials.uid
        conflict = release_conflict(cluster, live, topology, uid) if live else None
        if conflict and not self.run.session.options.consent.adopt:
            raise conflict  # somebody else was faster under the same name
        identity = ChartIdentity(self.run.chart.version, self.run.chart.sha256)
        is_ours = live and live.status == "deployed" and not conflict
        is_wanted = live and is_ours and not release_changes(live, identity, values, _nothing)
        edited = await kube.edited(live) if live and live.status == "deployed" else ()
        restarts, due = Restarts(kube, cluster, say), due_since(live)
        if live and is_wanted and not edited and not await kube.missing(live):
            self.run.revisions[cluster.name] = live
            has_restarted = await restarts.carry_out((), due, live)
            return Done(f"revision {live.revision} is as wanted", changed=has_restarted)
        if live and live.status == "uninstalling":
            # helm upgrades no such release, and installs none of its name; finishing the removal keeps the volumes.
            say(f"finishing the removal of revision {live.revision}, which was interrupted")
            await self.run.session.helm_of(cluster).uninstall(release=cluster.release, namespace=cluster.namespace)
            live = await kube.release(cluster.release, cluster.namespace)
        if live and live.is_pending:
            say(f"unlocking revision {live.revision}, left {live.status} by an interrupted run")
            await kube.unlock_release(cluster.release, cluster.namespace, live.revision)
        mark = await restarts.note(live, edited) if live else {}
        # helm 3 leaves keys alone that a manifest never had, and helm 4 calls a field that somebody else has written a
        # conflict; an object that is not there is made as the manifest has it by both.
        for change in (change for edit in edited for change in edit_changes(edit)):
            say(str(change))  # a run that nobody watches shows no plan, and this is worth reading afterwards
        anew = [Recreated("v1", "ConfigMap", edit.name) for edit in edited]
        for one in dict.fromkeys((*step.recreate, *anew)) if live else ():
            say(f"deleting {one}, which helm will make anew")
            await kube.delete(one.api_version, one.kind, one.name, cluster.namespace)
        say(f"helm {'upgrade' if live else 'install'} of {self.run.chart.name}-{self.run.chart.version}")
        await self._helm_upgrade(cluster, values, live, mark)
        after = await kube.release(cluster.release, cluster.namespace)
        self._check_deployed(cluster, live, after)
        assert after is not None  # noqa: S101 - checked above
        self.run.revisions[cluster.name] = after
        await restarts.carry_out(edited, due, after)
        return Done(f"{self.run.chart.name}-{self.run.chart.version}, revision {after.revision}")

    async def _helm_upgrade(
        self, cluster: ClusterSpec, values: JsonObject, live: ReleaseState | None, mark: dict[str, str]
    ) -> None:
        helm, kube = self.run.session.helm_of(cluster), self.run.session.kube_of(cluster)
        labels = release_labels(self.run.topology.metadata.name, self.run.credentials.uid, self.run.chart.sha256)
        try:
            await helm.upgrade(
                release=cluster.release,
                namespace=cluster.namespace,
                chart=self.run.chart.path,
                values=values,
                labels={**labels, **mark},
                description=f"dfmc: topology {self.run.topology.metadata.name}",
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
            return self.run.credentials.values[symbol.key]
        step_id, _, field = symbol.key.partition("/")
        kind, _, name = step_id.partition(":")
        if kind == Kind.RECORD and name in self.run.records:
            return getattr(self.run.records[name], field)
        raise DfmcError(f"{symbol.key} is still not known", where=name, why="a bug in dfmc's plan")


def _nothing(symbol: Symbol) -> Pending | SecretRef:
    return symbol
