"""The bed's origin: content that follows from the path, ranges, and a log of who fetched what."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bed_tools import wait_until
from dfmc.testbed.origin import DEFAULT_SIZE, Blob, OriginRequest, blob_at, byte_range, read_log
from dfmc.testbed.supervisor.origin_server import serve_origin

DIGEST = "0123456789abcdef" * 4
PATH = f"/v2/dfmc/verify/blobs/sha256:{DIGEST}"


def whole(blob: Blob) -> bytes:
    return b"".join(blob.content(0, blob.size))


def test_content_follows_from_the_digest_and_nothing_else() -> None:
    blob = Blob(DIGEST, 100_000)
    assert len(whole(blob)) == 100_000
    assert whole(blob) == whole(Blob(DIGEST, 200_000))[:100_000]
    assert whole(Blob("f" * 64, 100_000)) != whole(blob)
    # No stretch repeats: a client that put pieces in the wrong places would be found out.
    pieces = [whole(blob)[at : at + 1000] for at in range(0, 100_000, 1000)]
    assert len(set(pieces)) == 100


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (16383, 16385), (16384, 16384 * 2), (99_999, 100_000), (5, 5), (50_000, 60_001)]
)
def test_a_range_is_a_part_of_the_whole(start: int, end: int) -> None:
    blob = Blob(DIGEST, 100_000)
    assert b"".join(blob.content(start, end)) == whole(blob)[start:end]


@pytest.mark.parametrize(
    ("target", "size"),
    [
        (PATH, DEFAULT_SIZE),
        (f"{PATH}?size=5", 5),
        (f"{PATH}?ns=registry.example&size=7", 7),
        (f"{PATH}?size=0", None),
        (f"{PATH}?size=-1", None),
        (f"{PATH}?size=²", None),
        (f"{PATH}?size=99999999999999", None),
        (PATH[:-1], None),
        ("/v2/x/manifests/latest", None),
        ("/", None),
    ],
)
def test_blobs_are_where_a_registry_has_them(target: str, size: int | None) -> None:
    blob = blob_at(target)
    assert (blob.size if blob else None) == size


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-", (10, 100)),
        ("bytes=10-1000", (10, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=0-1,5-6", None),
        ("bytes=7-3", None),
        ("bytes=-", None),
        ("items=0-1", None),
    ],
)
def test_ranges_are_read_as_http_defines_them(header: str, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(ValueError, match=header):
        byte_range(header, 100)


@dataclass
class Origin:
    port: int
    log: Path

    def ask(self, method: str, target: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    server = serve_origin(0, tmp_path / "origin.log")
    yield Origin(server.server_port, tmp_path / "origin.log")
    server.shutdown()
    server.server_close()


def test_whole_part_and_head_agree(origin: Origin) -> None:
    target = f"{PATH}?size=50000"
    answer, body = origin.ask("GET", target)
    assert (answer.status, len(body), answer.headers["Accept-Ranges"]) == (200, 50000, "bytes")
    part, middle = origin.ask("GET", target, Range="bytes=20000-29999")
    assert (part.status, part.headers["Content-Range"]) == (206, "bytes 20000-29999/50000")
    assert middle == body[20000:30000]
    head, nothing = origin.ask("HEAD", target)
    assert (head.status, head.headers["Content-Length"], nothing) == (200, "50000", b"")
    assert answer.headers["ETag"] == part.headers["ETag"] == head.headers["ETag"]


def test_a_range_of_another_version_gets_the_whole(origin: Origin) -> None:
    target = f"{PATH}?size=1000"
    etag = origin.ask("HEAD", target)[0].headers["ETag"]
    assert origin.ask("GET", target, Range="bytes=0-9", If_Range='"other"')[0].status == 200
    assert origin.ask("GET", target, Range="bytes=0-9", If_Range=etag)[0].status == 206


def test_what_cannot_be_had_is_refused(origin: Origin) -> None:
    answer, _ = origin.ask("GET", f"{PATH}?size=1000", Range="bytes=1000-")
    assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */1000")
    assert origin.ask("GET", "/v2/x/manifests/latest")[0].status == 404
    assert origin.ask("GET", "/v2/")[0].status == 200


def test_the_log_says_who_got_how_much(origin: Origin) -> None:
    requests = [("GET", f"{PATH}?size=1000", {}), ("GET", f"{PATH}?size=1000", {"Range": "bytes=0-99"})]
    requests += [("HEAD", PATH, {}), ("GET", "/nothing", {})]
    for number, (method, target, headers) in enumerate(requests, start=1):
        origin.ask(method, target, **headers)
        wait_for_lines(origin.log, number)  # a request is written down after its answer
    lines = read_log(origin.log)
    assert [(line.method, line.status, line.sent, line.complete, line.range) for line in lines] == [
        ("GET", 200, 1000, True, ""),
        ("GET", 206, 100, True, "bytes=0-99"),
        ("HEAD", 200, 0, True, ""),
        ("GET", 404, 0, True, ""),
    ]
    assert {line.client for line in lines} == {"127.0.0.1"}


def test_a_pod_is_logged_by_its_address_in_the_api(origin: Origin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=30, source_address=("127.64.0.9", 0))
    connection.request("HEAD", PATH)
    connection.getresponse().read()
    connection.close()
    assert [line.client for line in wait_for_lines(origin.log, 1)] == ["10.64.0.9"]


def test_a_client_that_hangs_up_is_no_whole_copy(origin: Origin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=30)
    connection.request("GET", f"{PATH}?size=1000000000")
    connection.getresponse()
    connection.close()
    (line,) = wait_for_lines(origin.log, 1)
    assert (line.status, line.complete) == (200, False)
    assert line.sent < 1_000_000_000


def test_a_bed_whose_origin_was_never_asked_has_an_empty_log(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none") == []


def wait_for_lines(log: Path, count: int) -> list[OriginRequest]:
    wait_until(f"line {count} of the log", lambda: len(read_log(log)) >= count)
    return read_log(log)
