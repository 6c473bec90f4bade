"""Waiting for a cluster's workloads and proving its wiring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from dfmc.engine.execute import Done
from dfmc.engine.observe import observe_cluster, observe_manager
from dfmc.engine.run_state import RunState
from dfmc.engine.wait import until_ready
from dfmc.errors import FindingsError
from dfmc.planning.proof import ProofFinding, prove
from dfmc.planning.steps import Step
from dfmc.state import Observed
from dfmc.topology.model import ClusterSpec
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.wiring import expected_components

Say = Callable[[str], None]

_PROOF_POLL_SECONDS = 1.0
# The manager reads scheduler states through a cache of 30 s; a pod's own keep-alive comes every 5 s.
_PROOF_SECONDS = 75.0


class CheckActions:
    """The actions of the kinds READY and PROOF."""

    def __init__(self, run: RunState) -> None:
        self.run = run

    async def ready(self, step: Step, say: Say) -> Done:
        """Wait for every workload of the release."""
        cluster = self.run.topology.cluster(step.cluster)
        layout = layout_of(self.run.topology.chart.version)
        expected = expected_components(layout, role_of(self.run.topology, cluster), cluster.values)
        kube = self.run.session.kube_of(cluster)
        timeout = self.run.session.options.timeout
        replaced = await until_ready(kube, cluster, expected, timeout=timeout, say=say, verify=self.run.lock.verify)
        pods = f", {replaced} stuck pod{'s' if replaced > 1 else ''} replaced" if replaced else ""
        return Done(f"every workload is ready{pods}", changed=replaced > 0)

    async def proof(self, step: Step, say: Say) -> Done:
        """Prove the wiring; what settles by itself is given its time, what is plainly wrong is not."""
        cluster = self.run.topology.cluster(step.cluster)
        deadline = time.monotonic() + _PROOF_SECONDS
        while True:
            observed = await self._observe_for_proof(cluster)
            findings = prove(self.run.topology, cluster, observed)
            self.run.proven[cluster.name] = observed
            if not findings:
                return Done("wired as registered, schedulers active", changed=False)
            if not all(finding.settles for finding in findings) or time.monotonic() >= deadline:
                raise proof_error(cluster, findings)
            say(f"waiting: {findings[0].key} is {findings[0].seen}")
            await asyncio.sleep(_PROOF_POLL_SECONDS)

    async def _observe_for_proof(self, cluster: ClusterSpec) -> Observed:
        seen = await observe_cluster(self.run.session, cluster, deep=True, drift=False)
        if seen.error:
            raise seen.error
        central = self.run.topology.central
        if central.name in self.run.revisions and self.run.observed.clusters[central.name].release is None:
            # The first look found no release; from now on the manager may be asked.
            now = replace(self.run.observed.clusters[central.name], release=self.run.revisions[central.name])
            self.run.observed = replace(self.run.observed, clusters={**self.run.observed.clusters, central.name: now})
        clusters = {**self.run.observed.clusters, cluster.name: seen}
        observed = Observed(clusters, self.run.stored, self.run.observed.services)
        return await observe_manager(self.run.session, observed)


def proof_error(cluster: ClusterSpec, findings: tuple[ProofFinding, ...]) -> FindingsError:
    """Return the error that names every finding: cluster, key, expected and seen value."""
    return FindingsError(
        "is not wired as registered",
        where=cluster.name,
        why="; ".join(f"{f.key}: expected {f.expected}, seen {f.seen}" for f in findings),
        findings=[str(finding) for finding in findings],
        left=f"release {cluster.release} in namespace {cluster.namespace} is installed as it is",
        next_step="dfmc status shows every finding; helm rollback or the edit that caused it undoes a change by hand",
    )
