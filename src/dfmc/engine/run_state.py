"""What the actions of one run hand to each other: ids, credentials, the uid, the newest look at each cluster."""

from __future__ import annotations

from dataclasses import replace

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.lock import Lock
from dfmc.engine.observe import observe_cluster, observe_manager
from dfmc.engine.session import Session
from dfmc.errors import DfmcError
from dfmc.planning.records import expected_record
from dfmc.state import ClusterRecord, Observed, ReleaseState, StoredCredentials
from dfmc.topology.model import ClusterSpec


class RunState:
    """The state of one run.

    Attributes:
        stored: The credentials' Secret as it is by now.
        records: The manager's records by the cluster's name, as far as they are known.
        revisions: Releases as they were read back after helm.
        proven: The observation that a cluster's proof ended with.
    """

    def __init__(self, session: Session, observed: Observed, chart: ChartArchive, lock: Lock) -> None:
        self.session = session
        self.topology = session.topology
        self.observed = observed
        self.chart = chart
        self.lock = lock
        self.stored: StoredCredentials | None = observed.credentials
        self.records: dict[str, ClusterRecord] = {}
        if observed.manager:
            for cluster in self.topology.clusters:
                if record := expected_record(self.topology, cluster, observed):
                    self.records[cluster.name] = record
        self.revisions: dict[str, ReleaseState] = {}
        self.proven: dict[str, Observed] = {}

    @property
    def credentials(self) -> StoredCredentials:
        """What the credentials' Secret holds; an error where a plan should have made it first."""
        if self.stored is None:
            raise DfmcError("the credentials' Secret is not there", where=self.topology.central.name)
        return self.stored

    async def look_again(self, cluster: ClusterSpec) -> None:
        """Keep, for the report of a cluster whose steps failed, how many of its pods and schedulers are up."""
        seen = await observe_cluster(self.session, cluster, deep=True)
        if seen.error is None:
            observed = replace(self.observed, clusters={**self.observed.clusters, cluster.name: seen})
            if self.session.manager.is_open:  # signing in could take a minute, with a manager that is down
                observed = await observe_manager(self.session, observed)
            self.proven[cluster.name] = observed

    def last_seen(self, cluster: ClusterSpec) -> Observed:
        """Return the newest observation of a cluster: its proof's, else the first one with what was installed since."""
        if cluster.name in self.proven:
            return self.proven[cluster.name]
        if cluster.name not in self.revisions:
            return self.observed
        now = replace(self.observed.clusters[cluster.name], release=self.revisions[cluster.name])
        return replace(self.observed, clusters={**self.observed.clusters, cluster.name: now})
