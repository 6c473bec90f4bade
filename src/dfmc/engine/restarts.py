"""Restarting what may run with a configuration that somebody had edited, also when the run that repaired it was killed.

The repair has three parts that cannot be one: the edited ConfigMap goes, helm makes it anew, its readers start again.
After the second nothing in the cluster says that the third is still due, so it is noted beforehand, as a label of
helm's own record; helm hands labels on from revision to revision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dfmc.clients.protocols import KubeClient
from dfmc.errors import ConflictError
from dfmc.planning.ownership import RESTART_LABEL
from dfmc.planning.readiness import misled, started_since
from dfmc.state import EditedConfigMap, ReleaseState, WorkloadState
from dfmc.topology.model import ClusterSpec

Say = Callable[[str], None]
_TRIES = 3


class Restarts:
    """The restarts of one release.

    Args:
        kube: Of the cluster's context.
        cluster: Its entry.
        say: Told what is restarted.
    """

    def __init__(self, kube: KubeClient, cluster: ClusterSpec, say: Say) -> None:
        self._kube = kube
        self._cluster = cluster
        self._say = say

    async def note(self, live: ReleaseState, edited: Sequence[EditedConfigMap]) -> dict[str, str]:
        """Note on the release's record that restarts are due, and return the label for the next revision.

        An earlier note that was not carried out stays, when it reaches back further.
        """
        times = [one.since or 0.0 for one in edited]
        if (earlier := due_since(live)) is not None:
            times.append(earlier)
        if not times:
            return {}
        label = {RESTART_LABEL: str(int(min(times)))}
        await self._label(live, label[RESTART_LABEL])
        return label

    async def carry_out(self, edited: Sequence[EditedConfigMap], since: float | None, after: ReleaseState) -> bool:
        """Roll the workloads whose pods may have read an edited configuration; return whether there were any.

        Args:
            edited: What this run has repaired.
            since: From when on pods may have read what an earlier run has repaired; None: there was none.
            after: The release as it is now; its note is taken away.
        """
        if not edited and since is None:
            return False
        workloads = await self._kube.workloads(self._cluster.release, self._cluster.namespace)
        pods = await self._kube.pods(self._cluster.release, self._cluster.namespace)
        found = list(misled(edited, workloads, pods))
        if since is not None:
            found += [one for one in started_since(since, workloads, pods) if one not in found]
        for workload in found:
            await self._restart(workload)
        await self._label(after, None)
        return bool(found)

    async def _restart(self, workload: WorkloadState) -> None:
        self._say(f"restarting {workload.kind} {workload.name}, whose pods may have read the edited configuration")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": now}}}
        body = {
            "apiVersion": "apps/v1",
            "kind": workload.kind,
            "metadata": {"name": workload.name, "namespace": self._cluster.namespace},
            "spec": {"template": template},
        }
        await self._kube.apply(body, force=True)

    async def _label(self, release: ReleaseState, value: str | None) -> None:
        """Set the label of the release's record, or take it away."""
        for _ in range(_TRIES):
            record = await self._kube.get("v1", "Secret", release.record, release.namespace)
            labels = dict(((record or {}).get("metadata") or {}).get("labels") or {})
            if record is None or labels.get(RESTART_LABEL) == value:
                return
            labels.pop(RESTART_LABEL, None)
            if value is not None:
                labels[RESTART_LABEL] = value
            if await self._kube.replace({**record, "metadata": {**record["metadata"], "labels": labels}}) is not None:
                return
        raise ConflictError(
            f"the record of release {release.name} changes faster than it can be written",
            where=self._cluster.name,
            next_step="see who else works on the release, then run dfmc up again",
        )


def due_since(release: ReleaseState | None) -> float | None:
    """Return from when on pods may have read a configuration that was repaired since; None where no restart is due."""
    value = release.labels.get(RESTART_LABEL, "") if release else ""
    return float(value) if value.isascii() and value.isdigit() else None
