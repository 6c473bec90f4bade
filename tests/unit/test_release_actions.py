"""The release's action over doubles: what it deletes, adopts and restarts, and in which order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfmc.clients.protocols import ChartArchive, JsonObject
from dfmc.engine.execute import Done
from dfmc.engine.lock import Lock
from dfmc.engine.release_actions import ReleaseActions
from dfmc.engine.run_state import RunState
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import ConflictError
from dfmc.planning.consent import Consent
from dfmc.planning.steps import Action, Kind, Recreated, Step
from dfmc.redaction import Redactor
from dfmc.state import EditedConfigMap, EditedField, PodState, ReleaseState, WorkloadState
from dfmc.topology.load import load_file
from fakes import FakeKube
from observed_worlds import CHART, finished

LOADED = load_file(Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml")
CHART_ARCHIVE = ChartArchive(Path("/nowhere/dragonfly.tgz"), CHART.sha256, "dragonfly", CHART.version, "2.5.0")
SCHEDULER = WorkloadState("StatefulSet", "dragonfly-scheduler", "scheduler", 1, 1, 1, observed=True)


class OneRelease(FakeKube):
    """An API server with one release; whatever is written to it or helm does is in ``log``."""

    def __init__(self, live: ReleaseState) -> None:
        super().__init__()
        self.live = live
        self.log: list[str] = []
        self.edits: tuple[EditedConfigMap, ...] = ()
        self.started = 200.0

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        return self.live

    async def edited(self, release: ReleaseState) -> Sequence[EditedConfigMap]:
        return self.edits

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        return [SCHEDULER]

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        return [PodState("dragonfly-scheduler-0", "scheduler", "Running", True, "", "", started=self.started)]

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self.log.append(f"delete {api_version} {kind} {name} in {namespace}")
        return True

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        self.log.append(f"restart {obj['kind']} {obj['metadata']['name']}")
        assert list(obj["spec"]["template"]["metadata"]["annotations"]) == ["kubectl.kubernetes.io/restartedAt"]
        return obj


class Helm:
    def __init__(self, kube: OneRelease) -> None:
        self.kube = kube

    async def upgrade(self, *, labels: Mapping[str, str], **rest: Any) -> None:
        self.kube.log.append("helm upgrade")
        self.kube.live = replace(self.kube.live, revision=self.kube.live.revision + 1, labels=labels)


class Factory:
    def __init__(self, kube: OneRelease) -> None:
        self._kube = kube

    def kube(self, cluster: object) -> OneRelease:
        return self._kube

    def helm(self, cluster: object) -> Helm:
        return Helm(self._kube)

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager")


def present(**changes: Any) -> ReleaseState:
    release = finished(LOADED.topology).clusters["b"].release
    assert release is not None
    return replace(release, **changes)


def quiet(text: str) -> None:
    """Say nothing."""


def act(
    kube: OneRelease, *, adopt: bool = False, recreate: tuple[Recreated, ...] = (), say: Callable[[str], None] = quiet
) -> Done:
    world = finished(LOADED.topology)
    values = world.clusters["b"].release.values  # type: ignore[union-attr]
    step = Step(Kind.RELEASE, "b", Action.UPDATE, values=values, recreate=recreate)

    async def main() -> Done:
        options = RunOptions(consent=Consent(adopt=adopt))
        async with Session(LOADED, Factory(kube), Redactor(), options) as session:  # type: ignore[arg-type]
            run = RunState(session, world, CHART_ARCHIVE, Lock(kube, LOADED.topology, "up"))
            return await ReleaseActions(run).release(step, say)

    return asyncio.run(main())


def test_a_release_that_is_as_wanted_is_left_alone() -> None:
    kube = OneRelease(present())
    assert not act(kube).changed
    assert kube.log == []


def test_what_never_changes_in_place_is_deleted_before_helm_makes_it_anew() -> None:
    kube = OneRelease(present(chart_version="1.7.3"))
    act(kube, recreate=(Recreated("v1", "Service", "dragonfly-scheduler"),))
    assert kube.log == ["delete v1 Service dragonfly-scheduler in cluster-b", "helm upgrade"]


@pytest.mark.parametrize(("started", "restarts"), [(200.0, ["restart StatefulSet dragonfly-scheduler"]), (50.0, [])])
def test_an_edited_config_map_is_made_anew_and_who_read_it_starts_again(started: float, restarts: list[str]) -> None:
    kube = OneRelease(present())
    kube.edits, kube.started = (EditedConfigMap("dragonfly-scheduler", ("scheduler.yaml",), 100.0),), started
    assert act(kube).changed
    assert kube.log == ["delete v1 ConfigMap dragonfly-scheduler in cluster-b", "helm upgrade", *restarts]


def test_what_somebody_edited_is_said_before_it_is_repaired() -> None:
    kube, said = OneRelease(present()), list[str]()
    wrong = EditedField("scheduler.yaml: manager.schedulerClusterID", "1", "2")
    kube.edits = (EditedConfigMap("dragonfly-scheduler", ("scheduler.yaml",), 100.0, (wrong,)),)
    act(kube, say=said.append)
    assert said[:2] == [
        "ConfigMap dragonfly-scheduler, scheduler.yaml: manager.schedulerClusterID: 1 (edited by hand) → 2",
        "deleting ConfigMap dragonfly-scheduler, which helm will make anew",
    ]


def test_a_release_of_somebody_else_is_upgraded_only_when_it_may_be_adopted() -> None:
    kube = OneRelease(present(labels={}))
    with pytest.raises(ConflictError):
        act(kube)
    assert kube.log == []
    assert act(kube, adopt=True).changed
    assert kube.log == ["helm upgrade"]
    assert kube.live.labels["dfmc.io/topology"] == "guide"
