"""``plan``, ``up`` and ``status`` around the engine: what is shown, asked and written, and the exit code."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Dfmc
from dfmc.engine.events import Note, StepEnded, StepProgress, StepStarted
from dfmc.engine.reports import StatusReport, UpReport
from dfmc.engine.session import Session
from dfmc.errors import ConflictError, DfmcError, NotReadyError, PreflightError, UnreachableError
from dfmc.planning.fingerprint import Fingerprint
from dfmc.planning.proof import ProofFinding
from dfmc.planning.saved import SavedPlan
from dfmc.planning.steps import Action, Kind, Plan, Step
from run_reports import CHANGES, NO_CHANGES, RELEASE, A, B, Confirm, Engine, up_report
from terminals import FakeTerminal

CANARY = "sesame-canary-1"


def a_log(tmp_path: Path) -> str:
    (log,) = (tmp_path / "state" / "dfmc" / "log").iterdir()
    return log.read_text()


SAVED = SavedPlan("guide", "2026-01-01T00:00:00Z", ("b",), False, (), Fingerprint({"": {"dfmc": "1"}}), {})


def test_a_plan_is_saved_for_its_owner_alone_and_comes_back_to_up(dfmc: Dfmc, engine: Engine, workplace: Path) -> None:
    engine("plan_to_save", lambda session: (CHANGES, SAVED))
    os.umask(0o022)
    saved = dfmc("plan", "--out", "night.plan")
    assert saved.code == 0
    assert "dfmc up topology.yaml --plan night.plan" in saved.err
    assert (workplace / "night.plan").stat().st_mode & 0o777 == 0o600
    sessions = engine("up", lambda session, confirm, saved: up_report(B) if saved == SAVED else None)
    assert dfmc("up", "--plan", "night.plan").code == 0
    assert sessions[0].options.only == ("b",)
    assert dfmc("up", "--plan", "night.plan", "-c", "a").code == 64


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"kind": "Plan"}', "\x00", None])
def test_what_is_no_saved_plan_is_refused(content: str | None, dfmc: Dfmc, engine: Engine, workplace: Path) -> None:
    engine("up", lambda session, confirm, saved: 1 / 0)
    if content is not None:
        (workplace / "night.plan").write_text(content)
    ended = dfmc("up", "--plan", "night.plan")
    assert (ended.code, "night.plan" in ended.err) == (64, True)


def test_up_waits_for_the_lock_as_long_as_it_is_told(dfmc: Dfmc, engine: Engine) -> None:
    sessions = engine("up", lambda session, confirm: up_report(A, B))
    dfmc("up", "--lock-timeout", "2m")
    dfmc("up", "--lock-timeout", "0s")
    assert [session.options.lock_timeout for session in sessions] == [120, 0]
    assert dfmc("up", "--lock-timeout", "soon").code == 64


# --- plan ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "arguments", "code"),
    [(CHANGES, [], 0), (CHANGES, ["--detailed-exitcode"], 2), (NO_CHANGES, ["--detailed-exitcode"], 0)],
)
def test_plan_ends_with_2_only_when_asked_and_changes_are_pending(
    plan: Plan, arguments: list[str], code: int, dfmc: Dfmc, engine: Engine
) -> None:
    engine("plan", lambda session: plan)
    ended = dfmc("plan", *arguments)
    assert ended.code == code
    assert ended.out.splitlines()[-1] == ("1 to change in 1 cluster." if plan is CHANGES else "No changes.")


def test_plan_has_three_forms(dfmc: Dfmc, engine: Engine) -> None:
    engine("plan", lambda session: CHANGES)
    assert "  ~ release     scheduler.replicas: 1 → 3" in dfmc("plan").out
    assert json.loads(dfmc("plan", "-o", "json").out)["kind"] == "Plan"
    assert dfmc("plan", "-o", "markdown").out.startswith("### dfmc plan: guide")


def test_the_selection_and_the_concurrency_reach_the_engine(dfmc: Dfmc, engine: Engine) -> None:
    sessions = engine("plan", lambda session: CHANGES)
    dfmc("plan", "-c", "b", "--cluster", "a", "--concurrency", "3")
    assert (sessions[0].options.only, sessions[0].options.concurrency) == (("b", "a"), 3)


def test_a_plan_with_a_cluster_left_out_is_shown_and_9(dfmc: Dfmc, engine: Engine) -> None:
    failure = PreflightError("no context kind-c", where="b")
    engine("plan", lambda session: replace(CHANGES, failures={"b": failure}))
    ended = dfmc("plan")
    assert ended.code == 9
    assert "scheduler.replicas" in ended.out
    assert "✗ b: no context kind-c" in ended.err


def test_what_makes_the_whole_plan_impossible_is_its_own_code(dfmc: Dfmc, engine: Engine) -> None:
    def fail(session: Session) -> Plan:
        raise ConflictError("release dragonfly is not ours", where="a", next_step="give another release name")

    engine("plan", fail)
    ended = dfmc("plan")
    assert (ended.code, ended.out) == (7, "")
    assert ended.err.splitlines()[:3] == [
        "✗ a: release dragonfly is not ours",
        "  left nothing was changed",
        "  next give another release name",
    ]


# --- up --------------------------------------------------------------------------------------------------------


def test_up_shows_each_change_of_state_then_the_table(dfmc: Dfmc, engine: Engine, tmp_path: Path) -> None:
    def run(session: Session, confirm: Confirm) -> UpReport:
        assert confirm(CHANGES)
        session.observer(StepStarted(RELEASE))
        session.observer(StepProgress(RELEASE, "helm upgrade of dragonfly-1.7.4"))
        session.observer(StepEnded(RELEASE, "done", 3.1, "dragonfly-1.7.4, revision 2"))
        return up_report(A, B)

    sessions = engine("up", run)
    ended = dfmc("up", "--timeout", "1h30m")
    assert ended.code == 0
    assert sessions[0].options.timeout == 5400
    assert ended.err.splitlines() == [
        "topology.yaml: 1 to change in 1 cluster.",
        "b: release: helm upgrade of dragonfly-1.7.4 …",
        "b: release: done (3.1s): dragonfly-1.7.4, revision 2",
    ]
    assert ended.out.startswith("CLUSTER  RESULT")
    assert ended.out.endswith("next     dfmc status topology.yaml\n")
    log = a_log(tmp_path)
    assert "b: release: helm upgrade of dragonfly-1.7.4" in log
    assert "ended after" in log


def test_nothing_to_do_is_said_in_one_line(dfmc: Dfmc, engine: Engine) -> None:
    engine("up", lambda session, confirm: up_report(A, replace(B, result="unchanged"), changed=False))
    ended = dfmc("up")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "✓ nothing to do: 2 clusters are as topology.yaml says (proven)\n"


def test_one_failed_member_is_9_with_the_table_first_and_the_log_named(dfmc: Dfmc, engine: Engine) -> None:
    error = NotReadyError("not ready", where="b", step="ready:b", why="0/5 nodes are available", left="installed")
    engine("up", lambda session, confirm: up_report(A, replace(B, result="failed", error=error)))
    ended = dfmc("up")
    assert ended.code == 9
    assert "b        failed" in ended.out
    lines = ended.err.splitlines()
    assert lines[:3] == ["✗ b: ready:b: not ready", "  why  0/5 nodes are available", "  left installed"]
    assert lines[3].startswith("✗ 1 of 2 clusters done")
    assert lines[-1].startswith("  log  ")
    assert lines[-1].endswith("-up.log")


def test_none_done_is_the_code_of_the_failure(dfmc: Dfmc, engine: Engine) -> None:
    error = UnreachableError("the API server does not answer", where="a")
    engine("up", lambda session, confirm: up_report(replace(A, result="failed", error=error), changed=False))
    assert dfmc("up").code == 5


def test_a_cluster_that_could_not_be_started_is_no_success_even_if_nothing_selected_failed(
    dfmc: Dfmc, engine: Engine
) -> None:
    blocked = replace(B, result="blocked", blocked_by="manager:a")
    engine("up", lambda session, confirm: up_report(blocked, changed=False))
    ended = dfmc("up", "-c", "b")
    assert ended.code == 1
    assert ended.err.startswith("✗ not started: b\n  why  manager:a failed\n")


def test_up_as_json_is_one_document_on_stdout(dfmc: Dfmc, engine: Engine) -> None:
    error = NotReadyError("not ready", where="b", step="ready:b")
    engine("up", lambda session, confirm: up_report(A, replace(B, result="failed", error=error)))
    ended = dfmc("up", "-o", "json")
    document = json.loads(ended.out)
    assert (ended.code, document["kind"], document["error"]["exitCode"]) == (9, "UpReport", 9)


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> FakeTerminal:
    stderr = FakeTerminal()
    stdin = FakeTerminal(typed)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", stderr)
    return stderr


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_on_a_terminal_up_shows_the_plan_and_asks(
    typed: str, agreed: bool, dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = []

    def run(session: Session, confirm: Confirm) -> UpReport:
        answers.append(confirm(CHANGES))
        return up_report(A, B) if answers[0] else up_report(changed=False, declined=True)

    engine("up", run)
    stderr = on_a_terminal(monkeypatch, typed)
    ended = dfmc("--no-color", "up")
    assert (ended.code, answers) == (0, [agreed])
    assert "scheduler.replicas: 1 → 3" in stderr.getvalue()
    assert "Go on? [y/N]" in stderr.getvalue()
    assert ("nothing was changed" in stderr.getvalue()) is not agreed


def test_the_end_of_input_at_the_question_is_130(dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine("up", lambda session, confirm: confirm(CHANGES))
    on_a_terminal(monkeypatch, "")
    assert dfmc("up").code == 130


@pytest.mark.parametrize("how", ["--yes", "CI"])
def test_nobody_is_asked_with_yes_or_in_ci(
    how: str, dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(session: Session, confirm: Confirm) -> UpReport:
        assert confirm(CHANGES)
        return up_report(A, B)

    engine("up", run)
    stderr = on_a_terminal(monkeypatch, "")
    if how == "CI":
        monkeypatch.setenv("CI", "true")
    assert dfmc("up", *([how] if how != "CI" else [])).code == 0
    assert "Go on?" not in stderr.getvalue()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_the_question_has_its_own_code(
    number: signal.Signals, code: int, dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def type_nothing(*size: int) -> str:
        os.kill(os.getpid(), number)
        return ""

    engine("up", lambda session, confirm: confirm(CHANGES))
    on_a_terminal(monkeypatch, "")
    monkeypatch.setattr(sys.stdin, "readline", type_nothing)
    assert dfmc("up").code == code


@pytest.fixture
def unignored(number: signal.Signals) -> Iterator[signal.Signals]:
    """The signal as a program started by hand finds it: under nohup, tests would find it ignored, and so would dfmc."""
    before = signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    yield number
    signal.signal(number, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_the_run_in_order_and_says_what_was_done(
    number: signal.Signals, code: int, unignored: signal.Signals, dfmc: Dfmc, engine: Engine
) -> None:
    tidied = []

    async def run(session: Session, confirm: Confirm) -> UpReport:
        session.observer(StepEnded(Step(Kind.NAMESPACE, "b", Action.CREATE), "done", 0.1))
        session.observer(StepStarted(RELEASE))
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(30)
        finally:
            tidied.append(True)
        raise AssertionError("the signal was not heard")

    engine("up", run)
    before = signal.getsignal(number)
    ended = dfmc("up")
    assert (ended.code, ended.out, tidied) == (code, "", [True])
    assert "✗ interrupted\n  left done: namespace:b; cut short: release:b\n" in ended.err
    assert "  next dfmc up again: it does what is left\n" in ended.err
    assert signal.getsignal(number) is before


def test_secrets_show_up_neither_on_the_terminal_nor_in_the_log(dfmc: Dfmc, engine: Engine, tmp_path: Path) -> None:
    def run(session: Session, confirm: Confirm) -> UpReport:
        session.redactor.add(CANARY)
        session.observer(StepProgress(RELEASE, f"helm says {CANARY}"))
        session.observer(Note("", f"a note on {CANARY}", "warning"))
        error = DfmcError("helm failed", where="b", step="release:b", why=f"stderr: {CANARY}", next_step=CANARY)
        session.observer(StepEnded(RELEASE, "failed", 1, str(error), error))
        return up_report(A, replace(B, result="failed", error=error, manager=CANARY))

    engine("up", run)
    for form in ("text", "json"):
        ended = dfmc("-v", "up", "-o", form)
        assert ended.code == 9
        assert CANARY not in ended.out + ended.err
    logs = [path.read_text() for path in (tmp_path / "state" / "dfmc" / "log").iterdir()]
    assert len(logs) == 2
    assert not any(CANARY in text for text in logs)


def test_a_bug_in_the_engine_is_70_and_leaves_its_traceback(dfmc: Dfmc, engine: Engine, tmp_path: Path) -> None:
    def run(session: Session, confirm: Confirm) -> UpReport:
        raise KeyError("scheduler")

    engine("up", run)
    ended = dfmc("up")
    assert ended.code == 70
    assert "KeyError: 'scheduler'" in a_log(tmp_path)


# --- status ----------------------------------------------------------------------------------------------------


def test_a_healthy_status_is_0(dfmc: Dfmc, engine: Engine) -> None:
    engine("status", lambda session: StatusReport("guide", (A, replace(B, result="unchanged"))))
    ended = dfmc("status")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("✓ every cluster is as topology.yaml says\n")


def test_findings_are_1_and_name_the_clusters(dfmc: Dfmc, engine: Engine) -> None:
    finding = ProofFinding("b", "dragonfly-client/dfdaemon.yaml: host.schedulerClusterID", "2", "1")
    wrong = replace(B, result="unchanged", findings=(finding,))
    engine("status", lambda session: StatusReport("guide", (A, wrong)))
    ended = dfmc("status")
    assert ended.code == 1
    assert "host.schedulerClusterID: expected 2, seen 1" in ended.out
    assert ended.err.splitlines()[0] == "✗ not as the file says: b"


def test_where_no_cluster_answers_the_code_is_the_reason_s(dfmc: Dfmc, engine: Engine) -> None:
    lost = [replace(c, result="failed", error=UnreachableError("no answer", where=c.name), revision=0) for c in (A, B)]
    engine("status", lambda session: StatusReport("guide", tuple(lost)))
    assert dfmc("status").code == 5
    engine("status", lambda session: StatusReport("guide", (A, lost[1])))
    assert dfmc("status").code == 1


def test_status_has_wide_and_json_forms(dfmc: Dfmc, engine: Engine) -> None:
    engine("status", lambda session: StatusReport("guide", (A, replace(B, result="unchanged"))))
    assert "CONTEXT" in dfmc("status", "-o", "wide").out.splitlines()[0]
    document = json.loads(dfmc("status", "-o", "json").out)
    assert (document["kind"], document["healthy"]) == ("Status", True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_watching_a_status_ends_with_ctrl_c(
    number: signal.Signals, code: int, dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine("status", lambda session: None)

    async def watch(session: Session, show: Callable[[StatusReport], None], interval: float) -> None:
        show(StatusReport("guide", (A, replace(B, result="unchanged"))))
        assert interval == 2
        os.kill(os.getpid(), number)
        await asyncio.sleep(30)

    monkeypatch.setattr("dfmc.engine.status.watch", watch)
    ended = dfmc("status", "--watch", "--interval", "2s")
    assert ended.code == code
    assert " a: ok; dragonfly-1.7.4 r2" in ended.out
    assert dfmc("status", "--watch", "-o", "json").code == 64
