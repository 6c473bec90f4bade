"""Which changes of the chart's version Kubernetes does not let a release make. Pure.

helm finds out object by object: it applies what it can, fails at the first object that may not change, and leaves a
release of both charts behind. So what is known beforehand is refused beforehand.
"""

from __future__ import annotations

from dfmc.errors import PreflightError
from dfmc.state import ReleaseState
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import parse_version

# From this version on the label `release` is in no selector (dragonflyoss/helm-charts, charts/dragonfly/templates);
# apps/v1 lets nobody change the selector of a Deployment, StatefulSet or DaemonSet.
_NEW_SELECTORS = (1, 4, 3)


def upgrade_refusal(cluster: ClusterSpec, release: ReleaseState, wanted: str) -> PreflightError | None:
    """Return why a release cannot become one of another chart version; None where nothing is known against it.

    Args:
        cluster: The entry.
        release: What is installed. One that is not deployed is let through: it may be on its way back.
        wanted: The chart's version in the file.
    """
    present = release.chart_version
    if release.status != "deployed" or _has_new_selectors(present) == _has_new_selectors(wanted):
        return None
    return PreflightError(
        f"chart {present} cannot be changed to {wanted} in place",
        where=cluster.name,
        why="chart 1.4.3 changed the selectors of its workloads, which Kubernetes never changes in an existing object",
        left="nothing was changed",
        next_step=f"put the version back; or helm uninstall {release.name} -n {release.namespace} "
        f"--kube-context {cluster.context}, then run dfmc up again (volumes and credentials stay)",
    )


def _has_new_selectors(version: str) -> bool:
    return parse_version(version) >= _NEW_SELECTORS
