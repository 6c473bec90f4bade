"""Facts, the release record, workloads and pods, from the objects an API server returns."""

import base64
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from clients.fake_api_server import FakeApi, Object, pod, release_payload, release_record, release_secret, workload
from dfmc.clients.kube.pods import pod_state
from dfmc.errors import AuthError, RecoveryError
from dfmc.state import ReleaseState
from scenarios import scenario

NAMESPACE = "/api/v1/namespaces/cluster-b"
APPS = "/apis/apps/v1/namespaces/cluster-b"
NEWEST = f"{NAMESPACE}/secrets/sh.helm.release.v1.dragonfly.v3"


@pytest.fixture
def api(httpserver: HTTPServer, tmp_path: Path) -> FakeApi:
    return FakeApi(httpserver, tmp_path)


def release_of(api: FakeApi, secret: Object) -> ReleaseState | None:
    api.lists(f"{NAMESPACE}/secrets", [release_record(2), release_record(3), release_record(1)])
    api.answers(NEWEST, secret)
    return api.ask(lambda kube: kube.release("dragonfly", "cluster-b"))


def node(name: str, *, labels: dict[str, str], runtime: str, ready: bool = True, **addresses: str) -> Object:
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "nodeInfo": {"containerRuntimeVersion": runtime},
            "addresses": [{"type": kind, "address": address} for kind, address in addresses.items()],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def test_facts_tell_identity_version_runtimes_and_addresses(api: FakeApi) -> None:
    api.answers("/version", {"gitVersion": "v1.34.4"})
    api.answers("/api/v1/namespaces/kube-system", {"metadata": {"uid": "uid-1"}})
    nodes = [
        node("n0", labels={}, runtime="docker://27.3.1", InternalIP="10.0.0.1"),
        node("n1", labels={"cluster": "b"}, runtime="containerd://2.1.0", ready=False, InternalIP="10.0.0.2"),
        node("n2", labels={"cluster": "b"}, runtime="cri-o://1.34.0", InternalIP="10.0.0.3"),
    ]
    api.lists("/api/v1/nodes", nodes)
    facts = api.ask(lambda kube: kube.facts(node_selector={"cluster": "b"}))
    assert (facts.uid, facts.version) == ("uid-1", "1.34.4")
    assert facts.runtimes == {"containerd", "cri-o"}
    assert facts.node_addresses == ("10.0.0.3", "10.0.0.1", "10.0.0.2")


def test_external_addresses_replace_internal_ones(api: FakeApi) -> None:
    api.answers("/version", {"gitVersion": "v1.34.4"})
    api.answers("/api/v1/namespaces/kube-system", {"metadata": {"uid": "uid-1"}})
    inside = node("n0", labels={}, runtime="", InternalIP="10.0.0.1")
    outside = node("n1", labels={}, runtime="", InternalIP="10.0.0.2", ExternalIP="203.0.113.7")
    api.lists("/api/v1/nodes", [inside, outside])
    assert api.ask(lambda kube: kube.facts(node_selector={})).node_addresses == ("203.0.113.7",)


def test_facts_do_without_nodes_and_kube_system(api: FakeApi) -> None:
    api.answers("/version", {"gitVersion": "v1.34.4"})
    api.refuses("/api/v1/namespaces/kube-system", 403, 'cannot get resource "namespaces"')
    api.refuses("/api/v1/nodes", 403, 'cannot list resource "nodes"')
    facts = api.ask(lambda kube: kube.facts(node_selector={}))
    assert facts.uid.startswith("server:")
    assert facts.uid == api.ask(lambda kube: kube.facts(node_selector={})).uid
    assert (facts.runtimes, facts.node_addresses) == (frozenset(), ())


def test_facts_do_not_do_without_credentials(api: FakeApi) -> None:
    api.answers("/version", {"gitVersion": "v1.34.4"})
    api.refuses("/api/v1/namespaces/kube-system", 401, "Unauthorized")
    api.refuses("/api/v1/nodes", 401, "Unauthorized")
    with pytest.raises(AuthError):
        api.ask(lambda kube: kube.facts(node_selector={}))


def test_the_newest_record_counts_and_only_that_is_read_in_full(api: FakeApi) -> None:
    own = {"dfmc.io/topology": "guide", "modifiedAt": "1732000000"}
    state = release_of(api, release_secret(release_payload(), labels=own))
    assert state == ReleaseState(
        name="dragonfly",
        namespace="cluster-b",
        revision=3,
        status="deployed",
        chart_name="dragonfly",
        chart_version="1.7.4",
        app_version="2.5.1",
        values={"redis": {"enable": False}, "manager": {"enable": False}},
        labels={"dfmc.io/topology": "guide"},
        description="Upgrade complete",
        manifest="---\nkind: ConfigMap\n",
        version="/77",
    )
    assert api.requests == [f"GET {NAMESPACE}/secrets", f"GET {NEWEST}"]
    listing = api.server.log[0][0]
    assert listing.headers["Accept"].endswith("as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
    assert listing.args["labelSelector"] == "name=dragonfly,owner=helm"


def test_revisions_are_compared_as_numbers(api: FakeApi) -> None:
    api.lists(f"{NAMESPACE}/secrets", [release_record(9), release_record(10)])
    tenth = release_secret(release_payload(version=10), revision=10)
    api.answers(f"{NAMESPACE}/secrets/sh.helm.release.v1.dragonfly.v10", tenth)
    state = api.ask(lambda kube: kube.release("dragonfly", "cluster-b"))
    assert state is not None
    assert state.revision == 10


def test_without_records_there_is_no_release(api: FakeApi) -> None:
    api.lists(f"{NAMESPACE}/secrets", [])
    assert api.ask(lambda kube: kube.release("dragonfly", "cluster-b")) is None


def test_places_of_releases_are_listed_once_and_without_their_contents(api: FakeApi) -> None:
    places = [("cluster-c", "dragonfly"), ("cluster-b", "dragonfly"), ("cluster-b", "dragonfly")]
    records: list[Object] = [
        {"metadata": {"name": f"s{number}", "namespace": place[0], "labels": {"owner": "helm", "name": place[1]}}}
        for number, place in enumerate(places)
    ]
    records.append({"metadata": {"name": "odd", "namespace": "x", "labels": {"owner": "helm"}}})
    api.lists("/api/v1/secrets", records)
    found = api.ask(lambda kube: kube.release_places({"dfmc.io/uid": "u"}))
    assert found == [("cluster-b", "dragonfly"), ("cluster-c", "dragonfly")]
    listing = api.server.log[0][0]
    assert "PartialObjectMetadataList" in listing.headers["Accept"]
    assert listing.args["labelSelector"] == "dfmc.io/uid=u,owner=helm"
    api.lists(f"{NAMESPACE}/secrets", records[1:2])
    assert api.ask(lambda kube: kube.release_places({}, "cluster-b")) == [("cluster-b", "dragonfly")]


def test_no_values_are_no_values(api: FakeApi) -> None:
    state = release_of(api, release_secret(release_payload(config=None)))
    assert state is not None
    assert state.values == {}


def test_a_record_that_is_pruned_while_reading_is_looked_up_again(api: FakeApi) -> None:
    api.answers_once(f"{NAMESPACE}/secrets", {"items": [release_record(2)]})
    api.answers_once(f"{NAMESPACE}/secrets/sh.helm.release.v1.dragonfly.v2", {"kind": "Status"}, status=404)
    api.answers_once(f"{NAMESPACE}/secrets", {"items": [release_record(3)]})
    api.answers_once(NEWEST, release_secret(release_payload()))
    state = api.ask(lambda kube: kube.release("dragonfly", "cluster-b"))
    assert state is not None
    assert state.revision == 3


WHOLE = json.dumps(release_payload()).encode()


def packed(content: bytes) -> str:
    return base64.b64encode(base64.b64encode(gzip.compress(content))).decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"release": "not base64 password=hunter2"},
        {"release": packed(b"password=hunter2")},
        {"release": packed(b'["password=hunter2"]')},
        {"release": packed(json.dumps(release_payload(chart=None)).encode())},
        {"release": packed(b"0" * (65 << 20))},
        {"release": base64.b64encode(base64.b64encode(gzip.compress(WHOLE)[:-6])).decode()},
    ],
    ids=["absent", "no base64", "no JSON", "no object", "no chart", "too much", "cut off"],
)
@scenario("V5", real="canned answers of an API server")
def test_a_record_that_cannot_be_read_is_never_guessed_at(api: FakeApi, data: dict[str, str]) -> None:
    with pytest.raises(RecoveryError) as caught:
        release_of(api, release_record(3) | {"data": data})
    assert caught.value.exit_code == 12
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_unlocking_rewrites_label_and_payload_and_keeps_the_rest(api: FakeApi) -> None:
    pending = release_payload(info={"status": "pending-upgrade", "description": "Preparing upgrade", "notes": "n"})
    api.answers(NEWEST, release_secret(pending, labels={"status": "pending-upgrade", "uid": "u1"}))
    api.answers(NEWEST, {"kind": "Secret"}, method="PUT")
    assert api.ask(lambda kube: kube.unlock_release("dragonfly", "cluster-b", 3)) is True
    sent = json.loads(api.server.log[-1][0].get_data())
    assert sent["metadata"]["resourceVersion"] == "77"
    assert sent["metadata"]["labels"]["status"] == "failed"
    assert sent["metadata"]["labels"]["uid"] == "u1"
    payload = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(sent["data"]["release"]))))
    info = {"status": "failed", "description": "dfmc: unlocked from stale 'pending-upgrade'", "notes": "n"}
    assert payload == {**pending, "info": info}


def test_what_is_not_pending_is_not_unlocked(api: FakeApi) -> None:
    api.answers(NEWEST, release_secret(release_payload()))
    assert api.ask(lambda kube: kube.unlock_release("dragonfly", "cluster-b", 3)) is False
    assert api.requests == [f"GET {NEWEST}"]


def test_unlocking_gives_way_to_whoever_wrote_meanwhile(api: FakeApi) -> None:
    api.answers(NEWEST, release_secret(release_payload(info={"status": "pending-install"})))
    api.refuses(NEWEST, 409, "the object has been modified", method="PUT", reason="Conflict")
    assert api.ask(lambda kube: kube.unlock_release("dragonfly", "cluster-b", 3)) is False


def serve_workloads(api: FakeApi, *objects: Object) -> None:
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        api.lists(f"{APPS}/{kind.lower()}s", [one for one in objects if one["kind"] == kind])


def deployment(status: Object) -> Object:
    return workload(
        "Deployment", "dragonfly-manager", labels={"component": "manager"}, spec={"replicas": 1}, status=status
    )


FINISHED = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}


def test_workloads_are_those_of_the_release_with_their_components(api: FakeApi) -> None:
    redis = {"app.kubernetes.io/name": "redis", "app.kubernetes.io/component": "replica"}
    mysql = {"app.kubernetes.io/name": "mysql", "app.kubernetes.io/component": "primary"}
    daemon = {"observedGeneration": 2, "desiredNumberScheduled": 0}
    serve_workloads(
        api,
        deployment(FINISHED),
        workload("StatefulSet", "dragonfly-redis-replicas", labels=redis, status=FINISHED),
        workload("StatefulSet", "dragonfly-mysql", labels=mysql, status=FINISHED),
        workload("DaemonSet", "dragonfly-client", labels={"component": "client"}, status=daemon),
        workload("Deployment", "podinfo", release="podinfo", status=FINISHED),
    )
    found = api.ask(lambda kube: kube.workloads("dragonfly", "cluster-b"))
    assert [(one.component, one.desired, one.is_ready) for one in found] == [
        ("client", 0, True),
        ("manager", 1, True),
        ("mysql", 1, True),
        ("redis-replicas", 1, True),
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, "its controller has not seen it"),
        ({**FINISHED, "observedGeneration": 1}, "its controller has seen an older spec"),
        ({**FINISHED, "updatedReplicas": 0}, "only an old pod is there"),
        ({**FINISHED, "replicas": 2}, "the ready pod may be the old one"),
        ({**FINISHED, "readyReplicas": 0}, "its pod is not ready"),
    ],
)
def test_a_rollout_is_not_ready_too_early(api: FakeApi, status: dict[str, int], why: str) -> None:
    serve_workloads(api, deployment(status))
    (state,) = api.ask(lambda kube: kube.workloads("dragonfly", "cluster-b"))
    assert not state.is_ready, why


@pytest.mark.parametrize(
    ("spec", "revision"),
    [
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}, "r2"),
        ({"podManagementPolicy": "Parallel"}, ""),
        ({"updateStrategy": {"type": "OnDelete"}}, ""),
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}, ""),
    ],
)
def test_the_newest_revision_is_known_where_pods_are_replaced_in_order(
    api: FakeApi, spec: Object, revision: str
) -> None:
    status = {**FINISHED, "updateRevision": "r2"}
    serve_workloads(api, workload("StatefulSet", "dragonfly-scheduler", spec=spec, status=status))
    (state,) = api.ask(lambda kube: kube.workloads("dragonfly", "cluster-b"))
    assert state.revision == revision


def test_pods_a_strategy_leaves_old_count_as_they_are(api: FakeApi) -> None:
    status = {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": 2}
    spec = {"updateStrategy": {"type": "OnDelete"}}
    serve_workloads(api, workload("DaemonSet", "dragonfly-client", spec=spec, status=status))
    (state,) = api.ask(lambda kube: kube.workloads("dragonfly", "cluster-b"))
    assert state.is_ready


def test_a_controller_that_may_make_no_pods_says_so(api: FakeApi) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    serve_workloads(
        api,
        deployment({"observedGeneration": 2, "conditions": [failure]}),
        workload("StatefulSet", "dragonfly-scheduler", spec={"replicas": 1}, status={"observedGeneration": 2}),
    )
    about = {"kind": "StatefulSet", "name": "dragonfly-scheduler"}
    older = {"involvedObject": about, "message": "older", "lastTimestamp": "2026-11-24T10:00:00Z"}
    newer = {"involvedObject": about, "message": "violates PodSecurity", "lastTimestamp": "2026-11-24T11:00:00Z"}
    api.lists(f"{NAMESPACE}/events", [newer, older])
    found = api.ask(lambda kube: kube.workloads("dragonfly", "cluster-b"))
    assert [one.message for one in found] == ["exceeded quota: q", "violates PodSecurity"]


def test_pods_are_those_the_workloads_own(api: FakeApi) -> None:
    manager, scheduler = deployment(FINISHED), workload("StatefulSet", "dragonfly-scheduler", status=FINISHED)
    ready = {"phase": "Running", "podIP": "10.1.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    serve_workloads(api, manager, scheduler)
    stranger = workload("StatefulSet", "other", release="other")
    leaving = {"deletionTimestamp": "2026-11-24T10:00:00Z"}
    pods = [
        pod("dragonfly-scheduler-0", scheduler, status=ready),
        pod("dragonfly-manager-abc12-x1", manager, status=ready),
        pod("dragonfly-manager-abc12-x2", manager, status=ready, metadata=leaving),
        pod("dragonfly-manager-of-somebody-else", workload("Deployment", "dragonfly"), status=ready),
        pod("other-0", stranger, status=ready),
        pod("by-hand", None, status=ready),
    ]
    api.lists(f"{NAMESPACE}/pods", pods)
    found = api.ask(lambda kube: kube.pods("dragonfly", "cluster-b"))
    assert [(one.name, one.component, one.ready, one.terminating) for one in found] == [
        ("dragonfly-manager-abc12-x1", "manager", True, False),
        ("dragonfly-manager-abc12-x2", "manager", False, True),
        ("dragonfly-scheduler-0", "scheduler", True, False),
    ]
    assert (found[0].ip, found[0].node) == ("10.1.0.1", "node-1")
    assert len(api.requests) == 4


def one_pod(api: FakeApi, status: Object) -> Any:
    owner = workload("StatefulSet", "dragonfly-scheduler", labels={"component": "scheduler"})
    serve_workloads(api, owner)
    api.lists(f"{NAMESPACE}/pods", [pod("dragonfly-scheduler-0", owner, status=status)])
    (found,) = api.ask(lambda kube: kube.pods("dragonfly", "cluster-b"))
    return found


@scenario("V1", "P13", real="canned answers of an API server")
def test_an_unschedulable_pod_gives_the_schedulers_words(api: FakeApi) -> None:
    message = "0/4 nodes are available: 4 node(s) didn't match Pod's node affinity/selector."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    found = one_pod(api, {"phase": "Pending", "conditions": [condition]})
    assert (found.phase, found.reason, found.message) == ("Pending", "Unschedulable", message)


def test_a_crash_loop_gives_the_last_words_of_the_container(api: FakeApi) -> None:
    container = {
        "name": "scheduler",
        "ready": False,
        "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "dial tcp: no such host\n"}},
    }
    done = {"name": "wait", "ready": True, "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}
    status = {"phase": "Running", "initContainerStatuses": [done], "containerStatuses": [container]}
    init, main = one_pod(api, status).containers
    assert (init.name, init.init, init.ready, init.reason) == ("wait", True, True, "")
    assert (main.reason, main.restarts) == ("CrashLoopBackOff", 4)
    assert main.message == "back-off 40s; last time: exit code 1: dial tcp: no such host"


def test_a_pod_without_reasons_gets_its_latest_warning(api: FakeApi) -> None:
    waiting = {"name": "scheduler", "ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}
    about = {"kind": "Pod", "name": "dragonfly-scheduler-0"}
    events = [
        {"involvedObject": {**about, "uid": uid}, "reason": "FailedMount", "message": text, "lastTimestamp": time}
        for uid, text, time in [
            ("uid-dragonfly-scheduler-0", 'secret "x" not found', "2026-11-24T10:00:09Z"),
            ("uid-dragonfly-scheduler-0", "earlier", "2026-11-24T10:00:05Z"),
            ("uid-of-a-pod-of-that-name-before", "of another life", "2026-11-24T11:00:00Z"),
        ]
    ]
    api.lists(f"{NAMESPACE}/events", events)
    found = one_pod(api, {"phase": "Pending", "containerStatuses": [waiting]})
    assert (found.reason, found.message) == ("FailedMount", 'secret "x" not found')


def test_events_that_may_not_be_read_are_done_without(api: FakeApi) -> None:
    api.refuses(f"{NAMESPACE}/events", 403, 'cannot list resource "events"')
    assert one_pod(api, {"phase": "Pending"}).reason == ""


def test_a_pod_at_work_on_its_init_containers_needs_no_events(api: FakeApi) -> None:
    working = {"name": "wait-for-manager", "ready": False, "state": {"running": {}}}
    waiting = {"name": "scheduler", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
    one_pod(api, {"phase": "Pending", "initContainerStatuses": [working], "containerStatuses": [waiting]})
    assert f"GET {NAMESPACE}/events" not in api.requests


def test_an_init_container_at_work_says_which_port_it_waits_for() -> None:
    """In the form in which the chart writes its waits; what has ended waits for nothing."""

    def wait(name: str, host: str, port: int) -> Object:
        loop = f"until nslookup {host} && nc -vz {host} {port}; do echo waiting; sleep 2; done;"
        return {"name": name, "command": ["sh", "-c", loop]}

    own = {"name": "own", "command": ["sleep", "9"]}
    spec = {"initContainers": [wait("done", "a.example", 1), wait("waits", "b.example", 30951), own]}
    done = {"name": "done", "ready": True, "state": {"terminated": {"exitCode": 0}}}
    working: list[Object] = [{"name": name, "ready": False, "state": {"running": {}}} for name in ("waits", "own")]
    status = {"phase": "Pending", "initContainerStatuses": [done, *working]}
    found = pod_state({"metadata": {"name": "p"}, "spec": spec, "status": status}, "scheduler")
    assert [container.message for container in found.containers] == ["", "waits for b.example:30951", ""]


MANIFEST = """---
# Source: dragonfly/templates/service.yaml
apiVersion: v1
kind: Service
metadata:
  name: dragonfly-scheduler
  namespace: cluster-b
---
apiVersion: v1
kind: ConfigMap
metadata: {name: dragonfly-client}
data:
  text: |
    ---
    kind: Service
    metadata: {name: only-text}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: dragonfly}
---
# Source: dragonfly/templates/empty.yaml
"""


@scenario("V4", real="canned answers of an API server")
def test_objects_of_a_release_that_are_gone_are_named(api: FakeApi) -> None:
    api.lists(f"{NAMESPACE}/services", [{"metadata": {"name": "another"}}])
    api.lists(f"{NAMESPACE}/configmaps", [{"metadata": {"name": "dragonfly-client"}}])
    api.lists("/apis/rbac.authorization.k8s.io/v1/clusterroles", [])
    found = release_of(api, release_secret(release_payload(manifest=MANIFEST)))
    assert found is not None
    assert api.ask(lambda kube: kube.missing(found)) == ["Service dragonfly-scheduler", "ClusterRole dragonfly"]


def test_a_kind_that_may_not_be_listed_is_not_missed(api: FakeApi) -> None:
    api.refuses(f"{NAMESPACE}/services", 403, 'cannot list resource "services"')
    api.lists(f"{NAMESPACE}/configmaps", [])
    api.refuses("/apis/rbac.authorization.k8s.io/v1/clusterroles", 403, 'cannot list resource "clusterroles"')
    found = release_of(api, release_secret(release_payload(manifest=MANIFEST)))
    assert found is not None
    assert api.ask(lambda kube: kube.missing(found)) == ["ConfigMap dragonfly-client"]


def test_a_manifest_that_is_no_yaml_is_named_without_being_shown(api: FakeApi) -> None:
    found = release_of(api, release_secret(release_payload(manifest="a: [canary-7")))
    assert found is not None
    with pytest.raises(RecoveryError, match="not YAML") as caught:
        api.ask(lambda kube: kube.missing(found))
    assert "canary" not in str(caught.value)


def test_config_maps_that_somebody_has_edited_are_named_with_key_and_time(api: FakeApi) -> None:
    manifest = """\
kind: ConfigMap
apiVersion: v1
metadata: {name: same}
data: {text: as it was, day: 2026-01-01, nothing: }
---
kind: ConfigMap
apiVersion: v1
metadata: {name: other}
data: {scheduler.yaml: "id: 2", gone: x}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: deleted}
"""
    fields = [
        {"manager": "helm", "time": "2026-01-03T00:00:00Z"},
        {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z"},
    ]
    live: list[Object] = [
        {"metadata": {"name": "same"}, "data": {"text": "as it was", "day": "2026-01-01"}},
        {"metadata": {"name": "other", "managedFields": fields}, "data": {"scheduler.yaml": "id: 3", "more": "y"}},
        {"metadata": {"name": "not the release's"}, "data": {"a": "b"}},
    ]
    api.lists(f"{NAMESPACE}/configmaps", live)
    found = release_of(api, release_secret(release_payload(manifest=manifest)))
    assert found is not None
    (edit,) = api.ask(lambda kube: kube.edited(found))
    assert (str(edit), edit.keys) == ("ConfigMap other", ("scheduler.yaml", "gone", "more"))
    assert edit.since == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
