"""What ``doctor`` asks clients and schedulers: how much they have counted since they started, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from dfmc.engine.counters import CounterReader, ports_of
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import Counted, Object
from dfmc.planning.pulls import Peer, Place, World
from dfmc.state import ObservedCluster
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import layout_of

# What some clients say of their configuration, the others say as well: they share one ConfigMap.
_CLIENTS_AT_MOST = 20


async def count(session: Session, cluster: ClusterSpec, seen: ObservedCluster, pods: Iterable[Object]) -> Counted:
    """Return what a cluster's ready clients and schedulers have counted.

    Args:
        session: The run.
        cluster: The entry.
        seen: A deep observation of it.
        pods: All pods of its Kubernetes cluster, for when their containers started.

    Raises:
        DfmcError: There is nobody to ask, or somebody does not answer: half a count proves nothing.
    """
    layout = layout_of(session.topology.chart.version)
    client = layout.components["client"]
    if not client.is_rust:
        raise DfmcError("clients of this chart count otherwise")
    ready = [pod for pod in seen.pods if pod.ready]
    clients = [pod for pod in ready if pod.component == client.label][:_CLIENTS_AT_MOST]
    schedulers = [pod for pod in ready if pod.component == layout.components["scheduler"].label]
    if not clients or not schedulers:
        raise DfmcError("there is no client or no scheduler that is ready")
    world = World(
        {},
        [Peer(Place(cluster.name, pod.name), pod.node, "client") for pod in clients],
        [Place(cluster.name, pod.name) for pod in schedulers],
    )
    counters = await CounterReader(session, {cluster.name: ports_of(seen, layout)}).read(world)
    if counters.unread:
        place, why = next(iter(sorted(counters.unread.items())))
        raise DfmcError(f"pod {place.pod} does not tell its counters", why=why)
    started = _started(pods, cluster.namespace)
    first_client = min((started.get(pod.name, 0.0) for pod in clients), default=0.0)
    last_scheduler = max(started.get(pod.name, float("inf")) for pod in schedulers)
    return Counted(
        registered=sum(one.clients for one in counters.schedulers.values()),
        received=sum(one.from_peers + one.from_source for one in counters.peers.values()),
        clients=len(clients),
        is_older=last_scheduler < first_client,
    )


def _started(pods: Iterable[Object], namespace: str) -> dict[str, float]:
    """Return when the newest container of each pod of a namespace started, in seconds since 1970."""
    found: dict[str, float] = {}
    for pod in pods:
        metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
        states = [(one.get("state") or {}).get("running") or {} for one in status.get("containerStatuses") or ()]
        times = [_time(state.get("startedAt")) for state in states]
        if metadata.get("namespace") == namespace and times and None not in times:
            found[str(metadata.get("name"))] = max(time for time in times if time is not None)
    return found


def _time(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).timestamp()
    except ValueError:
        return None
