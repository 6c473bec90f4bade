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
from dfmc.planning.ownership import RESTART_LABEL
from dfmc.planning.steps import Action, Kind, Recreated, Step
from dfmc.redaction import Redactor
from dfmc.state import EditedConfigMap, EditedField, PodState, ReleaseState, WorkloadState
from dfmc.topology.load import load_file
from fakes import FakeKube
from observed_worlds import CHART, finished, plan

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


class Killed(BaseException):
    """The process ends here."""


class Mortal(OneRelease):
    """A release whose ConfigMap somebody has edited; dfmc is killed after the k-th change, if told."""

    def __init__(self, fatal: int | None) -> None:
        super().__init__(present())
        self.fatal = fatal
        self.edits = (EditedConfigMap("dragonfly-scheduler", ("scheduler.yaml",), 100.0),)
        self.is_gone = False
        self._write_record(self.live.labels)

    def _write_record(self, labels: Mapping[str, str]) -> None:
        metadata = {"name": self.live.record, "namespace": "cluster-b", "labels": dict(labels)}
        self._stored({"kind": "Secret", "metadata": metadata})

    def changed(self) -> None:
        if self.fatal is not None:
            self.fatal -= 1
            if self.fatal == 0:
                raise Killed

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        labels = self.objects["Secret", namespace, self.live.record]["metadata"]["labels"]
        return replace(self.live, labels=labels)

    async def missing(self, release: ReleaseState) -> Sequence[str]:
        return ("ConfigMap dragonfly-scheduler",) if self.is_gone else ()

    async def replace(self, obj: JsonObject) -> JsonObject | None:
        saved = await super().replace(obj)
        self.changed()
        return saved

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self.edits, self.is_gone = (), True
        self.changed()
        return True

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        applied = await super().apply(obj, force=force)
        self.changed()
        return applied

    def upgraded(self, labels: Mapping[str, str]) -> None:
        kept = self.objects["Secret", "cluster-b", self.live.record]["metadata"]["labels"]
        self.live, self.is_gone = replace(self.live, revision=self.live.revision + 1), False
        self._write_record({**kept, **labels})
        self.changed()


@pytest.mark.parametrize("fatal", [1, 2, 3, 4, 5, None])
def test_a_restart_that_is_due_is_not_lost_wherever_the_run_is_killed(
    fatal: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube = Mortal(fatal)

    async def upgrade(self: Helm, *, labels: Mapping[str, str], **rest: Any) -> None:
        kube.upgraded(labels)

    monkeypatch.setattr(Helm, "upgrade", upgrade)
    if fatal is None:
        act(kube)
    else:
        with pytest.raises(Killed):
            act(kube)
        kube.fatal = None
        act(kube)
    assert not kube.is_gone
    assert not kube.edits
    assert "restart StatefulSet dragonfly-scheduler" in kube.log
    record = kube.objects["Secret", "cluster-b", kube.live.record]
    assert RESTART_LABEL not in record["metadata"]["labels"]
    count = len(kube.log)
    assert not act(kube).changed
    assert len(kube.log) == count


def test_a_restart_that_is_due_is_planned() -> None:
    release = present()
    seen = finished(LOADED.topology)
    due = replace(release, labels={**release.labels, RESTART_LABEL: "100"})
    clusters = {**seen.clusters, "b": replace(seen.clusters["b"], release=due)}
    (step,) = plan(LOADED.topology, replace(seen, clusters=clusters)).mutations
    assert step.id == "release:b"
    assert "restarts pods" in step.note
