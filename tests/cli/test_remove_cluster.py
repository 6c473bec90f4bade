"""``remove-cluster`` and ``--prune`` around the engine: what is asked, shown, printed, and written into the file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc
from dfmc.engine.reports import DownCluster, DownReport, StatusReport
from dfmc.engine.session import Session
from dfmc.errors import NotReadyError
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step
from run_reports import NO_CHANGES, A, B, Engine, up_report
from terminals import FakeTerminal

UNINSTALL = Step(Kind.UNINSTALL, "b", Action.DELETE, changes=(FieldChange("release dragonfly", "(there)", None),))
PLAN = Plan("guide", "1.7.4", (UNINSTALL,))
GONE = DownCluster("b", "kind-kind", "cluster-b", "removed", done=("record b (id 2) deleted",), kept=("a claim",))
OLD = "record id 7, release dragonfly in namespace old of context kind-kind"
Confirm = Callable[[Plan], bool]


@pytest.fixture
def removals(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replaces the engine's removal by one that agrees, edits, and is done."""
    engine("plan", lambda session: None)
    seen: list[dict[str, Any]] = []

    async def remove(
        session: Session, name: str, *, confirm: Confirm, edit: Callable[[], None], **rest: bool
    ) -> DownReport:
        agreed = confirm(PLAN)
        seen.append({"name": name, "agreed": agreed, "only": session.options.only, **rest})
        if not agreed:
            return DownReport("guide", (), PLAN, 0.0, declined=True)
        edit()
        return DownReport("guide", (GONE,), PLAN, 1.0)

    monkeypatch.setattr("dfmc.engine.removal.remove", remove)
    return seen


def without_b(workplace: Path) -> bool:
    text = (workplace / "topology.yaml").read_text()
    return "name: b" not in text and GUIDE.startswith(text.rstrip("\n"))


def test_remove_cluster_acts_edits_and_shows_the_difference(
    dfmc: Dfmc, removals: list[dict[str, Any]], workplace: Path
) -> None:
    ended = dfmc("remove-cluster", "b", "--yes", "--delete-data", "--force-unreachable")
    assert ended.code == 0
    assert removals == [{"name": "b", "agreed": True, "only": ("b",), "delete_data": True, "force_unreachable": True}]
    assert "-- name: b" in ended.out
    assert "b: stays: a claim" in ended.out
    assert ended.out.endswith("b is removed from topology.yaml\n")
    assert without_b(workplace)
    again = dfmc("remove-cluster", "b", "--yes")
    assert again.code == 64
    assert "dfmc up topology.yaml --prune" in again.err


def test_elsewhere_remove_cluster_wants_yes_and_shows_what_it_would_do(
    dfmc: Dfmc, removals: list[dict[str, Any]], workplace: Path
) -> None:
    ended = dfmc("remove-cluster", "b")
    assert (ended.code, removals) == (64, [])
    assert "- uninstall   release dragonfly" in ended.err
    assert "say so with --yes" in ended.err
    assert (workplace / "topology.yaml").read_text() == GUIDE


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("\n", False)])
def test_on_a_terminal_remove_cluster_asks(
    typed: str,
    agreed: bool,
    dfmc: Dfmc,
    removals: list[dict[str, Any]],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", FakeTerminal(typed))
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    assert dfmc("remove-cluster", "b").code == 0
    assert removals[0]["agreed"] is agreed
    assert without_b(workplace) is agreed


def test_with_no_apply_only_the_file_changes(dfmc: Dfmc, removals: list[dict[str, Any]], workplace: Path) -> None:
    ended = dfmc("remove-cluster", "b", "--no-apply")
    assert (ended.code, removals) == (0, [])
    assert ended.err.endswith("next  dfmc up topology.yaml --prune removes what is left of b\n")
    assert without_b(workplace)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "--yes"], "b is registered there"),
        (["z", "--yes"], "no cluster is called z"),
        (["b", "-f", "-"], "standard input cannot be edited"),
    ],
)
def test_what_cannot_be_removed_is_refused(
    arguments: list[str], words: str, dfmc: Dfmc, removals: list[dict[str, Any]], workplace: Path
) -> None:
    ended = dfmc("remove-cluster", *arguments)
    assert (ended.code, removals) == (64, [])
    assert words in ended.err
    assert (workplace / "topology.yaml").read_text() == GUIDE


def test_a_file_that_somebody_changed_meanwhile_stays_as_it_is(
    dfmc: Dfmc, engine: Engine, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine("plan", lambda session: None)

    async def remove(session: Session, name: str, *, edit: Callable[[], None], **rest: Any) -> DownReport:
        (workplace / "topology.yaml").write_text(GUIDE + "# by somebody else\n")
        edit()
        raise AssertionError("the edit is refused")

    monkeypatch.setattr("dfmc.engine.removal.remove", remove)
    assert dfmc("remove-cluster", "b", "--yes").code == 7
    assert (workplace / "topology.yaml").read_text() == GUIDE + "# by somebody else\n"


# --- orphans ----------------------------------------------------------------------------------------------------

ORPHANED = replace(NO_CHANGES, orphans={"old": OLD})
PRUNES = replace(PLAN, steps=(replace(UNINSTALL, cluster="old"),), orphans={"old": OLD})


def test_plan_and_status_tell_orphans_and_how_to_remove_them(dfmc: Dfmc, engine: Engine) -> None:
    engine("plan", lambda session: ORPHANED)
    ended = dfmc("plan", "--detailed-exitcode")
    assert ended.code == 0
    assert f"old: orphaned, not in topology.yaml: {OLD}" in ended.out
    assert "dfmc up topology.yaml --prune removes what is orphaned" in ended.out
    assert json.loads(dfmc("plan", "-o", "json").out)["orphans"] == [{"name": "old", "what": OLD}]
    clusters = (A, replace(B, result="unchanged"))
    engine("status", lambda session: StatusReport("guide", clusters, orphans={"old": OLD}, unsearched=("kind-kind",)))
    ended = dfmc("status")
    assert ended.code == 1
    assert f"old: orphaned, not in topology.yaml: {OLD}" in ended.out
    assert "not all namespaces could be searched for what is orphaned: kind-kind" in ended.out
    assert "not as the file says: old (orphaned)" in ended.err


def test_plan_shows_the_steps_of_a_prune(dfmc: Dfmc, engine: Engine) -> None:
    sessions = engine("plan", lambda session: PRUNES)
    ended = dfmc("plan", "--prune")
    assert sessions[0].options.consent.prune
    assert f"old (orphaned: {OLD})\n  - uninstall   release dragonfly" in ended.out
    assert "1 to delete in 1 cluster." in ended.out


def test_elsewhere_a_prune_wants_yes(dfmc: Dfmc, engine: Engine) -> None:
    def run(session: Session, confirm: Confirm) -> Any:
        assert confirm(PRUNES)
        ended = DownCluster("old", "kind-kind", "old", "removed", done=("release dragonfly uninstalled",))
        return replace(up_report(A, B), pruned=(ended,))

    sessions = engine("up", run)
    refused = dfmc("up", "--prune")
    assert refused.code == 64
    assert "- uninstall   release dragonfly" in refused.err
    ended = dfmc("up", "--prune", "--yes")
    assert ended.code == 0
    assert sessions[-1].options.consent.prune
    assert "old: release dragonfly uninstalled\n✓ old: pruned\n" in ended.out


def test_a_prune_that_fails_is_9_beside_clusters_that_are_done(dfmc: Dfmc, engine: Engine) -> None:
    error = NotReadyError("its schedulers do not become inactive", where="old")
    failed = DownCluster("old", "kind-kind", "old", "failed", error=error)
    engine("up", lambda session, confirm: replace(up_report(A, B), pruned=(failed,)))
    ended = dfmc("up", "--prune", "--yes", "-o", "json")
    assert ended.code == 9
    assert json.loads(ended.out)["pruned"][0]["result"] == "failed"


def test_a_prune_is_about_the_whole_file(dfmc: Dfmc, engine: Engine) -> None:
    engine("up", lambda session, confirm: 1 / 0)
    assert dfmc("up", "--prune", "-c", "b").code == 64
