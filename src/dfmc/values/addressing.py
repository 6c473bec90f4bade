"""The wiring of a cluster's values: its ids, the manager's and Redis' addresses, credentials, and who its peers are.

``wired_values`` names every such value once; data/layouts.yaml says where in the values and where in the live
configuration files each belongs, so what is written and what is proven (wiring.py) cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.symbols import Pending, SecretRef
from dfmc.values.context import RenderContext
from dfmc.values.names import DATABASE_PORT, database_service, service_host

REDIS_PASSWORD = SecretRef("redis-password")
DATABASE_PASSWORD = SecretRef("database-password")
DATABASE_ROOT_PASSWORD = SecretRef("database-root-password")
JWT_KEY = SecretRef("jwt-key")

# The chart's own names of the bundled database; dfmc leaves them.
_BUNDLED_USER, _BUNDLED_NAME = "dragonfly", "manager"


def wired_values(ctx: RenderContext) -> Mapping[str, Any]:
    """Return every value that ties a cluster to its manager, by the names that data/layouts.yaml uses.

    None means "must be absent", e.g. the host's cluster id when peers are found by their scopes.
    """
    registration, endpoint = ctx.inputs.registration, ctx.inputs.manager
    redis, database = ctx.topology.manager.redis, ctx.topology.manager.database
    own_database = service_host(ctx.cluster, database_service(ctx.cluster.release))
    address = _joined(endpoint.host, f":{endpoint.grpc_port}")
    url = _joined(endpoint.host, f":{endpoint.grpc_port}", "http://")
    return {
        "yes": True,
        "scheduler_cluster_id": registration.scheduler_cluster_id,
        "seed_peer_cluster_id": registration.seed_peer_cluster_id,
        "peer_cluster_id": registration.scheduler_cluster_id if ctx.membership == "id" else None,
        "manager_address": address,
        "manager_url": url,
        "manager_urls": [url],
        "manager_addresses": [address],
        "manager_net_addresses": [{"type": "tcp", "addr": address}],
        "idc": ctx.host.idc,
        "location": ctx.host.location,
        "redis_addresses": list(ctx.inputs.redis_addresses) if ctx.has_redis else [],
        "redis_password": redis_password(ctx),
        "redis_db": redis.db if redis else 0,
        "redis_broker_db": redis.broker_db if redis else 1,
        "redis_backend_db": redis.backend_db if redis else 2,
        "database_host": database.host if database else own_database,
        "database_port": database.port if database else DATABASE_PORT,
        "database_user": database.username if database else _BUNDLED_USER,
        "database_name": database.name if database else _BUNDLED_NAME,
        "database_password": DATABASE_PASSWORD,
        "jwt_key": JWT_KEY,
    }


def redis_password(ctx: RenderContext) -> SecretRef | str:
    """Return the password of Redis; empty when an external one needs none, or the cluster uses none."""
    if not ctx.has_redis:
        return ""
    manager = ctx.topology.manager
    needs_none = manager.redis is not None and manager.redis.password is None and manager.redis_password is None
    return "" if needs_none else REDIS_PASSWORD


def _joined(host: str | Pending, suffix: str, prefix: str = "") -> str | Pending:
    """Return an address around a host; of a host not known yet, a Pending of its own."""
    if isinstance(host, Pending):
        return Pending(f"{prefix}{host.key}{suffix}")
    return f"{prefix}{host}{suffix}"


def ids(ctx: RenderContext) -> Mapping[str, Any]:
    """Where the layout wants ids; a null takes the chart's default of 1 away (membership by scopes)."""
    wired = wired_values(ctx)
    return {path: wired[name] for path, name in ctx.layout.ids.items()}


def hosts(ctx: RenderContext) -> Mapping[str, Any]:
    """What peers and schedulers say of themselves: decisive for membership by scopes, informative otherwise."""
    said = {"idc": ctx.host.idc, "location": ctx.host.location}
    parts = [component.key for component in ctx.components if component.name != "manager"]
    return {f"{part}.config.host.{field}": value for part in parts for field, value in said.items() if value}


def manager_addresses(ctx: RenderContext) -> Mapping[str, Any]:
    """The manager as members reach it; in the central cluster the chart finds its own."""
    if ctx.is_central:
        return {}
    endpoint, wired = ctx.inputs.manager, wired_values(ctx)
    return {
        "externalManager.host": endpoint.host,
        "externalManager.restPort": endpoint.rest_port,
        "externalManager.grpcPort": endpoint.grpc_port,
        **{path: wired[name] for path, name in ctx.layout.manager_addresses.items()},
    }


def databases(ctx: RenderContext) -> Mapping[str, Any]:
    """MySQL and Redis: bundled with credentials, or external; members have the manager's Redis as external one."""
    values: dict[str, Any] = {}
    if "redis" in ctx.bundled:
        values |= {"redis.enable": True, "redis.auth.enabled": True, "redis.auth.password": REDIS_PASSWORD}
        values |= ctx.layout.redis_values
    else:
        values |= {"redis.enable": False, **_external_redis(ctx)}
    if "mysql" in ctx.bundled:
        values |= {
            "mysql.enable": True,
            "mysql.auth.rootPassword": DATABASE_ROOT_PASSWORD,
            "mysql.auth.password": DATABASE_PASSWORD,
        }
    else:
        values |= {"mysql.enable": False, **(_external_database(ctx) if ctx.is_central else {})}
    if ctx.is_central:
        values["manager.config.auth.jwt.key"] = JWT_KEY
    return values


def _external_redis(ctx: RenderContext) -> dict[str, Any]:
    redis, wired = ctx.topology.manager.redis if ctx.has_redis else None, wired_values(ctx)
    return {
        "externalRedis.addrs": wired["redis_addresses"],
        "externalRedis.masterName": (redis.master_name if redis else None) or "",
        "externalRedis.username": (redis.username if redis else None) or "",
        "externalRedis.password": wired["redis_password"],
        "externalRedis.db": wired["redis_db"],
        "externalRedis.brokerDB": wired["redis_broker_db"],
        "externalRedis.backendDB": wired["redis_backend_db"],
    }


def _external_database(ctx: RenderContext) -> dict[str, Any]:
    wired = wired_values(ctx)
    return {
        "externalMysql.migrate": True,
        "externalMysql.host": wired["database_host"],
        "externalMysql.port": wired["database_port"],
        "externalMysql.username": wired["database_user"],
        "externalMysql.password": wired["database_password"],
        "externalMysql.database": wired["database_name"],
    }
