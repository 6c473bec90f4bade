"""A member's bridges as they are, and their removal; what they are for is planning/bridges.py's."""

from __future__ import annotations

from dfmc.clients.protocols import KubeClient
from dfmc.planning.bridges import SERVICE_LABEL, bridge_names, stale_bridges
from dfmc.state import BridgeObjects
from dfmc.topology.model import ClusterSpec, Topology


async def bridges_of(kube: KubeClient, cluster: ClusterSpec, *, slices: bool) -> BridgeObjects:
    """Return what is there under the names of the entry's bridges.

    Args:
        kube: Client of the entry's context.
        cluster: The entry.
        slices: Also the EndpointSlices.
    """
    names = bridge_names(cluster)
    # The items of a list do not say their kind.
    services = {
        str(one["metadata"]["name"]): {**one, "kind": "Service"}
        for one in await kube.list("v1", "Service", cluster.namespace)
        if one["metadata"]["name"] in names
    }
    if not slices or not services:
        return BridgeObjects(services)
    found = await kube.list("discovery.k8s.io/v1", "EndpointSlice", cluster.namespace)
    of_ours = tuple(one for one in found if (one["metadata"].get("labels") or {}).get(SERVICE_LABEL) in services)
    return BridgeObjects(services, of_ours)


async def remove_bridges(
    kube: KubeClient, topology: Topology, cluster: ClusterSpec, uid: str | None, keep: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Delete this topology's bridges of the entry, but those to be kept; return their names.

    Their EndpointSlices go with them: they are owned by their Service.
    """
    live = await bridges_of(kube, cluster, slices=False)
    unwanted = stale_bridges(topology, cluster, live, uid, keep)
    for name in unwanted:
        service_uid = str(live.services[name]["metadata"].get("uid") or "")
        await kube.delete("v1", "Service", name, cluster.namespace, uid=service_uid)
    return unwanted
