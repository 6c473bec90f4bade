"""Which addresses a Kubernetes cluster of the bed uses, and where its processes really listen. Pure.

Kubernetes refuses loopback addresses for pods and nodes, and an unprivileged process can bind nothing else without a
network namespace. So a pod is 10.a.b.c in the API and its process listens on 127.a.b.c; everything of the bed that
dials one maps the one to the other. Each cluster has a block of its own, so that clusters and beds stand side by side
and a wrong address meets nobody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

BLOCKS = range(62)
NODES_PER_CLUSTER = 120
FIRST_POD_OCTET = 64
FIRST_SERVICE_OCTET = 128
NODE_THIRD_OCTET = 255
_PODS_PER_OCTET = 250

# Nothing of the bed ever listens here: what a pod could not reach in life is refused.
UNREACHABLE = "127.255.255.254"

_FIRST_PORT = 21000
_PORTS_PER_BLOCK = 10


@dataclass(frozen=True)
class ControlPlanePorts:
    """Loopback ports of one cluster's programs, and of what the bed has once (used in the first block only).

    Attributes:
        etcd: Clients of etcd.
        etcd_peer: Peers of etcd.
        api_server: The API server.
        controller_manager: The controller manager.
        scheduler: Kubernetes' scheduler.
        kwok: kwok, the kubelet of every node.
        repository: The bed's chart repository; in the first block only.
        origin: The bed's origin of blobs; in the first block only.
        pod_proxy: On `AddressBlock.pod_proxy_address`: the way to pods for processes that cannot map addresses.
    """

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int
    kwok: int
    repository: int
    origin: int
    pod_proxy: int


@dataclass(frozen=True)
class AddressBlock:
    """The addresses of one Kubernetes cluster; ``index`` is unique on this machine while the bed runs."""

    index: int

    @property
    def ports(self) -> ControlPlanePorts:
        """The block's loopback ports, below the kernel's usual range for outgoing connections."""
        first = _FIRST_PORT + self.index * _PORTS_PER_BLOCK
        return ControlPlanePorts(*(first + offset for offset in range(9)))

    @property
    def service_range(self) -> str:
        """CIDR of the ClusterIPs: bindable without rights, and never a pod's address."""
        return f"127.{FIRST_SERVICE_OCTET + self.index}.0.0/16"

    @property
    def control_plane_address(self) -> str:
        """What the API server advertises."""
        return f"{self._pods}.{NODE_THIRD_OCTET}.254"

    @property
    def load_balancer_address(self) -> str:
        """The address that every Service of type LoadBalancer gets."""
        return f"{self._pods}.{NODE_THIRD_OCTET}.250"

    @property
    def pod_proxy_address(self) -> str:
        """Loopback address of the proxy through which a process reaches pods by their addresses in the API."""
        return to_loopback(self.control_plane_address)

    def node_address(self, number: int) -> str:
        """Return the InternalIP of node ``number``, counted from 1."""
        return f"{self._pods}.{NODE_THIRD_OCTET}.{number}"

    def node_pod_cidr(self, number: int) -> str:
        """Return the range from which kwok numbers the simulated pods of node ``number``."""
        return f"{self._pods}.{127 + number}.0/24"

    def process_addresses(self) -> Iterator[str]:
        """Yield the pod addresses for real processes, apart from every node's range."""
        for number in range(127 * _PODS_PER_OCTET):
            yield f"{self._pods}.{number // _PODS_PER_OCTET}.{number % _PODS_PER_OCTET + 1}"

    def listen_address(self, address: str) -> str:
        """Return where something of the bed listens that the API knows as ``address``.

        Pods see their own cluster's pods and Services, every cluster's nodes, and whatever is not the bed's.

        Args:
            address: An IPv4 address, or a name, which is returned as it is.
        """
        try:
            octets = ipaddress.IPv4Address(address).packed
        except ipaddress.AddressValueError:
            return address
        first, second, third, _ = octets
        if first == 10 and second - FIRST_POD_OCTET in BLOCKS:
            if second - FIRST_POD_OCTET == self.index or third == NODE_THIRD_OCTET:
                return to_loopback(address)
            return UNREACHABLE
        if first == 127 and second - FIRST_SERVICE_OCTET in BLOCKS:
            return address if second - FIRST_SERVICE_OCTET == self.index else UNREACHABLE
        return address

    @property
    def _pods(self) -> str:
        return f"10.{FIRST_POD_OCTET + self.index}"


def to_loopback(address: str) -> str:
    """Return 127.a.b.c for 10.a.b.c, anything else as it is."""
    return f"127.{address[3:]}" if address.startswith("10.") else address


def is_node_address(address: str) -> bool:
    """Tell whether an address in the API belongs to a node of the bed (or to its control plane)."""
    octets = address.split(".")
    return len(octets) == 4 and octets[0] == "10" and octets[2] == str(NODE_THIRD_OCTET)


def to_api(address: str) -> str:
    """Return the pod's or node's address in the API for where it listens; anything else as it is."""
    first, _, rest = address.partition(".")
    second = rest.partition(".")[0]
    if first == "127" and second.isdigit() and int(second) - FIRST_POD_OCTET in BLOCKS:
        return f"10.{rest}"
    return address
