"""``containerRuntime`` of charts up to 1.1.65 as ``client.dfinit`` of later ones, and back; one of the changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.values.rewriting import CannotConvert, Rewriting
from dfmc.values.runtimes import dfinit_settings, registry_url

# From this chart on there is the Rust client alone; before, it is there from 1.1.12 on, switched off by default.
ONLY_CLIENTS = (1, 1, 66)
_DFINIT = "client.dfinit"
_RUNTIMES = "client.dfinit.config.containerRuntime"
# Of the older charts, in the order in which their templates look at them; dfinit's order is another.
_KINDS: Mapping[str, str] = {"containerd": "containerd", "crio": "cri-o", "docker": "docker"}
_DFINIT_ORDER = ("containerd", "docker", "crio", "podman")
_CONFIG_FOLDER, _CONFIG_FILE = "/etc/containerd", "config.toml"


def container_runtime(work: Rewriting, names: Mapping[str, str]) -> None:
    """Rewrite how the nodes' container runtime is configured; the first runtime that is switched on counts."""
    if work.is_forward:
        _to_dfinit(work)
    else:
        _from_dfinit(work)


def _to_dfinit(work: Rewriting) -> None:
    old = "containerRuntime"
    kind = next((kind for kind in _KINDS if work.get(f"{old}.{kind}.enable") is True), None)
    switch = next((f"{old}.{name}.enable" for name in (kind, *_KINDS) if work.has(f"{old}.{name}.enable")), None)
    if switch is not None and not work.has(f"{_DFINIT}.enable"):
        work.put(f"{_DFINIT}.enable", kind is not None, switch)
        work.take(switch)
    if kind is not None:
        _carry(work, f"{old}.{kind}", kind)
    for name in _KINDS:
        work.drop(f"{old}.{name}", "this runtime is not switched on")
    work.drop(f"{old}.initContainerImage", "dfinit is an image of its own")
    work.drop(f"{old}.initContainer", "dfinit is an image of its own")
    work.lose(f"{old}.extraInitContainers", "the client has no place for init containers of your own")


def _carry(work: Rewriting, old: str, kind: str) -> None:
    given = work.get(f"{old}.registries") or []
    registries = [str(registry) for registry in given] if isinstance(given, list) else []
    for path, value in dfinit_settings(_KINDS[kind], registries).items():
        if kind == "containerd" and path.endswith(".configPath"):
            continue  # the chart's own default
        is_given = path.endswith(".registries") and registries
        work.put(path, value, f"{old}.registries" if is_given else "")
    if registries:
        work.take(f"{old}.registries")
    work.drop(f"{old}.registries", "it is no list of registries")
    if kind == "containerd":
        folder, file = work.get(f"{old}.configPathDir"), work.get(f"{old}.configFileName")
        if folder or file:
            work.put(f"{_RUNTIMES}.containerd.configPath", f"{folder or _CONFIG_FOLDER}/{file or _CONFIG_FILE}")
        for field in ("configPathDir", "configFileName"):
            work.drop(f"{old}.{field}", f"folder and name are one, {_RUNTIMES}.containerd.configPath")
        work.drop(f"{old}.injectConfigPath", "dfinit always sets config_path")
        why = "dfinit writes no credentials; give pods imagePullSecrets"
        work.lose(f"{old}.injectRegistryCredencials", why)
    if kind == "docker":
        work.move(f"{old}.restart", f"{_DFINIT}.restartContainerRuntime")
        work.lose(old, "dfinit makes the client Docker's proxy for everything; the rest has no counterpart")


def _from_dfinit(work: Rewriting) -> None:
    if work.get("client.enable", work.source >= ONLY_CLIENTS) is not True:
        work.drop(_DFINIT, "the client that it belongs to is switched off")
        return
    if not work.has(_DFINIT):
        return
    work.drop("containerRuntime", "dfdaemon, which it belongs to, is switched off")
    is_on = work.get(f"{_DFINIT}.enable") is True
    # containerd is in the newer charts' defaults: only null takes it away.
    kind = next((name for name in _DFINIT_ORDER if work.get(f"{_RUNTIMES}.{name}") is not None), "containerd")
    if work.get(f"{_RUNTIMES}.containerd", {}) is not None:
        kind = "containerd"
    if kind == "podman":
        work.lose(_DFINIT, "the chart cannot configure podman")
        return
    new = f"containerRuntime.{kind}"
    work.put(f"{new}.enable", is_on, f"{_DFINIT}.enable")
    if is_on:
        if kind == "containerd":
            _config_path(work, f"{_RUNTIMES}.containerd.configPath", new)
        if kind != "docker":
            work.move(f"{_RUNTIMES}.{kind}.registries", f"{new}.registries", _urls)
        else:
            work.move(f"{_DFINIT}.restartContainerRuntime", f"{new}.restart")
    work.drop(_DFINIT, "an init container of dfdaemon's does this")


def _config_path(work: Rewriting, path: str, new: str) -> None:
    held = work.get(path)
    if isinstance(held, str) and held != f"{_CONFIG_FOLDER}/{_CONFIG_FILE}":
        folder, _, file = held.rpartition("/")
        work.put(f"{new}.configPathDir", folder, path)
        work.put(f"{new}.configFileName", file, path)


def _urls(value: Any) -> list[str]:  # noqa: ANN401 - whatever stands in the file
    """Return dfinit's registries as URLs."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise CannotConvert("this is no list of registries")
    found = [entry.get("serverAddr") or entry.get("location") or entry.get("hostNamespace") for entry in value]
    return [registry_url(str(address)) for address in found if address]
