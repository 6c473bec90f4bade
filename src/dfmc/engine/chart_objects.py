"""Which kinds of objects the chart makes for a cluster: asked of helm, which contacts nobody for that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfmc.clients.manifest import object_names
from dfmc.clients.protocols import HelmClient
from dfmc.errors import DfmcError
from dfmc.planning.rights import ObjectKind, object_kind
from dfmc.state import Registration, ReleaseState
from dfmc.symbols import resolve
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.inputs import ManagerEndpoint, ValuesInputs
from dfmc.values.render import render_values

# No kind of object depends on an address, an id or a password.
_INPUTS = ValuesInputs(
    registration=Registration(1, 1),
    manager=ManagerEndpoint("manager.example", 8080, 65003),
    redis_addresses=("redis.example:6379",),
    runtimes=frozenset({"containerd"}),
)
_PASSWORD = "placeholder1"  # noqa: S105 - stands for any


async def chart_objects(
    topology: Topology, clusters: Iterable[ClusterSpec], chart: Path, helm: HelmClient
) -> dict[str, tuple[ObjectKind, ...] | DfmcError]:
    """Return the kinds by the cluster's name, or why helm cannot render the chart with its values.

    helm renders once for all clusters whose values have the same switches: nothing but a switch adds a kind.
    """
    values = {
        cluster.name: resolve(render_values(topology, cluster, _INPUTS), lambda symbol: _PASSWORD)
        for cluster in clusters
    }
    alike: dict[frozenset[tuple[str, bool]], list[str]] = {}
    for name, tree in values.items():
        alike.setdefault(frozenset(_switches(tree, "")), []).append(name)

    async def kinds(name: str) -> tuple[ObjectKind, ...] | DfmcError:
        one = topology.cluster(name)
        try:
            text = await helm.template(release=one.release, namespace=one.namespace, chart=chart, values=values[name])
            return _kinds(text, one.namespace)
        except DfmcError as error:
            error.where = error.where or name
            return error

    found: dict[str, tuple[ObjectKind, ...] | DfmcError] = {}
    results = await asyncio.gather(*(kinds(names[0]) for names in alike.values()))
    for names, result in zip(alike.values(), results, strict=True):
        first = topology.cluster(names[0]).namespace
        for name in names:
            own = topology.cluster(name).namespace
            found[name] = result if isinstance(result, DfmcError) else tuple(_moved(result, first, own))
    return found


def _moved(kinds: Iterable[ObjectKind], old: str, new: str) -> Iterator[ObjectKind]:
    """Return kinds of one namespace as those of another."""
    return (replace(kind, namespace=new) if kind.namespace == old else kind for kind in kinds)


def release_objects(release: ReleaseState) -> tuple[ObjectKind, ...]:
    """Return the kinds of an installed release; RecoveryError where its manifest cannot be read."""
    return _kinds(release.manifest, release.namespace)


def _kinds(manifest: str, namespace: str) -> tuple[ObjectKind, ...]:
    found = (object_kind(one.api_version, one.kind, one.namespace or namespace) for one in object_names(manifest))
    return tuple(dict.fromkeys(found))


def _switches(tree: Any, path: str) -> Iterable[tuple[str, bool]]:  # noqa: ANN401 - a JSON-like tree
    if isinstance(tree, bool):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _switches(value, f"{path}.{key}")
