"""``remove-cluster`` and orphans: order, what stays, and what the next run does after one that was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dfmc.engine import deregistration
from dfmc.engine.preparation import observe_all, plan_for
from dfmc.engine.removal import remove
from dfmc.engine.reports import StatusReport
from dfmc.engine.session import Session
from dfmc.engine.status import status
from dfmc.engine.strays import prune_actions, pruned
from dfmc.errors import AuthError, ConflictError, DfmcError, NotReadyError, UnreachableError, UsageError
from dfmc.planning.orphans import orphans
from dfmc.planning.steps import Kind, Plan
from dfmc.state import ObservedManager
from observed_worlds import finished
from observed_worlds import plan as plan_of
from removal_world import ENTRIES, PRUNE, StoppedError, World, removal_world
from topologies import entry, topology

ORDER = [
    "b: uninstall cluster-b/dragonfly",
    "manager: delete scheduler cluster-b-scheduler-0",
    "manager: delete scheduler cluster-b-scheduler-1",
    "manager: delete record b",
    "b: delete Namespace cluster-b",
    "file: cut b",
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deregistration, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(deregistration, "_QUIET_SECONDS", 0.05)


@pytest.fixture
def world() -> Iterator[World]:
    with removal_world() as made:
        yield made


def check_gone(world: World) -> None:
    """Nothing of b is left anywhere, and everything of the others."""
    assert world.records == ["a", "c"]
    assert world.scheduler_ids == {world.ids["a"], world.ids["c"]}
    assert world.left("b") == set()
    assert world.of["b"].releases == {}
    assert list(world.of["c"].releases) == [("cluster-c", "dragonfly")]
    assert "name: b" not in world.text


@pytest.mark.parametrize("version", ["2.1.66", "2.5.1"])
def test_a_member_goes_in_the_only_safe_order(version: str) -> None:
    with removal_world(version) as world:
        report = world.remove()
        assert report.clusters[0].error is None
        assert world.log == ORDER
        check_gone(world)
        assert [line for line in world.of["c"].requests if not line.startswith(("get", "list"))] == []


def test_seed_peers_of_older_clients_go_too(world: World) -> None:
    seeds = world.manager.database.links[world.ids["b"]][0]
    fields = {"type": "super", "host_name": "seed-0", "ip": "10.0.0.9", "port": 1, "download_port": 2}
    world.manager.database.create_seed_peer({**fields, "seed_peer_cluster_id": seeds})
    world.remove()
    assert "manager: delete seed peer seed-0" in world.log
    check_gone(world)


def test_a_run_that_is_stopped_anywhere_is_finished_by_the_next() -> None:
    """Before and after each change of the run; what was done once is not done again."""
    for at in range(1, 40):
        with removal_world() as world:
            world.stop_at = at
            stopped = False
            try:
                world.remove()
            except* StoppedError:
                stopped = True
            if not stopped:
                break
            if "name: b" in world.text:
                world.remove()
            check_gone(world)
            assert len(set(world.log)) == len(world.log)
            assert set(world.log) >= set(ORDER) - {ORDER[(at - 1) // 2]}
    assert at == 2 * len(ORDER) + 1


@pytest.mark.parametrize("fault", [503, 500])
def test_a_manager_that_fails_for_good_leaves_the_entry_for_the_next_run(
    fault: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Any, record: Any) -> bool:
        raise UnreachableError("the manager could not delete", why=f"HTTP {fault}")

    with monkeypatch.context() as patch:
        patch.setattr("removal_world.Manager.delete_cluster", refuse)
        report = world.remove()
    assert isinstance(report.clusters[0].error, UnreachableError)
    assert "name: b" in world.text
    assert "Namespace cluster-b" in world.left("b")
    assert world.remove().clusters[0].error is None
    check_gone(world)


def test_a_row_that_says_active_though_its_scheduler_ended_with_an_older_manager_is_no_reason_to_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = world.manager.register_scheduler(world.ids["b"], "cluster-b-scheduler-9", ip="10.9.9.9")
    row["last_keep_alive_at"] -= timedelta(seconds=120)
    stop = world.stop_schedulers

    def but_for_that_one(number: int) -> None:
        stop(number)
        row["state"] = "active"

    monkeypatch.setattr(world, "stop_schedulers", but_for_that_one)
    assert world.remove().clusters[0].error is None
    check_gone(world)


def test_a_no_changes_nothing(world: World) -> None:
    assert world.remove(agree=False).declined
    assert world.log == []


def test_the_managers_cluster_is_refused(world: World) -> None:
    with pytest.raises(UsageError) as caught:
        world.remove("a")
    assert caught.value.why == "b, c are registered there"
    assert "dfmc down" in caught.value.next_step
    assert world.log == []


def test_schedulers_that_stay_active_keep_the_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "stop_schedulers", lambda number: None)

    async def quick(session: Session) -> Any:
        return await remove(
            session,
            "b",
            confirm=lambda plan: True,
            edit=lambda: world.point("file: cut"),
            delete_data=False,
            force_unreachable=False,
        )

    report = world.session(quick, only=("b",), timeout=0.05)
    error = report.clusters[0].error
    assert isinstance(error, NotReadyError)
    assert "cluster-b-scheduler-0" in error.why
    assert world.records == ["a", "b", "c"]
    assert world.log == ORDER[:1]


def test_a_cluster_out_of_reach_is_5_and_with_force_goes_once_its_schedulers_are_inactive(world: World) -> None:
    world.of["b"].fail["get Namespace kube-system"] = UnreachableError("no answer", where="b")
    with pytest.raises(UnreachableError) as caught:
        world.remove()
    assert "--force-unreachable" in caught.value.next_step
    assert world.log == []
    world.stop_schedulers(world.ids["b"])
    report = world.remove(force=True)
    assert report.clusters[0].error is None
    assert world.log == [line for line in ORDER if not line.startswith("b:")]
    assert "namespace cluster-b of context b" in report.clusters[0].kept[0]
    assert "helm --kube-context b -n cluster-b uninstall dragonfly" in report.clusters[0].kept[0]
    assert world.records == ["a", "c"]


def test_a_cluster_that_answers_and_refuses_is_not_forced(world: World) -> None:
    world.of["b"].fail["get Namespace kube-system"] = AuthError("no", where="b")
    with pytest.raises(AuthError):
        world.remove(force=True)


def test_a_release_or_record_of_somebody_else_is_left_alone(world: World) -> None:
    place = ("cluster-b", "dragonfly")
    ours = world.of["b"].releases[place]
    world.of["b"].releases[place] = replace(ours, labels={})
    with pytest.raises(ConflictError):
        world.remove()
    world.of["b"].releases[place] = ours
    world.manager.database.scheduler_clusters[world.ids["b"]]["bio"] = "theirs"
    world.empty_caches()
    report = world.remove()
    assert report.clusters[0].kept == (f"record b (id {world.ids['b']}), which this topology did not make",)
    assert world.records == ["a", "b", "c"]


def test_volumes_stay_unless_told_otherwise(world: World) -> None:
    labels = {"app": "dragonfly", "component": "seed-client"}
    metadata = {"name": "storage-0", "namespace": "cluster-b", "labels": labels}
    world.of["b"]._stored({"kind": "PersistentVolumeClaim", "metadata": metadata})
    kept = world.remove().clusters[0].kept
    assert kept == ("PersistentVolumeClaim storage-0",)
    assert "Namespace cluster-b" in world.left("b")
    world.text = world.written(ENTRIES)
    world.remove(data=True)
    check_gone(world)


# --- orphans ----------------------------------------------------------------------------------------------------


def look(world: World) -> StatusReport:
    return world.session(status)


def prune(world: World) -> tuple[Plan, tuple[Any, ...]]:
    """The part of ``up --prune`` that is about orphans."""

    async def use(session: Session) -> tuple[Plan, tuple[Any, ...]]:
        from dfmc.engine.execute import execute
        from dfmc.engine.lock import Lock

        lock = Lock(world.of["a"], session.topology, "up")
        await lock.acquire(print)
        observed = await observe_all(session)
        made = plan_for(session, observed, await world.fetch())
        names = [orphan.name for orphan in orphans(session.topology, observed)]
        steps = tuple(
            replace(step, needs=tuple(n for n in step.needs if n.rpartition(":")[2] in names))
            for step in made.steps
            if step.cluster in names
        )
        part = replace(made, steps=steps)
        outcomes = await execute(part, prune_actions(session, observed, lock), session.observer, session.slots)
        await lock.release()
        return part, pruned(observed, session, part, outcomes)

    return world.session(use, consent=PRUNE)


def test_a_cluster_that_left_the_file_is_orphaned_and_its_place_is_known(world: World) -> None:
    assert look(world).orphans == {}
    world.install("b", "cluster-old", world.register("old"), schedulers=1)
    report = look(world)
    what = f"record id {world.ids['old']}, release dragonfly in namespace cluster-old of context b"
    assert report.orphans == {"old": what}
    assert report.foreign == ()
    assert not report.is_healthy
    assert world.log == []


def test_prune_removes_release_rows_record_and_namespace_and_nothing_of_the_others(world: World) -> None:
    world.install("b", "cluster-old", world.register("old"), schedulers=1)
    made, reports = prune(world)
    assert [step.id for step in made.steps] == ["uninstall:old", "deregister:old", "discard:old"]
    assert [(one.name, one.result) for one in reports] == [("old", "removed")]
    assert world.log == [
        "b: uninstall cluster-old/dragonfly",
        "manager: delete scheduler cluster-old-scheduler-0",
        "manager: delete record old",
        "b: delete Namespace cluster-old",
    ]
    assert look(world).orphans == {}
    assert world.records == ["a", "b", "c"]


def test_an_orphan_that_runs_out_of_sight_is_refused(world: World) -> None:
    number = world.register("old")
    world.manager.register_scheduler(number, "far-away-0")
    made, reports = prune(world)
    assert isinstance(made.failures["old"], ConflictError)
    assert "far-away-0" in made.failures["old"].why
    assert [one.result for one in reports] == ["failed"]
    assert "old" in world.records
    world.stop_schedulers(number)
    assert [one.result for one in prune(world)[1]] == ["removed"]
    assert world.records == ["a", "b", "c"]


def test_a_release_without_a_record_is_an_orphan_called_after_its_place(world: World) -> None:
    world.install("c", "forgotten", 77, schedulers=0)
    assert list(look(world).orphans) == ["c/forgotten/dragonfly"]
    assert prune(world)[1][0].result == "removed"
    assert world.log == ["c: uninstall forgotten/dragonfly", "c: delete Namespace forgotten"]


def test_what_carries_another_mark_is_never_an_orphan(world: World) -> None:
    number = world.register("theirs", bio="dfmc:guide:another-uid")
    world.of["b"].install("theirs", {}, {"dfmc.io/topology": "guide", "dfmc.io/uid": "another-uid"})
    report = look(world)
    assert (report.orphans, report.foreign) == ({}, (f"theirs (id {number})",))


def test_without_the_right_to_list_everywhere_the_entries_namespaces_are_searched(world: World) -> None:
    world.install("b", "cluster-old", world.register("old"), schedulers=0)
    world.of["b"].fail["list Secret "] = AuthError("cannot list secrets")
    report = look(world)
    assert report.unsearched == ("b",)
    assert report.orphans == {"old": f"record id {world.ids['old']}, no release of it in any context of the file"}


def test_an_entry_that_cannot_be_looked_at_is_never_a_stray_in_another_context(world: World) -> None:
    """Two contexts may lead to one Kubernetes cluster: where one of them fails, the other shows its release."""
    world.of["c"].install("cluster-b", {}, dict(world.of["b"].releases["cluster-b", "dragonfly"].labels))
    world.of["b"].fail["get Namespace kube-system"] = UnreachableError("no answer")
    assert look(world).orphans == {}


# --- pure -------------------------------------------------------------------------------------------------------

FILE = topology(clusters=[entry("a"), entry("b")])


def with_orphan(name: str = "old") -> Any:
    observed = finished(FILE)
    assert observed.manager is not None
    _, b = observed.manager.records
    rows = (*observed.manager.records, replace(b, id=9, name=name, scheduler_cluster_id=9, seed_peer_cluster_id=19))
    return replace(observed, manager=ObservedManager(rows))


def test_a_plan_tells_orphans_and_touches_them_only_when_asked_to() -> None:
    made = plan_of(FILE, with_orphan())
    assert not made.has_changes
    assert made.orphans == {"old": "record id 9, no release of it in any context of the file"}


@pytest.mark.parametrize("name", ["B", "a"])
def test_a_record_that_the_manager_takes_for_an_entrys_is_no_orphan(name: str) -> None:
    assert orphans(FILE, with_orphan(name)) == ()


def test_a_record_whose_release_an_entry_took_over_goes_after_that_is_upgraded() -> None:
    from dfmc.planning.orphans import prune_steps

    observed = with_orphan()
    b = observed.clusters["b"]
    values = {**b.release.values, "scheduler": {"config": {"manager": {"schedulerClusterID": 9}}}}
    clusters = {**observed.clusters, "b": replace(b, release=replace(b.release, values=values))}
    steps, failures = prune_steps(FILE, replace(observed, clusters=clusters))
    assert failures == {}
    assert steps[0].kind is Kind.DEREGISTER
    assert "release:b" in steps[0].needs


def test_nothing_is_pruned_while_the_manager_cannot_be_asked(world: World) -> None:
    from dfmc.planning.orphans import prune_steps

    world.install("b", "cluster-old", world.register("old"), schedulers=0)

    async def use(session: Session) -> dict[str, DfmcError]:
        observed = replace(await observe_all(session), manager=None, manager_error=UnreachableError("no answer"))
        steps, failures = prune_steps(session.topology, observed)
        assert steps == []
        return failures

    failures = world.session(use)
    assert list(failures) == ["b/cluster-old/dragonfly"]
