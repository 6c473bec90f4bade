"""Completion in bash, zsh and fish: commands, options, and the names in the file, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Dfmc

SOURCE = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}
SHELLS = ("bash", "zsh", "fish")


def offered(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    monkeypatch.setenv("_DFMC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"dfmc {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    ended = dfmc()
    assert ended.err == ""
    return ended.out.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("val", ["validate", "values"]),
        ("render --clus", ["--cluster"]),
        ("render -c ", ["a", "b"]),
        ("up --cluster b", ["b"]),
        ("status -c x", []),
        ("render other.yaml -c ", ["eu", "us"]),
        ("render -f other.yaml -c ", ["eu", "us"]),
        ("render broken.yaml -c ", []),
        ("render missing.yaml -c ", []),
        ("render fifo -c ", []),
        ("render - -c ", []),
        ("status labelled.yaml -l ", ["env=prod", "tier=edge"]),
        ("status labelled.yaml -l t", ["tier=edge"]),
        ("doctor --skip DF38", ["DF381", "DF382"]),
    ],
)
def test_the_names_in_the_file_are_offered(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, workplace: Path, words: str, found: list[str]
) -> None:
    (workplace / "other.yaml").write_text("clusters: [{name: eu}, {name: us}, {nam: x}, 1, {name: 2}]\n")
    (workplace / "broken.yaml").write_bytes(b"clusters:\n- {name: \xff")
    labels = "[{labels: {env: prod, tier: edge}}, {labels: {env: prod, n: 1}}, {labels: 1}]"
    (workplace / "labelled.yaml").write_text(f"clusters: {labels}\n")
    os.mkfifo(workplace / "fifo")
    assert offered(dfmc, monkeypatch, words) == found


def test_the_variable_names_the_file(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    (workplace / "other.yaml").write_text("clusters: [{name: eu}]\n")
    monkeypatch.setenv("DFMC_FILE", "other.yaml")
    assert offered(dfmc, monkeypatch, "render -c ") == ["eu"]


def test_completing_loads_neither_the_model_nor_a_client(workplace: Path) -> None:
    program = (
        "import sys, dfmc.cli; dfmc.cli.main([])\n"
        "print(sorted({'dfmc.topology.model', 'rich', 'kubernetes', 'httpx2', 'pyhelm3'} & set(sys.modules)))"
    )
    variables = {"_DFMC_COMPLETE": "complete_bash", "COMP_WORDS": "dfmc render -c ", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | SOURCE | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["a", "b", "[]"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_its_script(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("_DFMC_COMPLETE", f"source_{shell}")
    ended = dfmc()
    assert ended.code == 0
    assert f"_DFMC_COMPLETE=complete_{shell}" in ended.out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_installed_for_every_shell(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: str
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    ended = dfmc("--install-completion")
    assert ended.code == 0, ended.err
    assert f"{shell} completion installed" in ended.out
    assert any("_DFMC_COMPLETE" in file.read_text() for file in tmp_path.rglob("*") if file.is_file())


def test_bash_itself_completes(workplace: Path, dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("_DFMC_COMPLETE", "source_bash")
        script = dfmc().out
    typed = 'COMP_WORDS=(dfmc up -c ""); COMP_CWORD=3; _dfmc_completion dfmc; printf "%s\\n" "${COMPREPLY[@]}"'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{typed}"],
        env=os.environ | SOURCE | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["a", "b"]
