"""Prometheus text to the counters that prove where bytes came from. Pure.

Names and labels: crate dragonfly-client-metric 1.4.0 (``src/lib.rs``) and Dragonfly 2.5 (``scheduler/metrics``). A
counter that has never been touched is not on the page, so what is absent is zero; a page of something else is refused
by its names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dfmc.errors import DfmcError
from dfmc.state import PeerCounters, SchedulerCounters

_CLIENT = "dragonfly_client_"
_SCHEDULER = "dragonfly_scheduler_"


class Sample(NamedTuple):
    """One number of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


def peer_counters(page: str) -> PeerCounters:
    """Return the counters of a client's or seed client's page.

    Raises:
        DfmcError: It is no page of a Dragonfly client, or no Prometheus text at all.
    """
    samples = list(_samples(page, _CLIENT))

    def traffic(kind: str) -> int:
        return _sum(samples, "download_traffic", "type", kind)

    return PeerCounters(
        from_source=traffic("BACK_TO_SOURCE"),
        from_peers=traffic("REMOTE_PEER"),
        from_disk=traffic("LOCAL_PEER"),
        uploaded=_sum(samples, "upload_traffic"),
        requests=_sum(samples, "proxy_request"),
        requests_p2p=_sum(samples, "proxy_request_via_dfdaemon"),
    )


def scheduler_counters(page: str) -> SchedulerCounters:
    """Return the counters of a scheduler's page.

    Raises:
        DfmcError: It is no page of a Dragonfly scheduler, or no Prometheus text at all.
    """
    samples = list(_samples(page, _SCHEDULER))

    def registered(host_type: str) -> int:
        return _sum(samples, "register_peer", "host_type", host_type)

    return SchedulerCounters(clients=registered("normal"), seeds=registered("super"))


def _samples(page: str, prefix: str) -> Iterator[Sample]:
    """Yield the samples whose names begin so, without that beginning and without ``_total``."""
    from prometheus_client.parser import text_string_to_metric_families

    is_any = False
    try:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if not sample.name.startswith(prefix):
                    continue
                is_any = True
                # The parser ends every counter's name in _total, as OpenMetrics does; Dragonfly does not in each.
                name = sample.name.removeprefix(prefix).removesuffix("_total")
                yield Sample(name, sample.labels, float(sample.value))
    except (ValueError, KeyError, IndexError) as error:  # all that the parser raises on broken lines
        raise DfmcError("its page of metrics cannot be read", why="it is no Prometheus text") from error
    if not is_any:
        raise DfmcError("its page of metrics is not Dragonfly's", why=f"no name on it begins with {prefix}")


def _sum(samples: Iterable[Sample], name: str, label: str = "", value: str = "") -> int:
    """Add up all samples of a name, over whatever other labels a version may give it."""
    wanted = (sample for sample in samples if sample.name == name and (not label or sample.labels.get(label) == value))
    total = sum(sample.value for sample in wanted)
    if not math.isfinite(total):
        raise DfmcError("its page of metrics cannot be read", why=f"{name} is no number")
    return round(total)
