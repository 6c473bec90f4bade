"""The actions of ``down`` and of a removal. Each looks again, deletes what is still there, and sees it gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from dfmc.clients.protocols import JsonObject, KubeClient
from dfmc.engine.bridging import bridges_of, remove_bridges
from dfmc.engine.execute import Action, Done
from dfmc.engine.lock import Lock
from dfmc.engine.session import Session
from dfmc.errors import AuthError, NotReadyError, RecoveryError
from dfmc.planning.bridges import stale_bridges
from dfmc.planning.credentials import secret_name
from dfmc.planning.exposure import service_names
from dfmc.planning.ownership import object_conflict, release_conflict
from dfmc.planning.rights import CONTENT
from dfmc.planning.steps import Kind, Step
from dfmc.planning.teardown import Remains, is_claim_of, is_own_namespace
from dfmc.topology.model import ClusterSpec, Topology

Say = Callable[[str], None]

_POLL_SECONDS = 1.0
# What Kubernetes itself puts into every namespace.
_EVERYWHERE: Mapping[str, set[str]] = {"ConfigMap": {"kube-root-ca.crt"}, "ServiceAccount": {"default"}}


async def remains_of(kube: KubeClient, topology: Topology, cluster: ClusterSpec) -> Remains:
    """Return what of a cluster outlives its release."""
    namespace = await kube.get("v1", "Namespace", cluster.namespace)
    if namespace is None:
        return Remains()
    claims = await _claims(kube, topology, cluster)
    if cluster.name == topology.manager.cluster:
        return Remains(claims, namespace=namespace)
    live = await bridges_of(kube, cluster, slices=False)
    return Remains(claims, stale_bridges(topology, cluster, live, None), namespace)


async def _claims(kube: KubeClient, topology: Topology, cluster: ClusterSpec) -> tuple[str, ...]:
    found = await kube.list("v1", "PersistentVolumeClaim", cluster.namespace)
    return tuple(
        str(one["metadata"]["name"])
        for one in found
        if is_claim_of(cluster, topology, one["metadata"].get("labels") or {})
    )


class TeardownActions:
    """The actions of one run that takes clusters down.

    Args:
        session: The run.
        uid: Of the topology; None where its credentials are gone already.
        lock: The topology's; None where the namespace that it lives in is gone already.
        topology: Where it has more entries than the file; None takes the file's.
        again: The command that does what is left.
    """

    def __init__(
        self,
        session: Session,
        uid: str | None,
        lock: Lock | None,
        *,
        topology: Topology | None = None,
        again: str = "dfmc down",
    ) -> None:
        self.session = session
        self.topology = topology or session.topology
        self.again = again
        self.uid = uid
        self.lock = lock

    def table(self) -> Mapping[Kind, Action]:
        """Return the action of each kind; every one makes sure first that the lock is still ours."""
        actions: Mapping[Kind, Action] = {
            Kind.UNINSTALL: self.uninstall,
            Kind.UNEXPOSE: self.unexpose,
            Kind.UNBRIDGE: self.unbridge,
            Kind.VOLUMES: self.volumes,
            Kind.FORGET: self.forget,
            Kind.DISCARD: self.discard,
        }
        return {kind: self.guarded(action) for kind, action in actions.items()}

    def guarded(self, action: Action) -> Action:
        """Return the action preceded by the question whether the lock is still ours."""

        async def verified(step: Step, say: Say) -> Done:
            if self.lock:
                await self.lock.verify()
            return await action(step, say)

        return verified

    def _place(self, step: Step) -> tuple[ClusterSpec, KubeClient]:
        cluster = self.topology.cluster(step.cluster)
        return cluster, self.session.kube_of(cluster)

    async def uninstall(self, step: Step, say: Say) -> Done:
        """Uninstall the release, and wait until its pods are gone: their volumes are in use until then."""
        cluster, kube = self._place(step)
        live = await kube.release(cluster.release, cluster.namespace)
        if live is None:
            return Done("there is no release any more", changed=False)
        if conflict := release_conflict(cluster, live, self.topology.metadata.name, self.uid):
            raise conflict
        pods = {pod.uid for pod in await kube.pods(cluster.release, cluster.namespace)}
        say(f"helm uninstall of revision {live.revision}")
        await self.session.helm_of(cluster).uninstall(release=cluster.release, namespace=cluster.namespace)
        after = await kube.release(cluster.release, cluster.namespace)
        if after is not None:
            raise RecoveryError(
                "helm reported success, but the release is still there",
                where=cluster.name,
                why=f"its last revision is {after.revision}, {after.status}",
                left="objects may have been deleted",
                next_step=f"run {self.again} again",
            )
        await self._until_gone(kube, cluster, pods, say)
        return Done(f"release {cluster.release} uninstalled")

    async def _until_gone(self, kube: KubeClient, cluster: ClusterSpec, uids: set[str], say: Say) -> None:
        deadline = time.monotonic() + self.session.options.timeout
        while uids:
            found = await kube.list("v1", "Pod", cluster.namespace)
            left = [str(one["metadata"]["name"]) for one in found if one["metadata"].get("uid") in uids]
            if not left:
                return
            say(f"waiting for the end of {left[0]}" + (f" (and {len(left) - 1} more)" if len(left) > 1 else ""))
            if time.monotonic() >= deadline:
                raise NotReadyError(
                    "pods do not end",
                    where=cluster.name,
                    why=", ".join(left[:5]),
                    left="the release is uninstalled",
                    next_step=f"kubectl --context {cluster.context} -n {cluster.namespace} describe pod {left[0]}; "
                    f"then run {self.again} again",
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def unexpose(self, step: Step, say: Say) -> Done:
        """Delete dfmc's own Services."""
        cluster, kube = self._place(step)
        deleted = []
        for name in service_names(self.topology):
            live = await kube.get("v1", "Service", name, cluster.namespace)
            if live and object_conflict(cluster.name, live, self.topology.metadata.name, self.uid) is None:
                await kube.delete("v1", "Service", name, cluster.namespace, uid=str(live["metadata"].get("uid") or ""))
                deleted.append(name)
        return Done(f"Services {', '.join(deleted)} deleted", changed=bool(deleted))

    async def unbridge(self, step: Step, say: Say) -> Done:
        """Delete dfmc's own Services that lead to the central cluster."""
        cluster, kube = self._place(step)
        deleted = await remove_bridges(kube, self.topology, cluster, self.uid)
        return Done(f"Services {', '.join(deleted)} deleted", changed=bool(deleted))

    async def volumes(self, step: Step, say: Say) -> Done:
        """Delete the release's volume claims."""
        cluster, kube = self._place(step)
        claims = await _claims(kube, self.topology, cluster)
        for name in claims:
            say(f"deleting PersistentVolumeClaim {name}")
            await kube.delete("v1", "PersistentVolumeClaim", name, cluster.namespace)
        deadline = time.monotonic() + self.session.options.timeout
        while left := await _claims(kube, self.topology, cluster):
            say(f"waiting for the end of PersistentVolumeClaim {left[0]}")
            if time.monotonic() >= deadline:
                raise NotReadyError(
                    "volume claims do not end",
                    where=cluster.name,
                    why=f"{', '.join(left)}: a pod still uses them, or their storage does not answer",
                    left="the release is uninstalled",
                    next_step=f"kubectl --context {cluster.context} -n {cluster.namespace} describe pvc {left[0]}; "
                    f"then run {self.again} again",
                )
            await asyncio.sleep(_POLL_SECONDS)
        return Done(f"{len(claims)} volume claim{'' if len(claims) == 1 else 's'} deleted", changed=bool(claims))

    async def forget(self, step: Step, say: Say) -> Done:
        """Delete the credentials' Secret; what they were for is gone."""
        cluster, kube = self._place(step)
        gone = await kube.delete("v1", "Secret", secret_name(self.topology), cluster.namespace)
        return Done(f"Secret {secret_name(self.topology)} deleted", changed=gone)

    async def discard(self, step: Step, say: Say) -> Done:
        """Delete a namespace that dfmc made, unless something is in it that dfmc did not put there."""
        cluster, kube = self._place(step)
        found = await kube.get("v1", "Namespace", cluster.namespace)
        if found is None:
            return Done(f"there is no namespace {cluster.namespace} any more", changed=False)
        if not is_own_namespace(self.topology, found):
            return Done(f"namespace {cluster.namespace} stays: dfmc did not make it", changed=False)
        others = await self._content(kube, cluster)
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            return Done(f"namespace {cluster.namespace} stays: {', '.join(others[:3])}{more} in it", changed=False)
        if self.lock and cluster.name == self.topology.manager.cluster:
            self.lock.finish()
        await kube.delete("v1", "Namespace", cluster.namespace, uid=str(found["metadata"].get("uid") or ""))
        await self._until_namespace_is_gone(kube, cluster, say)
        return Done(f"namespace {cluster.namespace} deleted")

    async def _content(self, kube: KubeClient, cluster: ClusterSpec) -> list[str]:
        others = []
        lease = {self.lock.name} if self.lock and cluster.name == self.topology.manager.cluster else set()
        expected = {**_EVERYWHERE, "Lease": lease}
        for group, kind in CONTENT:
            for one in await kube.list(f"{group}/v1" if group else "v1", kind, cluster.namespace):
                name = str(one["metadata"]["name"])
                is_token = one.get("type") == "kubernetes.io/service-account-token"
                if name not in expected.get(kind, ()) and not is_token:
                    others.append(f"{kind} {name}")
        return others

    async def _namespace(self, kube: KubeClient, cluster: ClusterSpec) -> JsonObject | None:
        try:
            return await kube.get("v1", "Namespace", cluster.namespace)
        except AuthError:  # our right to look may have been in the namespace, and gone before it
            return None

    async def _until_namespace_is_gone(self, kube: KubeClient, cluster: ClusterSpec, say: Say) -> None:
        deadline = time.monotonic() + self.session.options.timeout
        while (found := await self._namespace(kube, cluster)) is not None:
            conditions = (found.get("status") or {}).get("conditions") or ()
            words = [str(one.get("message")) for one in conditions if one.get("status") == "True"]
            say(f"waiting for the end of namespace {cluster.namespace}" + (f": {words[0]}" if words else ""))
            if time.monotonic() >= deadline:
                raise NotReadyError(
                    f"namespace {cluster.namespace} does not end",
                    where=cluster.name,
                    why="; ".join(words) or "it is being deleted",
                    left="everything of dfmc's in it is deleted",
                    next_step=f"kubectl --context {cluster.context} get namespace {cluster.namespace} -o yaml",
                )
            await asyncio.sleep(_POLL_SECONDS)
