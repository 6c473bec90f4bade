"""Rules about scopes: which peers a record serves, as the manager's searcher reads them (and never complains).

The manager stores any scope and only logs what it cannot read (reference: manager/searcher of Dragonfly 2.1 to 2.5), so
a wrong one shows as peers in the wrong cluster, days later.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.errors import Diagnostic
from dfmc.topology.document import Document
from dfmc.topology.entries import EntryFacts, text, texts
from dfmc.topology.nodes import Path
from dfmc.topology.re2 import pattern_problem
from dfmc.topology.scalars import quoted

_NETWORK = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
MAX_LOCATION_ELEMENTS = 5


def scope_problems(document: Document, entries: tuple[EntryFacts, ...], central: str | None) -> Iterator[Diagnostic]:
    """Yield what is wrong with the scopes of each entry and between entries; ``central`` runs the manager."""
    for entry in entries:
        yield from _idc(document, entry.scopes, entry.path("scopes", "idc"))
        yield from _location(document, entry.scopes, entry.path("scopes", "location"))
        yield from _cidrs(document, entry.scopes, entry.path("scopes", "cidrs"))
        yield from _hostnames(document, entry.scopes, entry.path("scopes", "hostnames"))
        yield from _host_idc(document, entry.host, entry.path("host", "idc"))
        yield from _location(document, entry.host, entry.path("host", "location"))
        yield from _membership(document, entry, is_central=entry.name is not None and entry.name == central)
    yield from _claimed_twice(document, entries)


def elements(value: str) -> tuple[str, ...]:
    """Return the elements of an idc or location scope."""
    return tuple(value.split("|"))


def _idc(document: Document, scopes: Mapping[str, Any], path: Path) -> Iterator[Diagnostic]:
    value = text(scopes, "idc")
    if value is None:
        return
    for element in elements(value):
        if not element:
            yield document.diagnose(path, "has an empty element between two | or at an end: remove it", rule="DF008")
        elif any(c.isspace() for c in element):
            message = (
                f"the element {quoted(element)} holds a blank: the manager compares it as it stands, blanks and all"
            )
            yield document.diagnose(path, message, rule="DF008")


def _host_idc(document: Document, host: Mapping[str, Any], path: Path) -> Iterator[Diagnostic]:
    value = text(host, "idc")
    if value is not None and "|" in value:
        message = f"{quoted(value)} is a list; a peer says one idc, and the manager does not split what it says"
        yield document.diagnose(path, message, rule="DF008")
    elif value is not None and any(c.isspace() for c in value):
        yield document.diagnose(path, f"{quoted(value)} holds a blank; no scope could match it", rule="DF008")


def _location(document: Document, holder: Mapping[str, Any], path: Path) -> Iterator[Diagnostic]:
    value = text(holder, "location")
    if value is None:
        return
    parts = elements(value)
    if len(parts) > MAX_LOCATION_ELEMENTS:
        message = f"has {len(parts)} elements; the manager compares the first {MAX_LOCATION_ELEMENTS} alone"
        yield document.diagnose(path, message, rule="DF009")
    for part in parts:
        if not part.strip() or part != part.strip():
            message = f"the element {quoted(part)} is empty or has blanks around it; the manager does not trim them"
            yield document.diagnose(path, message, rule="DF009")


def _cidrs(document: Document, scopes: Mapping[str, Any], path: Path) -> Iterator[Diagnostic]:
    for index, value in texts(scopes, "cidrs"):
        try:
            network = read_network(value)
        except ValueError as problem:
            yield document.diagnose((*path, index), str(problem), rule="DF006")
            continue
        if str(network.network_address) != str(ipaddress.ip_interface(value).ip):
            message = f"{value} has bits set beyond its prefix: it means {network}"
            yield document.diagnose((*path, index), message, "warning", "DF007")


def read_network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Read a CIDR as Go's net.ParseCIDR does: with a prefix length, without a zone.

    Raises:
        ValueError: It is none; the text is the message.
    """
    if "/" not in value:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise ValueError(f"{quoted(value)} is no network like 10.0.0.0/8") from None
        raise ValueError(f"{value} is an address, not a network: write {address}/{address.max_prefixlen}")
    if not _NETWORK.fullmatch(value):
        raise ValueError(f"{quoted(value)} is no network like 10.0.0.0/8")
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError as problem:
        raise ValueError(f"{quoted(value)} is no network like 10.0.0.0/8: {problem}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        # With another network beside it the manager's look-up (cidranger 1.0.2) even runs out of bounds.
        meant = f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}"
        raise ValueError(f"{quoted(value)} is IPv4 written as IPv6, which matches no address: write {meant}")
    return network


def _hostnames(document: Document, scopes: Mapping[str, Any], path: Path) -> Iterator[Diagnostic]:
    for index, value in texts(scopes, "hostnames"):
        problem = pattern_problem(value)
        if problem:
            message = f"{quoted(value)} is no pattern of Go's RE2: {problem}"
            yield document.diagnose((*path, index), message, rule="DF010")


def _claimed_twice(document: Document, entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    idcs: dict[str, EntryFacts] = {}
    networks: dict[str, EntryFacts] = {}
    for entry in entries:
        own = {element.casefold(): element for element in elements(text(entry.scopes, "idc") or "") if element}
        for folded, element in own.items():
            other = idcs.setdefault(folded, entry)
            if other is not entry:
                message = f"the idc {quoted(element)} is also a scope of {other.title}: its peers may join either"
                yield document.diagnose(entry.path("scopes", "idc"), message, "warning", "DF011")
        for index, value in texts(entry.scopes, "cidrs"):
            try:
                network = str(read_network(value))
            except ValueError:
                continue
            other = networks.setdefault(network, entry)
            if other is not entry:
                message = f"the network {network} is also a scope of {other.title}: its peers may join either"
                yield document.diagnose(entry.path("scopes", "cidrs", index), message, "warning", "DF011")


def _membership(document: Document, entry: EntryFacts, *, is_central: bool) -> Iterator[Diagnostic]:
    if entry.membership != "scopes":
        return
    idc = text(entry.scopes, "idc")
    if idc is not None and "|" in idc and text(entry.host, "idc") is None:
        message = f"by scopes, but scopes.idc names several: say with host.idc which one the peers of {entry.title} are"
        yield document.diagnose(entry.path("membership"), message, rule="DF013")
    elif not (entry.scopes or entry.host or is_central):
        # The central record is the manager's default cluster: it gets whatever no scope claims.
        message = "by scopes, but the entry has neither scopes nor host: nothing tells its peers from others'"
        yield document.diagnose(entry.path("membership"), message, rule="DF013")
