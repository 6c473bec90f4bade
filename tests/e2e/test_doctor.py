"""``dfmc doctor`` on the bed: it names each planted fault and nothing else, is silent on a healthy bed, only reads.

Faults that do not touch each other are planted together, in one batch; each must be named, by its check, for its
cluster, in its words. What a fault brings with it stands beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from bed_tools import wait_until
from bed_world import Ended, World
from doctor_faults import BATCHES, FAULTS, Fault, words

HEALTHY_RUNS = int(os.environ.get("DFMC_DOCTOR_RUNS", "3"))
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900 + 30 * HEALTHY_RUNS)]


@pytest.fixture(scope="module")
def world(up_world: World) -> World:
    """The guide's two clusters, up; every batch leaves them as it found them."""
    return up_world


def findings(ended: Ended) -> list[dict[str, Any]]:
    document = json.loads(ended.stdout)
    return [{"id": check["id"], **finding} for check in document["checks"] for finding in check["findings"]]


@pytest.fixture(scope="module")
def reports(world: World) -> Callable[[str], list[dict[str, Any]]]:
    """What doctor says of a batch: planted, looked at and healed when the first test asks for it."""
    said: dict[str, list[dict[str, Any]]] = {}

    def of(batch: str) -> list[dict[str, Any]]:
        if batch not in said:
            with ExitStack() as planted:
                for fault in FAULTS:
                    if fault.batch == batch:
                        planted.callback(fault.plant(world))
                ended = world.dfmc("doctor", str(world.topology), "-o", "json", code=1)
            said[batch] = findings(ended)
        return said[batch]

    return of


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_is_named(fault: Fault, reports: Callable[[str], list[dict[str, Any]]]) -> None:
    found = reports(fault.batch)
    named = [finding for finding in found if fault.is_named_by(finding)]
    assert named, "\n".join(f"{one['id']} {one['cluster']}: {words(one)}" for one in found)
    assert all(finding["next"] for finding in named)


@pytest.mark.parametrize("batch", BATCHES)
def test_nothing_is_named_that_was_not_planted(batch: str, reports: Callable[[str], list[dict[str, Any]]]) -> None:
    planted = [fault for fault in FAULTS if fault.batch == batch]
    allowed = {check for fault in planted for check in (fault.check, *fault.brings)}
    rest = [one for one in reports(batch) if not any(fault.is_named_by(one) for fault in planted)]
    assert [f"{one['id']} {one['cluster']}: {words(one)}" for one in rest if one["id"] not in allowed] == []


def test_a_healthy_bed_has_nothing_to_say_and_the_answer_is_the_same_each_time(world: World) -> None:
    """After all batches: whatever was planted is gone. DFMC_DOCTOR_RUNS says how often to look."""
    settled = lambda: world.dfmc("doctor", str(world.topology), code=None).code == 0  # noqa: E731
    wait_until("the end of what was healed", settled, 300)
    answers = {world.dfmc("doctor", str(world.topology), "-o", "json").stdout for _ in range(HEALTHY_RUNS)}
    assert len(answers) == 1
    document = json.loads(answers.pop())
    assert document["healthy"] is True
    # DF374 needs clients that are real; the bed's are where their program has been built.
    assert {check["result"] for check in document["checks"] if check["id"] != "DF374"} == {"ok"}
    assert {(one["cluster"], one["endpoint"]) for one in document["reachability"] if one["connects"]} == {
        *(("a", endpoint) for endpoint in ("grpc", "rest", "redis", "database")),
        *(("b", endpoint) for endpoint in ("grpc", "rest", "redis")),
    }


def test_it_only_reads_but_for_its_own_pods(world: World) -> None:
    before, mark = world.manager_audit(), world.audit_mark()
    world.dfmc("doctor", str(world.topology))
    writes = world.writes_since(mark)
    names = {event["objectRef"].get("name") for event in writes} - {None}
    assert {(event["verb"], event["objectRef"]["resource"]) for event in writes} == {
        ("create", "pods"),
        ("delete", "pods"),
    }
    assert all(name.startswith("dfmc-doctor-") for name in names)
    assert world.tools.objects("pods", "-A", "-l", "dfmc.io/purpose=probe") == []
    paths = wait_until("the manager's log", lambda: world.manager_audit()[len(before) :])
    assert {operation for _, operation, path in paths if not path.endswith("/users/signin")} <= {"GET", "read"}


def test_without_pods_nothing_at_all_is_written(world: World) -> None:
    mark = world.audit_mark()
    ended = world.dfmc("doctor", str(world.topology), "--no-pods", "--skip", "DF381")
    assert "left out by --no-pods" in ended.stdout
    assert "DF381 no password is one that the chart publishes (left out)" in ended.stdout
    assert world.writes_since(mark) == []
