"""``down``, ``unlock`` and ``rbac`` around the engine: what is asked, shown and printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from command_line import Dfmc
from dfmc.engine.lock import Lock
from dfmc.engine.reports import DownCluster, DownReport
from dfmc.engine.session import Session
from dfmc.errors import UnreachableError
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step
from dfmc.state import AccessNeed
from dfmc.topology.load import load_text
from fakes import FakeKube
from run_reports import Engine
from terminals import FakeTerminal

UNINSTALL = Step(Kind.UNINSTALL, "b", Action.DELETE, changes=(FieldChange("release dragonfly", "(there)", None),))
PLAN = Plan("guide", "1.7.4", (UNINSTALL,))
GONE = DownCluster("b", "kind-kind", "cluster-b", "removed", done=("release dragonfly uninstalled",))
KEPT = DownCluster("a", "kind-kind", "cluster-a", "removed", kept=("Secret dfmc-dragonfly",))
REPORT = DownReport("guide", (KEPT, GONE), PLAN, 3.0)
Confirm = Callable[[Plan], bool]


def asking(agreed: list[bool]) -> Callable[..., DownReport]:
    def run(session: Session, confirm: Confirm, delete_data: bool) -> DownReport:
        agreed.append(confirm(PLAN))
        return REPORT if agreed[-1] else DownReport("guide", (), PLAN, 0.0, declined=True)

    return run


@pytest.mark.parametrize(("typed", "agreed"), [("guide\n", True), ("y\n", False), ("\n", False), ("Guide\n", False)])
def test_on_a_terminal_down_wants_the_topologys_name(
    typed: str, agreed: bool, dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[bool] = []
    engine("down", asking(answers))
    stderr = FakeTerminal()
    monkeypatch.setattr(sys, "stdin", FakeTerminal(typed))
    monkeypatch.setattr(sys, "stderr", stderr)
    ended = dfmc("--no-color", "down")
    assert (ended.code, answers) == (0, [agreed])
    assert "- uninstall   release dragonfly" in stderr.getvalue()
    assert "1 to delete in 1 cluster." in stderr.getvalue()
    assert ("nothing was changed" in stderr.getvalue()) is not agreed


def test_elsewhere_down_wants_yes(dfmc: Dfmc, engine: Engine) -> None:
    answers: list[bool] = []
    engine("down", asking(answers))
    refused = dfmc("down")
    assert (refused.code, answers) == (64, [])
    assert "say so with --yes" in refused.err
    ended = dfmc("down", "--yes")
    assert (ended.code, answers) == (0, [True])
    assert "a: stays: Secret dfmc-dragonfly" in ended.out
    assert "b: release dragonfly uninstalled" in ended.out
    assert "dfmc down topology.yaml --delete-data deletes it" in ended.out


def test_a_partial_down_is_9_in_text_and_json(dfmc: Dfmc, engine: Engine) -> None:
    lost = DownCluster("b", "kind-kind", "cluster-b", "failed", error=UnreachableError("no answer", where="b"))
    kept = DownCluster("a", "kind-kind", "cluster-a", "blocked", blocked_by="uninstall:b")
    gone = DownCluster("c", "kind-kind", "cluster-c", "removed")
    engine("down", lambda session, confirm, delete_data: DownReport("guide", (kept, lost, gone), PLAN, 1.0))
    ended = dfmc("down", "--yes")
    assert ended.code == 9
    assert "a: kept: it waits for uninstall:b" in ended.out
    document = json.loads(dfmc("down", "--yes", "-o", "json").out)
    assert [cluster["result"] for cluster in document["clusters"]] == ["blocked", "failed", "removed"]
    assert document["error"]["exitCode"] == 9


def test_whether_data_goes_too_reaches_the_engine(dfmc: Dfmc, engine: Engine) -> None:
    seen = []

    def run(session: Session, confirm: Confirm, delete_data: bool) -> DownReport:
        seen.append(delete_data)
        return REPORT

    engine("down", run)
    dfmc("down", "--yes")
    dfmc("down", "--yes", "--delete-data")
    assert seen == [False, True]


# --- unlock ----------------------------------------------------------------------------------------------------


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, engine: Engine, workplace: Any) -> FakeKube:
    """A lock whose holder is silent, and whose Lease is short."""
    import asyncio

    kube = FakeKube()
    topology = load_text((workplace / "topology.yaml").read_text(), "topology.yaml").topology
    asyncio.run(Lock(kube, topology, "up").acquire(lambda text: None))
    kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["leaseDurationSeconds"] = 0.05

    class Clients:
        def kube(self, cluster: object) -> FakeKube:
            return kube

        def manager(self, base_url: str) -> Any:
            raise AssertionError("no manager")

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("dfmc.cli.running.make_factory", lambda *arguments: Clients())
    return kube


def holder(kube: FakeKube) -> str:
    return str(kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["holderIdentity"])


def test_unlock_shows_and_takes_only_with_yes(dfmc: Dfmc, held: FakeKube) -> None:
    before = holder(held)
    shown = dfmc("unlock")
    assert shown.code == 64
    assert f"holder   {before}" in shown.out
    assert "doing    dfmc up" in shown.out
    assert holder(held) == before
    assert dfmc("unlock", "--yes").out.splitlines()[-1] == "the lock is free"
    assert holder(held) == ""
    assert dfmc("unlock").out == "nobody holds the lock\n"


def test_unlock_on_a_terminal_asks(dfmc: Dfmc, held: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", FakeTerminal("n\n"))
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    assert dfmc("unlock").code == 0
    assert holder(held) != ""


# --- rbac ------------------------------------------------------------------------------------------------------


def test_roles_are_printed_for_whoever_is_named(dfmc: Dfmc, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def rights(session: Session, *, down: bool) -> dict[str, tuple[AccessNeed, ...]]:
        asked.append((session.options.only, down))
        return {"b": (AccessNeed("get", "", "secrets", "cluster-b"), AccessNeed("list", "", "nodes"))}

    engine("plan", lambda session: None)
    monkeypatch.setattr("dfmc.engine.rbac.needed_rights", rights)
    ended = dfmc("rbac", "-c", "b", "--down", "--subject", "serviceaccount:ci/dfmc")
    assert (ended.code, asked) == (0, [(("b",), True)])
    documents = {one["kind"]: one for one in yaml.safe_load_all(ended.out)}
    assert set(documents) == {"Namespace", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert documents["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": "dfmc", "namespace": "ci"}]
    assert documents["Role"]["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    assert not [one for one in yaml.safe_load_all(dfmc("rbac").out) if one["kind"].endswith("Binding")]
    for flags, is_there in ((), False), (("--verify",), True):
        assert ("pods/proxy" in dfmc("rbac", *flags).out) == is_there


@pytest.mark.parametrize("subject", ["ci", "user:", "serviceaccount:ci", "serviceaccount:/x", "robot:x"])
def test_who_is_nobody_gets_no_roles(subject: str, dfmc: Dfmc, engine: Engine) -> None:
    engine("plan", lambda session: None)
    assert dfmc("rbac", "--subject", subject).code == 64


def test_a_risk_that_does_not_exist_is_refused_with_those_that_do(dfmc: Dfmc, engine: Engine) -> None:
    engine("up", lambda session, confirm: 1 / 0)
    ended = dfmc("up", "--allow", "everything")
    assert ended.code == 64
    assert "other-chart, downgrade, database-upgrade, recreate" in ended.err
