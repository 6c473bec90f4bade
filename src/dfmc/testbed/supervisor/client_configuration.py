"""The configuration of a client's or seed client's process: the pod's own, with addresses of this machine. Pure.

Like `configuration`, for ``dfdaemon.yaml`` of the Rust client (crate dragonfly-client-config, ``dfdaemon.rs``): paths
and addresses are replaced and nothing else, so that a wrong cluster id, idc or location does here what it does in life.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dfmc.testbed.supervisor.configuration import Dial, ProcessPlace

# Every server of the client with its default port.
SERVERS = {"upload": 4000, "proxy": 4001, "metrics": 4002, "health": 4003, "stats": 4004}
STORAGE_PORT = 4005
DEFAULT_SOCKET = "/var/run/dragonfly/dfdaemon.sock"

_UNIX = "unix://"
_LEVELS = ("trace", "debug", "info", "warn", "error")


@dataclass(frozen=True)
class ClientPlace:
    """Where a client's process lives.

    Attributes:
        process: Directory, addresses and name.
        storage: Directory of its pieces: the claim's, where the pod has one.
        socket: Path of its unix socket; short.
    """

    process: ProcessPlace
    storage: Path
    socket: Path


def rewritten_client(original: Mapping[str, Any], place: ClientPlace, dial: Dial) -> dict[str, Any]:
    """Return the configuration for the process.

    Args:
        original: The document in the pod's ConfigMap.
        place: Where the process lives.
        dial: Maps hosts.
    """
    document = copy.deepcopy(dict(original))
    process = place.process
    host = _section(document, "host")
    host["ip"] = host.get("ip") or process.advertise
    # Without one the client takes the machine's name, and all clients of the bed would be one host.
    host["hostname"] = host.get("hostname") or process.hostname
    _section(document, "server").update(
        pluginDir=str(process.directory / "plugins"), cacheDir=str(process.directory / "cache")
    )
    for name in SERVERS:
        _section(_section(document, name), "server")["ip"] = process.listen
    _section(_section(document, "download"), "server")["socketPath"] = str(place.socket)
    storage = _section(document, "storage")
    storage["dir"] = str(place.storage)
    _section(storage, "server")["ip"] = process.listen
    _dial_manager(document, dial)
    return document


def client_ports(document: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the TCP ports of a client with this configuration, declared by its pod or not."""
    servers = (((document.get(name) or {}).get("server") or {}).get("port", port) for name, port in SERVERS.items())
    storage = ((document.get("storage") or {}).get("server") or {}).get("tcpPort", STORAGE_PORT)
    return tuple(int(port) for port in (*servers, storage))


@dataclass(frozen=True)
class HealthQuestion:
    """Where a client's readiness probe asks for ``grpc.health.v1``: on a unix socket, or on a port."""

    socket: Path | None = None
    port: int = 0


def health_question(
    container: Mapping[str, Any], original: Mapping[str, Any], place: ClientPlace
) -> HealthQuestion | None:
    """Return what the chart's readiness probe asks; None for one that this client can never answer.

    Charts ask with ``grpc_health_probe -addr=``: at ``unix://`` and the socket's path, older ones at the upload port.
    A container without such a probe is asked at the upload port.
    """
    words = (((container.get("readinessProbe") or {}).get("exec") or {}).get("command")) or []
    asked = next((word.partition("=")[2] for word in words if str(word).startswith("-addr=")), "")
    if asked.startswith(_UNIX):
        configured = ((original.get("download") or {}).get("server") or {}).get("socketPath") or DEFAULT_SOCKET
        return HealthQuestion(socket=place.socket) if asked.removeprefix(_UNIX) == configured else None
    port = asked.rpartition(":")[2]
    if port.isdigit():
        return HealthQuestion(port=int(port))
    return HealthQuestion(port=client_ports(original)[0])


def log_level(container: Mapping[str, Any]) -> str:
    """Return the level that the container's arguments ask for; ``info`` where they name none that exists."""
    for word in container.get("args") or []:
        name, _, level = str(word).partition("=")
        if name == "--log-level" and level in _LEVELS:
            return level
    return "info"


def _dial_manager(document: dict[str, Any], dial: Dial) -> None:
    manager = document.get("manager")
    if not isinstance(manager, dict):
        return
    # Charts before 1.2.18 gave a list, which the client of today does not know.
    listed = manager.pop("addrs", None)
    if not manager.get("addr") and isinstance(listed, list) and listed:
        manager["addr"] = str(listed[0])
    try:
        parts = urlsplit(str(manager.get("addr") or ""))
        host, port = parts.hostname, parts.port
    except ValueError:  # an address that nobody can dial; the client says so itself
        return
    if host:
        place = dial(host)
        manager["addr"] = parts._replace(netloc=f"{place}:{port}" if port else place).geturl()


def _section(document: dict[str, Any], key: str) -> dict[str, Any]:
    section = document.get(key)
    if not isinstance(section, dict):
        section = document[key] = {}
    return section
