"""A run with a chart whose keys dfmc has no facts of: the chart's own default values decide before any plan is made."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dfmc.clients.protocols import ChartArchive
from dfmc.engine.events import Note
from dfmc.engine.runs import plan
from dfmc.engine.session import Session
from dfmc.errors import TopologyError
from dfmc.linting.loading import load_from_text
from dfmc.redaction import Redactor
from fakes import FakeKube, NoPulls

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: VERSION}
manager: {cluster: a}
clusters:
- {name: a, context: k, namespace: a, runtime: {type: none}, values: {client: {podAnnotations: {}}}}
"""


class Clients(NoPulls):
    """A chart with given default values, and an empty Kubernetes cluster."""

    def __init__(self, version: str, defaults: dict[str, Any]) -> None:
        self.version, self.defaults = version, defaults
        self.asked = 0

    def kube(self, cluster: object) -> FakeKube:
        return FakeKube()

    def helm(self, cluster: object) -> Any:
        return self

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager answers")

    def chart_source(self) -> Any:
        return self

    def blobs(self) -> Any:
        raise AssertionError("nothing is pulled here")

    def nodes(self, kube: object) -> Any:
        raise AssertionError("nothing is pulled here")

    def registry(self, url: str) -> Any:
        raise AssertionError("nothing is pushed here")

    def traces(self, url: str) -> Any:
        raise AssertionError("nothing is pulled here")

    async def fetch(self, **wanted: object) -> ChartArchive:
        return ChartArchive(Path("/chart.tgz"), "0" * 64, "dragonfly", self.version, "2.5.1")

    async def show_values(self, chart: Path) -> dict[str, Any]:
        self.asked += 1
        return self.defaults


def planned(version: str, defaults: dict[str, Any]) -> tuple[Clients, list[str]]:
    clients, notes = Clients(version, defaults), list[str]()

    async def run() -> None:
        loaded = load_from_text(TEXT.replace("VERSION", version), "x.yaml")
        observer = lambda event: notes.append(event.text) if isinstance(event, Note) else None  # noqa: E731
        async with Session(loaded, clients, Redactor(), observer=observer) as session:
            await plan(session)

    asyncio.run(run())
    return clients, notes


def test_a_chart_of_a_known_version_is_not_asked() -> None:
    clients, notes = planned("1.7.8", {})
    assert (clients.asked, notes) == (0, [])


@pytest.mark.parametrize("version", ["1.7.6", "1.8.5"])
def test_what_dfmc_writes_in_vain_is_said_and_stops_nothing(version: str) -> None:
    clients, notes = planned(version, {"client": {"podAnnotations": {}}, "redis": {}, "mysql": {}})
    assert clients.asked == 1
    assert f"dfmc writes scheduler in vain: chart {version} has no key scheduler" in notes
    assert not any("redis" in note or "mysql" in note for note in notes)


def test_what_the_file_sets_in_vain_stops_the_run() -> None:
    with pytest.raises(TopologyError) as refused:
        planned("1.8.5", {"client": {"annotations": {}}})
    (diagnostic,) = refused.value.diagnostics
    assert (diagnostic.line, diagnostic.rule) == (7, "DF102")
    assert diagnostic.message.startswith("chart 1.8.5 has no key client.podAnnotations")
