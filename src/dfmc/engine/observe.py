"""Looks at every cluster and at the manager, all at once, and changes nothing.

Two depths: a plan needs the release and who stands behind the context; a proof also needs pods and ConfigMaps. One
cluster that does not answer is a fact about that cluster, not the end of the observation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from dfmc.clients.protocols import KubeClient, ManagerClient
from dfmc.engine.bridging import bridges_of
from dfmc.engine.credentials import read_stored
from dfmc.engine.manager_access import ManagerAccess
from dfmc.engine.session import Session
from dfmc.errors import DfmcError, UnreachableError
from dfmc.planning.credentials import DEFAULT_ROOT_PASSWORD, JWT_KEY, ROOT_PASSWORD
from dfmc.planning.exposure import is_elsewhere, service_names
from dfmc.planning.rights import may_be_bridged
from dfmc.state import Observed, ObservedCluster, ObservedManager, ReleaseState, StoredCredentials
from dfmc.topology.model import ClusterSpec
from dfmc.values.merge import get_path
from dfmc.values.passwords import PUBLIC_JWT_KEY

T = TypeVar("T")
_JWT_KEY_PATH = "manager.config.auth.jwt.key"


async def observe(
    session: Session,
    *,
    deep: bool = False,
    only: Iterable[str] = (),
    drift: bool = True,
    manager: bool = True,
    patience: float | None = None,
) -> Observed:
    """Return the world as it is.

    Args:
        session: The run.
        deep: Also pods, workloads and ConfigMaps.
        only: Clusters to look at besides the central one; empty means all.
        drift: Also which objects of the releases are gone, and which somebody has edited.
        manager: Also what the manager says.
        patience: Seconds that one cluster, and the manager, may take; None: as long as every call's own deadline.
    """
    topology = session.topology
    wanted = {topology.manager.cluster, *(only or (cluster.name for cluster in topology.clusters))}
    chosen = [cluster for cluster in topology.clusters if cluster.name in wanted]
    central = topology.central
    look = partial(observe_cluster, session, deep=deep, drift=drift, patience=patience)
    async with asyncio.TaskGroup() as group:
        tasks = {cluster.name: group.create_task(look(cluster)) for cluster in chosen}
        reading = read_stored(topology, session.kube_of(central), session.redactor)
        stored_task = group.create_task(_caught(_in_time(reading, patience, central.name)))
        services_task = group.create_task(_caught(_in_time(_services(session), patience, central.name)))
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
    if not manager:
        return observed
    try:
        return await _in_time(observe_manager(session, observed), patience, central.name)
    except UnreachableError as error:
        return replace(observed, manager_error=error)


async def _in_time(work: Awaitable[T], patience: float | None, where: str) -> T:
    """Return what the work returns; UnreachableError where it takes longer than ``patience``."""
    try:
        async with asyncio.timeout(patience):
            return await work
    except TimeoutError as error:
        why = f"no answer within {patience:g} s"
        raise UnreachableError(
            "does not answer in time", where=where, why=why, next_step="see whether it is up"
        ) from error


async def observe_cluster(
    session: Session, cluster: ClusterSpec, *, deep: bool, drift: bool = True, patience: float | None = None
) -> ObservedCluster:
    """Return one entry's state; what keeps it from being read is in ``error``.

    Args:
        session: The run.
        cluster: The entry.
        deep: Also pods, workloads and ConfigMaps.
        drift: Also which objects of the release are gone, and which somebody has edited.
        patience: Seconds it may take; None: as long as every call's own deadline.
    """
    try:
        async with session.slots:
            return await _in_time(_look(session, cluster, deep=deep, drift=drift), patience, cluster.name)
    except DfmcError as error:
        error.where = error.where or cluster.name
        return ObservedCluster(cluster.name, error=error)


async def _look(session: Session, cluster: ClusterSpec, *, deep: bool, drift: bool) -> ObservedCluster:
    kube, topology = session.kube_of(cluster), session.topology
    facts = await kube.facts(node_selector=cluster.node_selector)
    namespace = await kube.get("v1", "Namespace", cluster.namespace)
    seen = ObservedCluster(cluster.name, facts=facts, namespace_exists=namespace is not None)
    if namespace is None:
        return seen
    if cluster.name != topology.manager.cluster and is_elsewhere(topology, cluster):
        seen = replace(seen, bridges=await bridges_of(kube, cluster, slices=may_be_bridged(topology, cluster)))
    release = await kube.release(cluster.release, cluster.namespace)
    seen = replace(seen, release=release)
    if drift and release and release.status == "deployed":
        missing, edited = await asyncio.gather(kube.missing(release), kube.edited(release))
        seen = replace(seen, missing=tuple(missing), edited=tuple(edited))
    return await with_objects(kube, cluster, seen) if deep and release else seen


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
    if stored is None and central.release and session.options.consent.adopt:
        return replace(observed, manager=await _manager_to_adopt(session, central.release))
    if stored is None or central.release is None or ROOT_PASSWORD not in stored.values:
        return observed
    if not stored.root_password_set and not session.manager.is_open:
        # Signing in now could spoil the password's replacement for 30 s (manager's cache); the step does both.
        return observed
    try:
        if not session.manager.is_open:
            key = stored.values.get(JWT_KEY, "")
            await session.manager.sign_in(stored.values[ROOT_PASSWORD], jwt_key=key)
        return replace(observed, manager=await session.manager.look(manager_rows), manager_error=None)
    except DfmcError as error:
        return replace(observed, manager=None, manager_error=error)


async def _manager_to_adopt(session: Session, release: ReleaseState) -> ObservedManager | None:
    """Return what the manager of a release that is to be taken over says; None where it cannot be asked.

    With its own key, which helm's record of the release has: a sign-in would spoil the replacement of root's password
    (the manager's cache), and is that step's.
    """
    access = ManagerAccess(session.topology, session.kube_of(session.topology.central), session.factory.manager)
    try:
        client = await access.open()
        key = get_path(release.values, _JWT_KEY_PATH) or PUBLIC_JWT_KEY
        return await manager_rows(client) if await client.resume(str(key), DEFAULT_ROOT_PASSWORD) else None
    except DfmcError:  # the step that waits for it says why
        return None
    finally:
        await access.close()


async def manager_rows(client: ManagerClient) -> ObservedManager:
    """Return every row that says who belongs to whom."""
    records = await client.clusters()
    schedulers = await client.schedulers()
    seed_peers = await client.seed_peers()
    return ObservedManager(tuple(records), tuple(schedulers), tuple(seed_peers))
