"""Jaeger is asked which clients have a trace of a URL."""

import asyncio
import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from dfmc.clients.traces import JaegerTraces
from dfmc.errors import UnreachableError, UsageError

TARGET = "/v2/x/blobs/sha256:abc?ns=registry%3A5000"


def hosts(server: HTTPServer) -> frozenset[str]:
    return asyncio.run(JaegerTraces(server.url_for("").rstrip("/")).hosts_with(TARGET, 1_700_000_000.5))


def test_the_clients_that_were_asked_are_found_by_their_service(httpserver: HTTPServer) -> None:
    asked = []

    def traces(request: Request) -> Response:
        asked.append(request.args.to_dict())
        found = [{"traceID": "1"}] if request.args["service"] == "dfdaemon-10.0.0.5" else []
        return Response(json.dumps({"data": found}))

    services = ["scheduler", "dfdaemon-10.0.0.5", "dfdaemon-10.0.0.6", "jaeger-query"]
    httpserver.expect_request("/api/services").respond_with_json({"data": services})
    httpserver.expect_request("/api/traces").respond_with_handler(traces)
    assert hosts(httpserver) == {"10.0.0.5"}
    assert [query["service"] for query in asked] == ["dfdaemon-10.0.0.5", "dfdaemon-10.0.0.6"]
    assert json.loads(asked[0]["tags"]) == {"url": TARGET}
    assert asked[0]["start"] == "1700000000500000"


def test_a_jaeger_that_knows_nothing_is_no_failure(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/services").respond_with_json({"data": None, "total": 0})
    assert hosts(httpserver) == frozenset()


@pytest.mark.parametrize(
    ("body", "status"), [("<html>", 200), ("[]", 200), ("{}", 200), ('{"data": 3}', 200), ("", 404)]
)
def test_something_else_is_no_jaeger(httpserver: HTTPServer, body: str, status: int) -> None:
    httpserver.expect_request("/api/services").respond_with_data(body, status=status)
    with pytest.raises(UnreachableError, match="not its query service"):
        hosts(httpserver)


def test_a_jaeger_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        asyncio.run(JaegerTraces("http://127.0.0.1:1").hosts_with(TARGET, 0.0))


@pytest.mark.parametrize("url", ["", "jaeger:16686", "ftp://x", "http://user:pw@x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        JaegerTraces(url)
