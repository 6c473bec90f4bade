"""From values to the file's typed fields: a field is taken only where dfmc renders from it what the values have.

So nothing here has to know what a field means to a layout: a candidate is read from the values, rendered with the same
functions as ever, and compared. What fits no field stays a raw value (leftovers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from dfmc.state import Registration
from dfmc.symbols import Pending
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values import images, runtimes, settings
from dfmc.values.context import RenderContext, host_of, role_of
from dfmc.values.inputs import ManagerEndpoint, ValuesInputs
from dfmc.values.layouts import layout_of
from dfmc.values.merge import get_path

Entry = dict[str, Any]
Part = Callable[[RenderContext], Mapping[str, Any]]

_MISSING = object()
_NOBODY = Pending("nobody")
_INPUTS = ValuesInputs(Registration(_NOBODY, _NOBODY), ManagerEndpoint(_NOBODY), (_NOBODY,), frozenset())
# Pods that the file's placement covers beside the components, and that releases made by hand mostly leave out.
_ELSEWHERE = ("mysql.", "redis.", "jaeger.")


def with_settings(topology: Topology, entry: Entry, values: Mapping[str, Any]) -> Entry:
    """Return an entry with every typed field from which dfmc renders what the values have.

    Args:
        topology: With the manager's part as it will be, and this entry.
        entry: Name, place, scopes.
        values: The release's, in the form of the topology's chart.
    """
    fitting = _Fitting(topology, entry, values)
    _runtime(fitting)
    for field, value, part in _candidates(fitting):
        fitting.take(field, value, part)
    return fitting.entry


def without_spread(topology: Topology, entry: Entry, values: Mapping[str, Any]) -> dict[str, None]:
    """Return raw values that keep an entry's placement away from the databases, which never had it.

    Their volumes may be on a node that the selector does not match: they would wait for ever.
    """
    rendered = settings.placement(_context(topology, entry))
    return {
        path: None
        for path, value in rendered.items()
        if path.startswith(_ELSEWHERE) and get_path(values, path, _MISSING) in (_MISSING, None, {}, []) and value
    }


def _context(topology: Topology, entry: Entry) -> RenderContext:
    cluster = ClusterSpec.model_validate(entry)
    return RenderContext(topology, cluster, _INPUTS, layout_of(topology.chart.version), role_of(topology, cluster))


class _Fitting:
    def __init__(self, topology: Topology, entry: Entry, values: Mapping[str, Any]) -> None:
        self.topology = topology
        self.entry = entry
        self.values = values
        self.context = _context(topology, entry)

    def take(self, field: str, value: Any, part: Part) -> bool:  # noqa: ANN401 - a JSON-like tree
        """Take a field where everything that dfmc would render from it is in the values already."""
        if value is None:
            return False
        wanted = _with(self.entry, field, value)
        try:
            context = _context(self.topology, wanted)
        except ValidationError:
            return False
        before, after = part(self.context), part(context)
        new = {path: one for path, one in after.items() if before.get(path, _MISSING) != one}
        if not new or not all(self._has(path, one) for path, one in new.items()):
            return False
        self.entry, self.context = wanted, context
        return True

    def _has(self, path: str, wanted: Any) -> bool:  # noqa: ANN401
        seen = get_path(self.values, path, _MISSING)
        is_placement = path.endswith((".nodeSelector", ".tolerations"))
        if is_placement and path.startswith(_ELSEWHERE) and seen in (_MISSING, None, {}, []):
            return True  # without_spread keeps it as it is
        return bool(seen == wanted and isinstance(seen, bool) == isinstance(wanted, bool))

    def value(self, component: str, path: str) -> Any:  # noqa: ANN401
        """Return what the values have below a component of the layout."""
        return get_path(self.values, f"{self.context.layout.components[component].key}.{path}")  # type: ignore[index]

    def first(self, path: str) -> Any:  # noqa: ANN401
        """Return what the first component that says anything there says."""
        found = (self.value(part.name, path) for part in reversed(self.context.components))
        return next((value for value in found if value is not None), None)


def _with(entry: Entry, field: str, value: Any) -> Entry:  # noqa: ANN401
    """Return a copy with a dotted field set."""
    head, _, rest = field.partition(".")
    if not rest:
        return {**entry, head: value}
    below = entry.get(head)
    return {**entry, head: _with(below if isinstance(below, dict) else {}, rest, value)}


def _candidates(fitting: _Fitting) -> Iterator[tuple[str, Any, Part]]:
    """Yield fields with the value that they would have, and what renders them."""
    values, layout = fitting.values, fitting.context.layout
    yield "nodeSelector", fitting.first("nodeSelector") or None, settings.placement
    yield "tolerations", fitting.first("tolerations") or None, settings.placement
    for name, word in (("manager", "manager"), ("scheduler", "scheduler"), ("seed_peer", "seedPeer")):
        yield f"replicas.{word}", fitting.value(name, "replicas"), settings.replicas
    for name, word in _WORDS.items():
        yield f"resources.{word}", fitting.value(name, "resources") or None, settings.resources
    yield from _images(fitting)
    yield "metrics", fitting.first("metrics.enable"), settings.metrics
    yield "logLevel", _log_level(fitting), settings.logs
    yield "pprofPort", fitting.first("config.pprofPort"), settings.logs
    if get_path(values, "jaeger.enable") is True:
        yield "tracing", {"type": "jaeger"}, settings.tracing
    yield "tracing", _tracing(fitting), settings.tracing
    seeds = layout.components["seed_peer"].key
    yield "persistence.seedPeer", _volume(values, f"{seeds}.persistence", "enable"), settings.persistence
    for database, word in (("mysql.primary", "database"), ("redis.master", "redis")):
        yield f"persistence.{word}", _volume(values, f"{database}.persistence", "enabled"), settings.persistence


_WORDS = {"manager": "manager", "scheduler": "scheduler", "seed_peer": "seedPeer", "client": "client"}


def _log_level(fitting: _Fitting) -> str | None:
    rust = next((part.name for part in fitting.context.components if part.is_rust), None)
    level = fitting.value("scheduler", "config.server.logLevel") or (rust and fitting.value(rust, "config.log.level"))
    verbose = fitting.first("config.verbose")
    if level is None and isinstance(verbose, bool):
        return "debug" if verbose else "info"
    return level if isinstance(level, str) else None


def _tracing(fitting: _Fitting) -> Entry | None:
    """Return where traces go as the first type of the layout has it whose endpoint is there."""
    for kind, target in fitting.context.layout.tracing.items():
        for part in target.reads.values():
            said = {word: fitting.value(part, f"config.{key}") for word, key in target.fields.items()}
            if said.get("endpoint"):
                return {"type": kind, **{word: value for word, value in said.items() if value is not None}}
    return None


def _volume(values: Mapping[str, Any], path: str, switch: str) -> Entry | None:
    fields = {"enabled": switch, "size": "size", "storageClass": "storageClass"}
    found = {word: get_path(values, f"{path}.{key}") for word, key in fields.items()}
    return {word: value for word, value in found.items() if value is not None} or None


def _images(fitting: _Fitting) -> Iterator[tuple[str, Any, Part]]:
    if fitting.context.layout.images == "maps":
        yield "images.registry", get_path(fitting.values, "global.imageRegistry") or None, images.images
    for name, word in _WORDS.items():
        yield f"images.{word}", _image(fitting, name), images.images
    if fitting.context.layout.runtime == "dfinit":
        yield "images.dfinit", _image_map(get_path(fitting.values, "client.dfinit.image")), images.images


def _image(fitting: _Fitting, name: str) -> Entry | None:
    image = fitting.value(name, "image")
    if fitting.context.layout.images == "maps":
        return _image_map(image)
    said = {"repository": image, "tag": fitting.value(name, "tag"), "pullPolicy": fitting.value(name, "pullPolicy")}
    return {word: value for word, value in said.items() if value} or None


def _image_map(image: Any) -> Entry | None:  # noqa: ANN401
    if not isinstance(image, Mapping):
        return None
    registry, repository = image.get("registry"), image.get("repository")
    whole = f"{registry}/{repository}" if registry and repository else repository
    said = {"repository": whole, **{word: image.get(word) for word in ("tag", "digest", "pullPolicy")}}
    return {word: value for word, value in said.items() if value} or None


# --- container runtimes ----------------------------------------------------------------------------------------------


def _runtime(fitting: _Fitting) -> None:
    """Set the runtime that the chart configures, always: ``auto`` might find another one than the values have."""
    find = _injected if fitting.context.layout.runtime == "injection" else _by_dfinit
    kind, below = find(fitting)
    # Without the switch beside it nothing of a runtime fits, so the kind is set and what belongs to it is tried.
    fitting.entry = _with(fitting.entry, "runtime", {"type": kind})
    fitting.context = _context(fitting.topology, fitting.entry)
    for word, value in below.items():
        fitting.take(f"runtime.{word}", value, runtimes.runtime)


def _injected(fitting: _Fitting) -> tuple[str, Entry]:
    keys = {"containerd": "containerd", "cri-o": "crio", "docker": "docker"}
    for kind, key in keys.items():
        said = get_path(fitting.values, f"containerRuntime.{key}")
        if isinstance(said, Mapping) and said.get("enable") is True:
            domains = [f"https://{one}" for one in said.get("registryDomains") or ()]
            inject = said.get("injectConfigPath") if kind == "containerd" else None
            registries = said.get("registries") or domains or None
            return kind, {"registries": registries, "injectConfigPath": inject, "restart": said.get("restart")}
    return "none", {}


def _by_dfinit(fitting: _Fitting) -> tuple[str, Entry]:
    if get_path(fitting.values, "client.dfinit.enable") is not True:
        return "none", {}
    said = get_path(fitting.values, "client.dfinit.config.containerRuntime")
    given = said if isinstance(said, Mapping) else {}
    kinds = {"containerd": "containerd", "docker": "docker", "crio": "cri-o", "podman": "podman"}
    kind = next((word for key, word in kinds.items() if given.get(key)), "containerd")
    kind = kind if kind in fitting.context.layout.runtimes else "none"
    own = given.get("crio" if kind == "cri-o" else kind)
    rows = own.get("registries") if isinstance(own, Mapping) else None
    hosts = [row.get("hostNamespace") or row.get("location") for row in rows or () if isinstance(row, Mapping)]
    registries = [_registry(str(host), row) for host, row in zip(hosts, rows or (), strict=True) if host]
    restart = get_path(fitting.values, "client.dfinit.restartContainerRuntime")
    return kind, {"registries": registries or None, "restart": None if restart is True else restart}


def _registry(host: str, row: Mapping[str, Any]) -> str:
    """Return a registry in the shortest form from which dfmc makes the same server address."""
    address = str(row.get("serverAddr") or "")
    return f"http://{host}" if address.startswith("http://") else f"https://{host}"


# --- who the peers are -----------------------------------------------------------------------------------------------


def with_peers(topology: Topology, entry: Entry, values: Mapping[str, Any]) -> Entry:
    """Return an entry with what its peers say of themselves, and with how they find their cluster."""
    layout = layout_of(topology.chart.version)
    peers = [layout.components[name].key for name in ("client", "seed_peer", "scheduler")]
    derived = host_of(ClusterSpec.model_validate(entry))
    for word in ("idc", "location"):
        said = [get_path(values, f"{peer}.config.host.{word}") for peer in peers]
        value = next((str(one) for one in said if one), None)
        if value and value != getattr(derived, word):
            entry = _with(entry, f"host.{word}", value)
    if "id" in layout.membership:
        key = layout.components["client"].key
        said_id = get_path(values, f"{key}.config.host.schedulerClusterID", _MISSING)
        if said_id in (None, 0):
            entry = {**entry, "membership": "scopes"}
    is_by_scopes = entry.get("membership", layout.membership[0]) == "scopes"
    idc = entry.get("scopes", {}).get("idc")
    if is_by_scopes and idc and host_of(ClusterSpec.model_validate(entry)).idc is None:
        # Nobody says which of them, and the manager ranks only who says one: the first is as good as any.
        entry = _with(entry, "host.idc", idc.split("|")[0].strip())
    return entry
