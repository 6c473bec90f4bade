"""Gathering: each fact once, all clusters at the same time, and what cannot be read is told and stops nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dfmc.clients.protocols import ChartArchive, JsonObject
from dfmc.engine.doctor import DoctorReport, doctor
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import AuthError, DfmcError, NotReadyError, PreflightError, UnreachableError, UsageError
from dfmc.planning.checks.facts import Need
from dfmc.planning.checks.model import Finding
from dfmc.redaction import Redactor
from dfmc.state import AccessNeed, KubernetesFacts, PodRun
from dfmc.topology.load import load_text
from dfmc.topology.model import ClusterSpec
from doctor_world import node, storage_class
from fakes import FakeKube

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: guide}
chart: {version: 1.7.4}
manager:
  cluster: a
  address: manager.example.com
  expose: {type: NodePort, restNodePort: 30950, grpcNodePort: 30951, redisNodePort: 30952}
clusters:
- {name: a, context: one, namespace: dragonfly}
- {name: b, context: two, namespace: dragonfly}
"""
MANIFEST = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: dragonfly-scheduler}
spec:
  template:
    spec:
      initContainers: [{name: wait-for-manager, image: mirror.example.com/busybox:1}]
      containers: [{name: scheduler, image: bitnami/redis}]
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: dragonfly}
"""
ALL_WELL = "dfmc-doctor: 0 ok no nc: refused\ndfmc-doctor: 1 ok no nc: refused\ndfmc-doctor: 2 ok no nc: refused\n"


class Kube(FakeKube):
    """An API server with a node and a class, on which nothing is installed."""

    def __init__(self, uid: str) -> None:
        super().__init__()
        self.uid = uid
        self.asked: list[AccessNeed] = []
        self.refused: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self.said = ALL_WELL
        self.pods_run: list[JsonObject] = []
        self.on_run = self._run
        for obj in (node(f"{uid}-node"), storage_class("standard", default=True)):
            kind = "Node" if "status" in obj else "StorageClass"
            self.objects[kind, None, obj["metadata"]["name"]] = {"kind": kind, **obj}

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        self._enter("get", "Namespace", "kube-system")
        return KubernetesFacts(self.uid, "1.34.4", frozenset({"containerd"}))

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        self.asked += verbs
        return [need for need in verbs if str(need) in self.refused]

    async def unserved(self, kinds: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        self.requests.append("get Kinds " + " ".join(kind for _, kind in kinds))
        return [(version, kind) for version, kind in kinds if kind in self.unknown]

    def _run(self, pod: JsonObject) -> PodRun:
        self.pods_run.append(pod)
        return PodRun(0, self.said, f"{self.uid}-node", "Completed")


class Helm:
    """Renders one manifest, or fails as told."""

    def __init__(self) -> None:
        self.error: PreflightError | None = None
        self.values: list[Mapping[str, Any]] = []

    async def version(self) -> str:
        if self.error:
            raise self.error
        return "4.1.0"

    async def template(self, *, release: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> str:
        self.values.append(values)
        return MANIFEST


class Charts:
    """A repository that has the chart, or fails as told."""

    def __init__(self) -> None:
        self.error: DfmcError | None = None

    async def fetch(self, **chart: Any) -> ChartArchive:
        if self.error:
            raise self.error
        return ChartArchive(Path("/chart.tgz"), "ab" * 32, "dragonfly", "1.7.4", "2.5.0")


class World:
    """Two Kubernetes clusters, helm and a chart, as a ClientFactory."""

    def __init__(self) -> None:
        self.kubes = {"one": Kube("first"), "two": Kube("second")}
        self.helms = Helm()
        self.charts = Charts()

    def kube(self, cluster: ClusterSpec) -> Kube:
        return self.kubes[cluster.context]

    def helm(self, cluster: ClusterSpec) -> Helm:
        return self.helms

    def manager(self, base_url: str) -> Any:
        raise AssertionError("there is no manager to be asked")

    def chart_source(self) -> Charts:
        return self.charts

    def look(self, *skip: str, only: tuple[str, ...] = (), pods: bool = True) -> DoctorReport:
        async def main() -> DoctorReport:
            options = RunOptions(only=only)
            async with Session(load_text(TEXT, "t.yaml"), self, Redactor(), options) as session:  # type: ignore[arg-type]
                return await doctor(session, skip=skip, pods=pods)

        return asyncio.run(main())


def found(report: DoctorReport) -> dict[tuple[str, str], Finding]:
    return {(one.check.id, finding.cluster): finding for one in report.outcomes for finding in one.findings}


def why_skipped(report: DoctorReport, check: str) -> set[str]:
    (outcome,) = (one for one in report.outcomes if one.check.id == check)
    return {skipped.why for skipped in outcome.skipped}


@pytest.fixture
def world() -> World:
    return World()


def test_it_works_before_an_installation_and_finds_what_the_chart_would_meet(world: World) -> None:
    world.kubes["two"].unknown = ("ServiceMonitor",)
    report = world.look()
    assert {place: finding.what for place, finding in found(report).items()} == {
        ("DF313", "b"): "the API server does not know ServiceMonitor (monitoring.coreos.com/v1)",
        ("DF331", "a"): "bitnami/redis does not exist any more",
        ("DF331", "b"): "bitnami/redis does not exist any more",
    }
    assert why_skipped(report, "DF362") == {"there is no manager yet"}
    assert why_skipped(report, "DF353") == {"not installed yet"}


def test_every_fact_is_asked_for_once(world: World) -> None:
    world.look()
    for name, kube in world.kubes.items():
        counts = Counter(line for line in kube.requests if not line.startswith("get Secret"))
        assert {line: count for line, count in counts.items() if count > 1} == {}, name


def test_nothing_is_written_but_the_probe(world: World) -> None:
    world.look()
    assert {line for kube in world.kubes.values() for line in kube.mutations} == {"run Pod dfmc-doctor"}
    world.kubes["one"].requests.clear()
    world.look(pods=False)
    assert world.kubes["one"].mutations == []


def test_a_cluster_that_does_not_answer_hides_nothing_of_the_other(world: World) -> None:
    world.kubes["two"].fail["get Namespace kube-system"] = UnreachableError("no answer", next_step="kubectl version")
    world.kubes["one"].refused = ("update secrets in namespace dragonfly",)
    report = world.look()
    findings = found(report)
    assert findings["DF311", "b"].next_step == "kubectl version"
    assert "update secrets in namespace dragonfly" in findings["DF312", "a"].why
    assert {("DF331", "a"), ("DF311", "b"), ("DF312", "a")} == set(findings)
    assert world.kubes["two"].requests == ["get Namespace kube-system"]


def test_what_may_not_be_listed_is_told_and_the_rest_is_looked_at(world: World) -> None:
    world.kubes["two"].fail["list Node "] = AuthError(
        "no right to list nodes", next_step="kubectl auth can-i list nodes"
    )
    report = world.look("DF331")
    finding = found(report)["DF300", "b"]
    assert (finding.place, finding.next_step) == ("nodes of b", "kubectl auth can-i list nodes")
    assert why_skipped(report, "DF321") == {"nodes could not be read"}
    assert report.facts.clusters["b"].storage_classes


def test_without_chart_or_helm_the_rest_is_looked_at(world: World) -> None:
    world.charts.error = UnreachableError("the repository does not answer")
    world.helms.error = PreflightError("helm is missing")
    report = world.look()
    assert {check for check, _ in found(report)} == {"DF301", "DF302"}
    assert why_skipped(report, "DF331") == {"without the chart and helm its objects are not known"}
    assert world.helms.values == []


def test_every_right_of_a_whole_run_is_asked_for(world: World) -> None:
    world.look()
    central = {str(need) for need in world.kubes["one"].asked}
    member = {str(need) for need in world.kubes["two"].asked}
    for words in ("create namespaces", "patch statefulsets.apps in namespace dragonfly", "list nodes"):
        assert words in central
        assert words in member
    for words in (
        "create leases.coordination.k8s.io in namespace dragonfly",
        "get pods/portforward in namespace dragonfly",
    ):
        assert words in central
        assert words not in member


def test_the_probe_is_the_charts_own_image_and_asks_for_what_the_file_says(world: World) -> None:
    report = world.look("DF331")
    (pod,) = world.kubes["two"].pods_run
    assert pod["metadata"]["namespace"] == "default"  # the member's own is not there yet
    (container,) = pod["spec"]["containers"]
    assert container["image"] == "mirror.example.com/busybox:1"
    assert container["command"][4:] == [f"manager.example.com:{port}" for port in (30951, 30950, 30952)]
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert world.kubes["one"].pods_run == []  # beside the manager there is nothing to reach before it is there
    assert found(report) == {}  # refused: nobody listens yet


def test_a_name_that_does_not_resolve_is_found_before_the_installation(world: World) -> None:
    world.kubes["two"].said = ALL_WELL.replace("0 ok no nc: refused", "0 no no NXDOMAIN")
    assert found(world.look("DF331"))["DF341", "b"].why == "NXDOMAIN"


def test_a_probe_that_cannot_run_is_a_finding_with_a_way_on(world: World) -> None:
    def cannot(pod: JsonObject) -> PodRun:
        raise NotReadyError("pod dfmc-doctor-1 cannot run", why="ErrImagePull")

    world.kubes["two"].on_run = cannot
    finding = found(world.look("DF331"))["DF341", "b"]
    assert (finding.what, finding.why) == ("pod dfmc-doctor-1 cannot run", "ErrImagePull")
    assert "--no-pods" in finding.next_step


def test_where_no_node_takes_pods_none_is_tried(world: World) -> None:
    nodes = world.kubes["two"].objects
    nodes["Node", None, "second-node"]["spec"]["unschedulable"] = True
    report = world.look("DF331")
    assert {check for check, _ in found(report)} == {"DF321"}
    assert "no node takes its pods" in why_skipped(report, "DF341")
    assert world.kubes["two"].pods_run == []


def test_what_only_skipped_checks_need_is_not_read(world: World) -> None:
    report = world.look("DF341", "DF325", "DF331", "DF313")
    assert world.kubes["two"].pods_run == []
    assert "list StorageClass " not in world.kubes["two"].requests
    assert Need.STORAGE_CLASSES not in {need for need, _ in (*report.facts.unread, *report.facts.absent)}


def test_only_the_selected_clusters_are_looked_at(world: World) -> None:
    report = world.look(only=("b",))
    assert report.facts.selected == ("b",)
    assert {cluster for _, cluster in found(report)} == {"b"}
    with pytest.raises(UsageError):
        world.look(only=("c",))


def test_no_placeholder_reaches_a_cluster_and_no_secret_helm(world: World) -> None:
    world.look()
    assert world.helms.values
    assert "Pending" not in repr(world.helms.values)
