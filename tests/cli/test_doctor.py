"""``dfmc doctor`` on the command line: what reaches the engine, the answer's forms, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from command_line import Dfmc
from dfmc.engine.doctor import DoctorReport
from dfmc.engine.session import Session
from dfmc.errors import AuthError, DfmcError, IntegrityError, PreflightError, UnreachableError
from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import run_checks
from dfmc.planning.checks.table import CHECKS
from doctor_world import healthy, with_cluster

Asked = list[dict[str, Any]]
Doctor = Callable[[Facts], Asked]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, engine: object) -> Doctor:
    """Replaces the gathering by given facts; returns what the command line asked for, once it has."""

    def put(facts: Facts) -> Asked:
        asked: Asked = []

        async def look(session: Session, **rest: Any) -> DoctorReport:
            asked.append({"only": session.options.only, "concurrency": session.options.concurrency, **rest})
            return DoctorReport(facts, run_checks(CHECKS, facts, rest["skip"]))

        monkeypatch.setattr("dfmc.engine.doctor.doctor", look)
        return asked

    return put


def lost(error: DfmcError, *names: str) -> Facts:
    return replace(healthy(), unread={(Need.CLUSTER, name): error for name in names})


def warned() -> Facts:
    return replace(healthy(), manager_clock_ahead=3600.0)


def test_nothing_found_is_0(dfmc: Dfmc, doctor: Doctor) -> None:
    doctor(healthy())
    ended = dfmc("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == f"✓ {len(CHECKS)} checks over 2 clusters: nothing found"


def test_a_finding_is_1_with_the_command_that_explains_it(dfmc: Dfmc, doctor: Doctor) -> None:
    doctor(replace(healthy(), takes_default_password=True))
    ended = dfmc("doctor")
    assert ended.code == 1
    assert "✗ DF381" in ended.out
    assert ended.err.splitlines()[:2] == ["✗ doctor found 1 error", "  next dfmc explain DF381"]
    assert dfmc("explain", "DF381").code == 0


def test_warnings_pass_where_only_errors_shall_fail(dfmc: Dfmc, doctor: Doctor) -> None:
    doctor(warned())
    assert dfmc("doctor").code == 1
    ended = dfmc("doctor", "--fail-on", "error")
    assert ended.code == 0
    assert "⚠ DF303" in ended.out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PreflightError("no such context"), 4),
        (UnreachableError("no answer"), 5),
        (AuthError("refused"), 6),
        (IntegrityError("another certificate"), 11),
    ],
)
def test_where_no_cluster_can_be_asked_the_cause_decides(
    error: DfmcError, code: int, dfmc: Dfmc, doctor: Doctor
) -> None:
    doctor(lost(error, "a", "b"))
    assert dfmc("doctor").code == code
    doctor(lost(error, "b"))
    assert dfmc("doctor").code == 1


def test_what_is_asked_for_reaches_the_engine(dfmc: Dfmc, doctor: Doctor) -> None:
    asked = doctor(warned())
    assert dfmc("doctor", "-c", "b", "--no-pods", "--skip", "df303", "--skip", "DF341", "--concurrency", "3").code == 0
    assert asked == [{"only": ("b",), "concurrency": 3, "skip": frozenset({"DF303", "DF341"}), "pods": False}]
    dfmc("doctor")
    assert (asked[1]["skip"], asked[1]["pods"]) == (frozenset(), True)


def test_a_check_that_is_not_there_is_a_mistake(dfmc: Dfmc, doctor: Doctor) -> None:
    asked = doctor(healthy())
    ended = dfmc("doctor", "--skip", "DF30")
    assert (ended.code, asked) == (64, [])
    assert "there is no check DF30" in ended.err
    assert "did you mean DF3" in ended.err


def test_the_document_is_all_that_is_on_standard_output(dfmc: Dfmc, doctor: Doctor) -> None:
    doctor(with_cluster(healthy(), "b", unserved=("Thing (example.com/v1)",)))
    first, second = dfmc("doctor", "-o", "json"), dfmc("doctor", "-o", "json")
    assert (first.code, first.out) == (1, second.out)
    document = json.loads(first.out)
    assert (document["kind"], document["healthy"]) == ("DoctorReport", False)
    assert [check["id"] for check in document["checks"] if check["findings"]] == ["DF313"]


def test_verbose_tells_also_what_was_skipped_of_one_cluster(dfmc: Dfmc, doctor: Doctor) -> None:
    doctor(replace(healthy(), absent={(Need.PROBES, "a"): "left out"}))
    assert "skipped a: left out" not in dfmc("doctor").out
    assert "skipped a: left out" in dfmc("-v", "doctor").out


def test_checks_are_explained_apart_from_rules(dfmc: Dfmc) -> None:
    assert dfmc("explain", "df371").out.startswith("DF371 every component's live configuration")
    assert json.loads(dfmc("explain", "DF371", "-o", "json").out)["kind"] == "Checks"
    assert dfmc("explain", "DF371", "DF012").code == 64
    assert "did you mean DF3" in dfmc("explain", "DF37").err
