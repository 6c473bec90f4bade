import io
import sys

import pytest

from dfmc.engine.events import Note, StepEnded, StepProgress, StepStarted
from dfmc.errors import DfmcError
from dfmc.output.console import Terminal
from dfmc.output.progress import LiveProgress, PlainProgress, duration, make_progress
from dfmc.planning.steps import Action, Kind, Step
from dfmc.redaction import MASK, Redactor
from terminals import FakeTerminal

CANARY = "sesame-canary-1"
RELEASE_B = Step(Kind.RELEASE, "b", Action.CREATE)
READY_B = Step(Kind.READY, "b", Action.CHECK)
PROOF_B = Step(Kind.PROOF, "b", Action.CHECK)
FAILURE = DfmcError("not ready", where="b", why="Unschedulable")
RELEASE_A = Step(Kind.RELEASE, "a", Action.CREATE)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m00s")),
        *((185, "3m05s"), (3599.6, "1h00m"), (3725, "1h02m")),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_each_change_of_state_is_one_line_with_the_cluster_first(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Terminal(environ={}), Clock())
    progress(Note("a", "takes the lock"))
    progress(StepStarted(RELEASE_B))
    progress(StepProgress(RELEASE_B, "helm install of dragonfly-1.7.4"))
    progress(StepEnded(RELEASE_B, "done", 3.14, "dragonfly-1.7.4, revision 1"))
    progress(StepEnded(READY_B, "failed", 61, "b: not ready: Unschedulable", FAILURE))
    progress(StepEnded(PROOF_B, "blocked", 0, "needs ready:b", blocked_by="ready:b"))
    progress(StepEnded(PROOF_B, "unchanged", 0.21))
    progress(StepEnded(RELEASE_B, "unchanged", 0.21, "revision 1 is as wanted"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "a: takes the lock",
        "b: release: helm install of dragonfly-1.7.4 …",
        "b: release: done (3.1s): dragonfly-1.7.4, revision 1",
        "b: ready: failed (1m01s): not ready: Unschedulable",
        "b: proof: not started: needs ready:b",
        "b: proof: ok (0.2s)",
        "b: release: unchanged (0.2s): revision 1 is as wanted",
    ]


def test_a_silent_step_says_every_half_minute_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = PlainProgress(Terminal(environ={}), clock)
    progress(StepStarted(READY_B))
    progress(StepProgress(READY_B, "waiting for Pod x: Init"))
    capsys.readouterr()
    for _ in range(65):
        clock.now += 1
        progress.tick()
    assert capsys.readouterr().err.splitlines() == [
        "b: ready: still, after 30s: waiting for Pod x: Init",
        "b: ready: still, after 1m00s: waiting for Pod x: Init",
    ]
    progress(StepEnded(READY_B, "done", 66))
    capsys.readouterr()
    clock.now += 100
    progress.tick()
    assert capsys.readouterr().err == ""


def test_quiet_silences_progress_but_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Terminal(environ={}, quiet=True), Clock())
    progress(StepEnded(RELEASE_B, "done", 1, "x"))
    progress(Note("", "the chart's digest is the index's own", "warning"))
    assert capsys.readouterr().err == "⚠ the chart's digest is the index's own\n"


def test_what_others_say_is_cleaned_and_masked(capsys: pytest.CaptureFixture[str]) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    progress = PlainProgress(Terminal(environ={}, redactor=redactor), Clock())
    progress(StepProgress(RELEASE_B, f"helm: \x1b[31mbad\nvalue {CANARY}"))
    assert capsys.readouterr().err == f"b: release: helm: bad value {MASK} …\n"


def test_the_kind_of_progress_follows_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    assert isinstance(make_progress(Terminal(environ={})), LiveProgress)
    assert isinstance(make_progress(Terminal(environ={"CI": "true"})), PlainProgress)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(make_progress(Terminal(environ={})), PlainProgress)


def live(monkeypatch: pytest.MonkeyPatch, redactor: Redactor | None = None) -> tuple[LiveProgress, Clock, FakeTerminal]:
    stream, clock = FakeTerminal(), Clock()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "12")
    return LiveProgress(Terminal(environ={}, color=False, redactor=redactor), clock), clock, stream


def test_a_terminal_shows_one_line_per_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, clock, _ = live(monkeypatch)
    progress(StepStarted(RELEASE_A))
    progress(StepEnded(RELEASE_A, "done", 3, "dragonfly-1.7.4, revision 1"))
    progress(StepStarted(READY_B))
    progress(StepProgress(READY_B, "waiting for Pod dragonfly-scheduler-0: Unschedulable: " + "no node " * 20))
    clock.now += 12
    first, second = progress.picture().plain.splitlines()
    assert first == "· a  release       0.0s  dragonfly-1.7.4, revision 1"
    assert second.startswith("⠋ b  ready          12s  waiting for Pod dragonfly-scheduler-0: Unschedulable")
    assert len(second) == 79
    assert second.endswith("…")
    progress(StepEnded(READY_B, "done", 12))
    progress(StepStarted(PROOF_B))
    progress(StepEnded(PROOF_B, "unchanged", 1, "wired as registered"))
    assert progress.picture().plain.splitlines()[1] == "✓ b  done           12s  wired as registered"
    progress.close()


def test_a_failure_stays_on_the_terminal_above_the_redrawn_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, _, stream = live(monkeypatch)
    progress(StepStarted(READY_B))
    progress(StepEnded(READY_B, "failed", 61, "b: not ready: Unschedulable", FAILURE))
    progress(StepEnded(PROOF_B, "blocked", 0, "needs ready:b", blocked_by="ready:b"))
    assert progress.picture().plain == "✗ b  ready         0.0s  not ready: Unschedulable"
    progress.close()
    assert "b: ready: failed (1m01s): not ready: Unschedulable" in stream.getvalue()


def test_more_clusters_than_lines_are_counted_and_those_at_work_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    progress, _, _ = live(monkeypatch)
    for number in range(30):
        progress(StepEnded(Step(Kind.PROOF, f"c{number}", Action.CHECK), "unchanged", 1))
    progress(StepStarted(RELEASE_B))
    lines = progress.picture().plain.splitlines()
    assert lines[0].split()[1] == "b"
    assert len(lines) == 10
    assert lines[-1] == "  … and 22 more clusters"
    progress.close()


def test_redrawn_lines_are_masked_and_leave_the_cursor_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    progress, _, stream = live(monkeypatch, redactor)
    progress(StepStarted(RELEASE_B))
    progress(StepProgress(RELEASE_B, f"helm says {CANARY}"))
    progress.tick()
    progress(Note("b", f"note {CANARY}"))
    progress.close()
    assert CANARY not in stream.getvalue()
    assert MASK in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in stream.getvalue()[-40:]


def test_a_terminal_that_is_closed_ends_the_drawing_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(FakeTerminal):
        is_lost = False

        def write(self, text: str) -> int:
            if self.is_lost:
                raise OSError(5, "Input/output error")
            return super().write(text)

    stream = Lost()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = LiveProgress(Terminal(environ={}), Clock())
    progress(StepStarted(RELEASE_B))
    stream.is_lost = True
    progress(StepEnded(RELEASE_B, "failed", 1, "", FAILURE))
    progress(StepStarted(READY_B))
    progress.tick()
    progress.close()
