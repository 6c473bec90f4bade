"""Names as a pod of the cluster would resolve them. Pure but for the lookup of outside names, which is passed in.

Two resolvers matter. A program's own (libc, Go) walks the search path of a pod's resolv.conf with ``ndots:5``.
busybox's nslookup, which the chart's init containers call, applies the search path only to a name without any dot
(busybox networking/nslookup.c, add_query_with_search), and asked for an address it looks up the reverse name, which
no cluster has: that is why a bare address hangs in ``Init``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

CLUSTER_DOMAIN = "cluster.local"
_NDOTS = 5
_LONGEST_CHAIN = 8

Outside = Callable[[str], tuple[str, ...]]


class ClusterDns:
    """The cluster's DNS zone as its Services and EndpointSlices make it."""

    def __init__(
        self, services: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]], outside: Outside
    ) -> None:
        """Take a snapshot.

        Args:
            services: Service objects.
            slices: EndpointSlice objects, for headless Services.
            outside: Looks up a name that is none of the cluster's; empty where it does not exist.
        """
        self._services = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in services}
        self._slices = list(slices)
        self._outside = outside

    def nslookup(self, argument: str, namespace: str) -> bool:
        """Tell whether busybox's ``nslookup ARGUMENT`` succeeds in a pod of ``namespace``."""
        return bool(self.nslookup_answer(argument, namespace)[1])

    def nslookup_answer(self, argument: str, namespace: str) -> tuple[str, tuple[str, ...]]:
        """Return the name that busybox's nslookup found for ``argument``, and its addresses; none where it fails."""
        name = argument.rstrip(".")
        if not name or is_address(name):
            return name, ()
        for candidate in [name] if "." in name else [f"{name}.{domain}" for domain in _search_path(namespace)]:
            if found := self.lookup(candidate):
                return candidate, found
        return name, ()

    def resolve(self, host: str, namespace: str) -> tuple[str, ...]:
        """Return the addresses that a program in a pod of ``namespace`` gets for ``host``; an address is its own."""
        if not host:
            return ()
        if is_address(host):
            return (host,)
        absolute, relative = host.rstrip("."), [f"{host}.{domain}" for domain in _search_path(namespace)]
        if host.endswith("."):
            candidates = [absolute]
        elif host.count(".") >= _NDOTS:
            candidates = [absolute, *relative]
        else:
            candidates = [*relative, absolute]
        for name in candidates:
            if found := self.lookup(name):
                return found
        return ()

    def lookup(self, name: str, chain: int = 0) -> tuple[str, ...]:
        """Return the addresses of an absolute name, following ExternalName aliases."""
        zone = f".svc.{CLUSTER_DOMAIN}"
        if name == CLUSTER_DOMAIN or name.endswith(f".{CLUSTER_DOMAIN}"):
            if not name.endswith(zone):
                return ()
            parts = name.removesuffix(zone).split(".")
            if len(parts) == 2:
                return self._service(parts[1], parts[0], chain)
            if len(parts) == 3:
                return self._endpoints(parts[2], parts[1], parts[0])
            return ()
        return () if is_address(name) else self._outside(name)

    def _service(self, namespace: str, name: str, chain: int) -> tuple[str, ...]:
        service = self._services.get((namespace, name))
        if service is None:
            return ()
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            target = spec.get("externalName", "").rstrip(".")
            # CoreDNS answers with an alias to the "name" 10.0.0.1, which nobody resolves.
            return () if not target or chain >= _LONGEST_CHAIN else self.lookup(target, chain + 1)
        address = spec.get("clusterIP")
        if address and address != "None":
            return (address,)
        return self._endpoints(namespace, name, None)

    def _endpoints(self, namespace: str, service: str, hostname: str | None) -> tuple[str, ...]:
        found: list[str] = []
        for piece in self._slices:
            metadata = piece["metadata"]
            if metadata["namespace"] != namespace or _owner(metadata) != service:
                continue
            for endpoint in piece.get("endpoints") or []:
                if is_ready(endpoint) and (hostname is None or endpoint.get("hostname") == hostname):
                    found.extend(endpoint["addresses"])
        return tuple(dict.fromkeys(found))


def is_address(text: str) -> bool:
    """Tell whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def is_ready(endpoint: Mapping[str, Any]) -> bool:
    """Tell whether an EndpointSlice's endpoint takes connections; nothing said means yes."""
    ready = (endpoint.get("conditions") or {}).get("ready")
    return ready is None or bool(ready)


def _owner(metadata: Mapping[str, Any]) -> str | None:
    return (metadata.get("labels") or {}).get("kubernetes.io/service-name")


def _search_path(namespace: str) -> tuple[str, ...]:
    return (f"{namespace}.svc.{CLUSTER_DOMAIN}", f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN)
