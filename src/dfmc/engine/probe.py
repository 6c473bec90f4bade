"""Asks from inside a cluster what its pods reach: one short-lived pod a cluster, all endpoints at once."""

from __future__ import annotations

from collections.abc import Sequence

from dfmc.clients.protocols import KubeClient
from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import Endpoint, Object, Reached
from dfmc.planning.checks.reachability import probe_pod, reached_by
from dfmc.topology.model import ClusterSpec, Topology

# A node that has never run one of the chart's pods pulls the image first.
SECONDS = 120.0


async def reach(
    kube: KubeClient,
    topology: Topology,
    cluster: ClusterSpec,
    endpoints: Sequence[Endpoint],
    manifest: Sequence[Object],
    *,
    exists: bool,
) -> tuple[Reached, ...]:
    """Return what a pod of the cluster says of each endpoint; nothing is left behind.

    Raises:
        DfmcError: The pod could not run, or says nothing that could be read.
    """
    if not endpoints:
        return ()
    pod = probe_pod(topology, cluster, endpoints, manifest, exists=exists)
    try:
        ended = await kube.run_pod(pod, timeout=SECONDS)
    except DfmcError as error:
        where = f"-n {pod['metadata']['namespace']}"
        error.next_step = error.next_step or (
            f"kubectl --context {cluster.context} {where} get events; or leave it out with --no-pods"
        )
        raise
    return reached_by(endpoints, ended.output)
