"""Prometheus text, as clients and schedulers write it, becomes counters; anything else is refused."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfmc.clients.metrics import peer_counters, scheduler_counters
from dfmc.errors import DfmcError
from dfmc.state import PeerCounters, SchedulerCounters
from simulated_dragonfly import SimPeer, SimScheduler

CLIENT_PAGE = """\
# HELP dragonfly_client_backend_request_total Counter of the number of the backend request.
# TYPE dragonfly_client_backend_request_total counter
dragonfly_client_backend_request_total{method="GET",scheme="http"} 17
# HELP dragonfly_client_disk_space_total Gauge of the disk space in bytes
# TYPE dragonfly_client_disk_space_total gauge
dragonfly_client_disk_space_total 269427478528
# HELP dragonfly_client_download_task_duration_milliseconds Histogram of the download task duration.
# TYPE dragonfly_client_download_task_duration_milliseconds histogram
dragonfly_client_download_task_duration_milliseconds_bucket{task_size_level="7",task_type="0",le="1"} 0
dragonfly_client_download_task_duration_milliseconds_bucket{task_size_level="7",task_type="0",le="+Inf"} 2
dragonfly_client_download_task_duration_milliseconds_sum{task_size_level="7",task_type="0"} 2318
dragonfly_client_download_task_duration_milliseconds_count{task_size_level="7",task_type="0"} 2
# HELP dragonfly_client_download_traffic Counter of the number of the download traffic.
# TYPE dragonfly_client_download_traffic counter
dragonfly_client_download_traffic{type="BACK_TO_SOURCE"} 67130812
dragonfly_client_download_traffic{type="LOCAL_PEER"} 12
dragonfly_client_download_traffic{type="REMOTE_PEER"} 5
# HELP dragonfly_client_proxy_request_total Counter of the number of the proxy request.
# TYPE dragonfly_client_proxy_request_total counter
dragonfly_client_proxy_request_total 9
# HELP dragonfly_client_proxy_request_via_dfdaemon_total Counter of the number of the proxy request via dfdaemon.
# TYPE dragonfly_client_proxy_request_via_dfdaemon_total counter
dragonfly_client_proxy_request_via_dfdaemon_total 4
# HELP dragonfly_client_upload_traffic Counter of the number of the upload traffic.
# TYPE dragonfly_client_upload_traffic counter
dragonfly_client_upload_traffic 134261624
# HELP dragonfly_client_version Version info of the service.
# TYPE dragonfly_client_version gauge
dragonfly_client_version{build_time="2026-01-01",git_commit="unknown",git_version="1.4.0",platform="linux"} 1
"""

SCHEDULER_PAGE = """\
# HELP dragonfly_scheduler_register_peer_total Counter of the number of the register peer.
# TYPE dragonfly_scheduler_register_peer_total counter
dragonfly_scheduler_register_peer_total{host_type="normal",priority="LEVEL0",task_type="STANDARD"} 3
dragonfly_scheduler_register_peer_total{host_type="normal",priority="LEVEL6",task_type="STANDARD"} 4
dragonfly_scheduler_register_peer_total{host_type="super",priority="LEVEL0",task_type="STANDARD"} 2
# HELP go_gc_duration_seconds A summary of the pause duration of garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 2.3e-05
go_gc_duration_seconds_sum 0.01
go_gc_duration_seconds_count 7
"""


def test_a_clients_page_is_read() -> None:
    assert peer_counters(CLIENT_PAGE) == PeerCounters(
        from_source=67130812, from_peers=5, from_disk=12, uploaded=134261624, requests=9, requests_p2p=4
    )


def test_a_schedulers_page_adds_up_every_priority() -> None:
    assert scheduler_counters(SCHEDULER_PAGE) == SchedulerCounters(clients=7, seeds=2)


def test_what_was_never_counted_is_zero() -> None:
    assert peer_counters('dragonfly_client_version{git_version="1.4.0"} 1\n') == PeerCounters()


def test_large_counters_keep_every_byte() -> None:
    assert peer_counters("dragonfly_client_upload_traffic 9007199254740991\n").uploaded == (1 << 53) - 1


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("<html><body>not here</body></html>", "no Prometheus text"),
        ("", "no name on it begins with dragonfly_client_"),
        ("go_goroutines 12\n", "no name on it begins with dragonfly_client_"),
        (SCHEDULER_PAGE, "no name on it begins with dragonfly_client_"),
        ("dragonfly_client_upload_traffic NaN\n", "upload_traffic is no number"),
        ("dragonfly_client_upload_traffic +Inf\n", "upload_traffic is no number"),
    ],
)
def test_another_page_is_refused(page: str, why: str) -> None:
    with pytest.raises(DfmcError, match=why.replace("+", r"\+")):
        peer_counters(page)


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_broken_page_is_read_or_refused_and_nothing_else(chance: random.Random, edits: int) -> None:
    page = list(CLIENT_PAGE)
    for _ in range(edits):
        page[chance.randrange(len(page))] = chance.choice('{}"\\ \n=,x1#\x00é-+.')
    with contextlib.suppress(DfmcError):
        peer_counters("".join(page))


@given(st.dictionaries(st.sampled_from(["from_source", "from_peers", "uploaded", "requests"]), st.integers(1, 1 << 52)))
def test_the_models_pages_say_what_it_counted(counted: dict[str, int]) -> None:
    """The tests of the engine rest on this."""
    assert peer_counters(SimPeer("a", "p", "n", False, 1, moved=counted).page()) == PeerCounters(**counted)
    assert scheduler_counters(SimScheduler("a", "s", 1, clients=3, seeds=1).page()) == SchedulerCounters(3, 1)
