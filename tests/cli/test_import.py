"""``import`` around the engine: which contexts, where the file goes, what is said, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc
from dfmc.engine.importing import ImportRequest
from dfmc.errors import AuthError
from dfmc.planning.importing.importer import Imported
from dfmc.topology.model import SecretSource
from terminals import FakeTerminal

KUBECONFIG = """\
current-context: us-1
contexts:
- {name: eu-1, context: {cluster: eu}}
- {name: us-1, context: {cluster: us}}
"""
ONE = "contexts: [{name: kind-kind, context: {cluster: kind}}]\n"
RESULT = Imported(GUIDE, "a", ("a", "b"), ("b: its schedulers say id 1",))
Requests = list[ImportRequest]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Requests]:
    """Replaces the engine's function; what it finds is proven on the bed."""

    class Nothing:
        def close(self) -> None: ...

    monkeypatch.setattr("dfmc.cli.running.make_factory", lambda *arguments: Nothing())

    def put(result: Imported | Exception = RESULT) -> Requests:
        requests: Requests = []

        async def run(request: ImportRequest, factory: Any, redactor: Any, say: Any) -> Imported:
            requests.append(request)
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr("dfmc.engine.importing.import_running", run)
        return requests

    return put


def kubeconfig(monkeypatch: pytest.MonkeyPatch, workplace: Path, text: str = KUBECONFIG) -> None:
    (workplace / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(workplace / "config"))


def test_the_file_goes_to_standard_output_and_everything_else_does_not(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    requests = answers()
    ended = dfmc("import", "--context", "eu-1", "--context", "us-1", "-n", "x", "--manager", "eu-1/x/dragonfly")
    assert (ended.code, ended.out) == (0, GUIDE)
    assert "b: its schedulers say id 1" in ended.err
    assert "dfmc plan --adopt" in ended.err
    assert (requests[0].contexts, requests[0].namespaces) == (("eu-1", "us-1"), ("x",))
    assert requests[0].manager == "eu-1/x/dragonfly"


def test_a_file_is_written_once_and_for_all_to_read_as_any_topology(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    requests = answers()
    os.umask(0o022)
    ended = dfmc("import", "--context", "eu-1", "--output", "new.yaml")
    assert (ended.code, ended.out) == (0, "new.yaml written: 2 clusters, manager in a\n")
    assert (workplace / "new.yaml").read_text() == GUIDE
    assert (workplace / "new.yaml").stat().st_mode & 0o777 == 0o644
    refused = dfmc("import", "--context", "eu-1", "--output", "new.yaml")
    assert (refused.code, len(requests)) == (64, 1)  # before anything was looked at
    assert dfmc("import", "--context", "eu-1", "--output", "new.yaml", "--force").code == 0


def test_a_failure_writes_nothing(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    answers(AuthError("the manager does not accept root's password"))
    assert dfmc("import", "--context", "eu-1", "--output", "new.yaml").code == 6
    assert not (workplace / "new.yaml").exists()


def test_a_file_that_must_be_edited_is_written_and_ends_with_3(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    answers(Imported(GUIDE.replace("cluster-2", "a | | b"), "a", ("a", "b"), ()))
    ended = dfmc("import", "--context", "eu-1", "--output", "new.yaml")
    assert ended.code == 3
    assert "new.yaml:" in ended.err
    assert "dfmc validate new.yaml" in ended.err
    assert (workplace / "new.yaml").exists()


def test_without_context_the_only_one_is_taken_and_several_are_listed(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace, ONE)
    requests = answers()
    assert dfmc("import").code == 0
    assert requests[0].contexts == ("kind-kind",)
    kubeconfig(monkeypatch, workplace)
    ended = dfmc("import", "--output", "new.yaml")
    assert (ended.code, ended.out) == (64, "eu-1\nus-1  (current)\n")
    assert "dfmc import --output new.yaml --context eu-1 --context us-1" in ended.err


def test_on_a_terminal_the_contexts_are_offered(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    requests = answers()
    monkeypatch.setattr(sys, "stdin", FakeTerminal("2\n"))
    monkeypatch.setattr(sys, "stderr", FakeTerminal())
    assert dfmc("import", "--output", "new.yaml").code == 0
    assert requests[0].contexts == ("us-1",)


def test_roots_password_comes_from_a_variable_or_a_file_and_is_never_shown(
    dfmc: Dfmc, answers: Callable[..., Requests], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(monkeypatch, workplace)
    monkeypatch.setenv("ROOT", "sesame-canary-1")
    (workplace / "root").write_text("sesame-canary-2\n")
    requests = answers(AuthError("refused", why="sesame-canary-1 and sesame-canary-2"))
    first = dfmc("import", "--context", "eu-1", "--root-password-env", "ROOT")
    second = dfmc("import", "--context", "eu-1", "--root-password-file", "root")
    assert [request.root_password for request in requests] == ["sesame-canary-1", "sesame-canary-2"]
    assert requests[0].wishes.root_password == SecretSource(env="ROOT")
    assert requests[1].wishes.root_password == SecretSource(file=str(workplace / "root"))
    assert "sesame-canary-1" not in first.out + first.err
    assert "sesame-canary-2" not in second.out + second.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--context", "eu-2"), 4, "there is no context eu-2"),
        (("--context", "eu-1", "--context", "eu-1"), 64, "twice"),
        (("--context", "eu-1", "--name", "Prod"), 64, "--name"),
        (("--context", "eu-1", "--repository", "https://x", "--chart-path", "y"), 64, "not both"),
        (("--context", "eu-1", "--root-password-env", "A", "--root-password-file", "b"), 64, "not both"),
        (("--context", "eu-1", "--root-password-env", "NOT_THERE"), 4, "NOT_THERE is not set"),
    ],
)
def test_what_the_command_line_cannot_mean_is_refused_before_anything_is_looked_at(
    dfmc: Dfmc,
    answers: Callable[..., Requests],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    kubeconfig(monkeypatch, workplace)
    requests = answers()
    ended = dfmc("import", *arguments)
    assert (ended.code, requests) == (code, [])
    assert words in ended.err
