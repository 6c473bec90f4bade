"""IP addresses as they stand in a file: where a name is expected, and whether another machine can dial them. Pure."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def ip_address(host: str) -> IPAddress | None:
    """Return the IP address that a host is, in brackets or not; None for a name."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def why_unusable(address: IPAddress) -> str:
    """Return why no other machine can dial the address, in words; empty where it can.

    The same kinds that Kubernetes refuses in an EndpointSlice (apimachinery's ``ValidateNonSpecialIP``).
    """
    if address.is_unspecified:
        return "it is no machine's address"
    if address.is_loopback:
        return "it is each machine itself (loopback)"
    if address.is_link_local:
        return "it is valid on one network segment only (link-local)"
    return "it is a multicast address" if address.is_multicast else ""
