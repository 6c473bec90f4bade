"""The command: options, forms of the answer, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from command_line import Dfmc
from dfmc.engine.session import Session
from dfmc.engine.verify_content import VerifyOptions
from dfmc.engine.verify_report import Content, VerifiedCluster, VerifiedPull, VerifyReport
from dfmc.errors import AuthError, DfmcError, UnreachableError
from dfmc.planning.pulls import Pull
from dfmc.planning.verdicts import Cause, Verdict

SEED = Verdict("seed", 100, 100, 0)
FAILED = Verdict("registry", 100, 100, 0, (Cause("seed-down", "no seed client of b is ready", "kubectl get pods"),))

Verify = Callable[[VerifyReport | DfmcError], list[tuple[Session, VerifyOptions]]]


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, engine: object) -> Verify:
    """Replaces the engine's function; returns what it was called with."""
    monkeypatch.delenv("DFMC_VERIFY_URL", raising=False)
    for name in ("DFMC_VERIFY_IMAGE", "DFMC_VERIFY_PUSH", "DFMC_VERIFY_PUSH_URL"):
        monkeypatch.delenv(name, raising=False)

    def put(answer: VerifyReport | DfmcError) -> list[tuple[Session, VerifyOptions]]:
        calls: list[tuple[Session, VerifyOptions]] = []

        async def run(session: Session, options: VerifyOptions) -> VerifyReport:
            calls.append((session, options))
            if isinstance(answer, DfmcError):
                raise answer
            return answer

        monkeypatch.setattr("dfmc.engine.verify.verify", run)
        return calls

    return put


def report(verdict: Verdict = SEED, error: DfmcError | None = None) -> VerifyReport:
    pull = VerifiedPull(Pull("b", "worker-b1", "c", True), verdict, 1.0)
    cluster = VerifiedCluster("b", () if error else (pull,), error=error)
    return VerifyReport("guide", Content("blob", "http://origin/x", True), (cluster,), 2.0)


def test_a_proof_ends_with_0_and_a_table(dfmc: Dfmc, verify: Verify) -> None:
    verify(report())
    ended = dfmc("verify", "--url", "http://origin")
    assert ended.code == 0
    assert "worker-b1" in ended.out
    assert "proven" in ended.out


def test_a_finding_ends_with_1_its_cause_and_the_next_command(dfmc: Dfmc, verify: Verify) -> None:
    verify(report(FAILED))
    ended = dfmc("verify", "--url", "http://origin")
    assert ended.code == 1
    assert "✗ b: no seed client of b is ready" in ended.out
    assert "next kubectl get pods" in ended.out
    assert "not proven: b" in ended.err


def test_json_goes_to_stdout_alone_and_junit_to_its_file(dfmc: Dfmc, verify: Verify, workplace: Path) -> None:
    verify(report(FAILED))
    (workplace / "out.xml").write_text("of an earlier run")
    ended = dfmc("verify", "--url", "http://origin", "-o", "json", "--junit", "out.xml")
    assert ended.code == 1
    assert json.loads(ended.out)["clusters"][0]["pulls"][0]["causes"][0]["id"] == "seed-down"
    written = ElementTree.fromstring((workplace / "out.xml").read_text())  # noqa: S314 - our own
    assert written.get("failures") == "1"


def test_a_junit_file_that_cannot_be_written_is_told_after_the_answer(dfmc: Dfmc, verify: Verify) -> None:
    verify(report())
    ended = dfmc("verify", "--url", "http://origin", "--junit", "no/such/folder/out.xml")
    assert ended.code == 4
    assert "worker-b1" in ended.out


def test_options_reach_the_engine(dfmc: Dfmc, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = verify(report())
    monkeypatch.setenv("DFMC_VERIFY_URL", "http://of-the-bed")
    dfmc("verify", "-c", "b", "--method", "blob", "--timeout", "90s", "--settle", "0", "--image", "x:1")
    session, options = calls[0]
    assert options == VerifyOptions("blob", "x:1", "http://of-the-bed", pull_timeout=90.0, settle_timeout=0.0)
    assert session.options.only == ("b",)


@pytest.mark.parametrize(
    ("error", "code"), [(UnreachableError("no answer"), 5), (AuthError("not allowed to create pods"), 6)]
)
def test_what_cannot_be_asked_has_its_own_code(dfmc: Dfmc, verify: Verify, error: DfmcError, code: int) -> None:
    verify(error)
    assert dfmc("verify", "--url", "http://origin").code == code
    verify(report(error=error))
    assert dfmc("verify", "--url", "http://origin").code == code


def test_with_nothing_to_pull_it_ends_before_anything_is_asked(
    dfmc: Dfmc, engine: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DFMC_VERIFY_URL", raising=False)
    for name in ("DFMC_VERIFY_IMAGE", "DFMC_VERIFY_PUSH", "DFMC_VERIFY_PUSH_URL"):
        monkeypatch.delenv(name, raising=False)
    ended = dfmc("verify")
    assert ended.code == 4
    assert "nothing to pull" in ended.err
    assert "--image" in ended.err


def test_a_wrong_duration_is_a_usage_error(dfmc: Dfmc) -> None:
    assert dfmc("verify", "--timeout", "soon").code == 64
