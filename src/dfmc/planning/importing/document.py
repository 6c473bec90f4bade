"""The topology of what was found, as the data of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from dfmc.errors import PreflightError
from dfmc.planning.importing.exposing import exposed
from dfmc.planning.importing.found import Found, FoundRelease, Wishes
from dfmc.planning.importing.leftovers import LeftOut, leftover
from dfmc.planning.importing.settings import with_peers, with_settings, without_spread
from dfmc.planning.importing.world import Member, World
from dfmc.planning.ownership import TOPOLOGY_LABEL
from dfmc.state import Registration
from dfmc.symbols import Pending
from dfmc.topology.model import API_VERSION, KIND, OFFICIAL_REPOSITORY, ClusterSpec, Topology
from dfmc.values import settings
from dfmc.values.context import RenderContext
from dfmc.values.inputs import ManagerEndpoint, ValuesInputs
from dfmc.values.layouts import layout_of
from dfmc.values.merge import get_path, merge, nest
from dfmc.values.migrate import migrate
from dfmc.values.names import component_name
from dfmc.values.render import render_values

DEFAULT_NAME = "dragonfly"
_HOISTED = ("kubeconfig", "runtime", "replicas", "images", "tracing", "metrics", "logLevel", "pprofPort")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """A file before it is text.

    Attributes:
        head: apiVersion, kind, metadata, chart.
        manager: The manager's part.
        entries: By name, the central one first.
        notes: What is to be said of an entry, in sentences.
        left_out: Values of an entry's release that are not in the file.
    """

    head: Entry
    manager: Entry
    entries: Mapping[str, Entry]
    notes: Mapping[str, list[str]] = field(default_factory=dict)
    left_out: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)


def draft(found: Found, world: World, wishes: Wishes) -> Draft:
    """Return the file of what was found."""
    central = world.central
    version = central.found.release.chart_version
    notes: dict[str, list[str]] = {member.name: [] for member in world.members}
    for name, doubt in world.doubts:
        notes[name].append(doubt)
    name = wishes.name or central.found.release.labels.get(TOPOLOGY_LABEL) or DEFAULT_NAME
    chart: Entry = {"path": wishes.chart_path} if wishes.chart_path else {}
    chart = chart or {"repository": wishes.repository or OFFICIAL_REPOSITORY}
    head: Entry = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
    head["chart"] = {**chart, "version": version}
    entries = {member.name: _place(member, wishes) for member in world.members}
    manager = _manager(found, world, wishes, notes[central.name])
    values = {member.name: _values(member.found, version, notes[member.name]) for member in world.members}
    # The Ingress is the manager's, and rendered from its part of the file.
    manager = _with_ingress({**head, "manager": manager}, entries[central.name], values[central.name])
    left_out: dict[str, tuple[LeftOut, ...]] = {}
    for member in world.members:
        entry, rest = _entry({**head, "manager": manager}, entries, member, values[member.name])
        entries[member.name], left_out[member.name] = entry, rest
        lost = [one for one in rest if one.is_missed]
        notes[member.name] += [f"values.{one.path} is not in this file: {one.why}" for one in lost]
    return Draft(head, manager, entries, notes, left_out)


def whole(made: Draft) -> Entry:
    """Return the document that the text of a draft says, ``defaults`` merged into its entries."""
    return {**made.head, "manager": made.manager, "clusters": list(made.entries.values())}


def shared(made: Draft) -> Entry:
    """Return what several entries have alike, for ``defaults``."""
    first, *others = made.entries.values()
    if not others:
        return {}
    return {key: first[key] for key in _HOISTED if key in first and all(one.get(key) == first[key] for one in others)}


def _place(member: Member, wishes: Wishes) -> Entry:
    release = member.found.release
    entry: Entry = {"name": member.name, "context": member.found.context}
    if wishes.kubeconfig:
        entry["kubeconfig"] = wishes.kubeconfig
    entry["namespace"] = release.namespace
    if release.name != "dragonfly":
        entry["release"] = release.name
    if member.record:
        said = member.record.scopes
        scopes = {"idc": said.idc, "location": said.location, "cidrs": list(said.cidrs)}
        scopes = {key: value for key, value in {**scopes, "hostnames": list(said.hostnames)}.items() if value}
        if scopes:
            entry["scopes"] = scopes
    return entry


def _values(found: FoundRelease, version: str, notes: list[str]) -> Mapping[str, Any]:
    """Return a release's values in the form of the topology's chart."""
    release = found.release
    if release.chart_version == version:
        return release.values
    notes.append(f"its release is of chart {release.chart_version}; a file has one for all, so up makes it {version}")
    moved = migrate(release.values, release.chart_version, version)
    notes += [f"values.{'.'.join(one.path)}: {one.message}" for one in moved.notes if one.is_warning]
    return moved.values


def _manager(found: Found, world: World, wishes: Wishes, notes: list[str]) -> Entry:
    central = world.central
    manager: Entry = {"cluster": central.name, **exposed(found, world, notes)}
    if wishes.access != "port-forward":
        manager["access"] = wishes.access
    if wishes.root_password:
        manager["rootPassword"] = wishes.root_password.model_dump(exclude_none=True)
    return {**manager, **_databases(found, notes)}


def _databases(found: Found, notes: list[str]) -> Entry:
    """Return external databases, and where the passwords of both come from; their values are never looked at here."""
    central, values = found.central, found.central.release.values
    live, part = central.wiring.get("manager", {}), {}

    def said(external: str, words: Mapping[str, tuple[str, str]]) -> Entry:
        """Return what the live configuration says, else the values, by the file's words."""
        both = {word: live.get(name, get_path(values, f"{external}.{key}")) for word, (name, key) in words.items()}
        return {word: value for word, value in both.items() if value not in (None, "")}

    if not central.brings("mysql"):
        password = _reference(found, "database-password", "DFMC_DATABASE_PASSWORD", notes)
        database = said("externalMysql", _DATABASE_WORDS)
        if "host" not in database:
            raise _unseen(central, "database", "externalMysql.host")
        part["database"] = {"type": "mysql", **database, "password": password}
    if not central.brings("redis"):
        redis: Entry = {"type": "external", **said("externalRedis", _REDIS_WORDS)}
        if not redis.get("addresses"):
            raise _unseen(central, "Redis", "externalRedis.addrs")
        if live.get("redis_password") or get_path(values, "externalRedis.password"):
            redis["password"] = _reference(found, "redis-password", "DFMC_REDIS_PASSWORD", notes)
        part["redis"] = redis
    elif isinstance(secret := get_path(values, "redis.auth.existingSecret"), str) and secret:
        key = get_path(values, "redis.auth.existingSecretPasswordKey") or "redis-password"
        part["redisPassword"] = {"secret": f"{central.release.namespace}/{secret}#{key}"}
    return part


# The file's words, with the names in layouts.yaml's wiring and the keys in the chart's values.
_DATABASE_WORDS = {
    "host": ("database_host", "host"),
    "port": ("database_port", "port"),
    "name": ("database_name", "database"),
    "username": ("database_user", "username"),
}
_REDIS_WORDS = {
    "addresses": ("redis_addresses", "addrs"),
    "masterName": ("redis_master_name", "masterName"),
    "username": ("redis_username", "username"),
    "db": ("redis_db", "db"),
    "brokerDB": ("redis_broker_db", "brokerDB"),
    "backendDB": ("redis_backend_db", "backendDB"),
}


def _unseen(central: FoundRelease, what: str, value: str) -> PreflightError:
    return PreflightError(
        f"where the manager's {what} is cannot be seen",
        where=central.place,
        why=f"neither its live configuration nor {value} of its values says it, and it brings none of its own",
        next_step="look at the manager's ConfigMap and pods: without it no manager runs",
    )


def _reference(found: Found, key: str, variable: str, notes: list[str]) -> Entry:
    """Return where the password of an external database is taken from: dfmc's own Secret, else a variable."""
    release = found.central.release
    if found.stored and key in found.stored.values:
        return {"secret": f"{release.namespace}/dfmc-{release.name}#{key}"}
    where = f"helm --kube-context {found.central.context} -n {release.namespace} get values {release.name}"
    notes.append(f"export {variable} before plan and up: the password that the release has now ({where})")
    return {"env": variable}


def _with_ingress(document: Entry, entry: Entry, values: Mapping[str, Any]) -> Entry:
    """Return the manager's part with an Ingress, where dfmc makes the same values of it."""
    manager: Entry = document["manager"]
    said = get_path(values, "manager.ingress")
    if not isinstance(said, Mapping) or said.get("enable") is not True:
        return manager
    words = ("className", "annotations", "hosts", "path", "pathType", "tls")
    wanted = {**manager, "ingress": {word: said[word] for word in words if said.get(word)}}
    try:
        topology = Topology.model_validate({**document, "manager": wanted, "clusters": [entry]})
    except ValidationError:
        return manager
    layout = layout_of(topology.chart.version)
    context = RenderContext(topology, topology.central, _inputs(entry), layout, "central")
    rendered = settings.ingress(context)
    return wanted if all(get_path(values, path) == value for path, value in rendered.items()) else manager


def _inputs(entry: Entry) -> ValuesInputs:
    nobody = Pending(f"record:{entry['name']}")
    redis = () if entry.get("redis") == "none" else (nobody,)
    return ValuesInputs(Registration(nobody, nobody), ManagerEndpoint(nobody), redis, frozenset())


def _entry(
    head: Entry, entries: Mapping[str, Entry], member: Member, values: Mapping[str, Any]
) -> tuple[Entry, tuple[LeftOut, ...]]:
    """Return a whole entry, and which values of its release it does not say."""
    is_central = member.name == head["manager"]["cluster"]
    entry = entries[member.name]
    whole_central = entries[head["manager"]["cluster"]]
    central = {key: whole_central[key] for key in ("name", "context", "namespace", "release") if key in whole_central}
    clusters = [entry] if is_central else [central, entry]
    topology = Topology.model_validate({**head, "clusters": clusters})
    if not is_central and get_path(values, "externalRedis.addrs") == [] and not member.found.brings("redis"):
        entry = {**entry, "redis": "none"}
    entry = with_peers(topology, entry, values)
    entry = with_settings(topology, entry, values)
    if is_central and "manager" not in entry.get("replicas", {}):
        entry = {**entry, "replicas": {"manager": _managers(member.found), **entry.get("replicas", {})}}
    layout, version = layout_of(topology.chart.version), topology.chart.version
    rendered = render_values(topology, ClusterSpec.model_validate(entry), _inputs(entry))
    raw, left_out = leftover(values, rendered, layout, version)
    raw = merge(raw, nest(without_spread(topology, entry, values)))
    return ({**entry, "values": raw} if raw else entry), left_out


def _managers(found: FoundRelease) -> int:
    """Return how many managers run now: the chart's default is three, dfmc's is one."""
    name = component_name(found.release.name, "manager", found.release.chart_name)
    count = found.workloads.get(("Deployment", name))
    return 1 if count is None else count
