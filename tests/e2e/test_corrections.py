"""A mistake in the file, and its correction: what the mistake left half done must not keep the right settings out."""

from __future__ import annotations

import pytest

from bed_world import World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
EVERY_STATEFUL_SET = ("mysql-0", "redis-master-0", "redis-replicas-0", "scheduler-0", "seed-client-0")


@pytest.fixture(scope="module")
def misplaced(empty_world: World) -> World:
    """The guide with a nodeSelector that no node has for anything of a, databases included; ``first`` is its end."""
    world = empty_world
    right = world.topology.read_text()
    nowhere = {"cluster": "nowhere"}

    def misplace(document: dict[str, object]) -> None:
        entry = world.entry("a", document)
        redis = {"master": {"nodeSelector": nowhere}, "replica": {"nodeSelector": nowhere}}
        entry |= {"nodeSelector": nowhere, "values": {"mysql": {"primary": {"nodeSelector": nowhere}}, "redis": redis}}

    world.edit(misplace)
    world.first = world.dfmc("up", str(world.topology), code=None)
    world.topology.write_text(right)
    return world


@scenario("P13", "V1", "N7", real=True)
def test_pods_that_no_node_takes_end_the_run_with_the_schedulers_words(misplaced: World) -> None:
    assert misplaced.first.code == 10, misplaced.first.text
    assert "it will not become ready by waiting" in misplaced.first.stderr
    assert "node(s) didn't match Pod's node affinity/selector" in misplaced.first.stderr
    assert "no node matches its nodeSelector" in misplaced.first.stderr


def test_the_corrected_file_replaces_the_pods_that_its_stateful_sets_would_wait_for(misplaced: World) -> None:
    stuck = {pod["metadata"]["name"] for pod in misplaced.tools.pods("cluster-a")}
    assert {f"dragonfly-{name}" for name in EVERY_STATEFUL_SET} <= stuck
    ended = misplaced.dfmc("up", str(misplaced.topology), "--timeout", "2m")
    assert "replacing Pod dragonfly-scheduler-0" in ended.text
    assert "nothing to do" in misplaced.dfmc("up", str(misplaced.topology)).stdout
