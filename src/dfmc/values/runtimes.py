"""The nodes' container runtimes: what the chart is told to configure, and what it cannot.

Two dialects. *injection* (layouts up to 1.1.65): an init container of the client edits files and restarts what needs
it, under ``containerRuntime``. *dfinit* (later): a program of the project does, under ``client.dfinit``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from dfmc.errors import PreflightError
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import RenderContext
from dfmc.values.layouts import layout_of

# What nodes report (the part of containerRuntimeVersion before ://) that a chart can configure.
_CONFIGURABLE = ("containerd", "cri-o", "docker")
_DEFAULT_KIND = "containerd"
_INJECTION_KEYS = {"containerd": "containerd", "cri-o": "crio", "docker": "docker"}
_DFINIT_KEYS = {"containerd": "containerd", "cri-o": "crio", "podman": "podman", "docker": "docker"}
_CONFIG_PATHS = {
    "containerd": "/etc/containerd/config.toml",
    "cri-o": "/etc/containers/registries.conf",
    "podman": "/etc/containers/registries.conf",
    "docker": "/etc/docker/daemon.json",
}
# The charts' own examples for CRI-O and Podman; dfinit replaces the nodes' list by this one.
_SEARCH_REGISTRIES = ("registry.fedoraproject.org", "registry.access.redhat.com", "docker.io")
_EXAMPLE_REGISTRIES = ("https://docker.io", "https://ghcr.io")


def runtime(ctx: RenderContext) -> Mapping[str, Any]:
    """Return the runtime settings in the layout's dialect.

    Raises:
        PreflightError: ``auto``, and the nodes report several runtimes that need different settings.
    """
    return _DIALECTS[ctx.layout.runtime](ctx, runtime_kind(ctx))


def runtime_kind(ctx: RenderContext) -> str | Pending:
    """Return the runtime to configure: the file's, or with ``auto`` what the nodes report.

    No report at all (no node matches the entry's nodeSelector yet) means containerd, which nearly every node runs: so
    the values stay as they are when the nodes appear. A report of something the chart cannot configure means ``none``.

    Raises:
        PreflightError: Several kinds on the nodes of one cluster.
    """
    given = ctx.cluster.runtime.type
    if given != "auto":
        return given
    seen = ctx.inputs.runtimes
    if seen is None:
        return Pending(f"runtime:{ctx.cluster.name}/kind")
    kinds = [kind for kind in _CONFIGURABLE if kind in seen]
    if len(kinds) > 1:
        raise PreflightError(
            f"the nodes run different container runtimes: {', '.join(kinds)}",
            where=ctx.cluster.name,
            why="the chart configures one kind for all nodes of a release",
            next_step="set runtime.type, or nodeSelector to nodes of one kind",
        )
    if not kinds:
        return "none" if seen else _DEFAULT_KIND
    return kinds[0] if kinds[0] in ctx.layout.runtimes else "none"


def registry_url(registry: str) -> str:
    """Return a registry as URL: ``ghcr.io`` becomes ``https://ghcr.io``."""
    return registry if "://" in registry else f"https://{registry}"


def registry_host(registry: str) -> str:
    """Return host and port of a registry."""
    return urlsplit(registry_url(registry)).netloc


def server_address(registry: str) -> str:
    """Return the URL that serves a registry: Docker Hub answers at index.docker.io."""
    url = registry_url(registry).rstrip("/")
    return url.replace("://docker.io", "://index.docker.io") if registry_host(registry) == "docker.io" else url


def _injection(ctx: RenderContext, kind: str | Pending) -> dict[str, Any]:
    spec = ctx.cluster.runtime
    values: dict[str, Any] = {
        f"containerRuntime.{key}.enable": kind if isinstance(kind, Pending) else name == kind
        for name, key in _INJECTION_KEYS.items()
    }
    registries = [registry_url(registry) for registry in spec.registries]
    if kind == "containerd" and spec.inject_config_path is not None:
        values["containerRuntime.containerd.injectConfigPath"] = spec.inject_config_path
    if kind in ("containerd", "cri-o") and registries:
        values[f"containerRuntime.{_INJECTION_KEYS[str(kind)]}.registries"] = registries
    if kind == "docker":
        if registries:
            values["containerRuntime.docker.registryDomains"] = [urlsplit(url).hostname or url for url in registries]
        if spec.restart is not None and kind in ctx.layout.restart:
            values["containerRuntime.docker.restart"] = spec.restart
    return values


def _dfinit(ctx: RenderContext, kind: str | Pending) -> dict[str, Any]:
    """The settings of dfinit.

    Whether it restarts the runtime is decided once, not by "the first time": a value that flips after the first run
    would be a change of the DaemonSet, which restarts every client for nothing, and a node that joins later would
    never load its new configuration. So it is the chart's own default, true, until the file says otherwise; with
    ``maxUnavailable: 1`` (presets) that is one node at a time.
    """
    if isinstance(kind, Pending):
        return {"client.dfinit.enable": kind}
    if kind not in ctx.layout.runtimes:
        return {"client.dfinit.enable": False}
    spec = ctx.cluster.runtime
    values: dict[str, Any] = {"client.dfinit.enable": True}
    if kind in ctx.layout.restart:
        values["client.dfinit.restartContainerRuntime"] = True if spec.restart is None else spec.restart
    return values | dfinit_settings(kind, spec.registries)


def dfinit_settings(kind: str, registries: Sequence[str]) -> dict[str, Any]:
    """Return what dfinit is told of one runtime: dotted key paths and their values; no registries: the chart's own."""
    prefix = "client.dfinit.config.containerRuntime"
    values: dict[str, Any] = {}
    if kind != "containerd":
        # dfinit takes the first it finds of containerd, docker, crio, podman, and containerd is in the defaults.
        values[f"{prefix}.containerd"] = None
    values[f"{prefix}.{_DFINIT_KEYS[kind]}.configPath"] = _CONFIG_PATHS[kind]
    if kind == "containerd" and registries:
        values[f"{prefix}.containerd.registries"] = [_containerd_registry(registry) for registry in registries]
    if kind in ("cri-o", "podman"):
        hosts = [registry_host(registry) for registry in registries or _EXAMPLE_REGISTRIES]
        values[f"{prefix}.{_DFINIT_KEYS[kind]}.unqualifiedSearchRegistries"] = list(_SEARCH_REGISTRIES)
        values[f"{prefix}.{_DFINIT_KEYS[kind]}.registries"] = [{"prefix": host, "location": host} for host in hosts]
    return values


def _containerd_registry(registry: str) -> dict[str, Any]:
    return {
        "hostNamespace": registry_host(registry),
        "serverAddr": server_address(registry),
        "capabilities": ["pull", "resolve"],
        "skipVerify": True,
    }


_DIALECTS: Mapping[str, Callable[[RenderContext, str | Pending], dict[str, Any]]] = {
    "injection": _injection,
    "dfinit": _dfinit,
}


def manual_steps(topology: Topology, cluster: ClusterSpec) -> tuple[str, ...]:
    """Return what to type on every node of a cluster whose runtime no chart can configure; mostly nothing.

    ``ctr`` talks to containerd without the CRI plugin, and so without the registry settings of config.toml. It can be
    given a directory of hosts.toml files at each pull, or the client as HTTP proxy (which sees inside plain HTTP only).
    """
    if cluster.runtime.type != "containerd-no-cri":
        return ()
    port = layout_of(topology.chart.version).proxy_port
    proxy = f"http://127.0.0.1:{port}"
    registries = cluster.runtime.registries or _EXAMPLE_REGISTRIES
    lines = [f"# on every node of {cluster.name}, as root: the chart cannot configure containerd without CRI"]
    for registry in registries:
        host, server = registry_host(registry), server_address(registry)
        lines += [
            f"mkdir -p /etc/containerd/certs.d/{host}",
            f"cat > /etc/containerd/certs.d/{host}/hosts.toml <<'EOF'",
            f'server = "{server}"',
            f'[host."{proxy}"]',
            '  capabilities = ["pull", "resolve"]',
            f'  [host."{proxy}".header]',
            f'    X-Dragonfly-Registry = "{server}"',
            "EOF",
        ]
    first = registry_host(registries[0])
    lines += [
        f"# then pull with: ctr image pull --hosts-dir /etc/containerd/certs.d {first}/REPOSITORY:TAG",
        "# or, from a registry that speaks plain HTTP, through the client as proxy:",
        f"# HTTP_PROXY={proxy} ctr image pull --plain-http REGISTRY/REPOSITORY:TAG",
    ]
    return tuple(lines)
