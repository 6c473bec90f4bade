"""How members reach the manager on kind: node ports, and a name that pods of every kind cluster resolve. Pure.

Docker's own DNS answers for the containers of a network, also as ``CONTAINER.NETWORK``. kind's nodes rewrite it so that
it answers pods too, and CoreDNS forwards there what it does not know. So ``a-control-plane.kind`` leads to a node of
A's cluster from inside every cluster on that network, and stays right when Docker gives the node another address after
a restart; a bare address would not, and the chart's pods would wait for it for ever (they ask with nslookup).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.testbed.kind.plan import ConsoleNeed, PortMapping
from dfmc.testbed.topology_copy import DEFAULT_CONTEXT

_NODE_PORTS = {"restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952}
_PORT_FORWARD = "port-forward"


@dataclass(frozen=True)
class Exposed:
    """A topology's copy for kind.

    Attributes:
        topology: The copy; its manager's address is still the file's.
        central: Context of the manager's cluster; None where the file names no such entry.
        elsewhere: Contexts of members that are not in it.
        notes: What differs from the file, one sentence each.
    """

    topology: Mapping[str, Any]
    central: str | None
    elsewhere: tuple[str, ...]
    notes: tuple[str, ...]

    def with_address(self, host: str) -> Mapping[str, Any]:
        """Return the copy in which members elsewhere use ``host``, where there are any."""
        if not self.elsewhere:
            return self.topology
        result = copy.deepcopy(dict(self.topology))
        result["manager"]["address"] = host
        return result

    def console(self, host_port: int) -> ConsoleNeed | None:
        """Return where the console's port mapping goes; None where REST has no node port, or for host port 0."""
        manager = self.topology.get("manager") or {}
        expose = manager.get("expose") or {}
        node_port = expose.get("restNodePort")
        if not (host_port and self.central and expose.get("type") == "NodePort" and isinstance(node_port, int)):
            return None
        shared = (self.topology.get("defaults") or {}).get("nodeSelector") or {}
        entry = next(entry for entry in self.topology["clusters"] if entry.get("name") == manager.get("cluster"))
        labels = {str(key): str(value) for key, value in {**shared, **(entry.get("nodeSelector") or {})}.items()}
        return ConsoleNeed(self.central, labels, PortMapping(node_port, host_port))


def exposed(topology: Mapping[str, Any]) -> Exposed:
    """Return a copy whose manager can be reached on kind, which has node ports and no load balancers.

    Args:
        topology: From `dfmc.testbed.topology_copy.localised`.
    """
    result = copy.deepcopy(dict(topology))
    manager = result.get("manager")
    if not isinstance(manager, dict):
        return Exposed(result, None, (), ())
    contexts = {entry.get("name"): str(entry.get("context") or DEFAULT_CONTEXT) for entry in result["clusters"]}
    central = contexts.get(manager.get("cluster"))
    elsewhere = tuple(dict.fromkeys(name for name in contexts.values() if name != central)) if central else ()
    notes = []
    if manager.get("access", _PORT_FORWARD) != _PORT_FORWARD:
        notes.append(f"manager.access is {_PORT_FORWARD} here: {manager['access']} is not this bed's manager")
        manager["access"] = _PORT_FORWARD
    expose = manager.get("expose")
    if isinstance(expose, dict) and expose.get("type") == "LoadBalancer":
        notes.append("manager.expose is NodePort here: kind has no load balancers")
        manager["expose"] = expose = {**expose, "type": "NodePort"}
    if elsewhere and isinstance(expose, dict) and expose.get("type") == "NodePort":
        _complete(expose)
    return Exposed(result, central, elsewhere, tuple(notes))


def _complete(expose: dict[str, Any]) -> None:
    """Give every Service a known node port: members elsewhere are told them before the Services exist."""
    for key, preferred in _NODE_PORTS.items():
        if expose.get(key) is None:
            taken = {expose.get(other) for other in _NODE_PORTS}
            expose[key] = next(port for port in range(preferred, preferred + len(_NODE_PORTS) + 1) if port not in taken)
