"""Addresses and networks as the manager reads them: Go's ``net.ParseIP``, ``net.ParseCIDR`` and the cidranger trie.

Source: manager/searcher/searcher.go of Dragonfly 2.0.9 to 2.5.1 and github.com/yl2chen/cidranger 1.0.2. What cannot
be read is skipped there with a line in the log, and is None here.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PREFIX = re.compile(r"[0-9]+")
# The bits that an IPv4 address has in front of it when it is written as an IPv6 one.
_MAPPED_BITS = 96


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """Return a peer's address; IPv4 written as IPv6 (``::ffff:10.0.0.1``) is IPv4, one with a zone is none."""
    address = _read(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network | None:
    """Return the network that a scope's CIDR stands for; bits beyond the prefix are dropped.

    An IPv4 network written as an IPv6 one goes into the trie of IPv4 networks with a mask that no address fits, so it
    matches nothing, but for the one with no bit of IPv4 set, which equals the root of that trie.
    """
    written, slash, prefix = text.partition("/")
    address = _read(written)
    if address is None or not slash or not _PREFIX.fullmatch(prefix):
        return None
    digits = prefix.lstrip("0") or "0"
    # The length first: Python refuses to read numbers of thousands of digits.
    if len(digits) > 3 or int(digits) > address.max_prefixlen:
        return None
    bits = int(digits)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None and bits >= _MAPPED_BITS:
        return ipaddress.IPv4Network("0.0.0.0/0") if bits == _MAPPED_BITS else None
    return ipaddress.ip_network((address, bits), strict=False)


def _read(text: str) -> Address | None:
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
