"""The fault proxies do what they are told, count it, and end."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from clients.made_up_certificate import CERTIFICATE, server_context
from dfmc.testbed.faults import Authority, Fault, FaultPlan, HttpProxy, Kind, TcpProxy, is_mutation, redirected
from dfmc.testbed.simulated_manager import SimulatedManager

SECONDS = 60  # of a test's own patience; no test comes near it


def target(server: HTTPServer) -> tuple[str, int]:
    return "127.0.0.1", server.port


@pytest.fixture
def proxy(httpserver: HTTPServer) -> Iterator[HttpProxy]:
    httpserver.expect_request("/thing").respond_with_json({"it": "works"})
    with HttpProxy(target(httpserver)) as made:
        yield made


def ask(proxy: TcpProxy, method: str = "GET", path: str = "/thing", body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def rest_of(connection: socket.socket) -> tuple[bytes, bool]:
    """What still comes, and whether a reset ends it."""
    got = b""
    try:
        while piece := connection.recv(4096):
            got += piece
    except ConnectionResetError:
        return got, True
    return got, False


def served(server: HTTPServer) -> list[str]:
    return [f"{request.method} {request.path}" for request, _ in server.log]


def test_without_a_fault_everything_passes_and_is_counted(proxy: HttpProxy, httpserver: HTTPServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
    for method in ("GET", "HEAD", "POST", "DELETE"):
        connection.request(method, "/thing?a=1", body=b"x" * 100_000 if method == "POST" else None)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (200, method != "HEAD")
    connection.close()
    assert [str(one) for one in proxy.plan.requests] == [f"{m} /thing?a=1" for m in ("GET", "HEAD", "POST", "DELETE")]
    assert [one.method for one in proxy.plan.mutations] == ["POST", "DELETE"]
    assert served(httpserver) == ["GET /thing", "HEAD /thing", "POST /thing", "DELETE /thing"]


def test_a_connection_is_kept_for_the_next_request() -> None:
    with SimulatedManager() as manager, HttpProxy(("127.0.0.1", urlsplit(manager.url()).port or 0)) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
        for _ in range(3):
            connection.request("GET", "/healthy")
            assert connection.getresponse().read() == b'"OK"'
        connection.close()
        assert (proxy.plan.connections, len(manager.requests)) == (1, 3)


def test_a_body_without_a_length_streams_through(httpserver: HTTPServer) -> None:
    pieces = [b"one", b"two" * 50_000, b"three"]
    httpserver.expect_request("/stream").respond_with_handler(lambda _: Response(iter(pieces)))
    with HttpProxy(target(httpserver)) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
        connection.request("GET", "/stream")
        assert connection.getresponse().read() == b"".join(pieces)
        connection.close()


@pytest.mark.parametrize("make", [TcpProxy, HttpProxy])
def test_a_refused_port_is_refused_and_comes_back(
    make: Callable[[tuple[str, int]], TcpProxy], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/thing").respond_with_json({"it": "works"})
    with make(target(httpserver)) as proxy:
        assert ask(proxy) == (200, {"it": "works"})
        proxy.plan.arm(Fault(Kind.REFUSE, times=None))
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                ask(proxy)
        proxy.plan.clear()
        assert ask(proxy) == (200, {"it": "works"})


@pytest.mark.parametrize("make", [TcpProxy, HttpProxy])
def test_a_silent_port_says_nothing_until_it_is_cleared(
    make: Callable[[tuple[str, int]], TcpProxy], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/thing").respond_with_json({"it": "works"})
    with make(target(httpserver)) as proxy:
        proxy.plan.arm(Fault(Kind.SILENT, times=None))
        with socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as waiting:
            waiting.sendall(b"GET /thing HTTP/1.1\r\nHost: x\r\n\r\n")
            waiting.settimeout(0.2)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
            proxy.plan.clear()
            waiting.settimeout(SECONDS)
            assert rest_of(waiting)[0] == b""
        assert served(httpserver) == []


def test_tls_is_spoken_and_then_nothing(tmp_path: Path, httpserver: HTTPServer) -> None:
    context = ssl.create_default_context(cadata=CERTIFICATE)
    with HttpProxy(target(httpserver), tls=server_context(tmp_path)) as proxy:
        proxy.plan.arm(Fault(Kind.SILENT_AFTER_TLS, times=None))
        raw = socket.create_connection(("127.0.0.1", proxy.port), SECONDS)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as secured:
            assert secured.version() == "TLSv1.3"
            secured.sendall(b"GET /thing HTTP/1.1\r\nHost: x\r\n\r\n")
            secured.settimeout(0.2)
            with pytest.raises(TimeoutError):
                secured.recv(1)
    assert served(httpserver) == []


@pytest.mark.parametrize("make", [TcpProxy, HttpProxy])
@pytest.mark.parametrize("passes", [1, 40])
def test_a_connection_is_reset_after_so_many_bytes(
    make: Callable[[tuple[str, int]], TcpProxy], passes: int, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/thing").respond_with_json({"it": "works"})
    with make(target(httpserver)) as proxy:
        proxy.plan.arm(Fault(Kind.RESET, after_bytes=passes))
        with socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client:
            client.sendall(b"GET /thing HTTP/1.1\r\nHost: x\r\n\r\n")
            got, was_reset = rest_of(client)
            assert was_reset
            assert len(got) <= passes
        assert ask(proxy) == (200, {"it": "works"})  # only that one


def test_the_proxy_answers_the_kth_request_itself(proxy: HttpProxy, httpserver: HTTPServer) -> None:
    proxy.plan.arm(Fault(Kind.ANSWER, at=2, status=429, retry_after="7"))
    assert [ask(proxy, "POST", body={})[0] for _ in range(3)] == [200, 429, 200]
    assert len(served(httpserver)) == 2
    assert [one.fault for one in proxy.plan.requests] == [None, Kind.ANSWER, None]
    assert proxy.plan.struck == 1


def test_reads_do_not_count_among_mutations(proxy: HttpProxy) -> None:
    proxy.plan.arm(Fault(Kind.ANSWER, status=500))
    assert [ask(proxy, method)[0] for method in ("GET", "GET", "PUT", "PUT")] == [200, 200, 500, 200]


def test_an_answer_is_dropped_after_the_server_has_done_its_work(proxy: HttpProxy, httpserver: HTTPServer) -> None:
    told: list[int] = []
    proxy.plan.arm(Fault(Kind.DROP_ANSWER, then=lambda: told.append(len(served(httpserver)))))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(proxy, "POST", body={})
    assert served(httpserver) == ["POST /thing"]
    assert told == [1]


def test_a_request_is_dropped_before_the_server_sees_it(proxy: HttpProxy, httpserver: HTTPServer) -> None:
    proxy.plan.arm(Fault(Kind.DROP_REQUEST))
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(proxy, "POST", body={})
    assert served(httpserver) == []


def test_a_hanging_request_ends_with_the_plan(proxy: HttpProxy, httpserver: HTTPServer) -> None:
    struck: list[str] = []
    proxy.plan.arm(Fault(Kind.HANG, matches=lambda method, path: path == "/thing", then=lambda: struck.append("now")))
    with socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client:
        client.sendall(b"GET /thing HTTP/1.1\r\nHost: x\r\n\r\n")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert struck == ["now"]
        proxy.plan.clear()
        client.settimeout(SECONDS)
        assert rest_of(client)[0] == b""
    assert served(httpserver) == []


def test_a_cut_ends_every_connection_until_it_is_mended() -> None:
    path = "/api/v1/users/signout"
    with (
        SimulatedManager() as manager,
        HttpProxy(("127.0.0.1", urlsplit(manager.url()).port or 0)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as idle,
    ):
        idle.sendall(b"GET /healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        while b'"OK"' not in idle.recv(4096, socket.MSG_PEEK):
            pass
        proxy.plan.arm(Fault(Kind.CUT, at=2))
        assert ask(proxy, "POST", path)[0] == 200
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            ask(proxy, "POST", path)
        assert rest_of(idle)[0].endswith(b'"OK"')
        with pytest.raises(ConnectionRefusedError):
            ask(proxy, "GET", "/healthy")
        proxy.plan.clear()
        assert ask(proxy, "POST", path)[0] == 200
        assert [one.path for one in manager.requests] == ["/healthy", path, path]


def test_a_connection_that_changes_its_protocol_passes_as_bytes() -> None:
    with (
        an_echo_after_an_upgrade() as port,
        HttpProxy(("127.0.0.1", port)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client,
    ):
        client.sendall(b"GET /up HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        for word in (b"one", b"two"):
            client.sendall(word)
            assert client.recv(100) == word


def an_echo_after_an_upgrade() -> AbstractContextManager[int]:
    """A server of one connection: it agrees to whatever protocol is asked for, and then says what it hears."""
    import threading
    from contextlib import contextmanager

    @contextmanager
    def serve() -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def run() -> None:
                connection, _ = listener.accept()
                with connection:
                    heard = b""
                    while not heard.endswith(b"\r\n\r\n"):
                        heard += connection.recv(1)
                    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")
                    while piece := connection.recv(100):
                        connection.sendall(piece)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            yield int(listener.getsockname()[1])
            thread.join(SECONDS)

    return serve()


def test_closing_ends_whatever_hangs(httpserver: HTTPServer) -> None:
    with HttpProxy(target(httpserver)) as proxy:
        proxy.plan.arm(Fault(Kind.SILENT, times=None))
        client = socket.create_connection(("127.0.0.1", proxy.port), SECONDS)
    with client:
        assert rest_of(client)[0] == b""


def test_faults_count_from_when_they_are_armed_and_the_first_whose_turn_it_is_strikes() -> None:
    plan = FaultPlan()
    plan.request("POST", "/before")
    plan.arm(Fault(Kind.ANSWER, at=2, times=2), Fault(Kind.HANG, at=3))
    found = [plan.request("POST", "/x") for _ in range(5)]
    assert [one and one.kind for one in found] == [None, Kind.ANSWER, Kind.ANSWER, None, None]


@pytest.mark.parametrize(
    ("method", "path", "mutates"),
    [
        ("GET", "/api/v1/namespaces", False),
        ("POST", "/api/v1/namespaces", True),
        ("PATCH", "/api/v1/namespaces/a/services/x?fieldManager=dfmc", True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews?x=1", False),
        ("POST", "/api/v1/namespaces/a/pods/p/portforward?ports=8080", False),
        ("POST", "/api/v1/users/signin", False),
        ("POST", "/api/v1/users/1/reset_password", True),
    ],
)
def test_what_counts_as_a_mutation(method: str, path: str, mutates: bool) -> None:
    assert is_mutation(method, path) is mutates


def test_a_kubeconfig_is_led_through_proxies_context_by_context(tmp_path: Path) -> None:
    original = tmp_path / "kubeconfig"
    cluster = {"server": "https://127.0.0.1:6443", "certificate-authority-data": "x"}
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "two")]
    document = {"clusters": [{"name": "c", "cluster": cluster}], "contexts": contexts, "users": [{"name": "u"}]}
    original.write_text(yaml.safe_dump(document))
    copy = redirected(original, {"two": "https://127.0.0.1:7"}, tmp_path / "copy")
    made = yaml.safe_load(copy.read_text())
    servers = {one["name"]: one["cluster"]["server"] for one in made["clusters"]}
    assert [servers[one["context"]["cluster"]] for one in made["contexts"]] == [
        "https://127.0.0.1:6443",
        "https://127.0.0.1:7",
    ]
    assert made["clusters"][1]["cluster"]["certificate-authority-data"] == "x"
    assert copy.stat().st_mode & 0o077 == 0
    assert yaml.safe_load(original.read_text()) == document


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes an authority with openssl")
def test_a_certificate_that_the_clusters_authority_signed_is_trusted(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/thing").respond_with_json({"it": "works"})
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=ca")
    files = ("-keyout", str(tmp_path / "ca.key"), "-out", str(tmp_path / "ca.crt"))
    subprocess.run(["openssl", *made, *files], check=True, capture_output=True, timeout=SECONDS)
    context = Authority(tmp_path).server_context(tmp_path / "tls")
    assert (tmp_path / "tls" / "fault-proxy.key").stat().st_mode & 0o077 == 0
    with HttpProxy(target(httpserver), tls=context) as proxy:
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=SECONDS, context=trusting)
        connection.request("GET", "/thing")
        assert json.loads(connection.getresponse().read()) == {"it": "works"}
        connection.close()


def test_a_handler_sees_the_request_as_it_was_sent(httpserver: HTTPServer) -> None:
    bodies: list[bytes] = []

    def keep(request: Request) -> Response:
        bodies.append(request.get_data())
        return Response("{}", content_type="application/json")

    httpserver.expect_request("/keep", method="POST").respond_with_handler(keep)
    with HttpProxy(target(httpserver)) as proxy:
        assert ask(proxy, "POST", "/keep", {"name": "杭州"}) == (200, {})
    assert json.loads(bodies[0]) == {"name": "杭州"}
