"""Topologies over several Kubernetes clusters: one to begin with, and what a file's copy must say to work on the bed.

Every address block of the bed's clusters is on this machine, and nodes and load balancers are what pods of another
cluster may reach (addressing.py): so members elsewhere get the address of a node of the manager's cluster, or find that
of its load balancers themselves. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from dfmc.testbed.topology_copy import DEFAULT_CONTEXT, DEFAULT_VERSION, GUIDE_TOPOLOGY

CLUSTERS_AT_MOST = 8
_NAMES = "abcdefgh"


def beginners_topology(count: int) -> Mapping[str, Any]:
    """Return the guide's topology for one Kubernetes cluster; for more, a manager's and a member in each other one.

    Contexts are ``bed-a``, ``bed-b``, …; every component has one pod, so that eight clusters fit into a laptop.

    Args:
        count: Of Kubernetes clusters, from 1 to CLUSTERS_AT_MOST.
    """
    if count == 1:
        return GUIDE_TOPOLOGY
    entries: list[dict[str, Any]] = [
        {"name": name, "context": f"bed-{name}", "namespace": f"cluster-{name}"} for name in _NAMES[:count]
    ]
    for number, entry in enumerate(entries[1:], start=2):
        entry["scopes"] = {"idc": f"cluster-{number}"}
    return {
        **GUIDE_TOPOLOGY,
        "metadata": {"name": "bed"},
        "chart": {"name": "dragonfly", "version": DEFAULT_VERSION},
        "defaults": {"replicas": {"manager": 1, "scheduler": 1, "seedPeer": 1}},
        "clusters": entries,
    }


def with_reachable_manager(topology: Mapping[str, Any], node_address: Callable[[str], str]) -> dict[str, Any]:
    """Return a copy in which members in other contexts reach the manager; without such members nothing differs.

    Args:
        topology: From `dfmc.testbed.topology_copy.localised`.
        node_address: Returns the InternalIP of a node of a context.
    """
    result = copy.deepcopy(dict(topology))
    manager = result.get("manager")
    contexts = {entry.get("name"): str(entry.get("context") or DEFAULT_CONTEXT) for entry in result["clusters"]}
    central = contexts.get(manager.get("cluster")) if isinstance(manager, dict) else None
    if not isinstance(manager, dict) or central is None or set(contexts.values()) == {central}:
        return result
    kind = (manager.get("expose") or {}).get("type")
    if kind == "NodePort":
        manager["address"] = node_address(central)
    elif kind == "LoadBalancer":
        manager.pop("address", None)  # the file's leads to somewhere else; the bed's load balancers have their own
    return result
