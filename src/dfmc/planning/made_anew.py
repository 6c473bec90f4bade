"""Records that are not those their releases were installed for: somebody deleted one, and maybe made another. Pure.

The ids in a release's values are what dfmc took from the manager when it wrote them, and what pods go on with. The
manager's record wins: the next ``up`` writes its ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dfmc.planning.records import expected_record, scheduler_cluster_id
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec, Topology


@dataclass(frozen=True)
class ChangedId:
    """A release and its entry's record that do not have one id.

    Attributes:
        old: What the release has.
        new: What the record has; None where there is no record.
        holder: Name of another record that has the old id; empty where none has it any more.
    """

    old: int
    new: int | None
    holder: str = ""

    def __str__(self) -> str:
        held = f"is that of record {self.holder}" if self.holder else "is that of a record that is gone"
        now = "there is none under its name" if self.new is None else f"its record has id {self.new} by now"
        return f"id {self.old}, which its release has, {held}; {now}"


def changed_id(topology: Topology, cluster: ClusterSpec, observed: Observed) -> ChangedId | None:
    """Return how an entry's release and record differ in their id; None where they agree or either is not known."""
    manager, release = observed.manager, observed.clusters[cluster.name].release
    old = scheduler_cluster_id(release.values) if release else 0
    if manager is None or not old:
        return None
    record = expected_record(topology, cluster, observed)
    if record is not None and record.scheduler_cluster_id == old:
        return None
    holder = next((one.name for one in manager.records if one.scheduler_cluster_id == old), "")
    return ChangedId(old, record.scheduler_cluster_id if record else None, holder)


def changed_ids(topology: Topology, observed: Observed) -> Mapping[str, ChangedId]:
    """Return them of every entry, by name."""
    found = {cluster.name: changed_id(topology, cluster, observed) for cluster in topology.clusters}
    return {name: one for name, one in found.items() if one is not None}
