"""Which addresses and ports a userland kube-proxy must serve, and where each leads. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dfmc.testbed.addressing import AddressBlock, to_loopback
from dfmc.testbed.supervisor.cluster_dns import is_ready

Address = tuple[str, int]

LOOPBACK = "127.0.0.1"


def listeners(
    services: Iterable[Mapping[str, Any]],
    slices: Iterable[Mapping[str, Any]],
    block: AddressBlock,
    node_addresses: Iterable[str],
) -> dict[Address, tuple[Address, ...]]:
    """Return every address to listen on with the ready endpoints behind it, all as processes see them.

    A Service without a ready endpoint is left out: nothing may answer there, or the chart's init containers
    (``nc -vz``) would pass too early. Node ports are served on every node and on 127.0.0.1, as a port mapping of kind
    would do.

    Args:
        services: Service objects.
        slices: EndpointSlice objects.
        block: The cluster's addresses.
        node_addresses: InternalIPs of its nodes.
    """
    endpoints = _endpoints(slices, block)
    nodes = [to_loopback(address) for address in node_addresses]
    result: dict[Address, tuple[Address, ...]] = {}
    for service in services:
        metadata, spec = service["metadata"], service["spec"]
        if spec.get("type") == "ExternalName" or (metadata["namespace"], metadata["name"]) == ("default", "kubernetes"):
            continue
        for port in spec.get("ports") or []:
            behind = endpoints.get((metadata["namespace"], metadata["name"], port.get("name") or ""))
            if not behind or port.get("protocol", "TCP") != "TCP":
                continue
            hosts: list[Address] = []
            if spec.get("clusterIP") not in (None, "", "None"):
                hosts.append((spec["clusterIP"], port["port"]))
            if spec.get("type") == "LoadBalancer":
                hosts.append((to_loopback(block.load_balancer_address), port["port"]))
            if port.get("nodePort"):
                hosts.extend((node, port["nodePort"]) for node in [*nodes, LOOPBACK])
            for host in hosts:
                result.setdefault(host, tuple(behind))
    return result


def _endpoints(slices: Iterable[Mapping[str, Any]], block: AddressBlock) -> dict[tuple[str, str, str], list[Address]]:
    found: dict[tuple[str, str, str], list[Address]] = {}
    for piece in slices:
        metadata = piece["metadata"]
        service = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if service is None or piece.get("addressType") != "IPv4":
            continue
        for port in piece.get("ports") or []:
            if port.get("port") is None:
                continue
            key = (metadata["namespace"], service, port.get("name") or "")
            for endpoint in piece.get("endpoints") or []:
                if is_ready(endpoint):
                    addresses = ((block.listen_address(a), port["port"]) for a in endpoint["addresses"])
                    found.setdefault(key, []).extend(addresses)
    return found
