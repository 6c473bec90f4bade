"""The beds that end-to-end tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from bed_tools import BedTools
from bed_world import World
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.binaries import DATA_PLANE, BinaryCache, default_directory
from dfmc.testbed.layout import BedRequest, BedState, ClientChoice
from kill_matrix.bed import MatrixBed, matrix_bed

HERE = Path(__file__).parent
# Longest first, so that no worker is left alone with a long file at the end; what is not named comes after these.
LONGEST_FIRST = (
    "test_four_clusters",
    "test_kill_matrix",
    "test_faults",
    "test_reliability",
    "test_failures_of_managers",
    "test_versions",
    "test_fleet",
    "test_members",
    "test_bridges",
    "test_guide",
    "test_outside_databases",
    "test_bed",
    "test_doctor",
)
# What `make test` runs in turn, one part a day (DFMC_E2E_PART); every file that is in none is run every time.
PARTS = (
    ("test_bed", "test_probes"),
    ("test_data_plane", "test_verify"),
    ("test_faults", "test_counts"),
    ("test_reliability", "test_bridges"),
    ("test_doctor",),
    ("test_kill_matrix",),
    ("test_versions",),
    ("test_four_clusters",),
    ("test_failures_of_clusters",),
    ("test_failures_of_managers",),
    ("test_failures_of_runs",),
    ("test_import",),
    ("test_fleet", "test_outside_databases"),
    ("test_live_match",),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the parts whose turn it is not, and put long files first; within a file pytest's order stays."""
    part = os.environ.get("DFMC_E2E_PART", "all")
    if part != "all":
        chosen = PARTS[int(part)]
        left_out = {name for names in PARTS for name in names if name not in chosen}
        deselected = [item for item in items if item.path.parent == HERE and item.path.stem in left_out]
        config.hook.pytest_deselected(items=deselected)
        gone = {id(item) for item in deselected}
        items[:] = [item for item in items if id(item) not in gone]
    ours = [item for item in items if item.path.parent == HERE]
    places = {id(item) for item in ours}

    def rank(item: pytest.Item) -> int:
        return LONGEST_FIRST.index(item.path.stem) if item.path.stem in LONGEST_FIRST else len(LONGEST_FIRST)

    ordered = iter(sorted(ours, key=rank))
    items[:] = [next(ordered) if id(item) in places else item for item in items]


def report(line: str) -> None:
    """Show a bed's progress in pytest's captured output."""
    sys.stderr.write(f"bed: {line}\n")


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BedState]:
    """The guide's bed: one Kubernetes cluster, context kind-kind, nodes cluster=a and cluster=b."""
    directory = tmp_path_factory.mktemp("bed") / "kwok"
    try:
        yield kwok_bed.up(BedRequest(directory=directory, clients="simulated"), report)
    finally:
        kwok_bed.down(directory, report)


@pytest.fixture(scope="session")
def tools(bed: BedState) -> BedTools:
    """Programs and questions for the guide's bed."""
    return BedTools(bed)


COMBINATIONS: dict[str, tuple[str, Literal[3, 4]]] = {
    "1.7.4-helm3": ("guide", 3),
    "1.7.4-helm4": ("guide", 4),
    "1.1.1-helm3": ("guide-legacy", 3),
    "1.1.1-helm4": ("guide-legacy", 4),
}
EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def bed_world(
    tmp_path_factory: pytest.TempPathFactory, example: str, helm: Literal[3, 4], clients: ClientChoice = "simulated"
) -> Iterator[World]:
    """A bed of its own with an example's topology; nothing is installed yet.

    Clients take a bed's pods from seconds to half a minute, so only tests that look at them have real ones.
    """
    directory = tmp_path_factory.mktemp("bed") / "kwok"
    topology = EXAMPLES / example / "topology.yaml"
    request = BedRequest(topology=topology, directory=directory, helm=helm, clients=clients)
    secrets = {"DFMC_REDIS_PASSWORD": "canary-redis-Pw7"} if example == "guide-legacy" else {}
    try:
        yield World(BedTools(kwok_bed.up(request, report)), tmp_path_factory.mktemp("state"), secrets)
    finally:
        kwok_bed.down(directory, report)


@pytest.fixture(scope="module")
def make_bed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Literal[3, 4]], AbstractContextManager[World]]:
    """Makes beds with an example's topology file, for a test that installs its own."""
    return lambda example, helm: bed_world(tmp_path_factory, example, helm)


@pytest.fixture(scope="module", params=list(COMBINATIONS))
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The guide's two clusters, brought up once by ``dfmc up``; its output is kept in ``first``."""
    with bed_world(tmp_path_factory, *COMBINATIONS[request.param]) as made:
        made.first = made.dfmc("up", str(made.topology))
        yield made


@pytest.fixture(scope="module")
def empty_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The guide's bed with nothing installed."""
    with bed_world(tmp_path_factory, "guide", 4) as made:
        yield made


@pytest.fixture(scope="module")
def up_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The guide's two clusters, up; tests may break them as long as they leave them whole."""
    with bed_world(tmp_path_factory, "guide", 3) as made:
        made.first = made.dfmc("up", str(made.topology))
        yield made


@pytest.fixture(scope="module")
def real_clients_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The guide's two clusters, up, with real clients and seed clients.

    Skips, or fails where DFMC_REQUIRE_CLIENT is 1, when their program has not been built.
    """
    cache = BinaryCache(default_directory().absolute())
    if not all(cache.is_current(program) for program in DATA_PLANE):
        why = "Dragonfly's client is not built: dfmc testbed binaries --client (20 to 45 minutes)"
        if os.environ.get("DFMC_REQUIRE_CLIENT") == "1":
            pytest.fail(why)
        pytest.skip(why)
    with bed_world(tmp_path_factory, "guide", 4, clients="real") as made:
        made.first = made.dfmc("up", str(made.topology))
        yield made


@pytest.fixture(scope="module")
def struck_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixBed]:
    """A central cluster and two members, up, behind proxies in front of the API server and the manager.

    DFMC_STANDING_BED is a directory whose bed is used and left standing, for whoever works on these tests.
    """
    standing = os.environ.get("DFMC_STANDING_BED")
    directory = Path(standing) if standing else tmp_path_factory.mktemp("struck")
    with matrix_bed(directory, 3, report, keep=standing is not None) as made:
        made.world.first = made.world.dfmc("up", str(made.world.topology))
        yield made


@pytest.fixture
def struck(struck_bed: MatrixBed) -> Iterator[MatrixBed]:
    """The same, whole; whatever the test broke, one more run must put right, which is half of each test."""
    world, plan = struck_bed.world, struck_bed.plan
    text = world.topology.read_text()
    yield struck_bed
    plan.clear()
    world.topology.write_text(text)
    world.dfmc("up", str(world.topology))
    world.dfmc("plan", "--detailed-exitcode", str(world.topology))
