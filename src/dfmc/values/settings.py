"""Typed fields of an entry that say how many, where, how big and how loud: one small function per field.

Each returns key paths and values for the components the cluster runs; what the file leaves out is left out here too,
so that the chart's own defaults stay (the exceptions say why).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.topology.model import VolumeSpec
from dfmc.values.context import RenderContext

# Pods of bitnami's charts that take nodeSelector and tolerations of their own.
_DATABASE_PODS = {"mysql": ("mysql.primary",), "redis": ("redis.master", "redis.replica")}
# One: in every released manager (<= 2.5.1) each replica caches rows for 30 s and several that meet an empty database
# lock root out (dragonfly#4924), so more than one is a choice, not a default.
_DEFAULT_MANAGERS = 1


def placement(ctx: RenderContext) -> Mapping[str, Any]:
    """Node selector and tolerations of every pod of the release, the bundled databases' among them."""
    cluster = ctx.cluster
    pods = [component.key for component in ctx.components]
    pods += [pod for name in ctx.bundled for pod in _DATABASE_PODS[name]]
    values: dict[str, Any] = {}
    if cluster.node_selector:
        values |= {f"{pod}.nodeSelector": dict(cluster.node_selector) for pod in pods}
        if brings_jaeger(ctx):
            values["jaeger.allInOne.nodeSelector"] = dict(cluster.node_selector)
    if cluster.tolerations:
        values |= {f"{pod}.tolerations": [dict(entry) for entry in cluster.tolerations] for pod in pods}
    return values


def replicas(ctx: RenderContext) -> Mapping[str, Any]:
    """Pod counts; the manager's is always written, and is 1 until the release exists."""
    spec = ctx.cluster.replicas
    values: dict[str, Any] = {}
    for component in ctx.components:
        count = getattr(spec, component.name, None)
        if component.name == "manager":
            count = _DEFAULT_MANAGERS if count is None else count
            count = min(count, 1) if ctx.inputs.first_install else count
        if count is not None:
            values[f"{component.key}.replicas"] = count
    return values


def resources(ctx: RenderContext) -> Mapping[str, Any]:
    """Requests and limits, over the chart's own."""
    given = {component.key: getattr(ctx.cluster.resources, component.name) for component in ctx.components}
    return {f"{key}.resources": dict(spec) for key, spec in given.items() if spec is not None}


def metrics(ctx: RenderContext) -> Mapping[str, Any]:
    """The components' metrics ports and Services."""
    if ctx.cluster.metrics is None:
        return {}
    return {f"{component.key}.metrics.enable": ctx.cluster.metrics for component in ctx.components}


def logs(ctx: RenderContext) -> Mapping[str, Any]:
    """Log level and the profiler's port: the Rust clients take levels in every layout, and have no profiler's port."""
    level, port = ctx.cluster.log_level, ctx.cluster.pprof_port
    values: dict[str, Any] = {}
    for component in ctx.components:
        config = f"{component.key}.config"
        if level is not None:
            if component.is_rust:
                values[f"{config}.log.level"] = level
            elif ctx.layout.logs == "verbose":
                values[f"{config}.verbose"] = level == "debug"
            else:
                values[f"{config}.server.logLevel"] = level
        if port is not None and not component.is_rust:
            values[f"{config}.pprofPort"] = port
    return values


def tracing(ctx: RenderContext) -> Mapping[str, Any]:
    """Where traces go; values/check.py tells what the layout cannot do, and who of it sends none."""
    spec, layout = ctx.cluster.tracing, ctx.layout
    bundled = any(target.bundled for target in layout.tracing.values())
    values: dict[str, Any] = {"jaeger.enable": brings_jaeger(ctx)} if bundled else {}
    target = layout.tracing.get(spec.type) if spec is not None else None
    if spec is None or target is None:
        return values
    headers = dict(spec.headers) or None
    given = {"protocol": spec.protocol, "endpoint": spec.endpoint, "path": spec.path, "headers": headers}
    sources = {target.reads[part.name] for part in ctx.components if part.name in target.reads}
    for part in (layout.components[name].key for name in layout.components if name in sources):
        for word, key in target.fields.items():
            if given[word] is not None:
                values[f"{part}.config.{key}"] = given[word]
    return values


def brings_jaeger(ctx: RenderContext) -> bool:
    """Whether the release starts a Jaeger of the chart's own."""
    spec = ctx.cluster.tracing
    target = ctx.layout.tracing.get(spec.type) if spec is not None else None
    return spec is not None and target is not None and target.bundled and spec.endpoint is None


def persistence(ctx: RenderContext) -> Mapping[str, Any]:
    """Volumes of the seed peers (the chart says ``enable``) and of the databases (bitnami says ``enabled``)."""
    spec = ctx.cluster.persistence
    seed_peer = ctx.layout.components["seed_peer"].key
    values = _volume(f"{seed_peer}.persistence", spec.seed_peer, "enable")
    if "mysql" in ctx.bundled:
        values |= _volume("mysql.primary.persistence", spec.database, "enabled")
    if "redis" in ctx.bundled:
        for pod in _DATABASE_PODS["redis"]:
            values |= _volume(f"{pod}.persistence", spec.redis, "enabled")
    return values


def _volume(prefix: str, spec: VolumeSpec, switch: str) -> dict[str, Any]:
    fields = {switch: spec.enabled, "size": spec.size, "storageClass": spec.storage_class}
    return {f"{prefix}.{field}": value for field, value in fields.items() if value is not None}


def ingress(ctx: RenderContext) -> Mapping[str, Any]:
    """The manager's Ingress; the template is not gated by the manager's switch, so members turn it off (preset)."""
    spec = ctx.topology.manager.ingress
    if spec is None or not ctx.is_central:
        return {}
    values: dict[str, Any] = {
        "enable": True,
        "className": spec.class_name,
        "annotations": dict(spec.annotations) or None,
        "path": spec.path,
        "pathType": spec.path_type,
        "hosts": list(spec.hosts),
        "tls": [dict(entry) for entry in spec.tls] or None,
    }
    return {f"manager.ingress.{field}": value for field, value in values.items() if value is not None}
