"""Looks for releases of this topology's at places where the file has no entry, and removes what is to be pruned."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from dfmc.clients.protocols import KubeClient
from dfmc.engine.deregistration import Deregistration
from dfmc.engine.execute import Action, Outcomes
from dfmc.engine.lock import Lock
from dfmc.engine.reports import DownCluster
from dfmc.engine.session import Session
from dfmc.engine.teardown import TeardownActions, remains_of
from dfmc.errors import AuthError, DfmcError
from dfmc.planning.orphans import orphans, with_orphans
from dfmc.planning.ownership import TOPOLOGY_LABEL, UID_LABEL
from dfmc.planning.steps import Kind, Plan
from dfmc.state import Observed, StrayRelease
from dfmc.topology.model import ClusterSpec

AGAIN = "dfmc up --prune"


async def with_strays(session: Session, observed: Observed) -> Observed:
    """Return the observation with the stray releases in the file's contexts.

    A context whose cluster does not answer is left out: its clusters' errors say so. Where Secrets may not be listed
    in all namespaces, those of the entries are searched, and the context is named in ``unsearched``.
    """
    stored = observed.credentials
    if stored is None:
        return observed
    labels = {TOPOLOGY_LABEL: session.topology.metadata.name, UID_LABEL: stored.uid}
    first: dict[str, ClusterSpec] = {}
    for cluster in session.topology.clusters:
        facts = observed.clusters[cluster.name].facts
        if facts is not None:
            first.setdefault(facts.uid, cluster)  # two contexts may lead to one Kubernetes cluster
    found = await asyncio.gather(*(_search(session, observed, cluster, uid, labels) for uid, cluster in first.items()))
    strays = tuple(stray for some, _ in found for stray in some)
    unsearched = tuple(cluster.context for cluster, (_, whole) in zip(first.values(), found, strict=True) if not whole)
    return replace(observed, strays=strays, unsearched=unsearched)


async def with_strays_in_time(session: Session, observed: Observed, patience: float) -> Observed:
    """Return the observation with what could be found within ``patience`` seconds, which may be nothing."""
    try:
        async with asyncio.timeout(patience):
            return await with_strays(session, observed)
    except TimeoutError:
        contexts = dict.fromkeys(cluster.context for cluster in session.topology.clusters)
        return replace(observed, unsearched=tuple(contexts))


async def _search(
    session: Session, observed: Observed, cluster: ClusterSpec, uid: str, labels: Mapping[str, str]
) -> tuple[list[StrayRelease], bool]:
    """Return the strays of one Kubernetes cluster, and whether all of its namespaces could be searched."""
    kube = session.kube_of(cluster)
    same = [one for one in session.topology.clusters if _may_be_in(observed, one, uid)]
    known = {(one.namespace, one.release) for one in same}
    try:
        async with session.slots:
            places, whole = await _places(kube, {one.namespace for one in same}, labels)
            found = [await _stray(session, kube, cluster, *place) for place in sorted(places - known)]
    except DfmcError:  # whoever plans for its entries is told why it does not answer
        return [], False
    return [stray for stray in found if stray], whole


def _may_be_in(observed: Observed, cluster: ClusterSpec, uid: str) -> bool:
    """Whether an entry is in this Kubernetes cluster; also where nobody knows, for its release must not look stray."""
    facts = observed.clusters[cluster.name].facts
    return facts is None or facts.uid == uid


async def _places(
    kube: KubeClient, namespaces: set[str], labels: Mapping[str, str]
) -> tuple[set[tuple[str, str]], bool]:
    try:
        return set(await kube.release_places(labels)), True
    except AuthError:
        found: set[tuple[str, str]] = set()
        for namespace in sorted(namespaces):
            found |= set(await kube.release_places(labels, namespace))
        return found, False


async def _stray(
    session: Session, kube: KubeClient, cluster: ClusterSpec, namespace: str, name: str
) -> StrayRelease | None:
    release = await kube.release(name, namespace)
    if release is None:
        return None
    stray = StrayRelease(cluster.context, cluster.kubeconfig, release)
    if not session.options.consent.prune:
        return stray
    entry = cluster.model_copy(update={"namespace": namespace, "release": name})
    remains = await remains_of(kube, session.topology, entry)
    return replace(stray, claims=remains.claims, bridges=remains.bridges, namespace_object=remains.namespace)


def prune_actions(session: Session, observed: Observed, lock: Lock) -> Mapping[Kind, Action]:
    """Return the actions of the steps that ``up --prune`` adds to a plan."""
    uid = observed.credentials.uid if observed.credentials else ""
    found = orphans(session.topology, observed)
    whole = with_orphans(session.topology, found)
    teardown = TeardownActions(session, uid, lock, topology=whole, again=AGAIN)
    unseen = [orphan.name for orphan in found if orphan.stray is None]
    manager = Deregistration(session, uid, lock, unseen=unseen, again=AGAIN)
    return {**teardown.table(), Kind.DEREGISTER: teardown.guarded(manager.deregister)}


def pruned(observed: Observed, session: Session, made: Plan, outcomes: Outcomes) -> tuple[DownCluster, ...]:
    """Return how each orphan of a plan ended; those that were not to be pruned are left out."""
    reports = []
    for orphan in orphans(session.topology, observed):
        ended = outcomes.of(orphan.name)
        error = made.failures.get(orphan.name) or outcomes.error_of(orphan.name)
        blocked = outcomes.blocked(orphan.name)
        if not ended and not error:
            continue
        release = orphan.stray.release if orphan.stray else None
        reports.append(
            DownCluster(
                name=orphan.name,
                context=orphan.stray.context if orphan.stray else "",
                namespace=release.namespace if release else "",
                result="failed" if error else "blocked" if blocked else "removed",
                done=tuple(end.text for end in ended if end.state in ("done", "unchanged") and end.text),
                kept=tuple(f"PersistentVolumeClaim {one}" for one in orphan.stray.claims) if orphan.stray else (),
                error=error,
                blocked_by=blocked.blocked_by if blocked and not error else "",
            )
        )
    return tuple(reports)
