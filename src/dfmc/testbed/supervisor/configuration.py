"""The configuration of a manager or scheduler process: the pod's own, with addresses of this machine. Pure.

Only what a loopback process cannot share with a pod is replaced (directories, addresses to listen on, addresses to
dial). Everything else is what the chart rendered, so that a wrong id or address shows in the real manager's records.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Dial = Callable[[str], str]
"""Turns a host as the chart wrote it into where it listens here; a name nobody knows stays, and fails by itself."""

MANAGER_REST_PORT = 8080
MANAGER_GRPC_PORT = 65003
SCHEDULER_PORT = 8002


@dataclass(frozen=True)
class ProcessPlace:
    """Where a process lives.

    Attributes:
        directory: Its own, for logs, cache, plugins and data.
        listen: Loopback address to listen on.
        advertise: The pod's address in the API: what records should say.
        hostname: The pod's name.
    """

    directory: Path
    listen: str
    advertise: str
    hostname: str


def rewritten(
    role: Literal["manager", "scheduler"], original: Mapping[str, Any], place: ProcessPlace, dial: Dial
) -> dict[str, Any]:
    """Return the configuration for the process.

    Args:
        role: Whose configuration it is.
        original: The document in the pod's ConfigMap.
        place: Where the process lives.
        dial: Maps hosts.
    """
    document = copy.deepcopy(dict(original))
    server = _section(document, "server")
    server.update(
        workHome=str(place.directory),
        logDir=str(place.directory / "log"),
        cacheDir=str(place.directory / "cache"),
        pluginDir=str(place.directory / "plugins"),
    )
    # Statsview binds 0.0.0.0 whatever else is configured, and two processes would want one port of this machine.
    for key in ("pprofPort", "pprof-port"):
        if key in document:
            document[key] = -1
    metrics = document.get("metrics")
    if isinstance(metrics, dict) and metrics.get("addr"):
        metrics["addr"] = f"{place.listen}:{_port(metrics['addr'], 8000)}"
    database = document.get("database")
    if isinstance(database, dict):
        _dial_addresses(database.get("redis"), dial)
    if role == "manager":
        _manager(document, server, place, dial)
    else:
        _scheduler(document, server, place, dial)
    return document


def grpc_port(role: Literal["manager", "scheduler"], document: Mapping[str, Any]) -> int:
    """Return the port on which the process answers gRPC, hence its health check."""
    server = document.get("server") or {}
    if role == "scheduler":
        return _port(server.get("port"), SCHEDULER_PORT)
    port = (server.get("grpc") or {}).get("port") or {}
    return _port(port.get("start") if isinstance(port, dict) else port, MANAGER_GRPC_PORT)


def _manager(document: dict[str, Any], server: dict[str, Any], place: ProcessPlace, dial: Dial) -> None:
    rest = _section(server, "rest")
    rest["addr"] = f"{place.listen}:{_port(rest.get('addr'), MANAGER_REST_PORT)}"
    grpc = _section(server, "grpc")
    grpc["listenIP"] = place.listen
    grpc["advertiseIP"] = grpc.get("advertiseIP") or place.advertise
    mysql = (document.get("database") or {}).get("mysql")
    if isinstance(mysql, dict) and mysql.get("host"):
        mysql["host"] = dial(str(mysql["host"]))


def _scheduler(document: dict[str, Any], server: dict[str, Any], place: ProcessPlace, dial: Dial) -> None:
    server.update(
        dataDir=str(place.directory / "data"),
        host=place.hostname,
        listenIP=place.listen,
        advertiseIP=server.get("advertiseIP") or place.advertise,
    )
    manager = document.get("manager")
    if isinstance(manager, dict) and manager.get("addr"):
        manager["addr"] = _dialled(str(manager["addr"]), dial)
    job = document.get("job")
    if isinstance(job, dict):
        _dial_addresses(job.get("redis"), dial)


def _dial_addresses(redis: Any, dial: Dial) -> None:  # noqa: ANN401
    if isinstance(redis, dict) and redis.get("addrs"):
        redis["addrs"] = [_dialled(str(address), dial) for address in redis["addrs"]]


def _dialled(address: str, dial: Dial) -> str:
    host, separator, port = address.rpartition(":")
    return f"{dial(host)}{separator}{port}" if separator else dial(address)


def _section(document: dict[str, Any], key: str) -> dict[str, Any]:
    section = document.get(key)
    if not isinstance(section, dict):
        section = document[key] = {}
    return section


def _port(address: object, default: int) -> int:
    port = str(address or "").rpartition(":")[2]
    return int(port) if port.isdigit() else default
