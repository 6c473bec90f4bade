"""What ``doctor`` says: the table of checks, its page, the answer for people and for programs."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from dfmc.engine.doctor import DoctorReport, is_blind
from dfmc.errors import DfmcError, UnreachableError
from dfmc.linting.rules import all_rules
from dfmc.output.doctor import check_lines, checks_document, doctor_document, doctor_lines, doctor_page
from dfmc.output.documents import as_json
from dfmc.output.text import ascii_only
from dfmc.planning.checks.facts import PER_CLUSTER, Endpoint, Facts, Need, Reached
from dfmc.planning.checks.model import UNREAD, run_checks
from dfmc.planning.checks.table import CHECKS, check_of
from doctor_world import healthy, with_cluster

ROOT = Path(__file__).resolve().parents[2]


def report(facts: Facts, *skip: str) -> DoctorReport:
    return DoctorReport(facts, run_checks(CHECKS, facts, skip))


def text(facts: Facts, *skip: str, verbose: bool = False) -> str:
    return "\n".join(line.plain for line in doctor_lines(report(facts, *skip), verbose=verbose))


def spoilt() -> Facts:
    """One error, one warning, one cluster that could not be asked from inside."""
    there = Endpoint("grpc", "manager.example.com", 65003)
    rest = Endpoint("rest", "manager.example.com", 8080, is_needed=False)
    facts = with_cluster(
        healthy(),
        "b",
        reached=(Reached(there, True, False, "nc: (10.0.0.1:65003): Connection refused"), Reached(rest, False, False)),
    )
    return replace(facts, absent={(Need.PROBES, "a"): "left out"})


# --- the table -------------------------------------------------------------------------------------------------


def test_ids_are_given_once_and_are_no_lints() -> None:
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert not set(ids) & set(all_rules())
    assert check_of(UNREAD.lower()) is CHECKS[0]


def test_every_check_is_told_in_sentences_and_looks_at_something() -> None:
    for check in CHECKS:
        assert check.why.endswith(".")
        assert check.fix.endswith(".")
        assert not check.title.endswith(".")
        finders = [finder for finder in (check.of_cluster, check.of_topology) if finder is not None]
        assert len(finders) <= 1
        assert finders or check.answers_for or check.id == UNREAD


def test_every_need_is_looked_at_and_at_most_one_check_answers_for_it() -> None:
    used = {need for check in CHECKS for need in (*check.needs, *check.uses, *check.answers_for)}
    assert used == set(Need)
    answered = [need for check in CHECKS for need in check.answers_for]
    assert len(set(answered)) == len(answered)
    assert set(Need) >= PER_CLUSTER


def test_a_check_over_all_clusters_asks_for_nothing_that_one_alone_may_lack() -> None:
    for check in CHECKS:
        if check.of_topology is not None:
            assert not set(check.needs) & PER_CLUSTER


def test_page_is_the_table() -> None:
    page, wanted = ROOT / "docs" / "doctor.md", doctor_page(CHECKS)
    if os.environ.get("DFMC_UPDATE_GOLDEN") == "1":
        page.write_text(wanted)
    assert page.read_text() == wanted


def test_explanation_has_every_part() -> None:
    check = check_of("DF371")
    assert check is not None
    lines = [line.plain for line in check_lines([check, CHECKS[0]])]
    assert lines[0].startswith("DF371 every component's live configuration")
    assert "" in lines
    assert any(line.startswith("fix  ") for line in lines)
    assert checks_document([check])["checks"][0]["id"] == "DF371"


# --- for people ------------------------------------------------------------------------------------------------


def test_a_healthy_world_is_one_sign_a_check_and_a_grid() -> None:
    said = text(healthy())
    assert said.count("✓ DF") == len(CHECKS)
    assert "\n    FROM \\ TO  grpc\n    a          ✓\n    b          ✓\n" in said
    assert "grpc     manager.example.com:65003  (a, b)" in said
    assert said.endswith(f"✓ {len(CHECKS)} checks over 2 clusters: nothing found")


def test_a_finding_has_place_cause_and_next_command() -> None:
    lines = text(spoilt()).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("✗ DF341"))
    assert lines[at + 1] == "    ✗ b: pods of b do not reach the manager (gRPC) at manager.example.com:65003"
    assert lines[at + 2] == "        at   manager.example.com:65003"
    assert lines[at + 3] == "        why  nc: (10.0.0.1:65003): Connection refused"
    assert lines[at + 4].startswith("        next kubectl --context kind-kind -n cluster-a get services")
    assert lines[at + 5].startswith(
        "    ⚠ b: pods of b cannot resolve manager.example.com, the address of the manager (R"
    )
    assert lines[-1] == f"✗ {len(CHECKS)} checks over 2 clusters: 1 error, 1 warning"


def test_the_grid_tells_how_an_endpoint_is_not_reached() -> None:
    lines = text(spoilt()).splitlines()
    assert "    FROM \\ TO  grpc       rest" in lines
    assert "    b          ✗ refused  ⚠ no such name" in lines


def test_what_was_not_looked_at_says_why() -> None:
    absent = {(need, ""): "there is no manager yet" for need in (Need.MANAGER, Need.LOGIN, Need.FORGERY)}
    said = text(replace(healthy(), absent=absent), "DF321")
    assert (
        "· DF362 the manager's records, the releases and the file fit together\n    skipped: there is no manager yet"
        in said
    )
    assert "· DF321 every cluster has nodes that take its pods (left out)" in said
    assert ", 8 skipped" in said.splitlines()[-1]
    assert "skipped a: left out" not in text(spoilt())
    assert "skipped a: left out" in text(spoilt(), verbose=True)


def test_signs_have_a_spelling_in_ascii() -> None:
    assert ascii_only(text(spoilt())).isascii()


def test_what_others_say_cannot_forge_a_line() -> None:
    error = DfmcError("no\x1b[2Jthing\n✓ DF301 all is well", why="a\nb")
    said = text(replace(healthy(), unread={(Need.NODES, "b"): error}))
    assert "\n✓ DF301 all is well" not in said
    assert "\x1b" not in said


# --- for programs ----------------------------------------------------------------------------------------------


def test_the_document_is_a_contract() -> None:
    document = json.loads(as_json(doctor_document(report(spoilt(), "DF303"))))
    assert list(document) == [
        "apiVersion",
        "kind",
        "topology",
        "healthy",
        "errors",
        "warnings",
        "clusters",
        "checks",
        "reachability",
    ]
    assert (document["kind"], document["healthy"], document["errors"], document["warnings"]) == (
        "DoctorReport",
        False,
        1,
        1,
    )
    checks = {check["id"]: check for check in document["checks"]}
    assert list(checks["DF341"]) == ["id", "title", "group", "result", "findings", "skipped"]
    assert list(checks["DF341"]["findings"][0]) == ["cluster", "level", "place", "what", "why", "next"]
    assert checks["DF341"]["skipped"] == [{"cluster": "a", "why": "left out"}]
    assert checks["DF303"]["result"] == "off"
    assert document["reachability"][1] == {
        "cluster": "b",
        "endpoint": "grpc",
        "address": "manager.example.com:65003",
        "needed": True,
        "installed": True,
        "resolves": True,
        "connects": False,
        "said": "nc: (10.0.0.1:65003): Connection refused",
    }


def test_the_document_of_a_healthy_world_is_the_same_each_time() -> None:
    first, second = (as_json(doctor_document(report(healthy()))) for _ in range(2))
    assert first == second
    assert json.loads(first)["healthy"] is True


def test_blind_is_where_not_one_cluster_could_be_asked() -> None:
    lost = {(Need.CLUSTER, name): UnreachableError(f"{name} is away") for name in ("a", "b")}
    blind = is_blind(report(replace(healthy(), unread=lost)))
    assert blind is not None
    assert blind.exit_code == 5
    one = {(Need.CLUSTER, "b"): UnreachableError("away")}
    assert is_blind(report(replace(healthy(), unread=one))) is None
    assert is_blind(report(healthy())) is None
