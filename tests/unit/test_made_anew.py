"""The fleet as the manager has it: records that were made anew, and records that are nobody's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dfmc.engine.reports import StatusReport
from dfmc.engine.status import status
from dfmc.output.documents import plan_document, status_document
from dfmc.output.plan import plan_lines, plan_markdown
from dfmc.output.tables import status_lines
from dfmc.planning.made_anew import ChangedId, changed_id, changed_ids
from dfmc.planning.ownership import record_bio
from dfmc.planning.steps import Action
from dfmc.state import ClusterRecord, Observed, ScopesRecord
from dfmc.symbols import Pending
from observed_worlds import UID, finished, plan
from removal_world import World, removal_world
from topologies import entry, topology

FILE = topology()
B = FILE.cluster("b")
ID = "scheduler.config.manager.schedulerClusterID"


def with_records(world: Observed, *changes: ClusterRecord | None) -> Observed:
    """The world with b's record replaced by these; None takes it away."""
    assert world.manager is not None
    kept = [one for one in world.manager.records if one.name != "b"]
    records = tuple(kept + [one for one in changes if one is not None])
    return replace(world, manager=replace(world.manager, records=records))


def anew(number: int, name: str = "b") -> ClusterRecord:
    scopes = ScopesRecord(idc="cluster-2")
    return ClusterRecord(number, name, record_bio("guide", UID), scopes, number, number + 10, False)


def test_nothing_is_said_where_ids_agree_or_are_not_known() -> None:
    world = finished(FILE)
    assert changed_ids(FILE, world) == {}
    assert changed_ids(FILE, replace(world, manager=None)) == {}
    bare = replace(world, clusters={**world.clusters, "b": replace(world.clusters["b"], release=None)})
    assert changed_id(FILE, B, with_records(bare, None)) is None


@pytest.mark.parametrize(
    ("records", "changed", "words"),
    [
        ((None,), ChangedId(2, None), "is that of a record that is gone; there is none under its name"),
        ((anew(5),), ChangedId(2, 5), "is that of a record that is gone; its record has id 5 by now"),
        ((anew(5), anew(2, "c")), ChangedId(2, 5, "c"), "is that of record c; its record has id 5 by now"),
    ],
)
def test_a_record_that_is_another_one(records: Any, changed: ChangedId, words: str) -> None:
    found = changed_ids(FILE, with_records(finished(FILE), *records))
    assert found == {"b": changed}
    assert str(found["b"]) == f"id 2, which its release has, {words}"


def test_a_plan_gives_the_release_the_new_records_ids_and_says_why() -> None:
    made = plan(FILE, with_records(finished(FILE), anew(5)))
    step = made.step("release:b")
    assert step is not None
    assert {(c.path, c.old, c.new) for c in step.changes} >= {
        (ID, 2, 5),
        ("client.config.host.schedulerClusterID", 2, 5),
        ("seedClient.config.host.schedulerClusterID", 2, 5),
    }
    assert step.note == "id 2, which its release has, is that of a record that is gone; its record has id 5 by now"
    assert [one.id for one in made.mutations] == ["release:b"]
    assert any(step.note in line.plain for line in plan_lines(made, FILE))


def test_a_plan_registers_a_record_that_is_gone_anew_and_says_so() -> None:
    made = plan(FILE, with_records(finished(FILE), None))
    record, release = made.step("record:b"), made.step("release:b")
    assert record is not None
    assert release is not None
    assert record.action is Action.CREATE
    assert record.note.startswith("registered anew: id 2, which its release has, is that of a record that is gone")
    assert any(c.path == ID and isinstance(c.new, Pending) for c in release.changes)
    fresh = plan(
        FILE,
        replace(
            with_records(finished(FILE), None),
            clusters={**finished(FILE).clusters, "b": replace(finished(FILE).clusters["b"], release=None)},
        ),
    ).step("record:b")
    assert fresh is not None
    assert fresh.note == ""


def test_ids_that_two_records_have_exchanged_are_each_put_right() -> None:
    file = topology(clusters=[entry("a"), entry("b"), entry("c")])
    world = finished(file)
    assert world.manager is not None
    a, b, c = world.manager.records
    swapped = (a, replace(b, id=3, scheduler_cluster_id=3), replace(c, id=2, scheduler_cluster_id=2))
    crossed = replace(world, manager=replace(world.manager, records=swapped))
    assert {name: str(one) for name, one in changed_ids(file, crossed).items()} == {
        "b": "id 2, which its release has, is that of record c; its record has id 3 by now",
        "c": "id 3, which its release has, is that of record b; its record has id 2 by now",
    }
    assert {step.id for step in plan(file, crossed).mutations} == {"release:b", "release:c"}


def test_records_that_are_nobodys_are_in_the_plan_and_stay() -> None:
    stranger = ClusterRecord(9, "stranger", "somebody's", ScopesRecord(), 9, 9, False)
    orphan = replace(stranger, id=8, name="gone", bio=record_bio("guide", UID))
    world = finished(FILE)
    assert world.manager is not None
    made = plan(
        FILE, replace(world, manager=replace(world.manager, records=(*world.manager.records, stranger, orphan)))
    )
    assert (made.foreign, list(made.orphans), made.has_changes) == (("stranger (id 9)",), ["gone"], False)
    words = "records of the manager that the file does not know, and that stay: "
    assert f"· {words}stranger (id 9)" in [line.plain for line in plan_lines(made, FILE)]
    assert f"- {words}`stranger (id 9)`" in plan_markdown(made)
    assert plan_document(made)["foreignRecords"] == ["stranger (id 9)"]


# --- status, against the simulated manager ---------------------------------------------------------------------


def look(world: World) -> StatusReport:
    return world.session(status)


def delete_record(world: World, name: str) -> None:
    database, number = world.manager.database, world.ids[name]
    for key in [key for key, row in database.schedulers.items() if row["scheduler_cluster_id"] == number]:
        del database.schedulers[key]
    database.delete_cluster(number)
    world.empty_caches()


def text(report: StatusReport) -> str:
    return "\n".join(line.plain for line in status_lines(report, "t.yaml"))


def test_status_tells_of_a_record_that_was_made_anew_or_is_gone() -> None:
    with removal_world() as world:
        assert [one.changed_id for one in look(world).clusters] == [None, None, None]
        old = world.ids["b"]
        delete_record(world, "b")
        gone = look(world)
        assert gone.clusters[1].changed_id == ChangedId(old, None)
        assert f"b: its record is another one: id {old}, which its release has, is that of a record that is gone" in (
            text(gone)
        )
        assert not gone.is_healthy
        new = world.register("b", scopes={"idc": "b"})
        world.empty_caches()
        report = look(world)
        assert report.clusters[1].changed_id == ChangedId(old, new)
        document = status_document(report)
        assert document["clusters"][1]["changedID"] == {"release": old, "record": new, "holder": None}
        assert document["clusters"][0]["changedID"] is None
        assert "dfmc up registers it where it must" in text(report)


def test_status_names_records_of_nobody() -> None:
    with removal_world() as world:
        number = world.register("stranger", bio="somebody's")
        world.empty_caches()
        assert look(world).foreign == (f"stranger (id {number})",)
