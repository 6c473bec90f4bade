"""Each check of ``doctor``: silent on a healthy world, and one finding for one thing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dfmc.errors import AuthError, DfmcError, PreflightError, UnreachableError
from dfmc.planning.checks.facts import Counted, Endpoint, Facts, Need, Reached, Right
from dfmc.state import ClusterRecord, SchedulerRecord, ScopesRecord
from doctor_world import (
    NOW,
    UID,
    found,
    healthy,
    manifest,
    node,
    only,
    outcomes,
    planned_anew,
    pod,
    running_pod,
    service,
    storage_class,
    with_cluster,
    with_manager,
    with_record,
    with_release,
    with_seen,
)
from topologies import entry, topology


def test_a_healthy_world_has_nothing_to_say() -> None:
    assert {outcome.result for outcome in outcomes(healthy()).values()} == {"ok"}


@pytest.mark.parametrize("version", ["1.1.1", "1.1.66", "1.4.4", "1.7.8"])
def test_a_healthy_world_of_any_layout_has_nothing_to_say(version: str) -> None:
    file = topology(chart={"repository": "https://charts.example/", "version": version})
    checks = ("DF371", "DF353", "DF324", "DF322")
    assert {check: outcomes(healthy(file))[check].findings for check in checks} == dict.fromkeys(checks, ())


# --- this machine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("need", "check"),
    [(Need.HELM, "DF301"), (Need.CHART, "DF302"), (Need.GIVEN, "DF351"), (Need.PLAN, "DF354"), (Need.MANAGER, "DF361")],
)
def test_what_cannot_be_read_is_a_finding_of_the_check_that_answers_for_it(need: Need, check: str) -> None:
    error = PreflightError("it is not there", why="gone", next_step="get it")
    finding = only(replace(healthy(), unread={(need, ""): error}), check)
    assert (finding.what, finding.why, finding.next_step) == ("it is not there", "gone", "get it")


def test_what_no_check_answers_for_is_told_once_for_each_cause() -> None:
    error = DfmcError("no right to list nodes")
    unread = {(need, "b"): error for need in (Need.NODES, Need.PODS)}
    facts = replace(healthy(), unread=unread)
    assert (only(facts, "DF300").place, only(facts, "DF300").level) == ("nodes of b", "error")
    forbidden = replace(healthy(), unread={(Need.PODS, "b"): AuthError("no right")})
    assert only(forbidden, "DF300").level == "warning"
    skipped = outcomes(facts)["DF321"]
    assert [(one.cluster, one.why) for one in skipped.skipped] == [("b", "nodes could not be read")]
    assert skipped.result == "ok"  # a was looked at


def test_nothing_of_a_cluster_that_does_not_answer_is_looked_at() -> None:
    facts = replace(healthy(), unread={(Need.CLUSTER, "b"): UnreachableError("no answer")})
    assert only(facts, "DF311").cluster == "b"
    assert {one.cluster for one in outcomes(facts)["DF371"].skipped} == {"b"}


def test_a_check_that_is_left_out_finds_nothing() -> None:
    facts = replace(healthy(), takes_default_password=True)
    assert outcomes(facts, "DF381")["DF381"].result == "off"
    assert outcomes(facts)["DF381"].result == "error"


@pytest.mark.parametrize("ahead", [-3600.0, 61.0])
def test_clocks_that_disagree(ahead: float) -> None:
    facts = healthy()
    seen = facts.observed.clusters["b"].facts
    assert seen is not None
    finding = only(with_seen(facts, "b", facts=replace(seen, clock_ahead=ahead)), "DF303")
    assert (finding.cluster, finding.level) == ("b", "warning")
    assert ("ahead" if ahead > 0 else "behind") in finding.why
    assert "manager" in only(replace(facts, manager_clock_ahead=ahead), "DF303").what


def test_a_lock_from_the_future() -> None:
    lease = {"metadata": {"name": "dfmc-guide"}, "spec": {"renewTime": "2027-01-15T09:00:00.000000Z"}}
    assert only(replace(healthy(), lease=lease), "DF303").what == "the lock was renewed 60 min in the future"
    assert found(replace(healthy(), lease=None)) == {}
    assert found(replace(healthy(), lease={"spec": {"renewTime": "soon"}})) == {}


# --- access ----------------------------------------------------------------------------------------------------


def test_missing_rights_are_told_with_the_command_that_asks_for_the_first() -> None:
    denied = tuple(Right(f"update thing-{n}", f"update thing-{n} -n x") for n in range(8))
    finding = only(with_cluster(healthy(), "b", denied=denied), "DF312")
    assert finding.what == "8 rights are missing for a run of dfmc up"
    assert finding.why.endswith("update thing-5; and 2 more")
    assert finding.next_step == "kubectl --context kind-kind auth can-i update thing-0 -n x"


def test_a_kind_that_is_not_served() -> None:
    finding = only(with_cluster(healthy(), "a", unserved=("ServiceMonitor (monitoring.coreos.com/v1)",)), "DF313")
    assert "does not know ServiceMonitor" in finding.what


# --- nodes -----------------------------------------------------------------------------------------------------


def with_nodes(*nodes: dict[str, Any]) -> Facts:
    return with_cluster(healthy(), "b", nodes=nodes)


def test_a_node_selector_that_nothing_matches() -> None:
    finding = only(with_nodes(node("n1", cluster="a")), "DF321")
    assert finding.what == "no node has the labels of nodeSelector: cluster=b"
    assert finding.next_step == "kubectl --context kind-kind label node NAME cluster=b"


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (node("n1", cluster="b") | {"spec": {"unschedulable": True}}, "n1 is cordoned"),
        (node("n1", ready="False", cluster="b"), "n1 is not ready (KubeletReady)"),
        (node("n1", taints=[{"key": "gpu", "effect": "NoSchedule"}], cluster="b"), "n1 is tainted gpu=:NoSchedule"),
    ],
)
def test_nodes_that_take_no_pods(spoilt: dict[str, Any], why: str) -> None:
    finding = only(with_nodes(spoilt), "DF321")
    assert (finding.what, finding.why) == ("none of its 1 nodes takes pods", why)


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "gpu", "operator": "Exists"},
        {"operator": "Exists"},
        {"key": "gpu", "value": "v", "effect": "NoSchedule"},
    ],
)
def test_a_taint_that_is_tolerated_is_no_obstacle(toleration: dict[str, Any]) -> None:
    file = topology(clusters=[entry("a"), entry("b", tolerations=[toleration])])
    tainted = node("n1", taints=[{"key": "gpu", "value": "v", "effect": "NoSchedule"}], cluster="b")
    assert outcomes(with_cluster(healthy(file), "b", nodes=(tainted,)))["DF321"].findings == ()


def test_one_node_that_is_down_is_a_warning() -> None:
    finding = only(with_nodes(node("n1", cluster="b"), node("n2", ready="Unknown", cluster="b")), "DF321")
    assert (finding.level, finding.place) == ("warning", "Node n2")


def test_a_runtime_that_the_file_does_not_name() -> None:
    file = topology(clusters=[entry("a"), entry("b", runtime={"type": "containerd"})])
    nodes = (node("n1", cluster="b"), node("n2", runtime="cri-o", cluster="b"))
    finding = only(with_cluster(healthy(file), "b", nodes=nodes), "DF322")
    assert finding.what == "n2 run cri-o"


@pytest.mark.parametrize("given", ["containerd-no-cri", "podman", "none", "auto"])
def test_runtimes_that_fit_whatever_kubernetes_reports(given: str) -> None:
    file = topology(clusters=[entry("a"), entry("b", runtime={"type": given})])
    assert outcomes(healthy(file))["DF322"].findings == ()


def test_automatic_runtimes_that_cannot_be_one() -> None:
    facts = healthy()
    seen = facts.observed.clusters["b"].facts
    assert seen is not None
    mixed = with_seen(facts, "b", facts=replace(seen, runtimes=frozenset({"containerd", "docker"})))
    assert "different container runtimes" in outcomes(mixed)["DF322"].findings[0].what
    odd = with_seen(facts, "b", facts=replace(seen, runtimes=frozenset({"kata"})))
    odd = with_cluster(odd, "b", nodes=(node("n1", runtime="kata", cluster="b"),))
    (finding,) = outcomes(odd)["DF322"].findings
    assert (finding.level, finding.what) == ("warning", "pulls on n1 will not go through Dragonfly")


EXPOSED = {"cluster": "a", "expose": {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951}}


def test_a_node_port_that_another_service_has() -> None:
    facts = healthy(topology(manager=EXPOSED))
    own = (service("manager-rest", "cluster-a", 30950), service("web", "team-x", 31000))
    assert outcomes(with_cluster(facts, "a", services=own))["DF323"].findings == ()
    taken = (*own, service("web", "team-x", 30951))
    (finding,) = outcomes(with_cluster(facts, "a", services=taken))["DF323"].findings
    assert (finding.what, finding.place) == ("node port 30951 is taken", "Service team-x/web")


@pytest.mark.parametrize("host", [True, False])
def test_a_pod_that_holds_a_port_of_the_client(host: bool) -> None:
    finding = only(with_cluster(healthy(), "b", pods=(running_pod("web", "b-1", host=host),)), "DF324")
    assert (finding.what, finding.place) == ("port 4001 of node b-1 is taken", "Pod team-x/web")


@pytest.mark.parametrize(
    "harmless",
    [
        running_pod("web", "a-1"),
        running_pod("web", "b-1", port=8080),
        running_pod("web", "b-1", phase="Succeeded"),
        running_pod("web", "b-1", host=True) | {"metadata": {"namespace": "cluster-b", "name": "dragonfly-client-2"}},
    ],
)
def test_pods_elsewhere_at_other_ports_ended_or_our_own_hold_nothing(harmless: dict[str, Any]) -> None:
    assert found(with_cluster(healthy(), "b", pods=(harmless,))) == {}


def test_old_clients_need_only_their_proxys_port() -> None:
    file = topology(chart={"repository": "https://charts.example/", "version": "1.1.1"})
    pods = (running_pod("web", "b-1", port=4001), running_pod("proxy", "b-1", port=65001))
    (finding,) = outcomes(with_cluster(healthy(file), "b", pods=pods))["DF324"].findings
    assert finding.place == "Pod team-x/proxy"


def test_entries_that_share_nodes() -> None:
    file = topology(clusters=[entry("a"), entry("b", nodeSelector={"cluster": "a"})])
    (finding,) = outcomes(healthy(file))["DF324"].findings
    assert finding.what == "a and b both select a-1, a-2, b-1 and 1 more"


def test_a_cluster_without_clients_needs_no_ports() -> None:
    file = topology(clusters=[entry("a"), entry("b", values={"client": {"enable": False}})])
    assert outcomes(with_cluster(healthy(file), "b", pods=(running_pod("web", "b-1"),)))["DF324"].findings == ()


def test_a_storage_class_that_is_named_and_not_there() -> None:
    facts = with_cluster(healthy(), "b", manifest=manifest(storage="fast"))
    assert only(facts, "DF325").what == "there is no StorageClass fast"
    there = (storage_class("fast"),)
    assert found(with_cluster(facts, "b", storage_classes=there)) == {}


def test_no_default_storage_class_matters_until_the_claims_are_bound() -> None:
    facts = with_cluster(healthy(), "b", storage_classes=(storage_class("slow"),))
    finding = only(facts, "DF325")
    assert finding.why == "its claims name no class, and none of slow is the default"
    claim = {"metadata": {"name": "storage-dragonfly-seed-client-0"}, "status": {"phase": "Bound"}}
    assert found(with_cluster(facts, "b", claims=(claim,))) == {}
    assert found(with_cluster(facts, "b", manifest=manifest(storage=""))) == {}  # meant for volumes made by hand


# --- images, reachability --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "image", ["bitnami/redis:7", "docker.io/bitnami/redis:7", "index.docker.io/bitnami/redis@sha256:1"]
)
def test_an_image_that_is_gone(image: str) -> None:
    finding = only(with_cluster(healthy(), "a", manifest=manifest("busybox", image)), "DF331")
    assert finding.what == f"{image} does not exist any more"
    assert finding.next_step == "set values.redis.image.repository to bitnamilegacy/redis in the entry a"


@pytest.mark.parametrize("image", ["bitnamilegacy/redis:7", "registry.example.com/bitnami/redis:7", "notbitnami/redis"])
def test_images_that_are_there(image: str) -> None:
    assert found(with_cluster(healthy(), "a", manifest=manifest(image))) == {}


def reached(said: str, *, resolves: bool | None = False, **endpoint: Any) -> Facts:
    at = Endpoint("grpc", "manager.example.com", 31000, **endpoint)
    return with_cluster(healthy(), "b", reached=(Reached(at, resolves, False, said),))


def test_a_name_that_does_not_resolve_inside() -> None:
    finding = only(reached("can't find manager.example.com: NXDOMAIN"), "DF341")
    assert finding.what == "pods of b cannot resolve manager.example.com, the address of the manager (gRPC)"
    assert (finding.level, "NXDOMAIN" in finding.why) == ("error", True)


def test_an_address_that_does_not_answer() -> None:
    finding = only(reached("Connection refused", resolves=True), "DF341")
    assert finding.what == "pods of b do not reach the manager (gRPC) at manager.example.com:31000"


def test_before_the_installation_refused_is_fine_and_silence_is_a_warning() -> None:
    assert found(reached("Connection refused", resolves=True, is_there=False)) == {}
    assert only(reached("timed out", resolves=True, is_there=False), "DF341").level == "warning"
    assert only(reached("NXDOMAIN", is_there=False), "DF341").level == "error"


def test_what_pods_do_not_need_is_a_warning() -> None:
    assert only(reached("timed out", resolves=True, is_needed=False), "DF341").level == "warning"


def test_a_bare_address_needs_no_name() -> None:
    assert only(reached("timed out", resolves=None), "DF341").what.startswith("pods of b do not reach")


# --- releases --------------------------------------------------------------------------------------------------


def test_another_topologys_credentials() -> None:
    facts = healthy()
    stored = facts.observed.credentials
    assert stored is not None
    other = replace(facts, observed=replace(facts.observed, credentials=replace(stored, topology="other")))
    assert "belongs to another topology" in only(other, "DF351").what
    values = {key: value for key, value in stored.values.items() if key != "jwt-key"}
    lacking = replace(facts, observed=replace(facts.observed, credentials=replace(stored, values=values)))
    assert outcomes(lacking)["DF351"].findings[0].what == "the credentials' Secret lacks jwt-key"


def test_a_release_of_somebody_else_is_told_once() -> None:
    facts = with_release(healthy(), "b", labels={})
    assert "that dfmc did not make" in only(planned_anew(facts), "DF352").what


@pytest.mark.parametrize("status", ["pending-upgrade", "failed", "uninstalling"])
def test_a_release_that_is_not_deployed(status: str) -> None:
    finding = only(planned_anew(with_release(healthy(), "b", status=status)), "DF352")
    assert (finding.what, finding.next_step) == (f"revision 1 is {status}", "dfmc up t.yaml -c b")


def test_a_release_that_the_file_forgot_is_told_for_one_of_the_entries_there() -> None:
    facts = healthy()
    for name in ("a", "b"):
        facts = with_cluster(facts, name, owned_releases=(("cluster-a", "dragonfly"), ("cluster-z", "dragonfly")))
    finding = only(facts, "DF352")
    assert (finding.cluster, finding.place) == ("a", "release cluster-z/dragonfly")


def test_objects_that_are_gone_and_pods_that_are_not_ready() -> None:
    facts = with_seen(healthy(), "b", missing=("Service dragonfly-scheduler",))
    assert only(facts, "DF353").what == "Service dragonfly-scheduler has been deleted"
    workloads = facts.observed.clusters["b"].workloads
    late = tuple(replace(one, ready=0) if one.component == "scheduler" else one for one in workloads)
    finding = only(with_seen(healthy(), "b", workloads=late), "DF353")
    assert "StatefulSet dragonfly-scheduler" in finding.what


def test_a_workload_that_somebody_scaled_to_nothing_is_told_unless_the_file_wants_none() -> None:
    def away(facts: Facts) -> Facts:
        workloads = facts.observed.clusters["b"].workloads
        changed = tuple(
            replace(one, desired=0, updated=0, ready=0) if one.component == "seed-client" else one for one in workloads
        )
        return with_seen(facts, "b", workloads=changed)

    finding = only(away(healthy()), "DF353")
    assert (finding.cluster, finding.what) == ("b", "StatefulSet dragonfly-seed-client is scaled to 0")
    assert "-n cluster-b scale statefulset dragonfly-seed-client" in finding.next_step
    wanted: dict[str, Any]
    for wanted in ({"replicas": {"seedPeer": 0}}, {"values": {"seedClient": {"replicas": 0}}}):
        file = topology(clusters=[entry("a"), entry("b", **wanted)])
        assert outcomes(away(healthy(file)))["DF353"].findings == ()


def test_a_workload_that_was_deleted_is_told_once() -> None:
    facts = healthy()
    rest = tuple(one for one in facts.observed.clusters["b"].workloads if one.component != "scheduler")
    gone = with_seen(facts, "b", workloads=rest, missing=("StatefulSet dragonfly-scheduler",))
    assert only(gone, "DF353").what == "StatefulSet dragonfly-scheduler has been deleted"
    assert only(with_seen(facts, "b", workloads=rest), "DF353").what.startswith("component scheduler")


def test_a_file_that_was_not_applied() -> None:
    facts = healthy()
    file = topology(clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2"}, replicas={"scheduler": 3})])
    finding = only(planned_anew(replace(facts, topology=file)), "DF354")
    assert finding.what == "the release differs from the file"
    assert "scheduler.replicas" in finding.why


def test_what_up_would_refuse_is_told() -> None:
    facts = planned_anew(with_release(healthy(), "b", chart_version="1.4.2"))
    assert "1.4.2 cannot be changed to 1.7.4" in found(facts)["DF354"][0].what


# --- the manager -----------------------------------------------------------------------------------------------


def record(number: int, name: str, bio: str, *, is_default: bool = False) -> ClusterRecord:
    return ClusterRecord(number, name, bio, ScopesRecord(), number, number + 10, is_default)


def with_another(made: ClusterRecord) -> Facts:
    facts = healthy()
    assert facts.observed.manager is not None
    return with_manager(facts, records=(*facts.observed.manager.records, made))


def test_a_cluster_without_a_record() -> None:
    facts = healthy()
    assert facts.observed.manager is not None
    without = with_manager(facts, records=facts.observed.manager.records[:1])
    assert "the manager has no record of it" in found(without)["DF362"][0].what


def test_a_record_of_somebody_else_under_the_files_name_is_told_once() -> None:
    finding = only(planned_anew(with_record(healthy(), "b", bio="mine")), "DF362")
    assert "that this topology did not make" in finding.what


def test_a_record_without_its_cluster() -> None:
    facts = with_seen(healthy(), "b", release=None, pods=(), workloads=(), config_maps=())
    assert "and it is not installed" in found(facts)["DF362"][0].what


def test_a_record_that_says_something_else() -> None:
    finding = only(planned_anew(with_record(healthy(), "b", scopes=ScopesRecord(idc="moved"))), "DF362")
    assert finding.why == "scopes.idc: moved → cluster-2"


def test_records_of_nobody() -> None:
    orphan = only(with_another(record(7, "retired", f"dfmc:guide:{UID}")), "DF362")
    assert (orphan.cluster, orphan.level) == ("", "error")
    foreign = only(with_another(record(8, "theirs", "by hand")), "DF362")
    assert (foreign.level, foreign.place) == ("warning", "record theirs (id 8)")


def test_two_defaults_and_a_lost_first_record() -> None:
    facts = with_record(healthy(), "b", is_default=True)
    assert only(facts, "DF362").what == "2 records are marked as the default"
    assert facts.observed.manager is not None
    lost = with_manager(facts, records=facts.observed.manager.records[1:])
    assert "record 1, the central cluster's, is gone" in [finding.what for finding in found(lost)["DF362"]]


def row(
    number: int, name: str, cluster: int, *, state: Any = "inactive", spoke: float | None = None
) -> SchedulerRecord:
    return SchedulerRecord(number, name, f"10.9.9.{number}", 8002, state, cluster, last_keep_alive=spoke)


def with_rows(*rows: SchedulerRecord) -> Facts:
    facts = healthy()
    assert facts.observed.manager is not None
    return with_manager(facts, schedulers=(*facts.observed.manager.schedulers, *rows))


@pytest.mark.parametrize("spoke", [None, NOW - 7200])
def test_a_row_that_nobody_will_clean_up(spoke: float | None) -> None:
    finding = only(with_rows(row(9, "gone-0", 2, spoke=spoke)), "DF363")
    assert (finding.cluster, finding.level) == ("b", "warning")
    assert "gone-0 (10.9.9.9:8002)" in finding.what


def test_rows_of_clusters_that_are_not_looked_at_are_not_judged() -> None:
    assert found(replace(with_rows(row(9, "dragonfly-scheduler-0", 2)), selected=("a",))) == {}


def test_a_row_that_the_manager_cleans_up_itself_is_left_to_it() -> None:
    assert found(with_rows(row(9, "dragonfly-scheduler-0", 2, spoke=NOW - 600))) == {}


def test_a_scheduler_under_an_id_that_nobody_has() -> None:
    finding = only(with_rows(row(9, "dragonfly-scheduler-0", 77, state="active", spoke=NOW)), "DF363")
    assert "active under id 77" in finding.what


# --- membership ------------------------------------------------------------------------------------------------


def with_config(cluster: str, component: str, old: str, new: str) -> Facts:
    facts = healthy()
    maps = []
    for one in facts.observed.clusters[cluster].config_maps:
        data = dict(one["data"])
        if one["metadata"]["labels"]["component"] == component:
            data = {file: text.replace(old, new) for file, text in data.items()}
            assert data != one["data"]
        maps.append({**one, "data": data})
    return with_seen(facts, cluster, config_maps=tuple(maps))


@pytest.mark.parametrize("component", ["client", "seed-client", "scheduler"])
def test_a_component_with_another_clusters_id_joins_that_one(component: str) -> None:
    finding = only(with_config("b", component, "schedulerClusterID: 2", "schedulerClusterID: 1"), "DF371")
    assert finding.place == f"ConfigMap cluster-b/dragonfly-{component}"
    assert "whoever reads it joins a, and nothing looks unhealthy" in finding.why


def test_an_id_that_no_record_has() -> None:
    finding = only(with_config("b", "client", "schedulerClusterID: 2", "schedulerClusterID: 9"), "DF371")
    assert finding.why == "no record has that id"


def test_a_wrong_password_is_found_and_not_shown() -> None:
    findings = found(with_config("b", "scheduler", "canary-redis-1", "canary-other-2"))["DF371"]
    assert "password" in findings[0].what
    assert "canary" not in str(findings)


def test_a_scheduler_that_the_manager_does_not_know() -> None:
    facts = healthy()
    assert facts.observed.manager is not None
    gone = with_manager(facts, schedulers=facts.observed.manager.schedulers[:1])
    finding = only(gone, "DF372")
    assert "active under id 2 expected, no row of that host name and address seen" in finding.what


SCOPED = [entry("a"), entry("b", scopes={"idc": "cluster-2"}, membership="scopes")]


def test_peers_without_a_scheduler_of_their_own_go_elsewhere_silently() -> None:
    facts = healthy(topology(clusters=SCOPED))
    assert facts.observed.manager is not None
    gone = with_manager(facts, schedulers=facts.observed.manager.schedulers[:1])
    assert outcomes(gone)["DF372"].findings[0].why.endswith("; its peers go to a, silently")


def test_scopes_that_send_peers_elsewhere() -> None:
    facts = healthy(topology(clusters=SCOPED))
    assert found(facts) == {}
    stolen = planned_anew(with_record(facts, "a", scopes=ScopesRecord(idc="cluster-2", cidrs=("192.168.0.0/16",))))
    (finding,) = outcomes(stolen)["DF373"].findings
    assert finding.what == "2 of its peers join a: node b-1, seed peer dragonfly-seed-client-0"


def test_by_id_scopes_decide_nothing() -> None:
    stolen = with_record(healthy(), "a", scopes=ScopesRecord(cidrs=("10.0.0.0/8",)))
    assert "DF373" not in found(stolen)


def test_clients_that_their_own_schedulers_have_never_heard_of() -> None:
    lost = Counted(registered=0, received=9_000_000, clients=2, is_older=True)
    finding = only(with_cluster(healthy(), "b", counted=lost), "DF374")
    assert finding.what.startswith("its 2 clients have fetched 9000000 bytes")
    assert finding.why.endswith("a has registered 3")


@pytest.mark.parametrize(
    "harmless",
    [
        Counted(registered=0, received=0, clients=2, is_older=True),
        Counted(registered=0, received=9, clients=2, is_older=False),
        Counted(registered=1, received=9, clients=2, is_older=True),
    ],
)
def test_counters_that_prove_nothing(harmless: Counted) -> None:
    assert found(with_cluster(healthy(), "b", counted=harmless)) == {}


# --- credentials -----------------------------------------------------------------------------------------------


def test_public_credentials() -> None:
    assert only(replace(healthy(), takes_default_password=True), "DF381").place == "user root"
    assert "token forged with it" in only(replace(healthy(), takes_default_key=True), "DF382").why


def test_public_passwords_of_databases_are_found_and_not_shown() -> None:
    facts = healthy()
    stored = facts.observed.credentials
    assert stored is not None
    values = {**stored.values, "redis-password": "dragonfly", "jwt-key": "ZHJhZ29uZmx5Cg=="}
    kept = replace(facts, observed=replace(facts.observed, credentials=replace(stored, values=values)))
    (password,), (key,) = outcomes(kept)["DF381"].findings, outcomes(kept)["DF382"].findings
    assert (password.what, password.why) == ("Redis has a password that the chart publishes", "")
    assert "ZHJ" not in str(key)
    release = facts.observed.clusters["a"].release
    assert release is not None
    live = with_release(facts, "a", values={**release.values, "mysql": {"auth": {"password": "dragonfly"}}})
    assert outcomes(live)["DF381"].findings[0].place == "value mysql.auth.password"


def test_a_peer_on_its_way_out_is_not_asked_about() -> None:
    facts = healthy(topology(clusters=SCOPED))
    leaving = tuple(replace(pod(f"p-{n}", "client", f"172.16.0.{n}"), terminating=True) for n in range(3))
    stolen = with_seen(facts, "b", pods=(*facts.observed.clusters["b"].pods[:1], *leaving))
    assert outcomes(with_record(stolen, "a", scopes=ScopesRecord(cidrs=("172.16.0.0/12",))))["DF373"].findings == ()
