"""The searcher's formula, term by term; what real managers answered is in test_matching_recorded.py."""

from __future__ import annotations

import random

import pytest

from dfmc.errors import UsageError
from dfmc.matching.folding import fold
from dfmc.matching.formula import (
    Candidate,
    ClusterScopes,
    Host,
    cidr_affinity,
    hostname_affinity,
    idc_affinity,
    location_affinity,
    order,
    ranking,
    terms_of,
)
from dfmc.matching.records import candidates_of
from dfmc.matching.versions import GENERATIONS, NEWEST, generation_of, is_version
from topologies import entry, topology


@pytest.mark.parametrize(
    ("ip", "cidrs", "affinity"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], 1),
        ("10.1.2.3", ["11.0.0.0/8", "10.1.2.3/32"], 1),
        ("10.1.2.3", ["10.1.2.7/24"], 1),
        ("10.1.2.3", ["0.0.0.0/0"], 1),
        ("10.1.2.3", ["::/0"], 0),
        ("fd00::1", ["0.0.0.0/0"], 0),
        ("fd00::1", ["fd00::/8"], 1),
        ("FD00::1", ["fd00:0::/16"], 1),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], 1),
        ("::ffff:10.1.2.3", ["::/0"], 0),
        ("10.1.2.3", ["::ffff:10.0.0.0/104"], 0),
        ("10.1.2.3", ["::ffff:10.0.0.0/96"], 1),
        ("10.1.2.3", ["bad", "10.0.0.1", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/255.0.0.0"], 0),
        ("10.1.2.3", ["bad", "10.0.0.0/8"], 1),
        ("10.1.2.3", ["10.0.0.0/08", "11.0.0.0/8"], 1),
        ("10.1.2.3", ["10.0.0.0/" + "9" * 5000], 0),
        ("010.1.2.3", ["10.0.0.0/8"], 0),
        ("fe80::1%eth0", ["::/0"], 0),
        ("fe80::1", ["fe80::%eth0/64"], 0),
        ("10.1.2.3", [], 0),
        ("", ["0.0.0.0/0"], 0),
        ("nonsense", ["0.0.0.0/0"], 0),
    ],
)
def test_cidr_term(ip: str, cidrs: list[str], affinity: float) -> None:
    assert cidr_affinity(ip, cidrs) == affinity


@pytest.mark.parametrize(
    ("said", "scope", "affinity"),
    [
        ("a", "a", 1),
        ("a", "b|a", 1),
        ("A", "b|a", 1),
        ("a|b", "a|b", 1),
        ("a|b", "a|b|c", 0),
        ("a", "a |b", 0),
        ("a ", "a", 0),
        ("", "a|", 0),
        ("", "", 0),
        ("a", "", 0),
        ("|", "|", 1),
        ("杭州", "b|杭州", 1),
        ("ß", "ss", 0),
        ("ſ", "S", 1),
        ("K", "k", 1),
    ],
)
def test_idc_term(said: str, scope: str, affinity: float) -> None:
    assert idc_affinity(said, scope) == affinity


@pytest.mark.parametrize(
    ("said", "scope", "affinity"),
    [
        ("a|b", "A|B", 1),
        ("a|b|c", "a|b", 0.4),
        ("a|b", "a|b|c", 0.4),
        ("a|b|c", "a|x|c", 0.2),
        ("x|b", "a|b", 0),
        ("a|b|c|d|e|f", "a|b|c|d|e|g", 1),
        ("a|b|c|d|e|f", "a|b|c|d|e", 1),
        ("a|b|c|d|e|f|g", "a|b|c|d|e|f|g", 1),
        ("a|", "a||", 0.4),
        ("", "a", 0),
        ("a", "", 0),
        ("a ", "a", 0),
    ],
)
def test_location_term(said: str, scope: str, affinity: float) -> None:
    assert location_affinity(said, scope) == affinity


def test_oldest_managers_compare_case_exactly() -> None:
    assert idc_affinity("A", "a|b", ignores_case=False) == 0
    assert idc_affinity("b", "a|b", ignores_case=False) == 1
    assert location_affinity("a|B", "a|b", ignores_case=False) == 0.2
    scopes = ClusterScopes(idc="a")
    assert [terms_of(Host(idc="A"), scopes, generation=generation_of(v)).idc for v in ("2.1.0", "v2.1.1")] == [0, 0.35]


def test_hostname_term_is_a_search_with_bad_patterns_passed_over() -> None:
    assert hostname_affinity("node-1", ["(", "ode"]) == 1
    assert hostname_affinity("node-1", ["^ode"]) == 0
    assert hostname_affinity("Node-1", ["node"]) == 0
    assert hostname_affinity("", [".*"]) == 0
    assert hostname_affinity("node-1", []) == 0


def test_weights_of_both_generations() -> None:
    host = Host("10.1.2.3", "node-1", "a", "x|y")
    scopes = ClusterScopes("a", "x|z", ("10.0.0.0/8",), ("node",))
    new = terms_of(host, scopes, is_default=True, generation=generation_of("2.1.33"))
    old = terms_of(host, scopes, is_default=True, generation=generation_of("2.1.32"))
    assert new.as_dict() == {"cidr": 0.3, "hostname": 0.3, "idc": 0.25, "location": 0.14 * 0.2, "default": 0.01}
    assert old.as_dict() == {"cidr": 0.4, "hostname": 0.0, "idc": 0.35, "location": 0.24 * 0.2, "default": 0.01}
    assert new.score == pytest.approx(0.888)


@pytest.mark.parametrize(
    ("version", "first"),
    [
        ("2.0.9", (2, 0, 9)),
        ("v2.1.0", (2, 0, 9)),
        ("2.1.0-beta.0", (2, 0, 9)),
        ("2.1.1", (2, 1, 1)),
        ("v2.1.32", (2, 1, 1)),
        ("v2.1.33", (2, 1, 33)),
        ("2.3.1-rc.4", (2, 1, 33)),
        ("3.0.0", (2, 1, 33)),
        (None, (2, 1, 33)),
    ],
)
def test_generation_of_a_version(version: str | None, first: tuple[int, int, int]) -> None:
    assert generation_of(version).first == first


@pytest.mark.parametrize("version", ["", "latest", "2.1", "v2.1.x", "2.0.8", "9" * 5000 + ".1.1"])
def test_version_without_a_formula(version: str) -> None:
    assert not is_version(version)
    with pytest.raises(UsageError):
        generation_of(version)


def test_versions_are_named_without_gaps() -> None:
    assert [generation.versions for generation in GENERATIONS] == [
        "2.0.9 to 2.1.0",
        "2.1.1 to 2.1.32",
        "2.1.33 and newer",
    ]


def test_equal_scores_go_by_id_whatever_the_order_given() -> None:
    chosen = random.Random(3)  # noqa: S311 - not for secrets
    candidates = [Candidate(number, str(number)) for number in range(1, 12)]
    chosen.shuffle(candidates)
    assert [one.candidate.id for one in order(Host(), candidates)] == list(range(1, 12))


def test_clusters_without_an_active_scheduler_are_passed_over() -> None:
    best = Candidate(2, "b", ClusterScopes(idc="x"), is_active=False)
    default = Candidate(1, "a", is_default=True)
    host = Host(idc="x")
    assert [one.candidate.name for one in ranking(host, [best, default])] == ["b", "a"]
    assert [one.candidate.name for one in order(host, [best, default])] == ["a"]
    assert order(host, [best]) == ()


def test_several_defaults_share_their_hundredth() -> None:
    ranked = order(Host(), [Candidate(1, "a"), Candidate(2, "b", is_default=True), Candidate(3, "c", is_default=True)])
    assert [(one.candidate.id, one.score) for one in ranked] == [(2, 0.01), (3, 0.01), (1, 0)]


def test_folding_is_the_simple_one() -> None:
    assert fold("ΣΑΣ") == fold("σας")
    assert fold("ẞ") == fold("ß") != fold("ss")
    assert fold("İ") != fold("i")
    assert fold("ı") != fold("I")
    assert fold("AbC") == "abc"


def test_records_of_a_topology_as_the_first_up_would_make_them() -> None:
    wanted = topology(
        manager={"cluster": "b"},
        clusters=[entry("a", scopes={"idc": "x", "cidrs": ["10.0.0.0/8"]}), entry("b"), entry("c")],
    )
    records = candidates_of(wanted, inactive=["c"])
    assert [(r.id, r.name, r.is_default, r.is_active) for r in records] == [
        (1, "b", True, True),
        (2, "a", False, True),
        (3, "c", False, False),
    ]
    assert records[1].scopes == ClusterScopes("x", "", ("10.0.0.0/8",), ())
    assert NEWEST is GENERATIONS[-1]
