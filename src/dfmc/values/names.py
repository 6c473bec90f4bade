"""Names and addresses of the objects that the chart makes, by its own rules (``_helpers.tpl``, bitnami's redis)."""

from __future__ import annotations

from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.inputs import ManagerEndpoint
from dfmc.values.layouts import layout_of

REST_PORT = 8080
GRPC_PORT = 65003
REDIS_PORT = 6379
DATABASE_PORT = 3306
CLUSTER_DOMAIN = "cluster.local"
_LONGEST = 63


def fullname(release: str, chart: str = "dragonfly") -> str:
    """Return the stem of the chart's object names: the release's name where it contains the chart's, else both."""
    stem = release if chart in release else f"{release}-{chart}"
    return stem[:_LONGEST].removesuffix("-")


def component_name(release: str, label: str, chart: str = "dragonfly") -> str:
    """Return the name of a component's workload, Service and ConfigMap, e.g. ``dragonfly-seed-client``."""
    return f"{fullname(release, chart)}-{label}"


def cluster_domain(cluster: ClusterSpec) -> str:
    """Return the DNS domain of the cluster's Services: the value ``clusterDomain`` of the file, else the default."""
    given = cluster.values.get("clusterDomain")
    return given if isinstance(given, str) and given else CLUSTER_DOMAIN


def service_host(cluster: ClusterSpec, service: str, domain: str | None = None) -> str:
    """Return the DNS name of a Service in the cluster's namespace."""
    return f"{service}.{cluster.namespace}.svc.{domain or cluster_domain(cluster)}"


def central_endpoint(topology: Topology, cluster_domain: str | None = None) -> ManagerEndpoint:
    """Return the manager's own Service, as pods of its Kubernetes cluster reach it.

    Args:
        topology: The file.
        cluster_domain: DNS domain of Services; None: as the central entry's values say.
    """
    central = topology.central
    service = component_name(central.release, "manager", topology.chart.name)
    return ManagerEndpoint(service_host(central, service, cluster_domain), REST_PORT, GRPC_PORT)


def central_redis(topology: Topology, cluster_domain: str | None = None) -> tuple[str, ...]:
    """Return ``host:port`` of Redis as pods of the manager's Kubernetes cluster reach it: the file's, or bundled."""
    if topology.manager.redis is not None:
        return topology.manager.redis.addresses
    central = topology.central
    service = redis_service(central.release, topology.chart.version)
    return (f"{service_host(central, service, cluster_domain)}:{REDIS_PORT}",)


def redis_service(release: str, version: str) -> str:
    """Return the Service of the bundled Redis, as the manager's configuration names it on a chart version."""
    return f"{release}-{layout_of(version).redis_service}"


def bridge_service(release: str, part: str) -> str:
    """Return the name of dfmc's own Service in a member that leads to a bare address of the central cluster's.

    Args:
        release: The member's.
        part: ``manager`` or ``redis``.
    """
    ends = f"-{part}"
    return f"dfmc-{release}"[: _LONGEST - len(ends)] + ends


def database_service(release: str) -> str:
    """Return the Service of the bundled MySQL, as the manager's configuration names it."""
    return f"{release}-mysql"
