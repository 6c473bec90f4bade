"""What nodes say of themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def runtimes(nodes: Iterable[Mapping[str, Any]], selector: Mapping[str, str]) -> frozenset[str]:
    """Return the container runtimes of the nodes that carry all labels of the selector.

    A node reports ``NAME://VERSION``, e.g. ``containerd://2.1.0``, ``cri-o://1.34.0``, ``docker://27.3.1``.
    """
    reported = (
        str(((node.get("status") or {}).get("nodeInfo") or {}).get("containerRuntimeVersion") or "")
        for node in nodes
        if _matches(node, selector)
    )
    return frozenset(name for name, separator, _ in (version.partition("://") for version in reported) if separator)


def addresses(nodes: Sequence[Mapping[str, Any]], selector: Mapping[str, str]) -> tuple[str, ...]:
    """Return where NodePorts answer: ExternalIPs if any node has one, else InternalIPs.

    A NodePort answers on every node; those that are ready come first, and among them those of the selector.
    """
    ordered = sorted(nodes, key=lambda node: (not _is_ready(node), not _matches(node, selector)))
    for kind in ("ExternalIP", "InternalIP"):
        found = [
            str(address["address"])
            for node in ordered
            for address in (node.get("status") or {}).get("addresses") or ()
            if address.get("type") == kind and address.get("address")
        ]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def _matches(node: Mapping[str, Any], selector: Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
