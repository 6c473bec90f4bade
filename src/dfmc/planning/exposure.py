"""dfmc's own Services in front of the manager and Redis, and the addresses that follow from them.

The chart can set a node port on REST only (its gRPC port gets a random one), and offers none for Redis; the guide
adds a NodePort Service by hand. These are the Services of the guide, for all three ports. Their selectors use labels
that exist on every chart; ``release`` only where the pods have it (it left them in 1.4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.errors import PreflightError
from dfmc.planning.ownership import object_metadata
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.inputs import ManagerEndpoint
from dfmc.values.layouts import parse_version
from dfmc.values.names import central_endpoint, central_redis, fullname

REST_PORT, GRPC_PORT, REDIS_PORT = 8080, 65003, 6379
_RELEASE_LABEL_UNTIL = (1, 4, 2)


def service_names(topology: Topology) -> tuple[str, ...]:
    """Return the names of the Services that ``expose`` asks for."""
    return tuple(service["metadata"]["name"] for service in services(topology, uid=""))


def services(topology: Topology, uid: str) -> tuple[dict[str, Any], ...]:
    """Return the Services that ``expose`` asks for, ready to apply; none for type ClusterIP (the chart's suffice)."""
    expose = topology.manager.expose
    if expose.type == "ClusterIP":
        return ()
    manager = {"app": fullname(topology.central.release, topology.chart.name), "component": "manager"}
    if parse_version(topology.chart.version) <= _RELEASE_LABEL_UNTIL:
        manager["release"] = topology.central.release
    redis = {
        "app.kubernetes.io/name": "redis",
        "app.kubernetes.io/instance": topology.central.release,
        "app.kubernetes.io/component": "master",
    }
    wanted = [
        ("manager-rest", "http", REST_PORT, expose.rest_node_port, manager),
        ("manager-grpc", "grpc", GRPC_PORT, expose.grpc_node_port, manager),
    ]
    if topology.manager.redis is None and _is_redis_shared(topology):
        wanted.append(("manager-redis", "redis", REDIS_PORT, expose.redis_node_port, redis))
    return tuple(_service(topology, uid, *row) for row in wanted)


def selects_beyond(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that a live Service asks for and should not: a pod that lacks one gets nothing from it.

    The pods of charts after 1.4.2 lack ``release``, which the Service in front of an older one asks for.
    """
    selector, known = (live.get("spec") or {}).get("selector") or {}, wanted["spec"]["selector"]
    return {key: value for key, value in selector.items() if key not in known}


def _is_redis_shared(topology: Topology) -> bool:
    """Whether a member may want the bundled Redis; nobody who does not need it should reach it."""
    return not topology.members or any(member.redis == "shared" for member in topology.members)


def _service(
    topology: Topology, uid: str, name: str, port_name: str, port: int, node_port: int | None, selector: dict[str, str]
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": port_name, "port": port, "targetPort": port, "protocol": "TCP"}
    if node_port is not None:
        entry["nodePort"] = node_port
    metadata = object_metadata(name, topology.central.namespace, topology.metadata.name, uid)
    metadata["annotations"] |= dict(topology.manager.expose.annotations)
    spec = {"type": topology.manager.expose.type, "selector": selector, "ports": [entry]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def same_kubernetes(topology: Topology, cluster: ClusterSpec, observed: Observed | None) -> bool:
    """Whether the cluster's pods can use the central cluster's Service names.

    Observed, the UID of kube-system decides; offline, the same context of the same kubeconfig.
    """
    central = topology.central
    if observed is not None:
        here, there = observed.clusters.get(cluster.name), observed.clusters.get(central.name)
        if here and there and here.facts and there.facts:
            return here.facts.uid == there.facts.uid
    return (cluster.context, cluster.kubeconfig) == (central.context, central.kubeconfig)


def manager_endpoint(topology: Topology, cluster: ClusterSpec, observed: Observed | None) -> ManagerEndpoint:
    """Return how the cluster's pods reach the manager.

    Raises:
        PreflightError: The cluster is elsewhere and the file gives no address that its pods could resolve.
    """
    if same_kubernetes(topology, cluster, observed):
        return central_endpoint(topology)
    host, expose = _outside_host(topology, cluster), topology.manager.expose
    if expose.type == "NodePort":
        rest, grpc = _node_port(topology, observed, "manager-rest"), _node_port(topology, observed, "manager-grpc")
        return ManagerEndpoint(host=host, rest_port=rest, grpc_port=grpc)
    return ManagerEndpoint(host=host, rest_port=REST_PORT, grpc_port=GRPC_PORT)


def redis_addresses(topology: Topology, cluster: ClusterSpec, observed: Observed | None) -> tuple[str, ...]:
    """Return ``host:port`` of Redis as the cluster's pods reach it, if it uses any; errors as manager_endpoint."""
    if cluster.redis == "none" and cluster.name != topology.manager.cluster:
        return ()
    if topology.manager.redis is not None or same_kubernetes(topology, cluster, observed):
        return central_redis(topology)
    host = _outside_host(topology, cluster)
    node_port = topology.manager.expose.type == "NodePort"
    port = _node_port(topology, observed, "manager-redis") if node_port else REDIS_PORT
    return (f"{host}:{port}",)


def _outside_host(topology: Topology, cluster: ClusterSpec) -> str:
    address = topology.manager.address
    if topology.manager.expose.type != "ClusterIP" and address and not _is_bare_ip(address):
        return address
    if topology.manager.expose.type == "ClusterIP":
        why, next_step = "manager.expose.type is ClusterIP", "set manager.expose (NodePort or LoadBalancer)"
    elif address is None:
        why, next_step = "manager.address is not set", "set manager.address"
    else:
        why = f"manager.address is the bare IP {address}; the chart waits with nslookup, which fails on one"
        next_step = "set manager.address"
    raise PreflightError(
        f"pods of {cluster.name} cannot reach the manager: {cluster.name} is in another Kubernetes cluster",
        where=cluster.name,
        why=why,
        next_step=f"{next_step} to a DNS name that resolves in {cluster.name} and leads to the manager's node ports",
    )


def _is_bare_ip(address: str) -> bool:
    parts = address.split(".")
    return ":" in address or (len(parts) == 4 and all(part.isdigit() for part in parts))


def _node_port(topology: Topology, observed: Observed | None, name: str) -> int:
    expose = topology.manager.expose
    given = {
        "manager-rest": expose.rest_node_port,
        "manager-grpc": expose.grpc_node_port,
        "manager-redis": expose.redis_node_port,
    }[name]
    live: Mapping[str, Any] = (observed.services if observed else {}).get(name) or {}
    allocated = [port.get("nodePort") for port in live.get("spec", {}).get("ports", [])]
    port = given or (allocated[0] if allocated else None)
    if port is None:
        raise PreflightError(
            f"the node port of {name} is not known before the Service exists, and members elsewhere need it",
            where=topology.manager.cluster,
            next_step="give manager.expose.restNodePort, grpcNodePort and redisNodePort",
        )
    return int(port)
