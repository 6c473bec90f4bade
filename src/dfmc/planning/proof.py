"""The proof that a cluster is wired right: what the live objects and the manager say against what they must say.

A healthy-looking installation proves nothing: a client with another cluster's id is Ready, pulls fine, and moves its
bytes through the wrong cluster. So both ends are read: the ConfigMaps that the pods run with, and the manager's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dfmc.planning.plan import values_inputs
from dfmc.planning.readiness import obstacles, summary
from dfmc.planning.records import expected_record
from dfmc.state import Observed, ObservedCluster, PodState, Registration, SchedulerRecord
from dfmc.symbols import SecretRef, Symbol
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.context import role_of
from dfmc.values.layouts import layout_of
from dfmc.values.wiring import check_wiring, expected_components, expected_wiring

_SILENCE_SECONDS = 60.0


@dataclass(frozen=True)
class ProofFinding:
    """One thing that is not as it must be.

    Attributes:
        cluster: Of the file.
        key: What was looked at, e.g. ``dragonfly-client/dfdaemon.yaml: host.schedulerClusterID``.
        expected: In words or as the value; secrets masked.
        seen: Likewise.
        settles: It may become right by itself within seconds (the manager caches scheduler states for 30 s).
    """

    cluster: str
    key: str
    expected: str
    seen: str
    settles: bool = False

    def __str__(self) -> str:
        return f"{self.cluster}: {self.key}: expected {self.expected}, seen {self.seen}"


def prove(topology: Topology, cluster: ClusterSpec, observed: Observed) -> tuple[ProofFinding, ...]:
    """Return everything that is wrong with a cluster's wiring; empty means proven.

    Needs a deep observation (ConfigMaps, pods, the manager's rows).
    """
    record = expected_record(topology, cluster, observed)
    if observed.manager is None:
        why = observed.manager_error or "the manager was not asked"
        return (ProofFinding(cluster.name, "manager", "an answer to an authorised request", str(why)),)
    if record is None:
        return (ProofFinding(cluster.name, "manager's record", f"a record named {cluster.name}", "none"),)
    wiring = wiring_findings(topology, cluster, observed)
    pods = observed.clusters[cluster.name].pods
    return (*wiring, *scheduler_findings(cluster.name, record.registration, pods, observed.manager.schedulers))


def workload_findings(topology: Topology, cluster: ClusterSpec, seen: ObservedCluster) -> tuple[ProofFinding, ...]:
    """Return one finding for each workload of the release that is missing or not ready, with its pods' reason.

    ``up`` waits for the workloads before it proves; who only looks has to be told.
    """
    expected = expected_components(layout_of(topology.chart.version), role_of(topology, cluster), cluster.values)
    present = {workload.component for workload in seen.workloads}
    findings = [
        ProofFinding(cluster.name, f"component {name}", "a workload", "none")
        for name in expected
        if name not in present
    ]
    for workload in seen.workloads:
        if blocking := obstacles([workload], seen.pods, ()):
            key, state = f"{workload.kind} {workload.name}", f"{workload.ready}: {summary(blocking)}"
            findings.append(ProofFinding(cluster.name, key, f"{workload.desired} ready", state, settles=True))
    return tuple(findings)


def wiring_findings(topology: Topology, cluster: ClusterSpec, observed: Observed) -> tuple[ProofFinding, ...]:
    """Return where the live ConfigMaps differ from what the manager registered and the file says.

    Needs a deep observation and the cluster's record; errors as values_inputs.
    """
    credentials = observed.credentials.values if observed.credentials else {}

    def known(symbol: Symbol) -> object:
        return credentials.get(symbol.key, symbol) if isinstance(symbol, SecretRef) else symbol

    inputs = values_inputs(topology, cluster, observed, first_install=False)
    expected = expected_wiring(topology, cluster, inputs, known)
    found = check_wiring(observed.clusters[cluster.name].config_maps, expected)
    return tuple(
        ProofFinding(cluster.name, f"{finding.config_map}/{finding.key}", str(finding.expected), str(finding.seen))
        for finding in found
    )


def active_rows(
    registration: Registration, pods: Sequence[PodState], rows: Sequence[SchedulerRecord]
) -> tuple[SchedulerRecord, ...]:
    """Return the active rows of a cluster, without those that are of no pod and have been silent for a minute.

    A scheduler says every few seconds that it is there, and the manager makes its row inactive when that stream
    breaks. One whose stream ended together with the manager itself stays active until an hourly clean-up
    (manager/gc/scheduler.go). Compared with the newest word of any scheduler: the manager's clock is not ours.
    """
    newest = max((row.last_keep_alive for row in rows if row.last_keep_alive is not None), default=0.0)
    own = {(pod.name, pod.ip) for pod in pods}
    return tuple(
        row
        for row in rows
        if row.scheduler_cluster_id == registration.scheduler_cluster_id
        and row.state == "active"
        and (
            (row.pod_name, row.ip) in own
            or row.last_keep_alive is None
            or newest - row.last_keep_alive < _SILENCE_SECONDS
        )
    )


def scheduler_findings(
    cluster: str, registration: Registration, pods: Sequence[PodState], rows: Sequence[SchedulerRecord]
) -> tuple[ProofFinding, ...]:
    """Return where the manager's active schedulers differ from the cluster's own scheduler pods.

    A row belongs to a pod when name and address are the pod's: two Kubernetes clusters may use the same pod
    addresses, and StatefulSets use the same names everywhere, but a member's rows carry its id.
    """
    wanted_id = registration.scheduler_cluster_id
    own = {(pod.name, pod.ip): pod for pod in pods if pod.component == "scheduler" and not pod.terminating}
    here = [row for row in rows if row.scheduler_cluster_id == wanted_id]
    active = {(row.pod_name, row.ip) for row in active_rows(registration, pods, rows)}
    findings = []
    for name, ip in sorted(own.keys() - active):
        state = next((row.state for row in here if (row.pod_name, row.ip) == (name, ip)), None)
        elsewhere = [
            row.scheduler_cluster_id
            for row in rows
            if (row.pod_name, row.ip) == (name, ip) and row.state == "active" and row.scheduler_cluster_id != wanted_id
        ]
        seen = state or (f"active under id {elsewhere[0]}" if elsewhere else "no row of that host name and address")
        key = f"manager's row of scheduler {name} ({ip})"
        findings.append(ProofFinding(cluster, key, f"active under id {wanted_id}", seen, settles=True))
    for name, ip in sorted(active - own.keys()):
        key = f"manager's schedulers of id {wanted_id}"
        seen = f"{name} ({ip}) active as well"
        findings.append(ProofFinding(cluster, key, "this cluster's scheduler pods alone", seen, settles=True))
    if not own:
        findings.append(ProofFinding(cluster, "scheduler pods", "at least one", "none", settles=True))
    return tuple(findings)
