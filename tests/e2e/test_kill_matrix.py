"""A sample of the kill matrix, another one every day; `make kill-matrix` is the whole of it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from kill_matrix.bed import MatrixBed, matrix_bed
from kill_matrix.cases import cases_of, judge, prepare, reference
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


@scenario("K1", "K2", "N1", "R1", "S5", real=True)
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


@scenario("N5", "N6", "R2", real=True)
def test_a_request_fails_and_the_next_run_converges_without_a_hang_or_a_traceback(
    bed: MatrixBed, positions: list[str], chance: random.Random
) -> None:
    always = [
        Case("POST manager api/v1/clusters c", Blow.DROP),
        Case("POST cluster-b secrets/sh.helm.release.v1.dragonfly.v1", Blow.DROP),
        Case("POST cluster-b services/dragonfly-scheduler", Blow.SERVER_ERROR),
        Case("POST cluster-c statefulsets/dragonfly-scheduler", Blow.TOO_MANY),
    ]
    assert problems(bed, [*always, *sample(positions, FAULTS, chance)]) == []
