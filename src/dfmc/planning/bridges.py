"""Bridges: Services of dfmc's own in a member's namespace that lead to addresses which are no names. Pure.

The chart's pods wait with ``nslookup HOST && nc -vz HOST PORT``, and nslookup fails for a bare IP address: they would
stay in Init for ever. So where the file gives an address, or a load balancer gets one of its own, the member's values
name a Service of the member's namespace. It has no selector; one EndpointSlice a port says where that port leads, so
load balancers of two Services may have two addresses, and node ports need not be in anybody's values. What is a name
(load balancers of some clouds have names) becomes a Service of type ExternalName.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.errors import PreflightError
from dfmc.planning.consent import Consent
from dfmc.planning.differences import missing_from
from dfmc.planning.exposure import (
    GRPC_SERVICE,
    PORTS,
    REDIS_SERVICE,
    REST_SERVICE,
    Exposed,
    exposed,
    is_bridged,
    needs_rest,
    outside_host,
    same_kubernetes,
    uses_exposed_redis,
)
from dfmc.planning.ownership import object_conflict, object_metadata
from dfmc.planning.steps import Action, FieldChange, Kind, Step
from dfmc.state import BridgeObjects, Observed
from dfmc.symbols import Pending
from dfmc.topology.addresses import ip_address
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.names import bridge_service

SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
PARTS = ("manager", "redis")


@dataclass(frozen=True)
class Lead:
    """One port of a bridge.

    Attributes:
        name: Of the port.
        port: That pods dial at the Service.
        source: Name of the central cluster's Service that it leads to.
        target: Where that one is reached, as far as it is known.
    """

    name: str
    port: int
    source: str
    target: Exposed

    @property
    def is_known(self) -> bool:
        """Whether it can be written."""
        return self.target.host is not None and self.target.port is not None


@dataclass(frozen=True)
class Bridge:
    """One Service, and where it leads.

    Attributes:
        alias: The name that the Service stands for, where it is a name; such a Service maps no ports.
    """

    service: str
    leads: tuple[Lead, ...]
    alias: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it can be written."""
        return bool(self.alias) or all(lead.is_known for lead in self.leads)


def bridge_names(cluster: ClusterSpec) -> tuple[str, ...]:
    """Return the names that the entry's bridges have, whether it needs any or not."""
    return tuple(bridge_service(cluster.release, part) for part in PARTS)


def wanted_bridges(topology: Topology, cluster: ClusterSpec, observed: Observed) -> tuple[Bridge, ...]:
    """Return the bridges that the entry needs.

    Raises:
        PreflightError: The file gives no address that pods could use, or load balancers got names that cannot be one.
    """
    if cluster.name == topology.manager.cluster or not is_bridged(topology):
        return ()
    if same_kubernetes(topology, cluster, observed):
        return ()
    outside_host(topology, cluster)
    manager, redis = bridge_names(cluster)

    def lead(name: str, source: str) -> Lead:
        return Lead(name, PORTS[source], source, exposed(topology, observed, source))

    found = [_bridge(topology, cluster, manager, (lead("grpc", GRPC_SERVICE), lead("rest", REST_SERVICE)))]
    if uses_exposed_redis(topology, cluster):
        found.append(_bridge(topology, cluster, redis, (lead("redis", REDIS_SERVICE),)))
    return tuple(found)


def _bridge(topology: Topology, cluster: ClusterSpec, service: str, leads: tuple[Lead, ...]) -> Bridge:
    """Return a bridge; the first of the leads decides where two kinds of addresses cannot go together."""
    hosts = {lead.target.host: ip_address(lead.target.host) for lead in leads if lead.target.host}
    names = [host for host, address in hosts.items() if address is None]
    families = {address.version for address in hosts.values() if address}
    if len(names) + len(families) > 1:
        # Only REST may be left out: charts of today wait for gRPC alone, and call nothing else.
        if needs_rest(topology):
            raise PreflightError(
                f"one Service of {cluster.name} cannot lead to {' and '.join(str(lead.target) for lead in leads)}",
                where=cluster.name,
                why="the load balancers of the manager's two Services have names, or addresses of two families, and "
                f"members of chart {topology.chart.version} use both ports of one host",
                next_step="let both Services have one load balancer (manager.expose.annotations) and set "
                "manager.address to its name; or use manager.expose.type NodePort",
            )
        leads = leads[:1]
    first = leads[0].target.host
    alias = first if first and ip_address(first) is None else ""
    return Bridge(service, leads, alias)


def bridge_object(topology: Topology, cluster: ClusterSpec, uid: str, bridge: Bridge) -> dict[str, Any]:
    """Return the Service of a bridge, ready to apply."""
    ports = [
        {"name": lead.name, "port": lead.port, "protocol": "TCP", "targetPort": lead.port} for lead in bridge.leads
    ]
    spec: dict[str, Any] = {"type": "ClusterIP", "ports": ports}
    if bridge.alias:
        spec = {"type": "ExternalName", "externalName": bridge.alias, "ports": ports}
    elif any(_is_ipv6(lead) for lead in bridge.leads):
        # Without a selector the API server would take the cluster's first family, whatever the slices have.
        spec |= {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}
    metadata = object_metadata(bridge.service, cluster.namespace, topology.metadata.name, uid)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def slice_objects(
    topology: Topology, cluster: ClusterSpec, uid: str, bridge: Bridge, service: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    """Return the EndpointSlices of a bridge, ready to apply; they go with their Service.

    Args:
        topology: The file.
        cluster: The entry.
        uid: The topology's.
        bridge: Known.
        service: Its Service as the API server has it.
    """
    if bridge.alias:
        return ()
    owner = {"apiVersion": "v1", "kind": "Service", "name": bridge.service, "uid": service["metadata"]["uid"]}
    found = []
    for lead in bridge.leads:
        name = f"{bridge.service}-{lead.name}{'-ipv6' if _is_ipv6(lead) else ''}"  # its family never changes in place
        metadata = object_metadata(name, cluster.namespace, topology.metadata.name, uid)
        metadata["labels"] |= {SERVICE_LABEL: bridge.service, _MANAGED_BY: "dfmc.io"}
        metadata["ownerReferences"] = [owner]
        found.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": metadata,
                "addressType": "IPv6" if _is_ipv6(lead) else "IPv4",
                "endpoints": [{"addresses": [lead.target.host], "conditions": {"ready": True}}],
                "ports": [{"name": lead.name, "port": lead.target.port, "protocol": "TCP"}],
            }
        )
    return tuple(found)


def _is_ipv6(lead: Lead) -> bool:
    address = ip_address(lead.target.host or "")
    return address is not None and address.version == 6


def bridge_steps(
    topology: Topology, cluster: ClusterSpec, observed: Observed, uid: str, consent: Consent
) -> list[Step]:
    """Return the step that makes or mends the entry's bridges, and the one that removes those not needed any more.

    Raises:
        PreflightError: As wanted_bridges.
        ConflictError: A Service of a bridge's name is not this topology's.
    """
    name, central, live = cluster.name, topology.manager.cluster, observed.clusters[cluster.name].bridges
    wanted = wanted_bridges(topology, cluster, observed)
    changes: tuple[FieldChange, ...] = ()
    for bridge in wanted:
        service = live.services.get(bridge.service)
        conflict = object_conflict(name, service, topology.metadata.name, uid or None) if service else None
        if conflict and not consent.adopt:
            raise conflict
        changes += _service_changes(topology, cluster, uid, bridge, service)
        changes += () if bridge.alias else _lead_changes(bridge, live)
    steps = []
    needs: tuple[str, ...]
    if changes:
        action = Action.UPDATE if any(bridge.service in live.services for bridge in wanted) else Action.CREATE
        needs = (f"{Kind.NAMESPACE}:{name}", f"{Kind.EXPOSE}:{central}", f"{Kind.CREDENTIALS}:{central}")
        note = "" if all(bridge.is_known for bridge in wanted) else "waits for the addresses of the central Services"
        steps.append(Step(Kind.BRIDGE, name, action, needs, changes, note=note))
    unwanted = stale_bridges(topology, cluster, live, uid or None, [bridge.service for bridge in wanted])
    if unwanted:
        gone = tuple(FieldChange(f"Service {one}", "(there)", None) for one in unwanted)
        # Pods of the old values use it until the new ones are ready.
        needs = (f"{Kind.RELEASE}:{name}", f"{Kind.READY}:{name}")
        steps.append(Step(Kind.UNBRIDGE, name, Action.DELETE, needs, gone))
    return steps


def _service_changes(
    topology: Topology, cluster: ClusterSpec, uid: str, bridge: Bridge, live: Mapping[str, Any] | None
) -> tuple[FieldChange, ...]:
    wanted = bridge_object(topology, cluster, uid, bridge)
    changes = missing_from(live and live.get("spec"), wanted["spec"], bridge.service)
    if live is None or not uid:
        return changes
    annotations = live["metadata"].get("annotations")
    return changes + missing_from(annotations, wanted["metadata"]["annotations"], f"{bridge.service}.annotations")


def _lead_changes(bridge: Bridge, live: BridgeObjects) -> tuple[FieldChange, ...]:
    found = []
    for lead in bridge.leads:
        now = live_target(live, bridge.service, lead.name)
        path = f"{bridge.service}.{lead.name} leads to"
        if not lead.is_known:
            found.append(FieldChange(path, now, Pending(f"{Kind.EXPOSE}:{lead.source}/address")))
        elif now != str(lead.target):
            found.append(FieldChange(path, now, str(lead.target)))
    return tuple(found)


def live_target(live: BridgeObjects, service: str, port: str) -> str | None:
    """Return where a port of a bridge leads now, as ``address:port``, several with commas; None: nowhere."""
    targets = [
        str(Exposed(address, entry.get("port")))
        for piece in live.slices
        if (piece["metadata"].get("labels") or {}).get(SERVICE_LABEL) == service
        for entry in piece.get("ports") or ()
        if entry.get("name") == port
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    ]
    return ", ".join(targets) or None


def stale_bridges(
    topology: Topology,
    cluster: ClusterSpec,
    live: BridgeObjects,
    uid: str | None,
    keep: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the names of this topology's bridges that are there and not to be kept."""
    return tuple(
        name
        for name, service in live.services.items()
        if name not in keep and object_conflict(cluster.name, service, topology.metadata.name, uid) is None
    )


def described(topology: Topology, cluster: ClusterSpec, observed: Observed) -> str:
    """Return what bridges there are and where they should lead, in words, for the fingerprint of a plan."""
    live = observed.clusters[cluster.name].bridges
    there = [
        f"{name} ({service['spec'].get('externalName') or service['spec'].get('type')})"
        for name, service in live.services.items()
    ]
    for name in live.services:
        ports = [str(port.get("name")) for port in live.services[name]["spec"].get("ports") or ()]
        there += [f"{name}.{port} to {live_target(live, name, port)}" for port in ports]
    try:
        wanted = wanted_bridges(topology, cluster, observed)
    except PreflightError as error:
        return f"{', '.join(there) or 'none'}; wanted: {error.why}"
    leads = [f"{bridge.service}.{lead.name} to {lead.target}" for bridge in wanted for lead in bridge.leads]
    return f"{', '.join(there) or 'none'}; wanted: {', '.join(leads) or 'none'}"
