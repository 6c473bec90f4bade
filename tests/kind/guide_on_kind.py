"""The guide on real nodes, from nothing to nothing: `make test-kind`.

Not collected with the other tests (the file's name is no test's name): it needs Docker, and every image the topology
names must be in the engine (`make kind-images`, or pulled). Figures go to the path in DFMC_KIND_FIGURES, if it is set.
"""

from __future__ import annotations

import os

import pytest

from kind_world import KindWorld, assert_proven

pytestmark = [pytest.mark.timeout(1800)]
RUNS = int(os.environ.get("DFMC_KIND_RUNS", "5"))


@pytest.mark.parametrize("number", range(1, RUNS + 1))
def test_each_clusters_seed_fetches_the_content_once(world: KindWorld, number: int) -> None:
    assert_proven(world, number)


def test_a_second_run_changes_nothing(world: KindWorld) -> None:
    with world.figures.seconds("second up"):
        assert "nothing to do" in world.dfmc("up", "--yes").lower()
    with world.figures.seconds("second images --load kind"):
        world.dfmc("images", "--load", "kind")


def test_doctor_finds_nothing(world: KindWorld) -> None:
    """Every check looks, and none is skipped: here nodes, runtimes and the pods that ask are real."""
    with world.figures.seconds("doctor"):
        report = world.doctor()
    assert report["healthy"] is True
    assert {check["result"] for check in report["checks"]} == {"ok"}
