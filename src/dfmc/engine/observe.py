"""Looks at every cluster and at the manager, all at once, and changes nothing.

Two depths: a plan needs the release and who stands behind the context; a proof also needs pods and ConfigMaps. One
cluster that does not answer is a fact about that cluster, not the end of the observation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dfmc.clients.protocols import KubeClient, ManagerClient
from dfmc.engine.credentials import read_stored
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.credentials import JWT_KEY, ROOT_PASSWORD
from dfmc.planning.exposure import service_names
from dfmc.state import Observed, ObservedCluster, ObservedManager, StoredCredentials
from dfmc.topology.model import ClusterSpec


async def observe(
    session: Session, *, deep: bool = False, only: Iterable[str] = (), drift: bool = True, manager: bool = True
) -> Observed:
    """Return the world as it is.

    Args:
        session: The run.
        deep: Also pods, workloads and ConfigMaps.
        only: Clusters to look at besides the central one; empty means all.
        drift: Also which objects of the releases are gone, and which somebody has edited.
        manager: Also what the manager says.
    """
    topology = session.topology
    wanted = {topology.manager.cluster, *(only or (cluster.name for cluster in topology.clusters))}
    chosen = [cluster for cluster in topology.clusters if cluster.name in wanted]
    central = topology.central
    async with asyncio.TaskGroup() as group:
        tasks = {
            cluster.name: group.create_task(observe_cluster(session, cluster, deep=deep, drift=drift))
            for cluster in chosen
        }
        stored_task = group.create_task(_caught(read_stored(topology, session.kube_of(central), session.redactor)))
        services_task = group.create_task(_caught(_services(session)))
    clusters = {name: task.result() for name, task in tasks.items()}
    for cluster in topology.clusters:
        clusters.setdefault(cluster.name, ObservedCluster(cluster.name))
    stored, services = stored_task.result(), services_task.result()
    for result in (stored, services):
        if isinstance(result, DfmcError) and clusters[central.name].error is None:
            clusters[central.name] = replace(clusters[central.name], error=result)
    observed = Observed(
        clusters=clusters,
        credentials=stored if isinstance(stored, StoredCredentials) else None,
        services=services if isinstance(services, Mapping) else {},
    )
    return await observe_manager(session, observed) if manager else observed


async def observe_cluster(session: Session, cluster: ClusterSpec, *, deep: bool, drift: bool = True) -> ObservedCluster:
    """Return one entry's state; what keeps it from being read is in ``error``.

    Args:
        session: The run.
        cluster: The entry.
        deep: Also pods, workloads and ConfigMaps.
        drift: Also which objects of the release are gone, and which somebody has edited.
    """
    kube = session.kube_of(cluster)
    seen = ObservedCluster(cluster.name)
    try:
        async with session.slots:
            facts = await kube.facts(node_selector=cluster.node_selector)
            namespace = await kube.get("v1", "Namespace", cluster.namespace)
            seen = replace(seen, facts=facts, namespace_exists=namespace is not None)
            if namespace is None:
                return seen
            release = await kube.release(cluster.release, cluster.namespace)
            seen = replace(seen, release=release)
            if drift and release and release.status == "deployed":
                missing, edited = await asyncio.gather(kube.missing(release), kube.edited(release))
                seen = replace(seen, missing=tuple(missing), edited=tuple(edited))
            if deep and release:
                seen = await with_objects(kube, cluster, seen)
            return seen
    except DfmcError as error:
        error.where = error.where or cluster.name
        return replace(seen, error=error)


async def with_objects(kube: KubeClient, cluster: ClusterSpec, seen: ObservedCluster) -> ObservedCluster:
    """Return the state with the release's live workloads, pods and ConfigMaps."""
    workloads = await kube.workloads(cluster.release, cluster.namespace)
    pods = await kube.pods(cluster.release, cluster.namespace)
    # Every ConfigMap of the chart carries this label, in every layout; the databases' own do not.
    config_maps = await kube.list("v1", "ConfigMap", cluster.namespace, labels={"release": cluster.release})
    return replace(seen, workloads=tuple(workloads), pods=tuple(pods), config_maps=tuple(config_maps))


async def _services(session: Session) -> dict[str, Mapping[str, Any]]:
    central = session.topology.central
    found: dict[str, Mapping[str, Any]] = {}
    for name in service_names(session.topology):
        service = await session.kube_of(central).get("v1", "Service", name, central.namespace)
        if service is not None:
            found[name] = service
    return found


async def _caught(awaitable: Any) -> Any:  # noqa: ANN401 - any coroutine of this module
    try:
        return await awaitable
    except DfmcError as error:
        return error


async def observe_manager(session: Session, observed: Observed) -> Observed:
    """Return the observation with what the manager says, where it is there to be asked.

    A manager that is not installed, not ready or not ours yet is no error of an observation.
    """
    stored = observed.credentials
    central = observed.clusters[session.topology.manager.cluster]
    if stored is None or central.release is None or ROOT_PASSWORD not in stored.values:
        return observed
    if not stored.root_password_set and not session.manager.is_open:
        # Signing in now could spoil the password's replacement for 30 s (manager's cache); the step does both.
        return observed
    try:
        if not session.manager.is_open:
            key = stored.values.get(JWT_KEY, "")
            await session.manager.sign_in(stored.values[ROOT_PASSWORD], jwt_key=key)
        return replace(observed, manager=await session.manager.look(_rows), manager_error=None)
    except DfmcError as error:
        return replace(observed, manager=None, manager_error=error)


async def _rows(client: ManagerClient) -> ObservedManager:
    records = await client.clusters()
    schedulers = await client.schedulers()
    seed_peers = await client.seed_peers()
    return ObservedManager(tuple(records), tuple(schedulers), tuple(seed_peers))
