"""Reads what every client, seed client and scheduler has counted, through the API servers' pod proxies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from dfmc.clients.metrics import peer_counters, scheduler_counters
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.pulls import Counters, Movement, Place, Rhythm, World, movement
from dfmc.state import ObservedCluster, PeerCounters, SchedulerCounters
from dfmc.values.layouts import Layout
from dfmc.values.merge import get_path

_PATH = "metrics"
_SCHEDULER_PORT = 8000
_CLIENT_PORT = 4002
# client 1.4.0, dragonfly-client-config/src/dfdaemon.rs
_REFRESH_SECONDS = _ANNOUNCE_SECONDS = 300.0
_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = r"(\d+)(ms|sec|s|min|m|h)"
# Twice at least: a counter that has moved since the first reading may go on moving.
_SETTLING_PAUSES = (0.0, 0.5, 1.0, 1.0, 2.0)


@dataclass(frozen=True)
class Ports:
    """Where a cluster's pods listen, by their live configuration.

    Attributes:
        client: Of a client's metrics.
        seed: Of a seed client's metrics.
        scheduler: Of a scheduler's metrics.
        proxy: Of a client's proxy.
    """

    client: int
    seed: int
    scheduler: int
    proxy: int


def ports_of(seen: ObservedCluster, layout: Layout) -> Ports:
    """Return the ports that a cluster's ConfigMaps name, the programs' own defaults where they name none."""
    client = _configuration(seen, layout, "client")
    seed = _configuration(seen, layout, "seed_peer")
    address = str(get_path(_configuration(seen, layout, "scheduler"), "metrics.addr") or "")
    return Ports(
        client=_port(get_path(client, "metrics.server.port"), _CLIENT_PORT),
        seed=_port(get_path(seed, "metrics.server.port"), _CLIENT_PORT),
        scheduler=_port(address.rpartition(":")[2], _SCHEDULER_PORT),
        proxy=_port(get_path(client, "proxy.server.port"), layout.proxy_port),
    )


def rhythm_of(seen: ObservedCluster, layout: Layout, component: Literal["client", "seed_peer"]) -> Rhythm:
    """Return how often clients or seed clients ask and announce, by their live ConfigMap; else as the program does."""
    configuration = _configuration(seen, layout, component)
    return Rhythm(
        refresh=_duration(get_path(configuration, "dynconfig.refreshInterval"), _REFRESH_SECONDS),
        announce=_duration(get_path(configuration, "scheduler.announceInterval"), _ANNOUNCE_SECONDS),
    )


def _configuration(seen: ObservedCluster, layout: Layout, name: Any) -> Any:  # noqa: ANN401 - parsed YAML
    component = layout.components[name]
    for config_map in seen.config_maps:
        labels = config_map["metadata"].get("labels") or {}
        text = (config_map.get("data") or {}).get(component.file)
        if labels.get("component") == component.label and text:
            try:
                return yaml.load(text, Loader=yaml.CSafeLoader)
            except yaml.YAMLError:  # the proof has it as a finding
                return {}
    return {}


def _port(value: Any, default: int) -> int:  # noqa: ANN401 - parsed YAML
    text = str(value)
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else default


def _duration(value: Any, default: float) -> float:  # noqa: ANN401 - parsed YAML
    """Read what the humantime crate writes: ``5m``, ``1h 30s``, ``500ms``."""
    text = str(value).replace(" ", "")
    if not re.fullmatch(rf"(?:{_SPAN})+", text):
        return default
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(_SPAN, text))


class CounterReader:
    """Reads the counters of a world.

    Args:
        session: The run.
        ports: By cluster.
    """

    def __init__(self, session: Session, ports: Mapping[str, Ports]) -> None:
        self._session = session
        self._ports = ports

    async def read(self, world: World) -> Counters:
        """Return all counters as they are now; what cannot be read is in ``unread`` with the reason."""
        pages = await asyncio.gather(
            *(self._page(peer.place, self._port_of(peer.place.cluster, peer.role)) for peer in world.peers),
            *(self._page(place, self._ports[place.cluster].scheduler) for place in world.schedulers),
        )
        unread = {place: str(page) for place, page in pages if isinstance(page, DfmcError)}
        peers: dict[Place, PeerCounters] = {}
        schedulers: dict[Place, SchedulerCounters] = {}
        own = set(world.schedulers)
        for place, page in pages:
            if isinstance(page, DfmcError):
                continue
            try:
                if place in own:
                    schedulers[place] = scheduler_counters(page)
                else:
                    peers[place] = peer_counters(page)
            except DfmcError as error:
                unread[place] = str(error)
        return Counters(peers, schedulers, unread)

    async def settled(self, world: World, before: Counters, cluster: str) -> tuple[Counters, Movement]:
        """Return the counters once two readings agree and the cluster's uploads are all counted, and what moved.

        Where others pull all the time that may never come. Of a few readings the one is taken then in which the least
        is missing: what really came from another cluster is missing in each of them.
        """
        previous: Counters | None = None
        readings: list[tuple[Counters, Movement]] = []
        for pause in _SETTLING_PAUSES:
            await asyncio.sleep(pause)
            after = await self.read(world)
            moved = movement(before, after)
            if after == previous and not moved.incoming(cluster):
                return after, moved
            readings.append((after, moved))
            previous = after
        return min(reversed(readings), key=lambda reading: reading[1].incoming(cluster))

    def _port_of(self, cluster: str, role: str) -> int:
        ports = self._ports[cluster]
        return ports.seed if role == "seed" else ports.client

    async def _page(self, place: Place, port: int) -> tuple[Place, str | DfmcError]:
        cluster = self._session.topology.cluster(place.cluster)
        try:
            async with self._session.slots:
                kube = self._session.kube_of(cluster)
                return place, await kube.pod_get(cluster.namespace, place.pod, port, _PATH)
        except DfmcError as error:
            return place, error
