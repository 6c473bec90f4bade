"""``status`` waits for nobody: a cluster that hangs is told as such, the others are looked at all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.reports import StatusReport
from dfmc.engine.session import RunOptions, Session
from dfmc.engine.status import status, watch
from dfmc.errors import UnreachableError
from dfmc.redaction import Redactor
from dfmc.state import KubernetesFacts
from dfmc.topology.load import load_text
from dfmc.topology.model import ClusterSpec
from fakes import FakeKube

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: guide}
chart: {repository: https://charts.example/, version: 1.7.4}
manager: {cluster: a, address: manager.example, expose: {type: LoadBalancer}}
clusters:
- {name: a, context: a, namespace: cluster-a}
- {name: b, context: b, namespace: cluster-b, scopes: {idc: b}}
"""
LOADED = load_text(TEXT, "topology.yaml")


class Hanging(FakeKube):
    """An API server that takes connections and says nothing."""

    async def facts(self, *, node_selector: Any) -> KubernetesFacts:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits that long")


class Charts:
    """A repository that answers, is down, or hangs."""

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble

    async def fetch(self, **rest: Any) -> ChartArchive:
        if self.trouble == "down":
            raise UnreachableError("the repository does not answer")
        if self.trouble == "hangs":
            await asyncio.sleep(60)
        return ChartArchive(Path("/nowhere/dragonfly.tgz"), "ab" * 32, "dragonfly", "1.7.4", "2.5.0")


class Factory:
    def __init__(self, charts: Charts, **kubes: FakeKube) -> None:
        self.charts, self.kubes = charts, kubes

    def kube(self, cluster: ClusterSpec) -> FakeKube:
        return self.kubes.setdefault(cluster.name, FakeKube())

    def chart_source(self) -> Charts:
        return self.charts

    def manager(self, base_url: str) -> Any:
        raise AssertionError("there is no manager")


def look(charts: Charts, **kubes: FakeKube) -> StatusReport:
    async def main() -> StatusReport:
        options = RunOptions(timeout=0.2)
        async with Session(LOADED, Factory(charts, **kubes), Redactor(), options) as session:  # type: ignore[arg-type]
            return await status(session)

    return asyncio.run(asyncio.wait_for(main(), 30))


def test_a_member_that_hangs_is_told_and_keeps_nobody() -> None:
    report = look(Charts(), b=Hanging())
    a, b = report.clusters
    assert a.error is None
    assert isinstance(b.error, UnreachableError)
    assert b.error.why == "no answer within 0.2 s"
    assert b.error.where == "b"


def test_a_central_cluster_that_hangs_is_told_as_well() -> None:
    report = look(Charts(), a=Hanging())
    assert isinstance(report.clusters[0].error, UnreachableError)
    assert not report.is_healthy


@pytest.mark.parametrize("trouble", ["down", "hangs"])
def test_without_a_chart_the_clusters_are_told_all_the_same(trouble: str) -> None:
    report = look(Charts(trouble))
    assert [cluster.error for cluster in report.clusters] == [None, None]
    assert isinstance(report.unknown, UnreachableError)
    assert not report.is_healthy


def test_watching_looks_again_until_somebody_ends_it() -> None:
    seen: list[StatusReport] = []
    enough = asyncio.Event()

    def show(report: StatusReport) -> None:
        seen.append(report)
        if len(seen) == 3:
            enough.set()

    async def main() -> None:
        charts = Charts("down")
        options = RunOptions(timeout=5)
        async with Session(LOADED, Factory(charts), Redactor(), options) as session:  # type: ignore[arg-type]
            watching = asyncio.create_task(watch(session, show, 0.01))
            await enough.wait()
            charts.trouble = ""
            enough.clear()
            seen.clear()
            await enough.wait()
            watching.cancel()
            await asyncio.wait({watching})
            assert watching.cancelled()

    asyncio.run(asyncio.wait_for(main(), 30))
    assert seen[-1].unknown is None
