"""A client's proxy is asked as a container runtime asks it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from dfmc.clients.blobs import ProxyBlobs, split_url
from dfmc.errors import DfmcError, UnreachableError, UsageError

URL = "http://registry.example:5000/v2/big/blobs/sha256:abc?size=7"


def get(port: int, url: str = URL, timeout: float = 60) -> int:
    return asyncio.run(ProxyBlobs().get(port, url, timeout=timeout))


def test_the_path_is_asked_of_the_proxy_and_the_registry_is_named_in_a_header(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v2/big/blobs/sha256:abc", query_string="size=7").respond_with_data(b"content")
    assert get(httpserver.port) == 7
    headers = httpserver.log[0][0].headers
    assert headers["X-Dragonfly-Registry"] == "http://registry.example:5000"
    assert headers["Accept-Encoding"] == "identity"


def test_proxies_of_the_environment_are_not_for_loopback(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    httpserver.expect_request("/v2/big/blobs/sha256:abc").respond_with_data(b"x" * 3)
    assert get(httpserver.port) == 3


@pytest.mark.parametrize(
    ("at_fault", "whose"), [("backend", "the registry"), ("proxy", "the proxy"), ("dfdaemon", "the client"), ("", "")]
)
def test_an_error_says_whose_it_is(httpserver: HTTPServer, at_fault: str, whose: str) -> None:
    headers = {"X-Dragonfly-Error-Type": at_fault} if at_fault else {}
    httpserver.expect_request("/v2/big/blobs/sha256:abc").respond_with_data(b"no", status=500, headers=headers)
    with pytest.raises(DfmcError, match="answers HTTP 500") as caught:
        get(httpserver.port)
    assert whose in caught.value.why
    assert ("registry.example" in caught.value.next_step) == (at_fault == "backend")


def test_a_redirect_is_no_content(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v2/big/blobs/sha256:abc").respond_with_data(b"", status=307, headers={"Location": "/"})
    with pytest.raises(DfmcError, match="HTTP 307"):
        get(httpserver.port)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_dead_port_is_unreachable() -> None:
    port = closed_port()
    with pytest.raises(UnreachableError, match="does not answer"):
        get(port)
    assert asyncio.run(ProxyBlobs().is_answering(port)) is False


@contextmanager
def raw_server(answer: bytes, *, hangs: bool = False) -> Iterator[int]:
    """A port that answers the first connection with these bytes; then closes it, or waits until it is left alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                connection.recv(65536)
                connection.sendall(answer)
                while hangs and connection.recv(65536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)
        assert not thread.is_alive()


def test_a_blob_that_ends_too_soon_is_unreachable() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    with raw_server(cut) as port, pytest.raises(UnreachableError):
        get(port)


def test_a_connection_that_is_closed_at_once_is_no_answer() -> None:
    """What a port-forward to a dead port looks like."""
    with raw_server(b"") as port:
        assert asyncio.run(ProxyBlobs().is_answering(port)) is False


def test_a_blob_that_does_not_end_in_time_is_unreachable() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst"
    with raw_server(begun, hangs=True) as port, pytest.raises(UnreachableError):
        get(port, timeout=0.3)


def test_any_answer_is_an_answer(httpserver: HTTPServer) -> None:
    def refuse(request: Request) -> Response:
        return Response("no", 502)

    httpserver.expect_request("/").respond_with_handler(refuse)
    assert asyncio.run(ProxyBlobs().is_answering(httpserver.port)) is True


@pytest.mark.parametrize(
    "url", ["", "registry/v2", "ftp://x/y", "http://", "http://a b/", "http://[::1", "http://x/\n"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no URL of a blob"):
        split_url(url)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        split_url("http://user:sesame@registry.example/v2/x")
    assert "sesame" not in str(caught.value)
