"""Observed worlds and the plans for them, made from a topology instead of from clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dfmc.planning.exposure import services
from dfmc.planning.ownership import record_bio, release_labels
from dfmc.planning.plan import ChartIdentity, make_plan, values_inputs
from dfmc.planning.records import scopes_record
from dfmc.planning.steps import Plan
from dfmc.state import (
    ClusterRecord,
    KubernetesFacts,
    Observed,
    ObservedCluster,
    ObservedManager,
    ReleaseState,
    StoredCredentials,
)
from dfmc.symbols import SecretRef, Symbol, resolve
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.render import render_values

UID = "0b8f0000-0000-4000-8000-000000000001"
CHART = ChartIdentity("1.7.4", "ab" * 32)
FACTS = KubernetesFacts("uid-1", "v1.34.4", frozenset({"containerd"}))
SECRETS = {
    "root-password": "canary-root-1",
    "jwt-key": "canary-jwt-1",
    "redis-password": "canary-redis-1",
    "database-password": "canary-db-1",
    "database-root-password": "canary-dbroot-1",
}


def fresh(file: Topology) -> Observed:
    return Observed({cluster.name: ObservedCluster(cluster.name, FACTS) for cluster in file.clusters})


def finished(file: Topology) -> Observed:
    """The world as ``up`` leaves it."""
    stored = StoredCredentials("guide", UID, SECRETS, root_password_set=True, resource_version="1")
    records = tuple(
        ClusterRecord(n, c.name, record_bio("guide", UID), scopes_record(c.scopes), n, n + 10, n == 1)
        for n, c in enumerate(file.clusters, start=1)
    )
    exposed = {service["metadata"]["name"]: service for service in services(file, UID)}
    world = replace(fresh(file), credentials=stored, services=exposed, manager=ObservedManager(records))
    clusters = {
        c.name: ObservedCluster(c.name, FACTS, namespace_exists=True, release=release(file, c, world))
        for c in file.clusters
    }
    return replace(world, clusters=clusters)


def release(file: Topology, cluster: ClusterSpec, world: Observed) -> ReleaseState:
    values = render_values(file, cluster, values_inputs(file, cluster, world, first_install=False))
    clear = resolve(values, known)
    labels = release_labels("guide", UID, CHART.sha256)
    return ReleaseState(cluster.release, cluster.namespace, 1, "deployed", "dragonfly", "1.7.4", "2.5.0", clear, labels)


def known(symbol: Symbol) -> Any:
    return SECRETS[symbol.key] if isinstance(symbol, SecretRef) else symbol


def plan(file: Topology, world: Observed, **given: str) -> Plan:
    return make_plan(file, world, chart=CHART, given=given)
