"""The real chart source over real sockets, through everything that can go wrong on the way to a repository."""

import asyncio
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from clients.test_chart_source import CHART, DIGEST, index
from dfmc.clients.chart import ChartRepository
from dfmc.clients.protocols import ChartArchive
from dfmc.errors import IntegrityError, UnreachableError
from dfmc.testbed.faults import Fault, HttpProxy, Kind
from scenarios import scenario


def anything(method: str, path: str) -> bool:
    return True


def archives(method: str, path: str) -> bool:
    return path.endswith(".tgz")


EVERY_FAULT = [
    Fault(Kind.REFUSE, times=None),
    Fault(Kind.SILENT, times=None),
    Fault(Kind.RESET, times=None, after_bytes=1),
    Fault(Kind.RESET, times=None, after_bytes=300),
    Fault(Kind.ANSWER, times=None, matches=anything, status=500),
    Fault(Kind.ANSWER, times=None, matches=anything, status=429, retry_after="1"),
    Fault(Kind.HANG, times=None, matches=anything),
    Fault(Kind.HANG, times=None, matches=archives),
    Fault(Kind.DROP_REQUEST, times=None, matches=archives),
    Fault(Kind.DROP_ANSWER, times=None, matches=archives),
    Fault(Kind.CUT, matches=archives),
]


def named(fault: Fault) -> str:
    where = fault.matches.__name__ if fault.kind in (Kind.HANG, Kind.CUT) else fault.after_bytes
    return f"{fault.kind}-{fault.status if fault.kind is Kind.ANSWER else where}"


def fetch(proxy: HttpProxy, cache: Path, *, total_time: float = 60.0, sha256: str | None = None) -> ChartArchive:
    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    source = ChartRepository(cache=cache, sleep=at_once, total_time=total_time)
    chart = source.fetch(repository=proxy.url, path=None, name="dragonfly", version="9.7.4", sha256=sha256)
    return asyncio.run(chart)


@pytest.fixture
def repository(httpserver: HTTPServer) -> HTTPServer:
    httpserver.expect_request("/index.yaml").respond_with_data(index())
    httpserver.expect_request("/dragonfly-9.7.4.tgz").respond_with_data(CHART)
    return httpserver


@scenario("C2", real=True)
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=named)
def test_a_repository_that_fails_for_good_is_an_error_that_names_it(
    fault: Fault, repository: HTTPServer, tmp_path: Path
) -> None:
    with HttpProxy(("127.0.0.1", repository.port)) as proxy:
        proxy.plan.arm(fault)
        with pytest.raises(UnreachableError) as caught:
            fetch(proxy, tmp_path / "cache", total_time=0.5)
    assert "127.0.0.1" in caught.value.what
    assert caught.value.why
    assert "chart.path" in caught.value.next_step
    assert list((tmp_path / "cache").glob("*.tgz")) == []  # nothing half is kept


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.RESET, after_bytes=1),
        Fault(Kind.RESET, at=2, after_bytes=300),
        Fault(Kind.ANSWER, matches=anything, status=503),
        Fault(Kind.ANSWER, matches=archives, status=429),
        Fault(Kind.DROP_ANSWER, matches=archives),
    ],
    ids=named,
)
def test_a_passing_fault_is_outlived(fault: Fault, repository: HTTPServer, tmp_path: Path) -> None:
    with HttpProxy(("127.0.0.1", repository.port)) as proxy:
        proxy.plan.arm(fault)
        assert fetch(proxy, tmp_path / "cache").sha256 == DIGEST
        assert proxy.plan.struck == 1


@scenario("C2", real=True)
def test_a_pinned_chart_that_was_fetched_once_needs_no_repository(repository: HTTPServer, tmp_path: Path) -> None:
    with HttpProxy(("127.0.0.1", repository.port)) as proxy:
        fetch(proxy, tmp_path / "cache", sha256=DIGEST)
        asked = len(proxy.plan.requests)
        proxy.plan.arm(Fault(Kind.REFUSE, times=None))
        assert fetch(proxy, tmp_path / "cache", sha256=DIGEST).sha256 == DIGEST
        assert len(proxy.plan.requests) == asked


@scenario("C1", "C4", real=True)
def test_other_bytes_under_the_same_version_are_refused(httpserver: HTTPServer, tmp_path: Path) -> None:
    httpserver.expect_request("/index.yaml").respond_with_data(index())
    httpserver.expect_request("/dragonfly-9.7.4.tgz").respond_with_data(CHART + b"\0")
    with HttpProxy(("127.0.0.1", httpserver.port)) as proxy, pytest.raises(IntegrityError) as caught:
        fetch(proxy, tmp_path / "cache")
    assert DIGEST in str(caught.value)
    assert list((tmp_path / "cache").glob("*.tgz")) == []
