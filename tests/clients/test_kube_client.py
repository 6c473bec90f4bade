"""Objects in, objects out, and what each refusal of the API server becomes."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import dfmc
from clients.fake_api_server import FakeApi, refusal, write_kubeconfig
from dfmc.clients.protocols import KubeClient
from dfmc.errors import AuthError, ConflictError, DfmcError, NotReadyError, PreflightError, UnreachableError
from dfmc.state import AccessNeed
from scenarios import scenario

SECRETS = "/api/v1/namespaces/cluster-a/secrets"
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "cluster-a"}}


@pytest.fixture
def api(httpserver: HTTPServer, tmp_path: Path) -> FakeApi:
    return FakeApi(httpserver, tmp_path)


def body_of(api: FakeApi, number: int = -1) -> Any:
    return json.loads(api.server.log[number][0].get_data())


def test_a_read_carries_credentials_and_dfmcs_name(api: FakeApi) -> None:
    api.answers(f"{SECRETS}/s", SECRET)
    assert api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a")) == SECRET
    headers = api.server.log[0][0].headers
    assert headers["Authorization"] == "Bearer made-up-token"
    assert headers["User-Agent"] == f"dfmc/{dfmc.__version__}"


def test_the_class_is_a_kube_client() -> None:
    from dfmc.clients.kube import DynamicKube

    client: KubeClient = DynamicKube("nowhere")
    missing = [name for name in vars(KubeClient) if not name.startswith("_") and not hasattr(client, name)]
    assert not missing


def test_the_library_loads_with_the_first_call_only() -> None:
    program = "import dfmc.clients.kube, sys; sys.exit(any(name in sys.modules for name in ('kubernetes', 'urllib3')))"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_what_is_not_there_is_none_or_false(api: FakeApi) -> None:
    api.refuses(f"{SECRETS}/s", 404, 'secrets "s" not found')
    api.refuses(f"{SECRETS}/s", 404, 'secrets "s" not found', method="DELETE")
    assert api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a")) is None
    assert api.ask(lambda kube: kube.delete("v1", "Secret", "s", "cluster-a")) is False


def test_kinds_that_are_not_served_are_told_in_their_order(api: FakeApi) -> None:
    api.answers("/apis/apps/v1", {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}]})
    api.refuses("/apis/example.com/v1", 404, "the server could not find the requested resource")
    asked = [("example.com/v1", "Thing"), ("apps/v1", "Deployment"), ("apps/v1", "Wish")]
    assert api.ask(lambda kube: kube.unserved(asked)) == [("example.com/v1", "Thing"), ("apps/v1", "Wish")]
    assert sorted(api.requests) == ["GET /apis/apps/v1", "GET /apis/example.com/v1"]


def test_the_clock_of_the_api_server_is_in_its_answers(api: FakeApi) -> None:
    api.answers("/version", {"gitVersion": "v1.34.4"})
    api.answers("/api/v1/namespaces/kube-system", {"metadata": {"uid": "u"}})
    api.lists("/api/v1/nodes", [])
    ahead = api.ask(lambda kube: kube.facts(node_selector={})).clock_ahead
    assert ahead is not None  # the server of these tests dates its answers, by this machine's clock
    assert abs(ahead) < 300


def test_deleting_what_is_there_is_true(api: FakeApi) -> None:
    api.answers(f"{SECRETS}/s", {"kind": "Status", "status": "Success"}, method="DELETE")
    assert api.ask(lambda kube: kube.delete("v1", "Secret", "s", "cluster-a")) is True


def test_only_the_object_with_that_uid_is_deleted(api: FakeApi) -> None:
    """A StatefulSet's new pod has the name of the old one."""
    bodies = []

    def refuse(request: Request) -> Response:
        bodies.append(request.get_json())
        return Response(json.dumps({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409}), 409)

    api.server.expect_request(f"{SECRETS}/s", method="DELETE").respond_with_handler(refuse)
    assert api.ask(lambda kube: kube.delete("v1", "Secret", "s", "cluster-a", uid="u-1")) is False
    assert [body["preconditions"] for body in bodies] == [{"uid": "u-1"}]


def test_a_long_list_is_read_page_by_page(api: FakeApi) -> None:
    def page(request: Request) -> Response:
        assert request.args["labelSelector"] == "app=dragonfly,component=manager"
        position = int(request.args.get("continue", "0"))
        metadata = {"continue": str(position + 1)} if position < 2 else {}
        return Response(json.dumps({"metadata": metadata, "items": [{"metadata": {"name": f"s{position}"}}]}))

    api.server.expect_request(SECRETS).respond_with_handler(page)
    labels = {"component": "manager", "app": "dragonfly"}
    found = api.ask(lambda kube: kube.list("v1", "Secret", "cluster-a", labels=labels))
    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [(("Secret"), f"s{n}") for n in range(3)]


def test_a_list_that_expires_half_way_is_read_again_in_one_piece(api: FakeApi) -> None:
    api.answers_once(SECRETS, {"metadata": {"continue": "old"}, "items": [{"metadata": {"name": "a"}}]})
    api.answers_once(SECRETS, refusal(410, "the continue token has expired"), status=410)
    api.answers_once(SECRETS, {"metadata": {}, "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]})
    assert len(api.ask(lambda kube: kube.list("v1", "Secret", "cluster-a"))) == 2
    assert "limit" not in api.server.log[2][0].args


def test_creating_what_exists_is_none(api: FakeApi) -> None:
    api.refuses(SECRETS, 409, 'secrets "s" already exists', method="POST", reason="AlreadyExists")
    assert api.ask(lambda kube: kube.create(SECRET)) is None


def test_another_conflict_on_creating_is_an_error(api: FakeApi) -> None:
    api.refuses(SECRETS, 409, "the quota was changed meanwhile", method="POST", reason="Conflict")
    with pytest.raises(ConflictError, match="quota was changed"):
        api.ask(lambda kube: kube.create(SECRET))


@pytest.mark.parametrize("status", [404, 409])
def test_replacing_what_has_moved_or_gone_is_none(api: FakeApi, status: int) -> None:
    api.refuses(f"{SECRETS}/s", status, "the object has been modified", method="PUT")
    assert api.ask(lambda kube: kube.replace(SECRET)) is None


def test_apply_is_server_side_without_force_and_without_managed_fields(api: FakeApi) -> None:
    api.answers(f"{SECRETS}/s", SECRET, method="PATCH")
    read_back = {**SECRET, "metadata": {**SECRET["metadata"], "managedFields": [{"manager": "dfmc"}]}}
    api.ask(lambda kube: kube.apply(read_back))
    request = api.server.log[0][0]
    assert request.content_type == "application/apply-patch+yaml"
    assert dict(request.args) == {"fieldManager": "dfmc", "force": "false"}
    assert body_of(api) == SECRET


def test_an_apply_conflict_names_fields_and_managers(api: FakeApi) -> None:
    causes = [{"reason": "FieldManagerConflict", "field": ".data.a", "message": 'conflict with "kubectl-edit"'}]
    api.refuses(f"{SECRETS}/s", 409, "Apply failed", method="PATCH", reason="Conflict", causes=causes)
    with pytest.raises(ConflictError) as caught:
        api.ask(lambda kube: kube.apply(SECRET))
    assert ".data.a" in caught.value.why
    assert "kubectl-edit" in caught.value.why


def test_a_kind_that_is_not_well_known_is_looked_up_once(api: FakeApi) -> None:
    resources = [
        {"name": "stages", "kind": "Stage", "namespaced": False},
        {"name": "stages/status", "kind": "Stage", "namespaced": False},
    ]
    api.answers("/apis/kwok.x-k8s.io/v1alpha1", {"resources": resources})
    api.answers("/apis/kwok.x-k8s.io/v1alpha1/stages/fast", {"kind": "Stage"})

    async def twice(kube: KubeClient) -> None:
        for _ in range(2):
            assert await kube.get("kwok.x-k8s.io/v1alpha1", "Stage", "fast") == {"kind": "Stage"}

    api.ask(twice)
    assert api.requests.count("GET /apis/kwok.x-k8s.io/v1alpha1") == 1
    assert len(api.requests) == 3


def test_of_a_kind_nobody_serves_there_is_nothing_and_nothing_can_be_made(api: FakeApi) -> None:
    api.refuses("/apis/gone.io/v1", 404, "the server could not find the requested resource")
    assert api.ask(lambda kube: kube.get("gone.io/v1", "Thing", "a")) is None
    assert not api.ask(lambda kube: kube.list("gone.io/v1", "Thing"))
    with pytest.raises(PreflightError, match="does not know Thing"):
        api.ask(lambda kube: kube.apply({"apiVersion": "gone.io/v1", "kind": "Thing", "metadata": {"name": "a"}}))


def test_401_is_about_credentials(api: FakeApi) -> None:
    api.refuses(f"{SECRETS}/s", 401, "Unauthorized")
    with pytest.raises(AuthError) as caught:
        api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"))
    assert caught.value.exit_code == 6
    assert "auth whoami" in caught.value.next_step


def test_403_says_what_is_not_allowed_and_how_to_check(api: FakeApi) -> None:
    message = 'secrets is forbidden: User "u" cannot list resource "secrets" in API group "" in the namespace'
    api.refuses(SECRETS, 403, message, reason="Forbidden")
    with pytest.raises(AuthError) as caught:
        api.ask(lambda kube: kube.list("v1", "Secret", "cluster-a"))
    assert "not allowed to list secrets in namespace cluster-a" in caught.value.what
    expected = f"kubectl --kubeconfig {api.kubeconfig} --context kind-a auth can-i list secrets -n cluster-a"
    assert caught.value.next_step == expected


@scenario("P12", real="canned answers of an API server")
def test_403_by_a_quota_does_not_send_the_user_to_rbac(api: FakeApi) -> None:
    api.refuses(SECRETS, 403, 'secrets "s" is forbidden: exceeded quota: q', method="POST", reason="Forbidden")
    with pytest.raises(AuthError, match="exceeded quota") as caught:
        api.ask(lambda kube: kube.create(SECRET))
    assert caught.value.next_step == ""


@scenario("P11", real="canned answers of an API server")
def test_a_namespace_on_its_way_out_is_not_ready(api: FakeApi) -> None:
    causes = [{"reason": "NamespaceTerminating", "message": "namespace cluster-a is being terminated"}]
    api.refuses(SECRETS, 403, "is forbidden", method="POST", reason="Forbidden", causes=causes)
    with pytest.raises(NotReadyError, match="cluster-a is being deleted"):
        api.ask(lambda kube: kube.create(SECRET))


def test_422_gives_the_api_servers_words_shortened_and_clean(api: FakeApi) -> None:
    api.refuses(SECRETS, 422, "spec.ports: Invalid\x1b[31m value\n" + "very long " * 100, method="POST")
    with pytest.raises(DfmcError) as caught:
        api.ask(lambda kube: kube.create(SECRET))
    assert caught.value.exit_code == 1
    assert caught.value.why.startswith("spec.ports: Invalid [31m value very long")
    assert len(caught.value.why) <= 256


def test_a_body_that_is_no_status_is_never_repeated(api: FakeApi) -> None:
    api.server.expect_request(SECRETS, method="POST").respond_with_data("password=hunter2", status=400)
    with pytest.raises(DfmcError) as caught:
        api.ask(lambda kube: kube.create(SECRET))
    assert "hunter2" not in str(caught.value)
    assert caught.value.why == "HTTP 400"
    assert "server URL" in caught.value.next_step


def test_something_that_is_no_api_server_is_unreachable(api: FakeApi) -> None:
    api.server.expect_request(f"{SECRETS}/s").respond_with_data("<html>hello</html>")
    with pytest.raises(UnreachableError, match="does not speak the Kubernetes API"):
        api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"))


def test_a_redirect_is_not_followed(api: FakeApi) -> None:
    api.server.expect_request(f"{SECRETS}/s").respond_with_data("", status=302, headers={"Location": "/elsewhere"})
    with pytest.raises(DfmcError, match="HTTP 302"):
        api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"))
    assert api.requests == [f"GET {SECRETS}/s"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_read_is_repeated_after_a_passing_failure(api: FakeApi, status: int, quick_pauses: None) -> None:
    api.answers_once(f"{SECRETS}/s", refusal(status, "later"), status=status, headers={"Retry-After": "0"})
    api.answers_once(f"{SECRETS}/s", SECRET)
    assert api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a")) == SECRET


def test_a_write_is_repeated_only_where_the_server_has_not_begun(api: FakeApi, quick_pauses: None) -> None:
    api.answers_once(SECRETS, refusal(429, "too many"), status=429, method="POST")
    api.answers_once(SECRETS, SECRET, method="POST")
    assert api.ask(lambda kube: kube.create(SECRET)) == SECRET
    api.server.clear()
    api.refuses(SECRETS, 500, "etcd is gone", method="POST")
    with pytest.raises(UnreachableError, match="etcd is gone") as caught:
        api.ask(lambda kube: kube.create(SECRET))
    assert api.requests == [f"POST {SECRETS}"]
    assert "may or may not" in caught.value.left


def test_repeating_ends(api: FakeApi, quick_pauses: None) -> None:
    api.refuses(f"{SECRETS}/s", 503, "starting")
    with pytest.raises(UnreachableError, match="starting") as caught:
        api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"))
    assert caught.value.exit_code == 5
    assert len(api.requests) == 4


@scenario("P3", real=True)
def test_a_closed_port_fails_at_once(api: FakeApi, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    api.kubeconfig = write_kubeconfig(tmp_path / "closed", f"http://127.0.0.1:{port}")
    with pytest.raises(UnreachableError, match="connection refused") as caught:
        api.ask(lambda kube: kube.create(SECRET))
    assert caught.value.left == ""


@scenario("P4", real=True)
def test_a_server_that_never_answers_is_unreachable_within_the_deadline(api: FakeApi, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        api.kubeconfig = write_kubeconfig(tmp_path / "silent", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="no answer within the deadline"):
            api.ask(lambda kube: kube.facts(node_selector={}), request_timeout=(1, 0.3))


@scenario("P3", real=True)
def test_an_unknown_host_is_unreachable(api: FakeApi, tmp_path: Path) -> None:
    api.kubeconfig = write_kubeconfig(tmp_path / "unknown", "http://no-such-host.invalid:6443")
    with pytest.raises(UnreachableError, match="cannot be resolved"):
        api.ask(lambda kube: kube.facts(node_selector={}))


REVIEWS = "/apis/authorization.k8s.io/v1"
NEEDS = [
    AccessNeed("create", "apps", "deployments", "cluster-a"),
    AccessNeed("get", "", "pods/portforward", "cluster-a"),
    AccessNeed("get", "", "namespaces", "cluster-a", name="cluster-a"),
    AccessNeed("create", "", "namespaces"),
]


def answer_reviews(api: FakeApi, *refused: str) -> list[dict[str, Any]]:
    """Answer questions about single rights; return what is asked."""
    asked: list[dict[str, Any]] = []

    def review(request: Request) -> Response:
        asked.append(json.loads(request.get_data())["spec"]["resourceAttributes"])
        return Response(json.dumps({"status": {"allowed": asked[-1]["resource"] not in refused}}), status=201)

    api.server.expect_request(f"{REVIEWS}/selfsubjectaccessreviews", method="POST").respond_with_handler(review)
    return asked


def test_rights_that_the_rules_of_a_namespace_grant_are_not_asked_for_one_by_one(api: FakeApi) -> None:
    rules = [
        {"verbs": ["*"], "apiGroups": ["apps"], "resources": ["*"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["*/portforward"]},
        {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["another"]},
    ]
    api.answers(f"{REVIEWS}/selfsubjectrulesreviews", {"status": {"resourceRules": rules}}, method="POST")
    asked = answer_reviews(api, "namespaces")
    assert api.ask(lambda kube: kube.denied(NEEDS)) == NEEDS[2:]
    assert sorted(asked, key=len) == [
        {"verb": "create", "group": "", "resource": "namespaces", "subresource": ""},
        {
            **dict.fromkeys(("name", "namespace"), "cluster-a"),
            "verb": "get",
            "group": "",
            "resource": "namespaces",
            "subresource": "",
        },
    ]


@scenario("P7", real="canned answers of an API server")
@pytest.mark.parametrize("status", [{"incomplete": True, "resourceRules": [{"verbs": ["*"]}]}, None])
def test_where_rules_cannot_be_listed_each_right_is_asked_for(api: FakeApi, status: Any) -> None:
    path = f"{REVIEWS}/selfsubjectrulesreviews"
    if status is None:
        api.refuses(path, 404, "no such resource", method="POST")
    else:
        api.answers(path, {"status": status}, method="POST")
    asked = answer_reviews(api, "pods")
    assert api.ask(lambda kube: kube.denied(NEEDS)) == [NEEDS[1]]
    assert len(asked) == len(NEEDS)


def test_nothing_secret_is_logged(api: FakeApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api.answers(SECRETS, SECRET, method="POST")
    api.ask(lambda kube: kube.create({**SECRET, "stringData": {"password": "hunter2"}}))
    assert "hunter2" not in caplog.text
    assert "made-up-token" not in caplog.text


@pytest.fixture
def quick_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfmc.clients.kube.transport._FIRST_PAUSE", 0.01)


def test_the_last_words_of_a_container_are_few_readable_and_never_half_a_line(api: FakeApi) -> None:
    path = "/api/v1/namespaces/cluster-a/pods/p/log"
    wanted = {"container": "c", "previous": "true", "tailLines": "3", "limitBytes": "2000"}
    api.server.expect_ordered_request(path, query_string=wanted).respond_with_data(b"one\ntwo\x1b[31m\nthree\nfour\n")
    api.server.expect_ordered_request(path).respond_with_data(b"whole\n" + b"x" * 1994)
    api.server.expect_ordered_request(path).respond_with_data(b"not kept", status=400)
    asked = [api.ask(lambda kube: kube.last_words("p", "cluster-a", "c")) for _ in range(3)]
    assert asked == ["two\nthree\nfour", "whole", ""]


def test_a_lease_is_renewed_while_every_other_thread_waits_for_a_silent_server(api: FakeApi) -> None:
    answer = threading.Event()
    metadata = {"name": "l", "namespace": "cluster-a"}
    lease: dict[str, Any] = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    api.answers("/apis/coordination.k8s.io/v1/namespaces/cluster-a/leases/l", lease, method="PUT")
    with ThreadPoolExecutor(max_workers=1) as executor:
        executor.submit(answer.wait, 60)
        try:
            renewed = api.ask(lambda kube: asyncio.wait_for(kube.replace(lease), 30), executor=executor)
        finally:
            answer.set()
    assert renewed == lease
