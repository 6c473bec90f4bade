"""Topologies whose entries are each in a Kubernetes cluster of their own, for the bed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bed_tools import BedTools


def many_clusters(names: Iterable[str], address: str = "", **entry: Any) -> dict[str, Any]:
    """Return a topology: the first name is the manager's cluster; contexts are ``one-NAME``.

    Args:
        names: Of the entries.
        address: The manager's, if it is known.
        entry: What every entry says beside having one pod of everything.
    """
    central, *members = names
    manager: dict[str, Any] = {
        "cluster": central,
        "expose": {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952},
    }
    if address:
        manager["address"] = address
    return {
        "apiVersion": "dfmc.io/v1alpha1",
        "kind": "Topology",
        "metadata": {"name": "many"},
        "chart": {"name": "dragonfly", "version": "1.7.4"},
        "manager": manager,
        "defaults": {"replicas": {"manager": 1, "scheduler": 1, "seedPeer": 1}, **entry},
        "clusters": [
            {"name": central, "context": f"one-{central}", "namespace": f"cluster-{central}"},
            *(
                {
                    "name": name,
                    "context": f"one-{name}",
                    "namespace": f"cluster-{name}",
                    "scopes": {"idc": f"idc-{name}"},
                }
                for name in members
            ),
        ],
    }


def internal_address(tools: BedTools, context: str) -> str:
    """Return the InternalIP of the context's first node, at which its node ports answer."""
    addresses = tools.objects("nodes", context=context)[0]["status"]["addresses"]
    return str(next(item["address"] for item in addresses if item["type"] == "InternalIP"))
