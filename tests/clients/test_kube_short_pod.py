"""A short-lived pod leaves its output and nothing else, and a pod answers through the API server's proxy."""

import asyncio
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clients.fake_api_server import FakeApi, Object, refusal
from dfmc.clients.kube import DynamicKube, pod_proxy
from dfmc.clients.kube.short_pod import LABELS, Ending, Obstacle, prepared, progress_of
from dfmc.errors import AuthError, DfmcError, NotReadyError, UnreachableError
from dfmc.state import PodRun

PODS = "/api/v1/namespaces/cluster-b/pods"
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "reach", "namespace": "cluster-b", "labels": {"dfmc.io/topology": "guide"}},
    "spec": {"containers": [{"name": "probe", "image": "busybox", "command": ["true"]}]},
}
NOW = "2026-03-01T12:00:00Z"
DONE = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}
RUNNING = {"phase": "Running", "containerStatuses": [{"state": {"running": {"startedAt": NOW}}}]}


def waits(reason: str, message: str = "") -> Object:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"state": state}]}


class PodServer:
    """Pods as an API server keeps them; each read of a pod shows the next of ``statuses``, the last for ever."""

    def __init__(self, server: HTTPServer, *statuses: Object) -> None:
        self.pods: dict[str, Object] = {}
        self.statuses = list(statuses)
        self.deleted: list[tuple[str, str]] = []
        self.created: list[Object] = []
        self.loses_answers = False
        self.refuses_deletion = False
        self.log = "hello\n"
        self.was_looked_at = threading.Event()
        server.expect_request(PODS, method="POST").respond_with_handler(self._create)
        server.expect_request(PODS, method="GET").respond_with_handler(self._list)
        server.expect_request(re.compile(f"^{PODS}/[^/]+$"), method="GET").respond_with_handler(self._get)
        server.expect_request(re.compile(f"^{PODS}/[^/]+$"), method="DELETE").respond_with_handler(self._delete)
        server.expect_request(re.compile(f"^{PODS}/[^/]+/log$")).respond_with_handler(self._log)

    def add(self, name: str, created: str, labels: Any = LABELS) -> None:
        metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": created, "labels": dict(labels)}
        self.pods[name] = {"metadata": metadata, "spec": {}, "status": {}}

    def _create(self, request: Request) -> Response:
        pod = request.get_json()
        self.created.append(pod)
        self.add(pod["metadata"]["name"], NOW, pod["metadata"]["labels"])
        if self.loses_answers:
            return Response(json.dumps(refusal(504, "request timed out")), 504)
        return Response(json.dumps(self.pods[pod["metadata"]["name"]]), 201)

    def _list(self, request: Request) -> Response:
        wanted = dict(pair.split("=") for pair in request.args["labelSelector"].split(","))
        items = [pod for pod in self.pods.values() if wanted.items() <= pod["metadata"]["labels"].items()]
        return Response(json.dumps({"metadata": {}, "items": items}))

    def _get(self, request: Request) -> Response:
        self.was_looked_at.set()
        name = request.path.rpartition("/")[2]
        if name not in self.pods:
            return Response(json.dumps(refusal(404, "not found")), 404)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return Response(json.dumps({**self.pods[name], "spec": {"nodeName": "kind-worker"}, "status": status}))

    def _delete(self, request: Request) -> Response:
        if self.refuses_deletion:
            return Response(json.dumps(refusal(403, "no")), 403)
        name = request.path.rpartition("/")[2]
        uid = ((request.get_json(silent=True) or {}).get("preconditions") or {}).get("uid", "")
        if name not in self.pods:
            return Response(json.dumps(refusal(404, "not found")), 404)
        del self.pods[name]
        self.deleted.append((name, uid))
        return Response("{}")

    def _log(self, request: Request) -> Response:
        return Response(self.log, content_type="text/plain")


@pytest.fixture
def api(httpserver: HTTPServer, tmp_path: Path) -> FakeApi:
    return FakeApi(httpserver, tmp_path)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfmc.clients.kube.short_pod._PAUSES", (0.01,))
    monkeypatch.setattr("dfmc.clients.kube.short_pod._LONGEST_PAUSE", 0.01)
    monkeypatch.setattr("dfmc.clients.kube.transport._FIRST_PAUSE", 0.01)


def run(api: FakeApi, timeout: float = 60) -> PodRun:
    return api.ask(lambda kube: kube.run_pod(POD, timeout=timeout))


def test_the_output_comes_back_and_the_pod_is_gone(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, {"phase": "Pending"}, waits("ContainerCreating"), RUNNING, DONE)
    assert run(api) == PodRun(0, "hello\n", "kind-worker", "Completed")
    name = server.created[0]["metadata"]["name"]
    assert server.pods == {}
    assert server.deleted == [(name, f"uid-{name}")]


def test_the_pod_is_marked_named_and_ends_by_itself() -> None:
    made, other = prepared(POD, 20.5), prepared(POD, 20.5)
    assert re.fullmatch(r"reach-[0-9a-f]{8}", made["metadata"]["name"])
    assert made["metadata"]["name"] != other["metadata"]["name"]
    assert made["metadata"]["labels"] == {"dfmc.io/topology": "guide", **LABELS}
    assert made["spec"]["restartPolicy"] == "Never"
    assert made["spec"]["activeDeadlineSeconds"] == 51
    assert POD["metadata"]["name"] == "reach"


def test_a_command_that_fails_is_a_result(api: FakeApi, httpserver: HTTPServer) -> None:
    ended = {"terminated": {"exitCode": 3, "reason": "Error"}}
    server = PodServer(httpserver, {"phase": "Failed", "containerStatuses": [{"state": ended}]})
    assert run(api).exit_code == 3
    assert server.pods == {}


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (waits("ImagePullBackOff", "back-off pulling image busybox"), "ImagePullBackOff: back-off pulling"),
        (waits("CreateContainerConfigError", "secret x not found"), "secret x not found"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "Evicted: low on disk"),
        ({"phase": "Failed", "reason": "NodeAffinity"}, "NodeAffinity"),
    ],
)
def test_what_is_hopeless_ends_at_once_with_the_pods_own_reason(
    api: FakeApi, httpserver: HTTPServer, status: Object, words: str
) -> None:
    server = PodServer(httpserver, {"phase": "Pending"}, status)
    with pytest.raises(NotReadyError, match=words):
        run(api, timeout=600)
    assert server.pods == {}


def test_a_pod_that_fits_nowhere_gets_a_moment(
    api: FakeApi, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "0/3 nodes are available"
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    nowhere = {"phase": "Pending", "conditions": [condition]}
    PodServer(httpserver, nowhere, DONE)
    assert run(api).exit_code == 0
    monkeypatch.setattr("dfmc.clients.kube.short_pod._UNSCHEDULABLE_SECONDS", 0.0)
    httpserver.clear()
    server = PodServer(httpserver, nowhere)
    with pytest.raises(NotReadyError, match=f"Unschedulable: {message}"):
        run(api, timeout=600)
    assert server.pods == {}


def test_a_first_failed_image_pull_is_waited_out(api: FakeApi, httpserver: HTTPServer) -> None:
    PodServer(httpserver, waits("ErrImagePull", "timeout"), RUNNING, DONE)
    assert run(api).exit_code == 0


def test_a_pod_that_does_not_end_in_time_is_deleted(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, RUNNING)
    with pytest.raises(NotReadyError, match="does not end"):
        run(api, timeout=0.3)
    assert server.pods == {}


def test_a_pod_whose_creation_nobody_answered_is_deleted(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, DONE)
    server.loses_answers = True
    with pytest.raises(UnreachableError):
        run(api)
    assert server.pods == {}
    assert len(server.deleted) == 1


def test_a_refused_creation_asks_for_nothing_more(api: FakeApi) -> None:
    api.refuses(PODS, 403, 'violates PodSecurity "baseline:latest": host namespaces', method="POST")
    with pytest.raises(AuthError, match="PodSecurity"):
        run(api)
    assert api.requests == [f"POST {PODS}"]


def test_an_interrupted_run_deletes_its_pod(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, RUNNING)

    async def interrupted(kube: DynamicKube) -> None:
        task = asyncio.ensure_future(kube.run_pod(POD, timeout=60))
        assert await asyncio.to_thread(server.was_looked_at.wait, 60)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        api.ask(interrupted)
    assert server.pods == {}


def test_a_run_interrupted_while_its_pod_is_created_deletes_it(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, RUNNING)

    async def interrupted(kube: DynamicKube) -> None:
        task = asyncio.ensure_future(kube.run_pod(POD, timeout=60))
        await asyncio.sleep(0)  # the call is under way in its thread, and cannot be called back
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        api.ask(interrupted)
    assert len(server.created) == 1
    assert server.pods == {}


def test_a_pod_that_cannot_be_deleted_is_told_beside_the_first_failure(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, waits("ImagePullBackOff"))
    server.refuses_deletion = True
    with pytest.raises(NotReadyError, match="ImagePullBackOff") as caught:
        run(api)
    assert re.match(r"pod reach-\w+ in namespace cluster-b", caught.value.left)


def test_leftovers_of_killed_runs_are_swept_and_nothing_else(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, DONE)
    server.add("old", "2026-03-01T10:59:00Z")
    server.add("of-a-run-at-work", "2026-03-01T11:01:00Z")
    server.add("somebody-elses", "2026-03-01T01:00:00Z", {"app.kubernetes.io/managed-by": "dfmc"})
    run(api)
    assert set(server.pods) == {"of-a-run-at-work", "somebody-elses"}


def test_somebody_elses_deletion_is_said(api: FakeApi, httpserver: HTTPServer) -> None:
    server = PodServer(httpserver, RUNNING)

    async def deleted(kube: DynamicKube) -> PodRun:
        task = asyncio.ensure_future(kube.run_pod(POD, timeout=60))
        assert await asyncio.to_thread(server.was_looked_at.wait, 60)
        server.pods.clear()
        return await task

    with pytest.raises(NotReadyError, match="deleted by somebody else"):
        api.ask(deleted)


def test_a_pod_at_work_has_no_obstacle() -> None:
    assert progress_of({"status": RUNNING}) is None
    assert progress_of({"status": {}}) == Obstacle("waiting")
    assert progress_of({"status": DONE}) == Ending(0, "Completed")


METRICS = f"{PODS}/dragonfly-client-x:4002/proxy/metrics"


def get(api: FakeApi, path: str = "metrics") -> str:
    return api.ask(lambda kube: kube.pod_get("cluster-b", "dragonfly-client-x", 4002, path))


def test_a_pods_page_comes_as_text(api: FakeApi) -> None:
    api.server.expect_request(METRICS, query_string="a=b").respond_with_data("up 1\n\xfc", content_type="text/plain")
    assert get(api, "/metrics?a=b") == "up 1\nü"


def test_a_pod_that_does_not_answer_is_named(api: FakeApi) -> None:
    api.refuses(METRICS, 503, "error trying to reach service: dial tcp 10.1.2.3:4002: connect: connection refused")
    with pytest.raises(UnreachableError, match=r"pod dragonfly-client-x does not answer at port 4002: .*refused"):
        get(api)


def test_a_pods_own_refusal_is_not_the_api_servers(api: FakeApi) -> None:
    api.server.expect_request(METRICS).respond_with_data("<html>not here</html>", status=404)
    with pytest.raises(DfmcError, match=r"pod dragonfly-client-x at port 4002 answers HTTP 404 to GET /metrics$"):
        get(api)


def test_a_missing_permission_is_pods_proxy(api: FakeApi) -> None:
    message = 'pods "dragonfly-client-x:4002" is forbidden: User "u" cannot get resource "pods/proxy" in API group ""'
    api.refuses(METRICS, 403, message)
    with pytest.raises(AuthError) as caught:
        get(api)
    assert "auth can-i get pods --subresource proxy -n cluster-b" in caught.value.next_step


def test_a_page_without_end_is_cut_off(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_proxy, "ANSWER_LIMIT", 1 << 20)
    api.server.expect_request(METRICS).respond_with_data(b"x" * (2 << 20))
    with pytest.raises(UnreachableError, match="larger than 1 MiB"):
        get(api)
