from dataclasses import replace
from typing import Literal

import pytest

from dfmc.planning.proof import scheduler_findings, workload_findings
from dfmc.state import ObservedCluster, PodState, Registration, SchedulerRecord, WorkloadState
from scenarios import scenario
from topologies import topology

IDS = Registration(2, 12)


def pod(name: str = "dragonfly-scheduler-0", ip: str = "10.1.0.5", component: str = "scheduler") -> PodState:
    return PodState(name, component, "Running", True, ip, "node")


def row(
    name: str = "dragonfly-scheduler-0",
    ip: str = "10.1.0.5",
    state: str = "active",
    cluster: int = 2,
    spoke: float | None = None,
) -> SchedulerRecord:
    known: Literal["active", "inactive"] = "active" if state == "active" else "inactive"
    return SchedulerRecord(1, name, ip, 8002, known, cluster, last_keep_alive=spoke)


def texts(pods: list[PodState], rows: list[SchedulerRecord]) -> list[str]:
    return [str(finding) for finding in scheduler_findings("b", IDS, pods, rows)]


def test_exactly_its_own_schedulers_active_is_the_proof() -> None:
    others = [row("dragonfly-scheduler-0", "10.1.0.9", cluster=1)]
    assert texts([pod(), pod("dragonfly-seed-client-0", component="seed-client")], [row(), *others]) == []


def test_on_real_nodes_a_scheduler_registers_under_its_full_domain_name() -> None:
    full = row("dragonfly-scheduler-0.scheduler.cluster-b.svc.cluster.local")
    assert full.pod_name == "dragonfly-scheduler-0"
    assert texts([pod()], [full]) == []
    assert row("a.b-scheduler-0.scheduler.ns.svc").pod_name == "a.b-scheduler-0"
    assert row("node-1.example.com").pod_name == "node-1.example.com"


@scenario("V2", real="what was observed is made up")
def test_a_scheduler_active_under_another_id_is_named_with_both_ids() -> None:
    assert texts([pod()], [row(cluster=77)]) == [
        "b: manager's row of scheduler dragonfly-scheduler-0 (10.1.0.5): expected active under id 2, "
        "seen active under id 77"
    ]


def test_an_inactive_or_missing_row_may_still_settle() -> None:
    for rows, seen in (([row(state="inactive")], "inactive"), ([], "no row of that host name and address")):
        (finding,) = scheduler_findings("b", IDS, [pod()], rows)
        assert (finding.seen, finding.settles) == (seen, True)


def test_a_foreign_scheduler_active_under_its_id_is_found() -> None:
    (finding,) = scheduler_findings("b", IDS, [pod()], [row(), row("dragonfly-scheduler-1", "10.9.9.9")])
    assert "dragonfly-scheduler-1 (10.9.9.9) active as well" in str(finding)


def test_a_stale_row_of_a_replaced_pod_does_not_count() -> None:
    assert texts([pod(ip="10.1.0.6")], [row(ip="10.1.0.6"), row(ip="10.1.0.5", state="inactive")]) == []


@pytest.mark.parametrize("silent", [row(ip="10.1.0.4", spoke=1000.0), row("dragonfly-scheduler-1", spoke=1000.0)])
def test_a_row_that_went_silent_with_its_manager_does_not_count(silent: SchedulerRecord) -> None:
    elsewhere = row("dragonfly-scheduler-0", "10.9.0.1", cluster=1, spoke=1059.0)
    assert len(texts([pod()], [row(spoke=1055.0), silent, elsewhere])) == 1
    assert texts([pod()], [row(spoke=1059.0), silent, replace(elsewhere, last_keep_alive=1060.0)]) == []


def test_the_same_pod_name_and_address_in_another_kubernetes_cluster_is_not_confused() -> None:
    assert texts([pod()], [row(), row(cluster=3)]) == []


def test_no_scheduler_at_all_is_a_finding() -> None:
    assert texts([], []) == ["b: scheduler pods: expected at least one, seen none"]


def workloads(*, client_ready: int, without: str = "") -> tuple[WorkloadState, ...]:
    kinds = {"scheduler": "StatefulSet", "seed-client": "StatefulSet", "client": "DaemonSet"}
    return tuple(
        WorkloadState(kind, f"dragonfly-{name}", name, 2, 2, client_ready if name == "client" else 2, observed=True)
        for name, kind in kinds.items()
        if name != without
    )


def installed(found: tuple[WorkloadState, ...], *pods: PodState) -> list[str]:
    guide = topology()
    seen = ObservedCluster("b", workloads=found, pods=pods)
    return [str(finding) for finding in workload_findings(guide, guide.cluster("b"), seen)]


def test_workloads_that_are_ready_are_no_finding() -> None:
    assert installed(workloads(client_ready=2)) == []


def test_a_workload_that_is_not_ready_is_one_finding_with_its_pods_reason() -> None:
    stuck = [
        PodState(f"dragonfly-client-{n}", "client", "Pending", False, "", "", (), "Unschedulable", "no free ports")
        for n in range(2)
    ]
    assert installed(workloads(client_ready=0), *stuck) == [
        "b: DaemonSet dragonfly-client: expected 2 ready, "
        "seen 0: Pod dragonfly-client-0: Unschedulable: no free ports (and 1 more)"
    ]


def test_a_component_without_workload_is_a_finding() -> None:
    assert installed(workloads(client_ready=2, without="seed-client")) == [
        "b: component seed-client: expected a workload, seen none"
    ]
