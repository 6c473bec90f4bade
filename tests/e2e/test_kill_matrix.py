"""A sample of the kill matrix, another one every day; `make kill-matrix` is the whole of it."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bed_tools import wait_until
from kill_matrix.bed import MatrixBed, matrix_bed
from kill_matrix.cases import cases_of, judge, prepare, reference
from kill_matrix.oracles import let_the_lock_lapse
from kill_matrix.positions import FAULTS, KILLS, Blow, Case
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

OF_THE_CENTRAL_CLUSTER, OF_MEMBERS = 1, 4


def shown(line: str) -> None:
    """Show a line in pytest's captured output."""
    sys.stderr.write(f"{line}\n")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatrixBed]:
    directory = tmp_path_factory.mktemp("kill")
    with matrix_bed(directory, 3, lambda line: shown(f"bed: {line}")) as made:
        yield made


@pytest.fixture(scope="module")
def positions(bed: MatrixBed) -> list[str]:
    """What an undisturbed run changes."""
    prepare(bed, Case("POST namespaces/cluster-a", Blow.KILL_BEFORE))
    return reference(bed)


@pytest.fixture(scope="module")
def chance() -> random.Random:
    seed = int(os.environ.get("DFMC_KILL_SEED") or datetime.now(UTC).strftime("%Y%m%d"))
    shown(f"the sample can be had again with DFMC_KILL_SEED={seed}")
    return random.Random(seed)  # noqa: S311 - it chooses tests


def sample(positions: list[str], blows: tuple[Blow, ...], chance: random.Random) -> list[Case]:
    cases = cases_of(positions, blows)
    central = [case for case in cases if not case.is_of_member]
    members = [case for case in cases if case.is_of_member]
    return [*chance.sample(central, OF_THE_CENTRAL_CLUSTER), *chance.sample(members, OF_MEMBERS)]


def problems(bed: MatrixBed, cases: list[Case]) -> list[str]:
    found = []
    for case in cases:
        prepare(bed, case)
        verdict = judge(bed, case)
        if verdict.problems:
            found.append(f"{case}: {'; '.join(verdict.problems)}\n{verdict.text}")
    return found


def test_the_matrix_visits_every_kind_of_side_effect(positions: list[str]) -> None:
    words = (
        *("POST namespaces/cluster-a", "POST namespaces/cluster-c", "POST cluster-a leases/dfmc-guide"),
        *("PUT cluster-a leases/dfmc-guide given back", "POST cluster-a secrets/dfmc-dragonfly"),
        *("PATCH cluster-a services/manager-rest", "POST cluster-a secrets/sh.helm.release.v1.dragonfly.v1"),
        *("PUT cluster-b secrets/sh.helm.release.v1.dragonfly.v1", "POST cluster-c statefulsets/dragonfly-scheduler"),
        *("POST manager api/v1/users/1/reset_password", "PUT cluster-a secrets/dfmc-dragonfly"),
        *("PATCH manager api/v1/clusters/1", "POST manager api/v1/clusters b", "POST manager api/v1/clusters c"),
        *("helm version", "helm template cluster-a", "helm upgrade cluster-a", "helm upgrade cluster-c"),
    )
    assert [word for word in words if word not in positions] == []
    assert len(positions) == len(set(positions))
    assert len(cases_of(positions, KILLS)) > 150


@scenario("K1", "K2", "N1", "N9", "R1", "S5", real=True)
def test_dfmc_is_killed_before_and_after_a_side_effect_and_the_next_run_converges(
    bed: MatrixBed, positions: list[str], chance: random.Random
) -> None:
    """The kill is of dfmc alone: helm must end by itself."""
    always = [
        Case("POST cluster-a secrets/sh.helm.release.v1.dragonfly.v1", Blow.KILL_BEFORE),  # no release yet
        Case("POST manager api/v1/users/1/reset_password", Blow.KILL_AFTER),
        Case("POST manager api/v1/clusters b", Blow.KILL_AFTER),
    ]
    assert problems(bed, [*always, *sample(positions, KILLS, chance)]) == []


@scenario("N4", "N5", "N6", "R2", real=True)
def test_a_request_fails_and_the_next_run_converges_without_a_hang_or_a_traceback(
    bed: MatrixBed, positions: list[str], chance: random.Random
) -> None:
    always = [
        Case("POST manager api/v1/clusters c", Blow.DROP),
        Case("POST cluster-b secrets/sh.helm.release.v1.dragonfly.v1", Blow.DROP),
        Case("POST cluster-b services/dragonfly-scheduler", Blow.SERVER_ERROR),
        Case("PUT cluster-b secrets/sh.helm.release.v1.dragonfly.v1", Blow.SERVER_ERROR),  # helm calls it success
        Case("POST cluster-c statefulsets/dragonfly-scheduler", Blow.TOO_MANY),
    ]
    assert problems(bed, [*always, *sample(positions, FAULTS, chance)]) == []


@scenario("V4", real=True)
@pytest.mark.parametrize(
    "position",
    ["DELETE cluster-b configmaps/dragonfly-scheduler", "PUT cluster-b secrets/sh.helm.release.v1.dragonfly.v2"],
)
def test_a_kill_in_the_middle_of_a_repair_does_not_lose_the_restart(
    bed: MatrixBed, positions: list[str], position: str
) -> None:
    world, name = bed.world, "dragonfly-scheduler"
    prepare(bed, Case("helm upgrade cluster-b", Blow.KILL_BEFORE))
    assert positions
    assert bed.dfmc("up", str(world.topology)).code == 0
    before = world.config_map("cluster-b", name)["data"]
    wrong = before["scheduler.yaml"].replace("schedulerClusterID", "schedulerClusterIdentity")
    world.replace_config("cluster-b", name, {"scheduler.yaml": wrong})
    time.sleep(1.1)  # times are in seconds
    world.tools.kubectl("-n", "cluster-b", "delete", "pod", f"{name}-0")
    pod = wait_until("a pod with the wrong configuration", lambda: uid_of(bed, f"{name}-0"))
    assert bed.dfmc("up", str(world.topology), case=Case(position, Blow.KILL_AFTER)).code == -9
    let_the_lock_lapse(bed)
    again = bed.dfmc("up", str(world.topology))
    assert again.code == 0, again.text
    assert world.config_map("cluster-b", name)["data"] == before
    assert uid_of(bed, f"{name}-0") not in ("", pod)
    assert bed.dfmc("plan", "--detailed-exitcode", str(world.topology)).code == 0


def uid_of(bed: MatrixBed, pod: str) -> str:
    """Return the uid of a pod of b that runs; empty while there is none."""
    for one in bed.world.tools.pods("cluster-b"):
        started = (one["status"].get("containerStatuses") or [{}])[0].get("state", {}).get("running")
        if one["metadata"]["name"] == pod and started and "deletionTimestamp" not in one["metadata"]:
            return str(one["metadata"]["uid"])
    return ""
