"""Rules that the model cannot express: across entries, about form, about words that readers disagree on.

Each has an id that never changes its meaning; ``RULES`` is their table. Plain data is looked at, not the model, so all
of them run even when the model refuses the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from dfmc.errors import Diagnostic
from dfmc.topology.addresses import ip_address
from dfmc.topology.document import Document, LoadedTopology
from dfmc.topology.entries import EntryFacts, mapping, read_entries, text
from dfmc.topology.model import OFFICIAL_REPOSITORY
from dfmc.topology.nodes import Path, ScalarNode, find, leaves, shorten
from dfmc.topology.placement import shared_nodes
from dfmc.topology.problems import did_you_mean
from dfmc.topology.scalars import is_disputed, quoted
from dfmc.topology.scope_rules import scope_problems

RULES: Mapping[str, str] = {
    "DF001": "manager.cluster names an entry of clusters",
    "DF002": "cluster names are unique",
    "DF003": "a release belongs to one entry",
    "DF004": "a namespace holds one cluster",
    "DF005": "release names do not contain mysql or redis",
    "DF006": "scopes.cidrs are networks",
    "DF007": "networks have no bits set beyond their prefix",
    "DF008": "an idc has no blanks and no empty elements",
    "DF009": "a location has at most five elements, without blanks around them",
    "DF010": "scopes.hostnames are patterns of Go's RE2",
    "DF011": "a scope is claimed by one cluster",
    "DF012": "the node selectors of entries in one Kubernetes cluster exclude each other",
    "DF013": "membership by scopes has something to go by",
    "DF014": "values do not set what dfmc sets",
    "DF015": "node ports are in Kubernetes' default range",
    "DF016": "addresses are hosts, or URLs without credentials",
    "DF017": "words that helm reads differently are quoted",
    "DF018": "tracing of type otlp has an endpoint",
}
# As lax as resolvers are: whatever else it is, it is neither a URL nor host:port.
_HOST = re.compile(r"[^\s:/@?#\[\]]+")
_NODE_PORTS = range(30000, 32768)
_SUBCHARTS = ("mysql", "redis")
# The client's DaemonSet binds host ports from this chart on (layout M1).
_HOST_PORTS_SINCE = (1, 1, 66)


def check(loaded: LoadedTopology, *, owned_paths: Collection[str] = ()) -> list[Diagnostic]:
    """Return what the rules find in a topology, ordered by position; see check_document."""
    return check_document(loaded.document, owned_paths=owned_paths)


def check_document(document: Document, *, owned_paths: Collection[str] = ()) -> list[Diagnostic]:
    """Return what the rules find, ordered by position.

    Args:
        document: A file, whether or not the model accepts it.
        owned_paths: See check_owned.
    """
    entries = read_entries(document.data)
    manager = mapping(document.data, "manager")
    found = {
        *_manager(document, manager, entries),
        *_uniqueness(document, entries),
        *_release_names(document, entries, manager),
        *scope_problems(document, entries, text(manager, "cluster")),
        *_placement(document, entries),
        *_expose(document, mapping(manager, "expose")),
        *_addresses(document, manager),
        *_disputed_words(document, entries),
        *_tracing(document, entries),
        *_owned(document, entries, owned_paths),
    }
    return sorted(found)


def check_owned(loaded: LoadedTopology, owned_paths: Collection[str]) -> list[Diagnostic]:
    """Return an error for each key under ``values:`` that dfmc itself sets.

    Args:
        loaded: The topology.
        owned_paths: Dotted paths of the chart's values, e.g. ``scheduler.config.manager.schedulerClusterID``. A
            setting at, below or (when it is no mapping, so would replace it) above one of them is refused.
    """
    return sorted(set(_owned(loaded.document, read_entries(loaded.document.data), owned_paths)))


def _manager(document: Document, manager: Mapping[str, Any], entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    wanted = text(manager, "cluster")
    names = [entry.name for entry in entries if entry.name is not None]
    # An entry whose name is missing or wrong may be the one that is meant.
    if wanted is None or wanted in names or len(names) < len(entries) or not names:
        return
    meant = did_you_mean(wanted, names)
    hint = f": did you mean {meant}?" if meant else f": there are {shorten(', '.join(names), 100)}"
    yield document.diagnose(
        ("manager", "cluster"), f"no entry of clusters is called {quoted(wanted)}{hint}", rule="DF001"
    )


def _uniqueness(document: Document, entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    names: dict[str, EntryFacts] = {}
    places: dict[tuple[str | None, str, str], EntryFacts] = {}
    for entry in entries:
        if entry.name is not None:
            first = names.setdefault(entry.name.strip().casefold(), entry)
            if first is not entry:
                line, _ = document.position(first.path("name"))
                message = f"there is a cluster {quoted(str(first.name))} already, on line {line}"
                yield document.diagnose(entry.path("name"), message, rule="DF002")
        if entry.context is None or entry.namespace is None:
            continue
        other = places.setdefault((entry.kubeconfig, entry.context, entry.namespace), entry)
        if other is entry:
            continue
        place = f"in namespace {entry.namespace} of context {shorten(entry.context)}"
        if other.release == entry.release:
            message = f"the release {entry.release} {place} is that of {other.title} already"
            yield document.diagnose(entry.path("namespace"), message, rule="DF003")
        else:
            message = f"{other.title} is {place} already: the chart's Services would mix the pods of both releases"
            yield document.diagnose(entry.path("namespace"), message, rule="DF004")


def _release_names(
    document: Document, entries: tuple[EntryFacts, ...], manager: Mapping[str, Any]
) -> Iterator[Diagnostic]:
    for entry in entries:
        part = next((name for name in _SUBCHARTS if name in entry.release), None)
        if part is None:
            continue
        # Only the central release brings MySQL and Redis; a member's name bites on the day it becomes central.
        is_central = entry.name is not None and entry.name == text(manager, "cluster")
        message = (
            f"{entry.release} contains {part!r}: the chart then looks for its {part} under a name it does not have"
        )
        yield document.diagnose(entry.path("release"), message, "error" if is_central else "warning", "DF005")


def _placement(document: Document, entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    version = text(mapping(document.data, "chart"), "version") or ""
    parts = re.match(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})", version)
    if not parts or tuple(map(int, parts.groups())) < _HOST_PORTS_SINCE:
        return
    for entry, other in shared_nodes(entries):
        message = (
            f"the nodes of {entry.title} and {other.title} can be the same: their clients use the same host ports, so "
            "one of them stays Pending there; give both nodeSelectors that exclude each other"
        )
        path = entry.path("nodeSelector") if entry.node_selector else entry.path()
        yield document.diagnose(path, message, "warning", "DF012")


def _expose(document: Document, expose: Mapping[str, Any]) -> Iterator[Diagnostic]:
    for key in ("restNodePort", "grpcNodePort", "redisNodePort"):
        port = expose.get(key)
        if isinstance(port, int) and not isinstance(port, bool) and port not in _NODE_PORTS:
            message = f"{port} is outside 30000-32767, the range of a default API server"
            yield document.diagnose(("manager", "expose", key), message, "warning", "DF015")


def _addresses(document: Document, manager: Mapping[str, Any]) -> Iterator[Diagnostic]:
    access = text(manager, "access")
    if access is not None and access != "port-forward":
        path: Path = ("manager", "access")
        yield from _url(document, path, access, ("http", "https"), "must be port-forward or a URL like https://manager")
    address = text(manager, "address")
    if address is not None and ip_address(address) is None and not _HOST.fullmatch(address):
        wanted = "must be a host name or an IP address, without scheme, port and path: manager.expose has the ports"
        yield document.diagnose(("manager", "address"), wanted, rule="DF016")
    repository = text(mapping(document.data, "chart"), "repository")
    if repository is not None:
        wanted = f"must be a URL like {OFFICIAL_REPOSITORY}; for a chart on disk use chart.path"
        yield from _url(document, ("chart", "repository"), repository, ("http", "https", "oci"), wanted)


def _url(document: Document, path: Path, value: str, schemes: tuple[str, ...], wanted: str) -> Iterator[Diagnostic]:
    try:
        parts = urlsplit(value)
        valid = (
            parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0 and not re.search(r"\s", value)
        )
    except ValueError:
        valid = False
    if not valid:
        # The text itself may hold a password, so it is not repeated.
        yield document.diagnose(path, wanted, rule="DF016")
    elif "@" in parts.netloc:
        yield document.diagnose(path, "must not hold credentials: the file is no place for them", rule="DF016")


def _disputed_words(document: Document, entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    roots: list[Path] = [("defaults",), *(entry.path() for entry in entries)]
    for root in roots:
        for part in ("values", "resources", "tolerations"):
            held = find(document.raw, (*root, part))
            if held is not None:
                for path, node in leaves(held, (*root, part), _is_disputed):
                    message = (
                        f"{node.text} is text here, but a boolean or number for helm: quote it: {quoted(node.text)}"
                    )
                    yield document.diagnose(path, message, "warning", "DF017")


def _is_disputed(node: ScalarNode) -> bool:
    return node.plain and isinstance(node.value, str) and is_disputed(node.text)


def _tracing(document: Document, entries: tuple[EntryFacts, ...]) -> Iterator[Diagnostic]:
    for entry in entries:
        if entry.tracing.get("type") == "otlp" and text(entry.tracing, "endpoint") is None:
            message = f"type: otlp needs an endpoint ({entry.title} has none)"
            yield document.diagnose(entry.path("tracing"), message, rule="DF018")


def _owned(document: Document, entries: tuple[EntryFacts, ...], owned_paths: Collection[str]) -> Iterator[Diagnostic]:
    if not owned_paths:
        return
    owned: dict[str, Any] = {}
    for dotted in owned_paths:
        below = owned
        for step in dotted.split("."):
            below = below.setdefault(step, {})
    for entry in entries:
        yield from _owned_below(document, entry.values, owned, entry.path("values"))


def _owned_below(
    document: Document, values: Mapping[str, Any], owned: Mapping[str, Any], path: Path
) -> Iterator[Diagnostic]:
    for key, value in values.items():
        below = owned.get(key)
        if below is None:
            continue
        here = (*path, key)
        if not below:
            yield document.diagnose(here, "dfmc sets this key itself: remove it from values", rule="DF014")
        elif isinstance(value, Mapping):
            yield from _owned_below(document, value, below, here)
        else:
            message = "dfmc sets keys below this one, and this would replace them: set single keys instead"
            yield document.diagnose(here, message, rule="DF014")
