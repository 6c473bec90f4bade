"""Making and removing the bridges of a member, and waiting for the addresses that they lead to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dfmc.clients.protocols import JsonObject, KubeClient
from dfmc.engine.bridging import bridges_of, remove_bridges
from dfmc.engine.execute import Done
from dfmc.engine.run_state import RunState
from dfmc.errors import NotReadyError
from dfmc.planning.bridges import Bridge, bridge_object, slice_objects, wanted_bridges
from dfmc.planning.exposure import service_names
from dfmc.planning.ownership import object_conflict
from dfmc.planning.steps import Step
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]

_POLL_SECONDS = 1.0
_EVENTS_AT_MOST = 2


class BridgeActions:
    """The actions of the kinds BRIDGE and UNBRIDGE in a run of ``up``."""

    def __init__(self, run: RunState) -> None:
        self.run = run

    async def bridge(self, step: Step, say: Say) -> Done:
        """Wait until it is known where the bridges lead, then write them."""
        cluster = self.run.topology.cluster(step.cluster)
        kube = self.run.session.kube_of(cluster)
        wanted = await self._known(cluster, say)
        await self.run.lock.verify()
        for bridge in wanted:
            await self._write(kube, cluster, bridge)
        leads = [f"{lead.name} to {lead.target}" for bridge in wanted for lead in bridge.leads]
        return Done(f"Services {', '.join(bridge.service for bridge in wanted)}: {', '.join(leads)}")

    async def unbridge(self, step: Step, say: Say) -> Done:
        """Delete the bridges that the member's values do not name any more."""
        topology, cluster = self.run.topology, self.run.topology.cluster(step.cluster)
        keep = tuple(bridge.service for bridge in wanted_bridges(topology, cluster, self.run.observed))
        kube = self.run.session.kube_of(cluster)
        deleted = await remove_bridges(kube, topology, cluster, self.run.credentials.uid, keep)
        return Done(f"Services {', '.join(deleted)} deleted", changed=bool(deleted))

    async def _write(self, kube: KubeClient, cluster: ClusterSpec, bridge: Bridge) -> None:
        topology, uid = self.run.topology, self.run.credentials.uid
        force = self.run.session.options.consent.adopt
        live = await kube.get("v1", "Service", bridge.service, cluster.namespace)
        conflict = object_conflict(cluster.name, live, topology.metadata.name, uid) if live else None
        if conflict and not force:
            raise conflict  # somebody else was faster under the same name
        service = await kube.apply(bridge_object(topology, cluster, uid, bridge), force=force)
        slices = slice_objects(topology, cluster, uid, bridge, service)
        for one in slices:
            await kube.apply(one, force=force)
        # One of the other address family, or of a port that it has no more, would still lead somewhere.
        named = {one["metadata"]["name"] for one in slices}
        there = await bridges_of(kube, cluster, slices=True)
        for piece in there.slices:
            name = str(piece["metadata"]["name"])
            if name.startswith(f"{bridge.service}-") and name not in named and _is_own(piece, topology.metadata.name):
                await kube.delete("discovery.k8s.io/v1", "EndpointSlice", name, cluster.namespace)

    async def _known(self, cluster: ClusterSpec, say: Say) -> tuple[Bridge, ...]:
        topology, central = self.run.topology, self.run.topology.central
        kube = self.run.session.kube_of(central)
        timeout = self.run.session.options.timeout
        deadline = time.monotonic() + timeout
        observed = self.run.observed
        while True:
            wanted = wanted_bridges(topology, cluster, observed)
            unknown = [lead.source for bridge in wanted if not bridge.is_known for lead in bridge.leads]
            if not unknown:
                return wanted
            names = service_names(topology)
            found = await asyncio.gather(*(kube.get("v1", "Service", name, central.namespace) for name in names))
            services = {name: one for name, one in zip(names, found, strict=True) if one}
            observed = replace(observed, services=services)
            wanted = wanted_bridges(topology, cluster, observed)
            waiting = [lead.source for bridge in wanted for lead in bridge.leads if not lead.is_known]
            if not waiting or all(bridge.is_known for bridge in wanted):
                continue
            say(f"waiting for the load balancer of Service {waiting[0]}")
            if time.monotonic() >= deadline:
                raise self._no_address(cluster, waiting, await self._reasons(kube, waiting), timeout)
            await asyncio.sleep(_POLL_SECONDS)

    async def _reasons(self, kube: KubeClient, services: list[str]) -> list[str]:
        """Return what controllers have said of the Services last."""
        events = await kube.list("v1", "Event", self.run.topology.central.namespace)
        said = [
            f"{event['involvedObject']['name']}: {event.get('reason', '')}: {event.get('message', '')}"
            for event in sorted(events, key=_last_seen)
            if (event.get("involvedObject") or {}).get("kind") == "Service"
            and event["involvedObject"].get("name") in services
        ]
        return list(dict.fromkeys(said))[-_EVENTS_AT_MOST:]

    def _no_address(
        self, cluster: ClusterSpec, services: list[str], reasons: list[str], timeout: float
    ) -> NotReadyError:
        central = self.run.topology.central
        named = ", ".join(dict.fromkeys(services))
        many = "s" if "," in named else ""
        return NotReadyError(
            f"Service{many} {named} in {central.name} got no address from a load balancer within {timeout:.0f} s",
            where=cluster.name,
            why="; ".join(reasons) or "no controller has said anything of it; there may be none for load balancers",
            left=f"{central.name} is not touched by this; {cluster.name} has no release of this run yet",
            next_step=f"kubectl --context {central.context} -n {central.namespace} describe service {services[0]}; "
            "or set manager.address, or manager.expose.type: NodePort; then run dfmc up again",
        )


def _is_own(piece: Mapping[str, Any], topology: str) -> bool:
    return object_conflict("", piece, topology, None) is None


def _last_seen(event: JsonObject) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
