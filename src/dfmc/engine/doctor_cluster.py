"""What ``doctor`` reads of one cluster beside what an observation has: nodes, rights, kinds, the probe's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dfmc.clients.manifest import documents
from dfmc.clients.protocols import ChartArchive
from dfmc.engine.doctor_counters import count
from dfmc.engine.gathered import Gathered
from dfmc.engine.probe import reach
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import ClusterFacts, Counted, Facts, Need, Object, Reached, Right
from dfmc.planning.checks.nodes import matching, obstacle
from dfmc.planning.checks.reachability import endpoints_of
from dfmc.planning.ownership import TOPOLOGY_LABEL, UID_LABEL
from dfmc.planning.plan import values_inputs
from dfmc.planning.rights import object_kind
from dfmc.planning.roles import needs_of_commands
from dfmc.planning.steps import Kind, Plan
from dfmc.state import AccessNeed
from dfmc.symbols import resolve
from dfmc.topology.model import ClusterSpec
from dfmc.values.render import render_values

# Stands for ids, which are numbers, and for credentials, in values that are rendered only to see the objects.
_PLACEHOLDER = 1
_LEASE = ("coordination.k8s.io/v1", "Lease")


class ClusterGatherer:
    """Reads one cluster; what fails is noted in ``gathered``."""

    def __init__(
        self, session: Session, gathered: Gathered, facts: Facts, cluster: ClusterSpec, chart: ChartArchive | None
    ) -> None:
        self._session = session
        self._gathered = gathered
        self._facts = facts
        self._cluster = cluster
        self._chart = chart
        self._kube = session.kube_of(cluster)
        self._seen = facts.observed.clusters[cluster.name]

    async def gather(self) -> ClusterFacts:
        """Return everything of the cluster that the checks want."""
        name, namespace = self._cluster.name, self._cluster.namespace
        no_rights: tuple[Right, ...] = ()
        no_names: tuple[str, ...] = ()
        async with asyncio.TaskGroup() as group:
            nodes = group.create_task(self._list(Need.NODES, "v1", "Node"))
            pods = group.create_task(self._list(Need.PODS, "v1", "Pod"))
            services = group.create_task(self._list(Need.SERVICES, "v1", "Service"))
            classes = group.create_task(self._list(Need.STORAGE_CLASSES, "storage.k8s.io/v1", "StorageClass"))
            claims = group.create_task(self._list(Need.CLAIMS, "v1", "PersistentVolumeClaim", namespace))
            owned = group.create_task(self._owned_releases())
            manifest = group.create_task(self._manifest())
        found = manifest.result()
        async with asyncio.TaskGroup() as group:
            denied = group.create_task(self._gathered.read(Need.RIGHTS, name, lambda: self._denied(found), no_rights))
            unserved = group.create_task(self._gathered.read(Need.KINDS, name, lambda: self._unserved(found), no_names))
            reached = group.create_task(self._reached(found, nodes.result()))
            counted = group.create_task(self._counted(pods.result()))
        return ClusterFacts(
            nodes=nodes.result(),
            pods=pods.result(),
            services=services.result(),
            storage_classes=classes.result(),
            claims=claims.result(),
            denied=denied.result(),
            manifest=found,
            unserved=unserved.result(),
            owned_releases=owned.result(),
            reached=reached.result(),
            counted=counted.result(),
        )

    async def _list(self, need: Need, api_version: str, kind: str, namespace: str | None = None) -> tuple[Object, ...]:
        async def read() -> tuple[Object, ...]:
            async with self._session.slots:
                return tuple(await self._kube.list(api_version, kind, namespace))

        return await self._gathered.read(need, self._cluster.name, read, ())

    # --- rights ------------------------------------------------------------------------------------------------

    async def _denied(self, manifest: Sequence[Object]) -> tuple[Right, ...]:
        async with self._session.slots:
            return tuple(_right(need) for need in await self._kube.denied(self._needs(manifest)))

    def _needs(self, manifest: Sequence[Object]) -> tuple[AccessNeed, ...]:
        """Return what a look and a whole run need, whatever the next one happens to do: what ``dfmc rbac`` grants.

        Args:
            manifest: The chart's objects; empty where they are not known, which leaves the usual kinds.
        """
        namespace = self._cluster.namespace
        kinds = [
            object_kind(str(obj.get("apiVersion")), str(obj.get("kind")), obj["metadata"].get("namespace") or namespace)
            for obj in manifest
        ]
        needs = needs_of_commands(self._session.topology, self._cluster, kinds, down=False)
        return needs if self._seen.namespace_exists else (*needs, AccessNeed("create", "", "namespaces"))

    # --- releases ----------------------------------------------------------------------------------------------

    async def _owned_releases(self) -> tuple[tuple[str, str], ...]:
        """Return the releases of any namespace that carry our mark; none where Secrets may not be listed everywhere.

        No run needs that right, so its absence is no fault.
        """
        key = (Need.OWNED_RELEASES, self._cluster.name)
        if Need.OWNED_RELEASES not in self._gathered.wanted or self._facts.uid is None:
            return ()
        labels = {
            "owner": "helm",
            "status": "deployed",
            TOPOLOGY_LABEL: self._session.topology.metadata.name,
            UID_LABEL: self._facts.uid,
        }
        everywhere = AccessNeed("list", "", "secrets")

        async def read() -> tuple[tuple[str, str], ...]:
            async with self._session.slots:
                if await self._kube.denied([everywhere]):
                    return ()
                found = await self._kube.list("v1", "Secret", labels=labels)
            places = {(one["metadata"]["namespace"], one["metadata"]["labels"].get("name", "")) for one in found}
            return tuple(sorted(places))

        return await self._gathered.read(Need.OWNED_RELEASES, key[1], read, ())

    # --- objects -----------------------------------------------------------------------------------------------

    async def _manifest(self) -> tuple[Object, ...]:
        """Return the objects of the release as the file wants it: the live ones where nothing is to be changed."""
        release, plan = self._seen.release, self._facts.plan
        wants_change = release is None or release.status != "deployed" or _changes_release(plan, self._cluster.name)
        if not wants_change and release is not None:
            manifest = release.manifest
        else:
            rendered = await self._gathered.read(Need.MANIFEST, self._cluster.name, self._rendered, "")
            if not rendered and release is not None:
                self._gathered.absent.pop((Need.MANIFEST, self._cluster.name), None)
            manifest = rendered or (release.manifest if release is not None else "")

        async def parse() -> tuple[Object, ...]:
            return tuple(documents(manifest))

        return await self._gathered.read(Need.MANIFEST, self._cluster.name, parse, ())

    async def _rendered(self) -> str:
        key = (Need.MANIFEST, self._cluster.name)
        if self._chart is None or (Need.HELM, "") in self._gathered.unread:
            self._gathered.absent[key] = "without the chart and helm its objects are not known"
            return ""
        topology, cluster = self._session.topology, self._cluster
        try:
            inputs = values_inputs(topology, cluster, self._facts.observed, first_install=False)
            values = resolve(render_values(topology, cluster, inputs), lambda symbol: _PLACEHOLDER)
        except DfmcError as error:  # a plan fails for the same reason, and says so
            self._gathered.absent[key] = str(error)
            return ""
        async with self._session.slots:
            return await self._session.helm_of(cluster).template(
                release=cluster.release, namespace=cluster.namespace, chart=self._chart.path, values=values
            )

    async def _unserved(self, manifest: Sequence[Object]) -> tuple[str, ...]:
        kinds = dict.fromkeys((str(obj.get("apiVersion")), str(obj.get("kind"))) for obj in manifest)
        wanted = [*kinds] + ([_LEASE] if self._cluster.name == self._session.topology.manager.cluster else [])
        async with self._session.slots:
            return tuple(f"{kind} ({version})" for version, kind in await self._kube.unserved(wanted))

    async def _counted(self, pods: Sequence[Object]) -> Counted | None:
        """Return the counters; that they cannot be read is no fault, they may be switched off."""
        key = (Need.COUNTERS, self._cluster.name)
        if Need.COUNTERS not in self._gathered.wanted or self._seen.release is None or self._seen.error is not None:
            self._gathered.absent[key] = "not installed yet" if self._seen.release is None else "it could not be read"
            return None
        try:
            return await count(self._session, self._cluster, self._seen, pods)
        except DfmcError as error:
            self._gathered.absent[key] = str(error)
            return None

    # --- reachability ------------------------------------------------------------------------------------------

    async def _reached(self, manifest: Sequence[Object], nodes: Sequence[Object]) -> tuple[Reached, ...]:
        topology, cluster = self._session.topology, self._cluster
        key = (Need.PROBES, cluster.name)
        if Need.PROBES not in self._gathered.wanted or key in self._gathered.absent:
            return ()
        try:
            endpoints = endpoints_of(topology, cluster, self._facts.observed)
        except DfmcError as error:
            self._gathered.absent[key] = str(error)
            return ()
        own = matching(nodes, cluster.node_selector)
        if not endpoints or (nodes and all(obstacle(node, cluster.tolerations) for node in own)):
            none = "before the installation there is nothing to reach"
            self._gathered.absent[key] = none if not endpoints else "no node takes its pods"
            return ()

        async def ask() -> tuple[Reached, ...]:
            async with self._session.slots:
                exists = self._seen.namespace_exists
                return await reach(self._kube, topology, cluster, endpoints, manifest, exists=exists)

        return await self._gathered.read(Need.PROBES, cluster.name, ask, ())


def _changes_release(plan: Plan | None, cluster: str) -> bool:
    step = plan.step(f"{Kind.RELEASE}:{cluster}") if plan else None
    return step is not None and step.mutates and not step.conditional


def _right(need: AccessNeed) -> Right:
    resource = f"{need.resource}.{need.group}" if need.group else need.resource
    resource += f"/{need.name}" if need.name else ""
    return Right(str(need), f"{need.verb} {resource}" + (f" -n {need.namespace}" if need.namespace else ""))
