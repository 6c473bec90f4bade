"""Addresses that members are told: whether pods in another Kubernetes cluster can use them."""

from __future__ import annotations

from collections.abc import Iterator

from dfmc.errors import Diagnostic
from dfmc.linting.subject import Subject
from dfmc.topology.addresses import ip_address, why_unusable
from dfmc.topology.nodes import Path
from dfmc.topology.scalars import quoted
from dfmc.values.names import cluster_domain

_LOOPBACK = ("localhost", "127.", "::1")


def address_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF204 to DF206."""
    address, external = subject.topology.manager.address, subject.topology.manager.redis
    places: list[tuple[Path, str]] = [(("manager", "address"), address)] if address else []
    if external is not None:
        addresses = enumerate(external.addresses)
        places += [(("manager", "redis", "addresses", index), _host(each)) for index, each in addresses]
    for path, host in places:
        yield from _resolvable_elsewhere(subject, path, host)
    bare = ip_address(address) if address else None
    if subject.elsewhere and bare and not bare.is_loopback and (why := why_unusable(bare)):
        message = f"{address} cannot be reached from another machine: {why}; {_names(subject)} in another context"
        yield subject.document.diagnose(("manager", "address"), message, "warning", "DF205")
    yield from _reachable(subject)


def _resolvable_elsewhere(subject: Subject, path: Path, host: str) -> Iterator[Diagnostic]:
    """DF204: a name that only the central Kubernetes cluster knows, for members in another."""
    if not subject.elsewhere:
        return
    names = _names(subject)
    if _is_service_name(subject, host):
        message = (
            f"{quoted(host)} is a Service's name, which resolves in the Kubernetes cluster of "
            f"{subject.topology.central.name} alone; {names} in another context"
        )
    elif host.lower().startswith(_LOOPBACK):
        message = f"{quoted(host)} is each pod itself; {names} in another context"
    else:
        return
    yield subject.document.diagnose(path, message, "warning", "DF204")


def _is_service_name(subject: Subject, host: str) -> bool:
    labels = host.lower().rstrip(".").split(".")
    domain = cluster_domain(subject.topology.central).lower().split(".")
    is_full = labels[-len(domain) :] == domain
    # ``manager``, ``manager.ns`` and ``manager.ns.svc`` are completed by the pod's own search list.
    namespaces = {entry.namespace for entry in subject.topology.clusters}
    is_short = len(labels) == 1 or labels[-1] == "svc" or (len(labels) == 2 and labels[1] in namespaces)
    return (is_full or is_short) and ip_address(host) is None


def _reachable(subject: Subject) -> Iterator[Diagnostic]:
    """DF206: nothing leads from another Kubernetes cluster to the manager."""
    manager = subject.topology.manager
    if not subject.elsewhere:
        return
    if manager.expose.type == "ClusterIP":
        message = (
            f"nothing outside the manager's Kubernetes cluster can reach it, and {_names(subject)} in another context: "
            "set manager.expose to NodePort or LoadBalancer, and manager.address"
        )
    elif manager.address is None and manager.expose.type == "NodePort":
        message = (
            f"{_names(subject)} in another context, and the file does not say how pods there reach the node ports: "
            "set manager.address to a DNS name or an IP address of the manager's nodes"
        )
    else:
        return
    path: Path = ("manager", "expose") if manager.model_fields_set & {"expose"} else ("manager",)
    yield subject.document.diagnose(path, message, "warning", "DF206")


def _names(subject: Subject) -> str:
    names = [entry.name for entry in subject.elsewhere]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"


def _host(address: str) -> str:
    """Return the host of ``host:port``."""
    host, colon, port = address.rpartition(":")
    return host.strip("[]") if colon and port.isdigit() else address
