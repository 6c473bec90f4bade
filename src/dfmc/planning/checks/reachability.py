"""The check from inside: what pods of each cluster reach of the manager and Redis, and the pod that asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dfmc.planning.bridges import Bridge, wanted_bridges
from dfmc.planning.checks.facts import Endpoint, Facts, Need, Object, Reached
from dfmc.planning.checks.images import containers_of
from dfmc.planning.checks.model import Check, Finding, Level
from dfmc.planning.exposure import manager_endpoint, needs_rest, redis_addresses, same_kubernetes
from dfmc.state import Observed
from dfmc.topology.addresses import ip_address
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.names import DATABASE_PORT, database_service, service_host

GROUP = "reachability"
PROBE_IMAGE = "busybox:latest"
_NAME = "dfmc-doctor"
_MARK = "dfmc-doctor:"
_CONNECT_SECONDS = 3
# One line an endpoint: its number, whether the name resolves, whether a connection stands, and the last words of
# whichever failed. Addresses are arguments, so nothing in a file is ever read as shell.
_SCRIPT = f"""\
number=0
for endpoint; do
  host=${{endpoint%:*}} port=${{endpoint##*:}} said=
  if said=$(nslookup "$host" 2>&1); then name=ok said=; else name=no; fi
  if words=$(nc -vz -w {_CONNECT_SECONDS} "$host" "$port" 2>&1); then open=ok; else open=no said=$words; fi
  said=$(printf '%s' "$said" | tr -s '\\n\\t ' '   ' | tail -c 200)
  printf '{_MARK} %s %s %s %s\\n' "$number" "$name" "$open" "$said"
  number=$((number + 1))
done
"""


def endpoints_of(topology: Topology, cluster: ClusterSpec, observed: Observed) -> tuple[Endpoint, ...]:
    """Return what pods of a cluster have to reach, as the file tells them.

    Before the central release is there, its own Services are left out for clusters beside it: they do not exist yet.
    An address outside is asked all the same, since its name must resolve and nothing may swallow the packets.

    Raises:
        DfmcError: The file gives the cluster no address.
    """
    is_there = observed.clusters[topology.manager.cluster].release is not None
    is_central = cluster.name == topology.manager.cluster
    found: list[Endpoint] = []
    manager = topology.manager
    is_elsewhere = not same_kubernetes(topology, cluster, observed)
    bridges = wanted_bridges(topology, cluster, observed)
    found += _bridged(topology, bridges, is_there=is_there)
    if not bridges and (is_there or is_elsewhere):
        at = manager_endpoint(topology, cluster, observed)
        found.append(Endpoint("grpc", str(at.host), at.grpc_port, is_there=is_there))
        found.append(Endpoint("rest", str(at.host), at.rest_port, is_needed=needs_rest(topology), is_there=is_there))
    if manager.redis is not None or (not bridges and (is_there or is_elsewhere)):
        for address in redis_addresses(topology, cluster, observed):
            host, _, port = address.rpartition(":")
            found.append(Endpoint("redis", host, int(port), is_there=is_there or manager.redis is not None))
    if is_central and manager.database is not None:
        found.append(Endpoint("database", manager.database.host, manager.database.port))
    elif is_central and is_there:
        host = service_host(cluster, database_service(cluster.release))
        found.append(Endpoint("database", host, DATABASE_PORT))
    return tuple(found)


def _bridged(topology: Topology, bridges: Sequence[Bridge], *, is_there: bool) -> Iterator[Endpoint]:
    """Yield where bridges lead, for they may not be there yet; not what no load balancer has an address for."""
    for lead in (lead for bridge in bridges for lead in bridge.leads):
        host, port = lead.target.host, lead.target.port
        if host is not None and port is not None:
            is_needed = lead.name != "rest" or needs_rest(topology)
            yield Endpoint(lead.name, host, port, is_needed=is_needed, is_there=is_there)


def probe_pod(
    topology: Topology, cluster: ClusterSpec, endpoints: Sequence[Endpoint], manifest: Sequence[Object], *, exists: bool
) -> dict[str, Any]:
    """Return the pod that asks, on a node of the cluster, with nothing that a restricted namespace refuses.

    Args:
        topology: The file.
        cluster: Whose pods it stands for.
        endpoints: What to reach.
        manifest: The release's objects: its own waiting image is there, and can be pulled, wherever the chart runs.
        exists: The cluster's namespace is there; else the pod goes into ``default``.
    """
    spec: dict[str, Any] = {
        "nodeSelector": dict(cluster.node_selector),
        "tolerations": [dict(toleration) for toleration in cluster.tolerations],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": wait_image(cluster, manifest),
                "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", _SCRIPT, "probe", *(endpoint.address for endpoint in endpoints)],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }
    if exists and cluster.images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in cluster.images.pull_secrets]
    metadata = {
        "name": _NAME,
        "namespace": cluster.namespace if exists else "default",
        "annotations": {"dfmc.io/topology": topology.metadata.name},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def wait_image(cluster: ClusterSpec, manifest: Sequence[Object]) -> str:
    """Return the image with which the chart's pods wait for each other."""
    for obj in manifest:
        for container in containers_of(obj):
            if str(container.get("name", "")).startswith("wait-for-") and container.get("image"):
                return str(container["image"])
    registry = cluster.images.registry
    return f"{registry}/{PROBE_IMAGE}" if registry else PROBE_IMAGE


def reached_by(endpoints: Sequence[Endpoint], output: str) -> tuple[Reached, ...]:
    """Return what the probe's output says of each endpoint; one that it does not speak of was not reached."""
    told: dict[int, tuple[bool, bool, str]] = {}
    for line in output.splitlines():
        words = line.split(" ", 4)
        if words[0] == _MARK and len(words) >= 4 and words[1].isdigit():
            said = words[4].strip() if len(words) > 4 else ""
            told[int(words[1])] = (words[2] == "ok", words[3] == "ok", said)
    results = []
    for number, endpoint in enumerate(endpoints):
        resolves, connects, said = told.get(number, (False, False, "the probe ended before it came to this"))
        results.append(Reached(endpoint, None if ip_address(endpoint.host) else resolves, connects, said))
    return tuple(results)


def is_refusal(reached: Reached) -> bool:
    """Whether something at that address said no: the way is open, and nothing listens."""
    return "refused" in reached.said.lower()


def unreachable(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Tell what pods of a cluster do not reach, and why."""
    for reached in facts.of(cluster).reached:
        endpoint = reached.endpoint
        if reached.connects and reached.resolves is not False:
            continue
        name = {"grpc": "the manager (gRPC)", "rest": "the manager (REST)", "redis": "Redis"}.get(
            endpoint.name, "the database"
        )
        if reached.resolves is False:
            what = f"pods of {cluster.name} cannot resolve {endpoint.host}, the address of {name}"
            next_step = _name_step(facts, cluster, endpoint)
        elif not endpoint.is_there and is_refusal(reached):
            continue  # nothing listens yet, and the way is open: all that can be known before the installation
        else:
            what = f"pods of {cluster.name} do not reach {name} at {endpoint.address}"
            next_step = _port_step(facts, cluster, endpoint, reached)
        level: Level = "error" if endpoint.is_needed and (endpoint.is_there or reached.resolves is False) else "warning"
        yield Finding(cluster.name, what, reached.said, next_step, endpoint.address, level)


def _name_step(facts: Facts, cluster: ClusterSpec, endpoint: Endpoint) -> str:
    if ".svc." in endpoint.host:
        return f"kubectl --context {facts.topology.central.context} -n {facts.topology.central.namespace} get services"
    return f"make {endpoint.host} resolve in {cluster.name}, or set manager.address to a name that does"


def _port_step(facts: Facts, cluster: ClusterSpec, endpoint: Endpoint, reached: Reached) -> str:
    central = facts.topology.central
    if is_refusal(reached) or same_kubernetes(facts.topology, cluster, facts.observed):
        return f"kubectl --context {central.context} -n {central.namespace} get services,endpointslices,networkpolicies"
    return f"open TCP port {endpoint.port} of {endpoint.host} for the nodes of {cluster.name} (firewall, NetworkPolicy)"


def grid(facts: Facts) -> Mapping[str, tuple[Reached, ...]]:
    """Return what was reached, by cluster, of those that were asked."""
    return {cluster.name: facts.of(cluster).reached for cluster in facts.entries if facts.of(cluster).reached}


CHECKS = (
    Check(
        "DF341",
        "pods of every cluster reach the manager and Redis",
        GROUP,
        "Schedulers and peers wait for the manager without an end, and a scheduler that does not reach Redis does not "
        "start. Name service, firewalls and network policies can only be judged from inside: a short-lived pod in the "
        "cluster's namespace (before the installation in `default`) resolves and dials every address that the file "
        "gives its pods. The REST port is needed by charts up to 1.6.9; later it is a warning.",
        "Make the name resolve there, open the port, or set manager.address and manager.expose. `--no-pods` leaves "
        "this check out.",
        needs=(Need.PROBES,),
        of_cluster=unreachable,
        answers_for=(Need.PROBES,),
    ),
)
