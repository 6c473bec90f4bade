"""What a cluster's values need that the topology file does not say.

Everything here may be a symbol (dfmc.symbols): rendering never looks anything up, so the same function serves
``dfmc render`` (offline), the plan (before registration) and the executor (after it).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dfmc.state import Registration
from dfmc.symbols import Pending


@dataclass(frozen=True)
class ManagerEndpoint:
    """Where one cluster's pods find the manager.

    Attributes:
        host: DNS name. Never a bare IP: the chart waits with ``nslookup HOST`` (reference: chart's init containers);
            for one stands a Service (planning/bridges.py).
        rest_port: TCP port of the REST API as seen by the pods.
        grpc_port: TCP port of gRPC as seen by the pods.
    """

    host: str | Pending
    rest_port: int = 8080
    grpc_port: int = 65003


@dataclass(frozen=True)
class ValuesInputs:
    """Inputs of one cluster's values beside the file.

    Attributes:
        registration: The ids of the cluster's record; the central cluster's is record 1.
        manager: How this cluster's pods reach the manager; for the central cluster its own Service.
        redis_addresses: ``host:port`` of Redis as this cluster's pods reach it.
        runtimes: Container runtimes that the cluster's nodes report (``containerd``, ``cri-o``, ``docker``); decides
            ``runtime: auto``. None: not known, the runtime's part is then Pending. Empty: no node says anything.
        first_install: True until the release exists: one manager replica, because several that start on an empty
            database deny root for ever (dragonfly#4924).
    """

    registration: Registration
    manager: ManagerEndpoint
    redis_addresses: tuple[str | Pending, ...]
    runtimes: frozenset[str] | None = None
    first_install: bool = field(default=False, kw_only=True)
