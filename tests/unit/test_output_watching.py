"""``status --watch`` on a terminal and in a log."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from dfmc.engine.reports import StatusReport
from dfmc.errors import UnreachableError
from dfmc.output.console import Terminal
from dfmc.output.watching import Changes, Screen, cluster_line, make_watching
from dfmc.planning.proof import ProofFinding
from run_reports import A
from terminals import FakeTerminal

B = replace(A, name="b", role="member", revision=1, release_status="deployed", schedulers=(1, 1), pods=(5, 5))
GOOD = StatusReport("guide", (replace(B, name="a"), B))
LOST = replace(B, error=UnreachableError("does not answer", why="connection refused"))


def clock() -> str:
    return "12:00:00"


def test_a_log_gets_every_cluster_once_and_then_what_changes(capsys: pytest.CaptureFixture[str]) -> None:
    with Changes(Terminal(environ={}), clock) as watching:
        for report in (GOOD, GOOD, StatusReport("guide", (GOOD.clusters[0], LOST)), GOOD):
            watching.show(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12:00:00  a: ok; dragonfly-1.7.4 r1 deployed; schedulers 1/1; pods 5/5"
    assert [line.split()[1] for line in lines] == ["a:", "b:", "b:", "b:"]
    assert lines[2] == "12:00:00  b: failed: does not answer: connection refused"


def test_what_keeps_from_comparing_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = replace(GOOD, unknown=UnreachableError("no chart"))
    with Changes(Terminal(environ={}), clock) as watching:
        for report in (unknown, unknown, GOOD):
            watching.show(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["12:00:00  not compared with the file: no chart", "12:00:00  compared again"]


def test_a_line_tells_the_worst_first() -> None:
    finding = ProofFinding("b", "scheduler.yaml: id", "2", "1")
    assert cluster_line(replace(B, findings=(finding,), drift=("x",))).startswith("wrong; ")
    assert cluster_line(replace(B, drift=("release:b: replicas: 1 → 2",))).endswith("release:b: replicas: 1 → 2")
    assert cluster_line(replace(B, revision=0)) == "absent"


def test_a_terminal_gets_one_picture_no_larger_than_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "12")
    terminal = Terminal(environ={"TERM": "xterm"})
    watching = make_watching(terminal, "topology.yaml", wide=False)
    assert isinstance(watching, Screen)
    many = StatusReport("guide", tuple(replace(B, name=f"member-{n}") for n in range(40)))
    with watching:
        watching.show(many)
        lines = watching.picture(many).plain.splitlines()
    assert len(lines) <= 12
    assert max(map(len, lines)) < 60
    assert lines[-1].startswith("… and ")


def test_a_file_is_never_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(make_watching(Terminal(environ={"CI": "1"}), "topology.yaml", wide=False), Changes)
