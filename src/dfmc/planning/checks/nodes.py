"""Checks of nodes: are there any for a cluster's pods, what runs on them, which ports and volumes are free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import Facts, Need, Object
from dfmc.planning.checks.images import pod_spec
from dfmc.planning.checks.model import Check, Finding
from dfmc.planning.plan import values_inputs
from dfmc.planning.taints import refusing_taint
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec
from dfmc.values.context import context_of, role_of
from dfmc.values.layouts import Layout, layout_of
from dfmc.values.runtimes import runtime_kind
from dfmc.values.wiring import expected_components

GROUP = "nodes"
_SHOWN = 3
# Of the Rust client, which shares its node's network: upload, proxy, metrics, health, statistics, storage over TCP
# and QUIC.
_CLIENT_PORTS = frozenset(range(4000, 4007))
_REPORTED = {"containerd-no-cri": "containerd", "podman": ""}
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def name_of(obj: Object) -> str:
    """Return an object's name."""
    return str((obj.get("metadata") or {}).get("name", ""))


def matching(nodes: Iterable[Object], selector: Mapping[str, str]) -> list[Object]:
    """Return the nodes that carry every label of a selector."""
    return [node for node in nodes if selector.items() <= ((node.get("metadata") or {}).get("labels") or {}).items()]


def obstacle(node: Object, tolerations: Sequence[Mapping[str, Any]]) -> str:
    """Return why the scheduler puts no pod on a node; empty when it does."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    if spec.get("unschedulable"):
        return "cordoned"
    ready = [one for one in status.get("conditions") or () if one.get("type") == "Ready"]
    if not ready or ready[0].get("status") != "True":
        return f"not ready ({ready[0].get('reason') or 'no reason given'})" if ready else "not ready"
    if taint := refusing_taint(node, tolerations):
        return f"tainted {taint.get('key')}={taint.get('value') or ''}:{taint.get('effect')}"
    return ""


def schedulable(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find a cluster without a node for its pods, and nodes of its that are down."""
    nodes = facts.of(cluster).nodes
    own = matching(nodes, cluster.node_selector)
    words = ",".join(f"{key}={value}" for key, value in sorted(cluster.node_selector.items()))
    kubectl = f"kubectl --context {cluster.context}"
    if not own:
        yield Finding(
            cluster.name,
            f"no node has the labels of nodeSelector: {words}" if words else "there are no nodes",
            f"{len(nodes)} nodes: {_some([name_of(node) for node in nodes])}" if nodes else "",
            f"{kubectl} label node NAME {words.replace(',', ' ')}" if words else f"{kubectl} get nodes",
        )
        return
    obstacles = {name_of(node): why for node in own if (why := obstacle(node, cluster.tolerations))}
    if len(obstacles) == len(own):
        first = next(iter(obstacles))
        is_cordoned = obstacles[first] == "cordoned"
        yield Finding(
            cluster.name,
            f"none of its {len(own)} nodes takes pods",
            _some([f"{name} is {why}" for name, why in obstacles.items()]),
            f"{kubectl} {'uncordon' if is_cordoned else 'describe node'} {first}",
            f"Node {first}",
        )
        return
    for name, why in obstacles.items():
        if why.startswith("not ready"):
            yield Finding(
                cluster.name, f"node {name} is {why}", "", f"{kubectl} describe node {name}", f"Node {name}", "warning"
            )


def runtimes(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Compare what nodes run with what the file tells the chart to configure."""
    reported: dict[str, list[str]] = {}
    for node in matching(facts.of(cluster).nodes, cluster.node_selector):
        version = str(((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion") or "")
        if version:
            reported.setdefault(version.partition("://")[0], []).append(name_of(node))
    given = cluster.runtime.type
    next_step = f"set runtime.type of {cluster.name} to what its nodes run, or nodeSelector to nodes of one kind"
    if given == "auto":
        yield from _automatic(facts, cluster, reported, next_step)
        return
    wanted = _REPORTED.get(given, given)
    for kind, names in sorted(reported.items()):
        if wanted not in ("none", "") and kind != wanted:
            why = f"the file says {given}: the chart will configure that, and pulls there will not go through Dragonfly"
            yield Finding(cluster.name, f"{_some(names)} run {kind}", why, next_step, f"Node {names[0]}")


def _automatic(
    facts: Facts, cluster: ClusterSpec, reported: Mapping[str, Sequence[str]], next_step: str
) -> Iterator[Finding]:
    try:
        inputs = values_inputs(facts.topology, cluster, facts.observed, first_install=False)
        kind = runtime_kind(context_of(facts.topology, cluster, inputs))
    except DfmcError as error:
        yield Finding(cluster.name, error.what, error.why, error.next_step)
        return
    if not isinstance(kind, Pending) and kind == "none" and reported:
        names = [name for found in reported.values() for name in found]
        why = f"chart {facts.topology.chart.version} cannot configure {', '.join(sorted(reported))}; nothing is set up"
        what = f"pulls on {_some(names)} will not go through Dragonfly"
        yield Finding(cluster.name, what, why, "set runtime.type: none to say that this is meant", level="warning")


def node_ports(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find node ports of the file that another Service has."""
    expose = facts.topology.manager.expose
    if cluster.name != facts.topology.manager.cluster:
        return
    wanted = {
        expose.rest_node_port: ("restNodePort", "manager-rest"),
        expose.grpc_node_port: ("grpcNodePort", "manager-grpc"),
        expose.redis_node_port: ("redisNodePort", "manager-redis"),
    }
    for service in facts.of(cluster).services:
        metadata, spec = service.get("metadata") or {}, service.get("spec") or {}
        taken = [port.get("nodePort") for port in spec.get("ports") or ()] + [spec.get("healthCheckNodePort")]
        for port in (one for one in taken if one is not None and one in wanted):
            field, own = wanted[port]
            if (metadata.get("namespace"), metadata.get("name")) != (cluster.namespace, own):
                yield Finding(
                    cluster.name,
                    f"node port {port} is taken",
                    f"manager.expose.{field} asks for it, and another Service has it",
                    f"set manager.expose.{field} to a free port, or give the other Service another one",
                    f"Service {metadata.get('namespace')}/{metadata.get('name')}",
                )


def host_ports(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find pods of others that hold the client's ports on the cluster's nodes, and entries that share nodes."""
    topology = facts.topology
    layout = layout_of(topology.chart.version)
    label = layout.components["client"].label
    if label not in expected_components(layout, role_of(topology, cluster), cluster.values):
        return
    names = {name_of(node) for node in matching(facts.of(cluster).nodes, cluster.node_selector)}
    ports = _client_ports(facts, cluster, layout)
    own = {(entry.namespace, pod.name) for entry in topology.clusters for pod in facts.seen(entry).pods}
    for pod in facts.of(cluster).pods:
        metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        place = (str(metadata.get("namespace")), str(metadata.get("name")))
        over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if spec.get("nodeName") not in names or place in own or over:
            continue
        if taken := sorted(_held_by(spec) & ports):
            yield Finding(
                cluster.name,
                f"port{'s' if len(taken) > 1 else ''} {', '.join(map(str, taken))} of node {spec['nodeName']} "
                f"{'are' if len(taken) > 1 else 'is'} taken",
                "the Dragonfly client of each node listens there, and a pod of somebody else does already",
                f"keep {cluster.name} off that node with nodeSelector, or move the pod",
                f"Pod {'/'.join(place)}",
            )
    yield from _shared_nodes(facts, cluster, names)


def _client_ports(facts: Facts, cluster: ClusterSpec, layout: Layout) -> frozenset[int]:
    if layout.components["client"].is_rust:
        return _CLIENT_PORTS
    declared = (
        port.get("hostPort")
        for obj in facts.of(cluster).manifest
        if obj.get("kind") == "DaemonSet"
        for container in pod_spec(obj).get("containers") or ()
        for port in container.get("ports") or ()
    )
    return frozenset({layout.proxy_port, *(int(port) for port in declared if port)})


def _held_by(spec: Mapping[str, Any]) -> set[int]:
    key = "containerPort" if spec.get("hostNetwork") else "hostPort"
    ports = (port for container in spec.get("containers") or () for port in container.get("ports") or ())
    return {int(port.get(key) or port.get("hostPort") or 0) for port in ports} - {0}


def _shared_nodes(facts: Facts, cluster: ClusterSpec, names: set[str]) -> Iterator[Finding]:
    entries = facts.entries
    uid = seen.uid if (seen := facts.seen(cluster).facts) else ""
    for other in entries[entries.index(cluster) + 1 :]:
        there = facts.seen(other).facts
        if there is None or there.uid != uid:
            continue
        both = sorted(names & {name_of(node) for node in matching(facts.of(other).nodes, other.node_selector)})
        if both:
            yield Finding(
                cluster.name,
                f"{cluster.name} and {other.name} both select {_some(both)}",
                "their contexts lead to one Kubernetes cluster, and a node has the client's ports once",
                f"give {cluster.name} and {other.name} nodeSelectors that exclude each other",
                f"Node {both[0]}",
            )


def storage(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find claims of the release that no StorageClass will serve."""
    here = facts.of(cluster)
    classes = {name_of(one) for one in here.storage_classes}
    defaults = [one for one in here.storage_classes if _is_default(one)]
    bound = {name_of(claim) for claim in here.claims if (claim.get("status") or {}).get("phase") == "Bound"}
    for obj in here.manifest:
        spec = obj.get("spec") or {}
        for template in (spec.get("volumeClaimTemplates") or ()) if obj.get("kind") == "StatefulSet" else ():
            wanted = (template.get("spec") or {}).get("storageClassName")
            place = f"StatefulSet {cluster.namespace}/{name_of(obj)}"
            kubectl = f"kubectl --context {cluster.context} get storageclass"
            if wanted and wanted not in classes:
                there = _some(sorted(classes)) if classes else "none"
                what = f"there is no StorageClass {wanted}"
                yield Finding(cluster.name, what, f"its claims name it; there is {there}", kubectl, place)
            elif wanted is None and not defaults:
                claims = {
                    f"{name_of(template)}-{name_of(obj)}-{number}" for number in range(int(spec.get("replicas", 1)))
                }
                if not claims <= bound:
                    why = (
                        f"its claims name no class, and none of {_some(sorted(classes)) or 'no classes'} is the default"
                    )
                    yield Finding(cluster.name, "there is no default StorageClass", why, kubectl, place)


def _is_default(storage_class: Object) -> bool:
    annotations = (storage_class.get("metadata") or {}).get("annotations") or {}
    return any(
        annotations.get(f"storageclass{beta}.kubernetes.io/is-default-class") == "true" for beta in ("", ".beta")
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


CHECKS = (
    Check(
        "DF321",
        "every cluster has nodes that take its pods",
        GROUP,
        "A nodeSelector that no node matches leaves the client's DaemonSet with no pods at all, which helm takes for "
        "ready; cordoned, tainted or dead nodes leave everything else Pending.",
        "Label nodes, uncordon them, or give the entry tolerations.",
        needs=(Need.NODES,),
        of_cluster=schedulable,
    ),
    Check(
        "DF322",
        "the nodes run the container runtime that the file names",
        GROUP,
        "The chart configures one kind of runtime. On a node with another one images are pulled as before, and nothing "
        "says that they did not come through Dragonfly.",
        "Set runtime.type to what the nodes run; `auto` takes what they report.",
        needs=(Need.NODES,),
        of_cluster=runtimes,
    ),
    Check(
        "DF323",
        "the node ports of manager.expose are free",
        GROUP,
        "Kubernetes gives a node port to one Service; the second one is refused in the middle of a run.",
        "Choose other ports in manager.expose.",
        needs=(Need.SERVICES,),
        of_cluster=node_ports,
    ),
    Check(
        "DF324",
        "the client's ports are free on every node of a cluster",
        GROUP,
        "From chart 1.1.66 on the client listens in its node's own network, on ports 4000 to 4006. A second Dragonfly, "
        "another entry of the file, or anything else there keeps it from starting.",
        "Split the nodes with nodeSelector.",
        needs=(Need.NODES, Need.PODS),
        of_cluster=host_ports,
    ),
    Check(
        "DF325",
        "there is a StorageClass for every volume claim",
        GROUP,
        "The seed peers and the bundled databases claim volumes; without a class that makes them their pods stay "
        "Pending.",
        "Name a class in persistence, make one the default, or switch persistence off.",
        needs=(Need.STORAGE_CLASSES, Need.CLAIMS, Need.MANIFEST),
        of_cluster=storage,
    ),
)
