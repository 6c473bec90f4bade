"""A healthy world for the checks of ``doctor``, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from dfmc.planning.checks.facts import ClusterFacts, Counted, Endpoint, Facts, Reached
from dfmc.planning.checks.model import Finding, Outcome, run_checks
from dfmc.planning.checks.table import CHECKS
from dfmc.planning.exposure import services
from dfmc.planning.ownership import record_bio, release_labels
from dfmc.planning.plan import ChartIdentity, make_plan, values_inputs
from dfmc.planning.records import scopes_record
from dfmc.state import (
    ClusterRecord,
    KubernetesFacts,
    Observed,
    ObservedCluster,
    ObservedManager,
    PodState,
    ReleaseState,
    SchedulerRecord,
    StoredCredentials,
    WorkloadState,
)
from dfmc.symbols import SecretRef, Symbol, resolve
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.render import render_values
from dfmc.values.wiring import expected_wiring, expected_workloads
from topologies import topology

UID = "0b8f0000-0000-4000-8000-000000000001"
SHA256 = "ab" * 32
NOW = 1_800_000_000.0
SECRETS = {
    "root-password": "canary-root-1",
    "jwt-key": "canary-jwt-1",
    "redis-password": "canary-redis-1",
    "database-password": "canary-db-1",
    "database-root-password": "canary-dbroot-1",
}
KUBERNETES = KubernetesFacts("uid-1", "1.34.4", frozenset({"containerd"}), clock_ahead=0.4)


def known(symbol: Symbol) -> Any:
    return SECRETS[symbol.key] if isinstance(symbol, SecretRef) else symbol


def healthy(file: Topology | None = None) -> Facts:
    """Everything as ``up`` leaves it: two clusters in one Kubernetes cluster, nodes of their own."""
    file = file or topology()
    observed = _observed(file)
    nodes = tuple(node(f"{c.name}-{n}", **c.node_selector) for c in file.clusters for n in (1, 2))
    here = ClusterFacts(
        nodes=nodes,
        services=(service("manager-rest", "cluster-a"), service("kubernetes", "default")),
        storage_classes=(storage_class("standard", default=True),),
        manifest=manifest(),
        reached=(Reached(Endpoint("grpc", "manager.example.com", 65003), True, True),),
        counted=Counted(registered=3, received=9_000_000, clients=2, is_older=True),
    )
    return Facts(
        topology=file,
        file="t.yaml",
        selected=tuple(c.name for c in file.clusters),
        observed=observed,
        now=NOW,
        clusters={c.name: here for c in file.clusters},
        helm="4.1.0",
        chart=_chart(file),
        plan=make_plan(file, observed, chart=_chart(file), given={}),
        lease={"metadata": {"name": "dfmc-guide"}, "spec": {"renewTime": "2027-01-15T07:59:00.000000Z"}},
        manager_clock_ahead=-0.3,
    )


def _chart(file: Topology) -> ChartIdentity:
    return ChartIdentity(file.chart.version, SHA256)


def _observed(file: Topology) -> Observed:
    stored = StoredCredentials("guide", UID, SECRETS, root_password_set=True, resource_version="1")
    records = tuple(
        ClusterRecord(n, c.name, record_bio("guide", UID), scopes_record(c.scopes), n, n + 10, n == 1)
        for n, c in enumerate(file.clusters, start=1)
    )
    rows = tuple(
        SchedulerRecord(n, "dragonfly-scheduler-0", f"10.0.{n}.1", 8002, "active", n, last_keep_alive=NOW)
        for n, _ in enumerate(file.clusters, start=1)
    )
    world = Observed(
        {c.name: ObservedCluster(c.name, KUBERNETES, namespace_exists=True) for c in file.clusters},
        credentials=stored,
        services={one["metadata"]["name"]: one for one in services(file, UID)},
        manager=ObservedManager(records, rows),
    )
    return replace(world, clusters={c.name: _cluster(file, c, n, world) for n, c in enumerate(file.clusters, start=1)})


def _cluster(file: Topology, cluster: ClusterSpec, number: int, world: Observed) -> ObservedCluster:
    inputs = values_inputs(file, cluster, world, first_install=False)
    values = resolve(render_values(file, cluster, inputs), known)
    labels = release_labels("guide", UID, SHA256)
    version = file.chart.version
    made = expected_workloads(cluster.release, layout_of(version), role_of(file, cluster), values)
    release = ReleaseState(
        cluster.release, cluster.namespace, 1, "deployed", "dragonfly", version, "2.5.0", values, labels
    )
    return ObservedCluster(
        cluster.name,
        KUBERNETES,
        namespace_exists=True,
        release=release,
        workloads=tuple(WorkloadState(w.kind, w.name, w.component, 1, 1, 1, observed=True) for w in made),
        pods=(
            pod("dragonfly-scheduler-0", "scheduler", f"10.0.{number}.1"),
            pod("dragonfly-seed-client-0", "seed-client", f"10.0.{number}.2"),
            pod(f"dragonfly-client-{number}", "client", f"192.168.0.{number}", node=f"{cluster.name}-1"),
        ),
        config_maps=_config_maps(file, cluster, world),
    )


def _config_maps(file: Topology, cluster: ClusterSpec, world: Observed) -> tuple[dict[str, Any], ...]:
    wiring = expected_wiring(file, cluster, values_inputs(file, cluster, world, first_install=False), known)
    found = []
    for component in wiring.components:
        content: dict[str, Any] = {}
        for fact in wiring.facts:
            if fact.component == component:
                _put(content, fact.path, fact.expected)
        labels = {"app": wiring.app, "release": wiring.release, "component": component.label}
        metadata = {"name": f"{wiring.app}-{component.label}", "namespace": cluster.namespace, "labels": labels}
        found.append({"metadata": metadata, "data": {component.file: yaml.safe_dump(content)}})
    return tuple(found)


def _put(content: dict[str, Any], path: str, value: Any) -> None:
    listed, of_every, inner = path.partition("[].")
    *outer, last = listed.split(".")
    for key in outer:
        content = content.setdefault(key, {})
    content[last] = [{inner: one} for one in value] if of_every else value


def pod(name: str, component: str, ip: str, node: str = "a-1") -> PodState:
    return PodState(name, component, "Running", True, ip, node)


def node(
    name: str, *, runtime: str = "containerd", taints: Any = (), ready: str = "True", **labels: str
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": list(taints)},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady"}],
            "nodeInfo": {"containerRuntimeVersion": f"{runtime}://2.1.0"},
        },
    }


def service(name: str, namespace: str, *node_ports: int) -> dict[str, Any]:
    ports = [{"port": 80, "nodePort": port} for port in node_ports] or [{"port": 80}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": ports}}


def storage_class(name: str, *, default: bool = False) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}}


def running_pod(name: str, on: str, *, host: bool = True, port: int = 4001, phase: str = "Running") -> dict[str, Any]:
    key = "containerPort" if host else "hostPort"
    return {
        "metadata": {"name": name, "namespace": "team-x"},
        "spec": {"nodeName": on, "hostNetwork": host, "containers": [{"ports": [{key: port, "containerPort": port}]}]},
        "status": {"phase": phase},
    }


def manifest(*images: str, storage: str | None = None) -> tuple[dict[str, Any], ...]:
    """The objects of a release, as far as checks look at them."""
    containers = [
        {"name": f"c{n}", "image": image} for n, image in enumerate(images or ("docker.io/bitnamilegacy/mysql:8",))
    ]
    claim: dict[str, Any] = {"metadata": {"name": "storage"}, "spec": {}}
    if storage is not None:
        claim["spec"]["storageClassName"] = storage
    waits = [{"name": "wait-for-manager", "image": "registry.example.com/busybox:1"}]
    spec = {"template": {"spec": {"initContainers": waits, "containers": containers}}, "volumeClaimTemplates": [claim]}
    return (
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "dragonfly-seed-client"}, "spec": spec},
    )


def with_cluster(facts: Facts, cluster: str, **changes: Any) -> Facts:
    """Return the facts with other things gathered of a cluster."""
    return replace(facts, clusters={**facts.clusters, cluster: replace(facts.clusters[cluster], **changes)})


def with_seen(base: Facts, cluster: str, **changes: Any) -> Facts:
    """Return the facts with another observation of a cluster."""
    clusters = {**base.observed.clusters, cluster: replace(base.observed.clusters[cluster], **changes)}
    return replace(base, observed=replace(base.observed, clusters=clusters))


def with_release(facts: Facts, cluster: str, **changes: Any) -> Facts:
    """Return the facts with another release of a cluster, and the plan that follows."""
    release = facts.observed.clusters[cluster].release
    assert release is not None
    return with_seen(facts, cluster, release=replace(release, **changes))


def with_manager(facts: Facts, **changes: Any) -> Facts:
    """Return the facts with other rows of the manager."""
    assert facts.observed.manager is not None
    return replace(facts, observed=replace(facts.observed, manager=replace(facts.observed.manager, **changes)))


def with_record(facts: Facts, name: str, **changes: Any) -> Facts:
    """Return the facts with one record changed."""
    assert facts.observed.manager is not None
    records = [replace(r, **changes) if r.name == name else r for r in facts.observed.manager.records]
    return with_manager(facts, records=tuple(records))


def planned_anew(facts: Facts) -> Facts:
    """Return the facts with the plan that fits them."""
    return replace(facts, plan=make_plan(facts.topology, facts.observed, chart=_chart(facts.topology), given={}))


def outcomes(facts: Facts, *skip: str) -> dict[str, Outcome]:
    """Return what every check comes to, by id."""
    return {outcome.check.id: outcome for outcome in run_checks(CHECKS, facts, skip)}


def found(facts: Facts) -> dict[str, tuple[Finding, ...]]:
    """Return the findings of the checks that have any, by id."""
    return {check: outcome.findings for check, outcome in outcomes(facts).items() if outcome.findings}


def only(facts: Facts, check: str) -> Finding:
    """Return the one finding there is, which must be this check's."""
    everything = found(facts)
    assert list(everything) == [check], everything
    (finding,) = everything[check]
    return finding
