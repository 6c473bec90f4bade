"""dfmc's own Services in front of the manager and Redis, and the addresses that follow from them.

The chart can set a node port on REST only (its gRPC port gets a random one), and offers none for Redis; the guide
adds a NodePort Service by hand. These are the Services of the guide, for all three ports. Their selectors use labels
that exist on every chart; ``release`` only where the pods have it (it left them in 1.4.3).

Members elsewhere are told the name of the file. Where it has a bare address, or leaves it to a load balancer, they are
told a Service of dfmc's own in their namespace, which leads there (bridges.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.errors import PreflightError
from dfmc.planning.ownership import object_metadata
from dfmc.state import Observed
from dfmc.topology.addresses import ip_address, why_unusable
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.inputs import ManagerEndpoint
from dfmc.values.layouts import parse_version
from dfmc.values.names import bridge_service, central_endpoint, central_redis, fullname, service_host

REST_PORT, GRPC_PORT, REDIS_PORT = 8080, 65003, 6379
REST_SERVICE, GRPC_SERVICE, REDIS_SERVICE = "manager-rest", "manager-grpc", "manager-redis"
PORTS: Mapping[str, int] = {REST_SERVICE: REST_PORT, GRPC_SERVICE: GRPC_PORT, REDIS_SERVICE: REDIS_PORT}
_RELEASE_LABEL_UNTIL = (1, 4, 2)
# Charts up to 1.6.9 let members wait for the manager's REST port, later ones for gRPC (reference: chart's templates).
_WAITS_FOR_REST_UNTIL = (1, 6, 9)


@dataclass(frozen=True)
class Exposed:
    """Where one of dfmc's own Services is reached from another Kubernetes cluster.

    Attributes:
        host: IP address or name; None while the load balancer has none.
        port: None while the API server has not chosen the node port.
    """

    host: str | None
    port: int | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.host and ":" in self.host else self.host
        return f"{host or '(no address yet)'}:{self.port or '(no port yet)'}"


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
        (REST_SERVICE, "http", REST_PORT, expose.rest_node_port, manager),
        (GRPC_SERVICE, "grpc", GRPC_PORT, expose.grpc_node_port, manager),
    ]
    if topology.manager.redis is None and _is_redis_shared(topology):
        wanted.append((REDIS_SERVICE, "redis", REDIS_PORT, expose.redis_node_port, redis))
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


def is_elsewhere(topology: Topology, cluster: ClusterSpec) -> bool:
    """Whether the file alone says that the entry may be in another Kubernetes cluster than the central one."""
    return not same_kubernetes(topology, cluster, None)


def is_bridged(topology: Topology) -> bool:
    """Whether members elsewhere are told Services of dfmc's own, since the file names no host that would resolve."""
    manager = topology.manager
    if manager.expose.type == "ClusterIP":
        return False
    if manager.address is None:
        return manager.expose.type == "LoadBalancer"
    return ip_address(manager.address) is not None


def needs_rest(topology: Topology) -> bool:
    """Whether members' pods wait for the manager's REST port."""
    return parse_version(topology.chart.version) <= _WAITS_FOR_REST_UNTIL


def manager_endpoint(topology: Topology, cluster: ClusterSpec, observed: Observed | None) -> ManagerEndpoint:
    """Return how the cluster's pods reach the manager.

    Raises:
        PreflightError: The cluster is elsewhere and the file gives no address that its pods could use.
    """
    if same_kubernetes(topology, cluster, observed):
        return central_endpoint(topology)
    host, expose = outside_host(topology, cluster), topology.manager.expose
    if is_bridged(topology):
        host = service_host(cluster, bridge_service(cluster.release, "manager"))
    elif expose.type == "NodePort":
        rest, grpc = _node_port(topology, observed, REST_SERVICE), _node_port(topology, observed, GRPC_SERVICE)
        return ManagerEndpoint(host=host, rest_port=rest, grpc_port=grpc)
    return ManagerEndpoint(host=host, rest_port=REST_PORT, grpc_port=GRPC_PORT)


def uses_exposed_redis(topology: Topology, cluster: ClusterSpec) -> bool:
    """Whether the member's pods use the Redis that the central release brings."""
    return cluster.redis != "none" and topology.manager.redis is None


def redis_addresses(topology: Topology, cluster: ClusterSpec, observed: Observed | None) -> tuple[str, ...]:
    """Return ``host:port`` of Redis as the cluster's pods reach it, if it uses any; errors as manager_endpoint."""
    if cluster.redis == "none" and cluster.name != topology.manager.cluster:
        return ()
    if topology.manager.redis is not None or same_kubernetes(topology, cluster, observed):
        return central_redis(topology)
    host = outside_host(topology, cluster)
    if is_bridged(topology):
        return (f"{service_host(cluster, bridge_service(cluster.release, 'redis'))}:{REDIS_PORT}",)
    node_port = topology.manager.expose.type == "NodePort"
    port = _node_port(topology, observed, REDIS_SERVICE) if node_port else REDIS_PORT
    return (f"{host}:{port}",)


def exposed(topology: Topology, observed: Observed | None, name: str) -> Exposed:
    """Return where the Service ``name`` is reached from outside, as far as that is known."""
    manager = topology.manager
    live: Mapping[str, Any] = (observed.services if observed else {}).get(name) or {}
    port = known_node_port(topology, observed, name) if manager.expose.type == "NodePort" else PORTS[name]
    if manager.address is not None:
        address = ip_address(manager.address)
        return Exposed(str(address) if address else manager.address, port)
    ingress = ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return Exposed(ingress[0].get("ip") or ingress[0].get("hostname"), port)


def outside_host(topology: Topology, cluster: ClusterSpec) -> str:
    """Return what the file says of how pods elsewhere reach the exposed ports; empty: the load balancer will say.

    Raises:
        PreflightError: They cannot.
    """
    address, expose = topology.manager.address, topology.manager.expose
    bare = ip_address(address) if address else None
    unusable = why_unusable(bare) if bare else ""
    if expose.type != "ClusterIP" and not unusable and (address or expose.type == "LoadBalancer"):
        return address or ""
    next_step = "set manager.address"
    if expose.type == "ClusterIP":
        why, next_step = "manager.expose.type is ClusterIP", "set manager.expose (NodePort or LoadBalancer)"
        next_step += " and manager.address"
    elif unusable:
        why = f"manager.address is {address}, and {unusable}"
    else:
        why = "manager.address is not set"
    raise PreflightError(
        f"pods of {cluster.name} cannot reach the manager: {cluster.name} is in another Kubernetes cluster",
        where=cluster.name,
        why=why,
        next_step=f"{next_step} to a DNS name or an IP address that leads from {cluster.name} to the manager's ports",
    )


def known_node_port(topology: Topology, observed: Observed | None, name: str) -> int | None:
    """Return the node port of the Service ``name``: the file's, else the one that the API server has chosen."""
    expose = topology.manager.expose
    given = {
        REST_SERVICE: expose.rest_node_port,
        GRPC_SERVICE: expose.grpc_node_port,
        REDIS_SERVICE: expose.redis_node_port,
    }[name]
    live: Mapping[str, Any] = (observed.services if observed else {}).get(name) or {}
    allocated = [port.get("nodePort") for port in live.get("spec", {}).get("ports", [])]
    port = given or (allocated[0] if allocated else None)
    return int(port) if port else None


def _node_port(topology: Topology, observed: Observed | None, name: str) -> int:
    port = known_node_port(topology, observed, name)
    if port is None:
        raise PreflightError(
            f"the node port of {name} is not known before the Service exists, and members elsewhere need it",
            where=topology.manager.cluster,
            next_step="give manager.expose.restNodePort, grpcNodePort and redisNodePort",
        )
    return port
