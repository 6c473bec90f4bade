"""Inputs for tests of values: what a session would find out, made up; and a choice of topologies."""

from __future__ import annotations

from typing import Any

from dfmc.state import Registration
from dfmc.symbols import SecretRef, Symbol
from dfmc.topology.model import Topology
from dfmc.values.inputs import ValuesInputs
from dfmc.values.layouts import layout_of
from dfmc.values.names import central_endpoint, central_redis
from dfmc.values.render import render_values
from topologies import entry, topology

LEGACY, CURRENT, NEWEST = "1.1.1", "1.7.4", "1.7.8"
SECRETS = {
    "redis-password": "Redis-pw_1",
    "database-password": "Database-pw_1",
    "database-root-password": "Root-pw_1",
    "jwt-key": "Jwt-key_1",
}
# Member b's two ids differ on purpose: each must come from its own field.
REGISTRATIONS = {"a": Registration(1, 1), "b": Registration(2, 3)}


def known(symbol: Symbol) -> object:
    return SECRETS.get(symbol.key, symbol) if isinstance(symbol, SecretRef) else symbol


def guide(version: str, a: dict[str, Any] | None = None, b: dict[str, Any] | None = None, **more: Any) -> Topology:
    """The guide's two clusters on a chart version; ``a`` and ``b`` add to their entries."""
    chart = {"repository": "https://charts.example/", "version": version}
    member = {"scopes": {"idc": "cluster-2"}} | (b or {})
    return topology(chart=chart, clusters=[entry("a", **(a or {})), entry("b", **member)], **more)


def inputs(wanted: Topology, name: str, **changes: Any) -> ValuesInputs:
    """What a run knows of a cluster: its ids, the central Services, nodes with containerd."""
    facts: dict[str, Any] = {
        "registration": REGISTRATIONS[name],
        "manager": central_endpoint(wanted),
        "redis_addresses": central_redis(wanted),
        "runtimes": frozenset({"containerd"}),
    }
    return ValuesInputs(**(facts | changes))


def rendered(wanted: Topology, name: str, **changes: Any) -> dict[str, Any]:
    return render_values(wanted, wanted.cluster(name), inputs(wanted, name, **changes))


_TRACING: dict[str, dict[str, Any]] = {
    "jaeger": {"type": "jaeger", "endpoint": "http://jaeger.example:14268/api/traces"},
    "otlp": {"type": "otlp", "endpoint": "otel.example:4317", "path": "/v1/traces", "headers": {"tenant": "t"}},
}
# Every typed field once, in the forms that each layout can take.
_COMMON: dict[str, Any] = {
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "replicas": {"manager": 3, "scheduler": 2, "seedPeer": 1},
    "images": {
        "registry": "registry.example/mirror",
        "pullSecrets": ["pull"],
        "manager": {"repository": "ghcr.io/dragonflyoss/manager", "tag": "v9"},
        "scheduler": {"digest": "sha256:" + "0" * 64},
        "client": {"pullPolicy": "Always"},
    },
    "resources": {"manager": {"limits": {"cpu": "1"}}, "seedPeer": {"requests": {"memory": "1Gi"}}},
    "persistence": {
        "seedPeer": {"enabled": True, "size": "1Gi", "storageClass": "fast"},
        "database": {"size": "2Gi"},
        "redis": {"enabled": False},
    },
    "metrics": True,
    "logLevel": "debug",
    "pprofPort": 18066,
    "host": {"idc": "here", "location": "eu|de"},
}
_EXTERNAL: dict[str, Any] = {
    "manager": {
        "cluster": "a",
        "database": {"host": "db.example", "password": {"env": "DB"}},
        "redis": {"addresses": ["r.example:6380"], "password": {"env": "R"}, "db": 3, "brokerDB": 4, "backendDB": 5},
        "ingress": {"hosts": ["manager.example"], "className": "nginx", "tls": [{"secretName": "t", "hosts": ["m"]}]},
    }
}


def external(version: str) -> Topology:
    """The guide with a database, a Redis and an Ingress of its own."""
    return guide(version, **_EXTERNAL)


# At least two versions of each layout, and both sides of what changes inside one.
VERSIONS = (
    *("1.0.0", LEGACY, "1.1.11", "1.1.12", "1.1.37", "1.1.38", "1.1.60", "1.1.65"),
    *("1.1.66", "1.1.67", "1.1.70", "1.2.18", "1.3.1", "1.3.24", "1.3.31", "1.3.34", "1.3.37", "1.3.40", "1.4.4"),
    *("1.4.5", "1.6.10", "1.6.27", CURRENT, "1.7.5", NEWEST, "9.9.9"),
)


def topologies_of(version: str) -> dict[str, Topology]:
    """Topologies that between them use every typed field, role, runtime and option that the chart has."""
    layout = layout_of(version)
    found = {"plain": guide(version)}
    for kind in layout.tracing:
        tracing = _TRACING[kind]
        found[f"full-{kind}"] = guide(version, a=_COMMON | {"tracing": tracing}, b=_COMMON | {"tracing": tracing})
    found["external"] = external(version)
    for membership in layout.membership:
        found[membership] = guide(version, a={"membership": membership}, b={"membership": membership})
    if layout.tracing.get("jaeger") and layout.tracing["jaeger"].bundled:
        more = {"tracing": {"type": "jaeger"}, "images": {"registry": "registry.example/mirror"}}
        found["own-jaeger"] = guide(version, a=more, b=more)
    for kind in (*layout.runtimes, "containerd-no-cri", "none"):
        runtime: dict[str, Any] = {"type": kind, "registries": ["https://ghcr.io", "docker.io"]}
        runtime |= {"restart": False} if kind in layout.restart else {}
        runtime |= {"injectConfigPath": True} if layout.runtime == "injection" else {}
        found[kind] = guide(version, a={"runtime": runtime}, b={"runtime": runtime})
    return found


def many_topologies() -> dict[str, Topology]:
    """Those of every version in VERSIONS, by a name for test ids: ``1.7.4-plain``."""
    return {f"{version}-{name}": wanted for version in VERSIONS for name, wanted in topologies_of(version).items()}
