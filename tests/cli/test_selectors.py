"""``-l`` stands wherever ``-c`` does, and means the labels of the file's entries."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from command_line import GUIDE, Dfmc
from dfmc.cli.app import app
from run_reports import NO_CHANGES, B, Engine, up_report

LABELLED = GUIDE.replace("- name: a ", "- labels: {env: prod}\n  name: a ").replace(
    "- name: b\n", "- name: b\n  labels: {env: test}\n"
)


@pytest.fixture(autouse=True)
def _labelled(workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(LABELLED)


def test_every_command_that_takes_clusters_takes_a_selector() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {flag for one in command.params for flag in one.opts} for name, command in commands.items()}
    with_clusters = {name for name, flags in options.items() if "--cluster" in flags}
    assert {"status", "plan", "up", "doctor", "verify", "render", "images", "rbac"} <= with_clusters
    assert {name for name, flags in options.items() if {"-l", "--selector"} <= flags} == with_clusters


def test_a_selection_reaches_the_engine(dfmc: Dfmc, engine: Engine) -> None:
    sessions = engine("plan", lambda session: NO_CHANGES)
    assert dfmc("plan", "-l", "env=test").code == 0
    assert dfmc("plan", "-l", "env in (prod, test)", "-l", "!gpu").code == 0
    assert dfmc("plan", "-c", "b", "-l", "env").code == 0
    assert dfmc("plan").code == 0
    assert [session.options.only for session in sessions] == [("b",), ("a", "b"), ("b",), ()]


def test_a_selection_of_up_is_for_those_clusters_alone(dfmc: Dfmc, engine: Engine) -> None:
    sessions = engine("up", lambda session, confirm: up_report(B))
    assert dfmc("up", "-l", "env=test").code == 0
    assert sessions[0].options.only == ("b",)
    ended = dfmc("up", "-l", "env=test", "--prune")
    assert (ended.code, "--prune takes neither -c nor -l" in ended.err) == (64, True)


@pytest.mark.parametrize("command", ["plan", "status", "render", "images", "doctor", "verify", "up", "rbac"])
def test_a_selector_that_cannot_be_read_or_matches_nothing_is_a_mistake(dfmc: Dfmc, command: str) -> None:
    wrong = dfmc(command, "-l", "env in prod")
    assert (wrong.code, wrong.out) == (64, "")
    assert "character 8: '(' is wanted, and there is 'prod'" in wrong.err
    nobody = dfmc(command, "-l", "env=dev")
    assert (nobody.code, nobody.out) == (64, "")
    assert "no cluster matches -l env=dev" in nobody.err
    assert "the labels there are: env=prod, env=test" in nobody.err


def test_what_needs_no_engine_is_selected_too(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "canary-redis-1")
    ended = dfmc("render", "-l", "env=test", "--ids", "b=7")
    assert (ended.code, "schedulerClusterID: 7" in ended.out, "schedulerClusterID: 1" in ended.out) == (0, True, False)
