from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc
from dfmc.errors import NotReadyError
from run_reports import B, Engine, up_report


def test_add_cluster_edits_the_file_shows_the_difference_and_brings_that_cluster_up(
    dfmc: Dfmc, engine: Engine, workplace: Path
) -> None:
    (workplace / "topology.yaml").chmod(0o640)
    sessions = engine("up", lambda session, confirm: up_report(replace(B, name="c")))
    ended = dfmc("add-cluster", "c", "--idc", "cluster-3", "--node-selector", "cluster=c", "--label", "region=eu")
    assert ended.code == 0
    assert sessions[0].options.only == ("c",)
    assert sessions[0].topology.cluster("c").namespace == "cluster-c"
    added = [line for line in ended.out.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert added[0] == "+- name: c"
    after = (workplace / "topology.yaml").read_text()
    assert after.startswith(GUIDE)
    assert "# where the manager runs" in after
    assert (workplace / "topology.yaml").stat().st_mode & 0o777 == 0o640
    assert dfmc("validate").code == 0


def test_add_cluster_with_no_apply_only_edits(dfmc: Dfmc, engine: Engine, workplace: Path) -> None:
    sessions = engine("up", lambda session, confirm: up_report(B))
    ended = dfmc(
        *("add-cluster", "c", "--no-apply", "--context", "kind-other", "-n", "dragonfly", "--location", "eu|fr"),
        *("--cidr", "10.1.0.0/16", "--cidr", "10.2.0.0/16", "--hostname", "^c-"),
    )
    assert (ended.code, sessions) == (0, [])
    assert ended.err.endswith("next  dfmc up topology.yaml -c c\n")
    text = (workplace / "topology.yaml").read_text()
    for part in ("context: kind-other", "namespace: dragonfly", "10.1.0.0/16", "10.2.0.0/16", "^c-"):
        assert part in text


def test_add_cluster_may_be_run_again_after_a_failure(dfmc: Dfmc, engine: Engine, workplace: Path) -> None:
    error = NotReadyError("not ready", where="c", step="ready:c", left="installed")
    engine("up", lambda session, confirm: up_report(replace(B, name="c", result="failed", error=error)))
    ended = dfmc("add-cluster", "c", "--idc", "cluster-3", "--node-selector", "cluster=c")
    assert ended.code == 10
    assert "  left topology.yaml has the new entry; installed\n" in ended.err
    after_first = (workplace / "topology.yaml").read_text()
    engine("up", lambda session, confirm: up_report(replace(B, name="c")))
    ended = dfmc("add-cluster", "c", "--idc", "cluster-3", "--node-selector", "cluster=c")
    assert ended.code == 0
    assert (workplace / "topology.yaml").read_text() == after_first


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["b"], 3, "there is a cluster 'b' already"),
        (["C"], 64, "C does not fit topology.yaml"),
        (["c", "--cidr", "10.0.0/8"], 64, "10.0.0/8"),
        (["c", "--label", "region"], 64, "--label: 'region' is not KEY=VALUE"),
        (["c", "--label", "a=1", "--label", "a=2"], 64, "--label: a is given twice"),
        (["c", "-f", "-"], 64, "standard input cannot be edited"),
        (["c", "-f", "missing.yaml"], 3, "missing.yaml:1:1"),
    ],
)
def test_add_cluster_refuses_and_leaves_the_file_as_it_was(
    arguments: list[str], code: int, words: str, dfmc: Dfmc, engine: Engine, workplace: Path
) -> None:
    sessions = engine("up", lambda session, confirm: up_report(B))
    ended = dfmc("add-cluster", *arguments)
    assert (ended.code, sessions) == (code, [])
    assert words in ended.err
    assert (workplace / "topology.yaml").read_text() == GUIDE


def test_add_cluster_guesses_neither_context_nor_namespace(dfmc: Dfmc, workplace: Path) -> None:
    text = GUIDE.replace("namespace: cluster-b", "namespace: other").replace(
        "- name: b\n  context: kind-kind", "- name: b\n  context: kind-b"
    )
    (workplace / "topology.yaml").write_text(
        text.replace("redisNodePort: 30952}", "redisNodePort: 30952}\n  address: m.example")
    )
    ended = dfmc("add-cluster", "c", "--no-apply")
    assert ended.code == 64
    assert "add --context" in ended.err
    ended = dfmc("add-cluster", "c", "--no-apply", "--context", "kind-c")
    assert ended.code == 64
    assert "add --namespace" in ended.err


def test_a_file_that_somebody_else_changed_meanwhile_is_not_overwritten(
    dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfmc.topology.edit import insert_cluster

    def slow(*arguments: Any) -> str:
        (workplace / "topology.yaml").write_text(GUIDE + "# by somebody else\n")
        return insert_cluster(*arguments)

    monkeypatch.setattr("dfmc.cli.editing.insert_cluster", slow)
    ended = dfmc("add-cluster", "c", "--no-apply", "--node-selector", "cluster=c")
    assert ended.code == 7
    assert (workplace / "topology.yaml").read_text() == GUIDE + "# by somebody else\n"


def test_a_symbolic_link_to_the_file_stays_one(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "real.yaml").write_text(GUIDE)
    (workplace / "topology.yaml").unlink()
    (workplace / "topology.yaml").symlink_to("real.yaml")
    assert dfmc("add-cluster", "c", "--no-apply", "--node-selector", "cluster=c").code == 0
    assert (workplace / "topology.yaml").is_symlink()
    assert "name: c" in (workplace / "real.yaml").read_text()
