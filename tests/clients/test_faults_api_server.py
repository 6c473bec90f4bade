"""The real Kubernetes client over TLS, through everything that can go wrong on the way to an API server."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clients.fake_api_server import FakeApi, write_kubeconfig
from clients.made_up_certificate import CERTIFICATE, server_context
from dfmc.clients.kube import transport
from dfmc.errors import DfmcError, UnreachableError
from dfmc.testbed.faults import Fault, HttpProxy, Kind, TcpProxy
from scenarios import scenario

SECRETS = "/api/v1/namespaces/cluster-a/secrets"
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "cluster-a"}}
SHORT = (1.5, 0.5)
ANSWERS = "real sockets and TLS, canned answers: the faults are of the way, not of the API server"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_PAUSE", 0.02)


@pytest.fixture
def proxy(httpserver: HTTPServer, tmp_path: Path) -> Iterator[HttpProxy]:
    with HttpProxy(("127.0.0.1", httpserver.port), tls=server_context(tmp_path)) as made:
        yield made


@pytest.fixture
def api(httpserver: HTTPServer, proxy: HttpProxy, tmp_path: Path) -> FakeApi:
    """The API server behind the proxy; its clients trust the proxy's certificate."""
    api = FakeApi(httpserver, tmp_path)
    trusted = {"certificate-authority-data": base64.b64encode(CERTIFICATE.encode()).decode()}
    api.kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", proxy.url, cluster=trusted)
    return api


def anything(method: str, path: str) -> bool:
    return True


EVERY_FAULT = [
    Fault(Kind.REFUSE, times=None),
    Fault(Kind.SILENT, times=None),
    Fault(Kind.SILENT_AFTER_TLS, times=None),
    Fault(Kind.RESET, times=None, after_bytes=1),
    Fault(Kind.RESET, times=None, after_bytes=120),
    Fault(Kind.ANSWER, times=None, matches=anything, status=500),
    Fault(Kind.ANSWER, times=None, matches=anything, status=429, retry_after="0"),
    Fault(Kind.HANG, times=None, matches=anything),
    Fault(Kind.DROP_REQUEST, times=None, matches=anything),
    Fault(Kind.DROP_ANSWER, times=None, matches=anything),
    Fault(Kind.CUT, matches=anything),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status if fault.kind is Kind.ANSWER else fault.after_bytes}"


def check_told(error: DfmcError, proxy: TcpProxy, fault: Fault) -> None:
    assert "context kind-a" in error.what
    assert error.why
    if fault.kind is not Kind.ANSWER:
        assert f"127.0.0.1:{proxy.port}" in error.why
        assert "kubectl --kubeconfig" in error.next_step


@scenario("P3", "P4", real=True)
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=named)
def test_a_read_through_a_lasting_fault_ends_and_names_context_address_and_cause(
    fault: Fault, api: FakeApi, proxy: HttpProxy
) -> None:
    api.answers(f"{SECRETS}/s", SECRET)
    proxy.plan.arm(fault)
    with pytest.raises(UnreachableError) as caught:
        api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"), request_timeout=SHORT)
    check_told(caught.value, proxy, fault)
    assert not caught.value.left  # a read leaves nothing behind


@pytest.mark.parametrize("fault", EVERY_FAULT, ids=named)
def test_a_write_through_a_fault_is_sent_once_and_what_is_unknown_is_said(
    fault: Fault, api: FakeApi, proxy: HttpProxy
) -> None:
    api.answers(SECRETS, SECRET, status=201, method="POST")
    proxy.plan.arm(fault)
    with pytest.raises(UnreachableError) as caught:
        api.ask(lambda kube: kube.create(SECRET), request_timeout=SHORT)
    check_told(caught.value, proxy, fault)
    may_have_arrived = fault.kind in (Kind.RESET, Kind.HANG, Kind.DROP_REQUEST, Kind.DROP_ANSWER, Kind.CUT)
    if may_have_arrived or (fault.kind is Kind.ANSWER and fault.status == 500):
        assert "not" in caught.value.left
    assert len(api.requests) <= 1
    assert "made-up-token" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
def test_a_write_that_the_server_was_too_busy_to_begin_is_sent_again(
    status: int, api: FakeApi, proxy: HttpProxy
) -> None:
    api.answers(SECRETS, SECRET, status=201, method="POST")
    proxy.plan.arm(Fault(Kind.ANSWER, status=status, times=2, retry_after="0"))
    assert api.ask(lambda kube: kube.create(SECRET)) == SECRET
    assert api.requests == [f"POST {SECRETS}"]
    assert len(proxy.plan.mutations) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.RESET, after_bytes=1),
        Fault(Kind.RESET, after_bytes=200),
        Fault(Kind.ANSWER, matches=anything, status=500),
        Fault(Kind.ANSWER, matches=anything, status=429, retry_after="1"),
        Fault(Kind.DROP_REQUEST, matches=anything),
        Fault(Kind.DROP_ANSWER, matches=anything),
    ],
    ids=named,
)
def test_a_read_outlives_a_passing_fault(fault: Fault, api: FakeApi, proxy: HttpProxy) -> None:
    api.answers(f"{SECRETS}/s", SECRET)
    proxy.plan.arm(fault)
    assert api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a")) == SECRET
    assert proxy.plan.struck == 1


@scenario("N5", real="the API server's part only: helm's own lost answer needs the bed")
def test_an_object_whose_answer_was_lost_is_found_by_the_next_run(api: FakeApi, proxy: HttpProxy) -> None:
    stored: list[Any] = []

    def create(request: Request) -> Response:
        if stored:
            taken = {"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409}
            return Response(json.dumps(taken), 409, content_type="application/json")
        stored.append(request.get_json())
        return Response(request.get_data(), 201, content_type="application/json")

    api.server.expect_request(SECRETS, method="POST").respond_with_handler(create)
    proxy.plan.arm(Fault(Kind.DROP_ANSWER))
    with pytest.raises(UnreachableError):
        api.ask(lambda kube: kube.create(SECRET))
    assert stored == [SECRET]
    assert api.ask(lambda kube: kube.create(SECRET)) is None  # it is there: the engine reads it and judges whose it is
    assert stored == [SECRET]


@scenario("P4", real=True)
@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.REFUSE, times=None), Fault(Kind.SILENT, times=None), Fault(Kind.RESET, times=None, after_bytes=100)],
    ids=named,
)
def test_faults_below_tls_end_too(fault: Fault, api: FakeApi, proxy: HttpProxy, tmp_path: Path) -> None:
    """Bytes are passed, so that the TLS session itself is what breaks."""
    with TcpProxy(("127.0.0.1", proxy.port)) as outer:
        trusted = {"certificate-authority-data": base64.b64encode(CERTIFICATE.encode()).decode()}
        api.kubeconfig = write_kubeconfig(tmp_path / "outer", f"https://{outer.address}", cluster=trusted)
        outer.plan.arm(fault)
        with pytest.raises(UnreachableError) as caught:
            api.ask(lambda kube: kube.get("v1", "Secret", "s", "cluster-a"), request_timeout=SHORT)
        check_told(caught.value, outer, fault)
        assert api.requests == []


@scenario("W2", real=ANSWERS)
@pytest.mark.parametrize("fault", [Fault(Kind.HANG, matches=anything), Fault(Kind.CUT, matches=anything)], ids=named)
def test_a_port_forward_that_cannot_be_opened_is_an_error_and_no_hang(
    fault: Fault, api: FakeApi, proxy: HttpProxy
) -> None:
    proxy.plan.arm(fault)

    async def forward(kube: Any) -> None:
        async with kube.port_forward("cluster-a", "manager-1", 8080):
            pytest.fail("it was opened")

    with pytest.raises(UnreachableError) as caught:
        api.ask(forward, request_timeout=SHORT)
    assert "context kind-a" in str(caught.value)
