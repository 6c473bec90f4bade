"""Scopes held against each other: every finding is true by the formula, and shows the host that proves it."""

from __future__ import annotations

import itertools
import random
from ipaddress import ip_network
from typing import Any

import pytest

from dfmc.linting.loading import inspect_whole
from dfmc.linting.scopes import overlap_findings, scope_findings
from dfmc.linting.subject import Subject
from dfmc.matching.contest import Contest
from dfmc.matching.examples import address_in, finds_everything, hostname_found_by
from dfmc.matching.formula import Candidate, ClusterScopes, Host, ranking
from dfmc.matching.hostnames import matches
from dfmc.matching.records import candidates_of
from dfmc.matching.versions import GENERATIONS, generation_of
from dfmc.topology.emit import flow_text
from dfmc.topology.load import load_text

HEAD = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: VERSION}
manager: {cluster: a, expose: {type: LoadBalancer}, address: dragonfly.example.com}
clusters:
"""


def told(*entries: str, version: str = "1.7.4") -> list[str]:
    """What is found in clusters a, b, c, … that are given what follows their name."""
    lines = [
        f"- {{name: {name}, context: {name}, namespace: n{entry and ', '}{entry}}}\n"
        for name, entry in zip("abcdefgh", entries, strict=False)
    ]
    found = inspect_whole(HEAD.replace("VERSION", version) + "".join(lines), "t.yaml").inspection.problems
    return [f"{d.path}: {d.message} [{d.rule}]" for d in found]


def test_network_inside_anothers_goes_to_the_older_record() -> None:
    assert told("", "scopes: {cidrs: [10.0.0.0/8]}", "scopes: {cidrs: [10.1.0.0/16], idc: c}") == [
        "clusters[2].scopes.cidrs[0]: the network 10.1.0.0/16 lies in b's 10.0.0.0/8: a peer at 10.1.0.1 scores 0.3 in "
        "both, and joins b, the older record [DF201]"
    ]


def test_network_inside_that_of_the_default_cluster_loses_by_a_hundredth() -> None:
    assert told("scopes: {cidrs: [0.0.0.0/0]}", "scopes: {cidrs: [10.1.0.0/16], idc: b}") == [
        "clusters[1].scopes.cidrs[0]: the network 10.1.0.0/16 lies in a's 0.0.0.0/0: a peer at 10.1.0.1 scores 0.3 "
        "here, 0.31 there, and joins a [DF201]"
    ]


def test_networks_beside_each_other_are_fine() -> None:
    assert told("scopes: {cidrs: [10.0.0.0/16]}", "scopes: {cidrs: [10.1.0.0/16, 'fd00::/8']}") == []


def test_scopes_that_can_never_win() -> None:
    found = told("", "scopes: {cidrs: [10.0.0.0/8]}", "scopes: {cidrs: [10.1.0.0/16]}")
    assert found[0] == (
        "clusters[2].scopes: no host joins c by its scopes: even a peer at 10.1.0.1 joins b with 0.3; here it scores "
        "0.3. The peers that dfmc installs in c say its id, so this is about others' [DF202]"
    )
    assert [line[-6:] for line in found] == ["DF202]", "DF201]"]
    assert "DF202" not in str(told("", "scopes: {cidrs: [10.1.0.0/16]}", "scopes: {cidrs: [10.0.0.0/8]}"))


def test_network_filled_by_narrower_ones_of_others_can_never_win() -> None:
    halves = "scopes: {cidrs: [10.0.0.0/9, 10.128.0.0/9]}"
    assert "no host joins c" in str(told("", halves, "scopes: {cidrs: [10.0.0.0/8]}"))
    assert "DF202" not in str(told("", "scopes: {cidrs: [10.0.0.0/9]}", "scopes: {cidrs: [10.0.0.0/8]}"))


def test_idc_of_several_can_win_by_one_that_is_its_own() -> None:
    assert "DF202" not in str(told("", "scopes: {idc: x}", "scopes: {idc: x|y}"))
    assert "DF202" in str(told("", "scopes: {idc: x|y|z}", "scopes: {idc: x|y}"))


def test_patterns_count_as_losing_only_where_every_name_is_lost() -> None:
    network = "cidrs: [10.0.0.0/8]"
    everything = f"scopes: {{{network}, hostnames: ['.*']}}"
    assert "DF202" in str(told("", everything, f"scopes: {{{network}, hostnames: ['^gpu']}}"))
    # gpu-0 is lost, but gpu-x is not: nothing is said about never.
    some = f"scopes: {{{network}, hostnames: ['gpu']}}"
    assert "DF202" not in str(told("", f"scopes: {{{network}, hostnames: ['a']}}", some))
    assert "DF202" in str(told("", some, some))


def test_same_location_without_anything_to_tell_apart() -> None:
    assert told("", "scopes: {location: asia|china}", "scopes: {location: Asia|China, cidrs: [10.0.0.0/8]}") == [
        "clusters[2].scopes.location: the location 'Asia|China' is b's as well: a peer in location 'Asia|China' scores "
        "0.14 in both, and joins b, the older record [DF201]"
    ]
    assert told("", "scopes: {location: asia, idc: x}", "scopes: {location: asia, idc: y}") == []


def test_location_that_begins_like_another() -> None:
    assert told("", "scopes: {location: asia}", "scopes: {location: 'asia|china'}") == [
        "clusters[2].scopes.location: the location lies in b's 'asia', and the manager counts equal levels, not whose "
        "they are: a peer in location 'asia|elsewhere' scores 0.028 in both, and joins b, the older record [DF201]"
    ]
    assert told("", "scopes: {location: 'asia|japan'}", "scopes: {location: 'asia|china'}") == []


def test_patterns_for_the_same_names_are_told_once_for_a_pair() -> None:
    assert told("", "scopes: {hostnames: ['^node-']}", "scopes: {hostnames: ['^gpu-', '^node-[0-9]+$']}") == [
        "clusters[2].scopes.hostnames[1]: b has a pattern for the same names: a peer named node-0 scores 0.3 in both, "
        "and joins b, the older record [DF201]"
    ]
    assert told("", "scopes: {hostnames: ['^a']}", "scopes: {hostnames: ['^b']}") == []
    # Managers before 2.1.33 do not look at names.
    old = told("", "scopes: {hostnames: ['a'], idc: b}", "scopes: {hostnames: ['a'], idc: c}", version="1.1.1")
    assert "DF201" not in str(old)


def test_member_by_scopes_that_loses_its_own_peers() -> None:
    by_scopes = "membership: scopes, scopes: {location: asia}, host: {idc: x, location: asia}"
    assert told("scopes: {idc: x}", by_scopes) == [
        "clusters[1].scopes: the peers of b join by scopes, and a peer of idc 'x' in location 'asia' joins a with "
        "0.26; here it scores 0.14 [DF203]"
    ]
    assert told("scopes: {idc: x}", by_scopes.replace("membership: scopes, ", "")) == []
    assert told("scopes: {idc: x}", by_scopes.replace("idc: x", "idc: y")) == []


def test_member_that_says_nothing_its_scopes_could_match() -> None:
    found = told("", "membership: scopes, scopes: {idc: 'x|y'}, host: {idc: z}")
    assert found == [
        "clusters[1].scopes: the peers of b join by scopes, and a peer of idc 'z' joins a with 0.01; here it scores 0 "
        "[DF203]"
    ]


def test_old_charts_have_scopes_alone() -> None:
    assert "DF203" in str(told("", "host: {idc: x}", version="1.1.1"))
    assert told("", "scopes: {idc: x}", version="1.1.1") == []


def test_address_of_a_member_decides_where_its_networks_are_named() -> None:
    weak = "membership: scopes, scopes: {cidrs: [10.1.0.0/16]}"
    assert "a peer at 10.1.0.1 joins b with 0.3" in told("", "scopes: {cidrs: [10.0.0.0/8]}", weak)[0]
    assert "DF203" not in str(told("", "scopes: {cidrs: [10.0.0.0/8]}", weak.replace("}", ", idc: c}")))


def test_too_much_overlap_is_said_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfmc.matching.contest.MAX_SCORES", 5)
    found = told("", *(["scopes: {cidrs: [10.0.0.0/8], idc: x}"] * 5))
    assert "clusters: not all scopes were compared with each other: too many of them overlap [DF201]" in found


def test_pattern_too_large_is_said_and_ends() -> None:
    pattern = "(" + "a" * 2000 + "){1000}"
    assert "a hostname pattern has more than 100,000 steps" in str(told("", f"scopes: {{hostnames: ['{pattern}']}}"))


CIDRS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/9", "10.128.0.0/9", "fd00::/8"]
IPS = ["", "10.1.2.3", "10.1.9.9", "10.9.9.9", "10.200.0.1", "11.1.1.1", "fd00::1"]
IDCS = ["", "x", "y", "z", "w"]
LOCATIONS = ["", "a", "a|b", "a|b|c", "a|d", "e"]
PATTERNS = ["^n", "x$", ".*", "n-x", "q"]
NAMES = ["", "n", "n-x", "x", "nn-1", "q", "zzz"]


def random_entries(chosen: random.Random) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for name in "abcde"[: chosen.randint(2, 5)]:
        scopes: dict[str, Any] = {}
        if chosen.random() < 0.5:
            scopes["cidrs"] = chosen.sample(CIDRS, chosen.randint(1, 2))
        if chosen.random() < 0.5:
            scopes["idc"] = "|".join(chosen.sample("xyz", chosen.randint(1, 2)))
        if chosen.random() < 0.4:
            scopes["location"] = chosen.choice(LOCATIONS[1:])
        if chosen.random() < 0.3:
            scopes["hostnames"] = chosen.sample(PATTERNS, 1)
        entry: dict[str, Any] = {"name": name, "context": name, "namespace": "n", "membership": "id"}
        entries.append(entry | ({"scopes": scopes} if scopes else {}))
    return entries


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("version", ["1.7.4", "1.1.24"])
def test_clusters_said_to_never_win_lose_every_host_that_can_be_made(version: str, seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 - not for secrets
    never = 0
    for _ in range(30):
        text = HEAD.replace("VERSION", version) + "".join(f"- {flow_text(entry)}\n" for entry in random_entries(chosen))
        loaded = load_text(text, "t.yaml")
        subject = Subject(loaded.document, loaded.topology)
        generation = subject.contest.generation
        candidates = candidates_of(loaded.topology)
        winners = {
            ranking(Host(*said), candidates, generation)[0].candidate.name
            for said in itertools.product(IPS, NAMES, IDCS, LOCATIONS)
            if chosen.random() < 0.3
        }
        for finding in scope_findings(subject):
            name = finding.message.partition(" by its scopes")[0].rpartition(" ")[2]
            assert name not in winners, text
            never += 1
    assert never > 0


@pytest.mark.parametrize("seed", range(2))
def test_hosts_in_overlaps_score_what_is_said(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 - not for secrets
    count = 0
    for _ in range(100):
        text = HEAD.replace("VERSION", "1.7.4") + "".join(f"- {flow_text(entry)}\n" for entry in random_entries(chosen))
        loaded = load_text(text, "t.yaml")
        subject = Subject(loaded.document, loaded.topology)
        for finding in overlap_findings(subject):
            count += 1
            sample = finding.message.rpartition("a peer ")[2]
            words = sample.split()
            kind, value = (words[0], words[1]) if words[0] != "in" else ("in", words[2].strip("'"))
            host = {"at": Host(ip=value), "named": Host(hostname=value), "in": Host(location=value)}[kind]
            winner = ranking(host, candidates_of(loaded.topology), subject.contest.generation)[0]
            assert f"and joins {winner.candidate.name}" in sample, text
    assert count > 0


@pytest.mark.parametrize("seed", range(2))
def test_contest_has_the_winner_of_ranking_everybody(seed: int) -> None:
    chosen = random.Random(seed)  # noqa: S311 - not for secrets
    for _ in range(150):
        candidates = [
            Candidate(
                chosen.randrange(1, 9) * 10 + number,
                str(number),
                ClusterScopes(
                    chosen.choice(["", "x", "x|y", "X|z", "|y", "y||"]),
                    chosen.choice([*LOCATIONS, "A|b", "a|b|c|1|2|3", "a|"]),
                    tuple(chosen.sample([*CIDRS, "0.0.0.0/0", "::/0", "bad"], chosen.randrange(3))),
                    tuple(chosen.sample([*PATTERNS, "("], chosen.randrange(2))),
                ),
                is_default=chosen.random() < 0.2,
            )
            for number in range(chosen.randrange(1, 9))
        ]
        generation = chosen.choice(GENERATIONS)
        contest = Contest(candidates, generation)
        for _ in range(40):
            host = Host(
                chosen.choice([*IPS, "::ffff:10.1.2.3", "x"]),
                chosen.choice(NAMES),
                chosen.choice([*IDCS, "X", "x|y"]),
                chosen.choice([*LOCATIONS, "A|B", "a|b|c|1|2|3", "a|b|c|1|2|9"]),
            )
            assert contest.winner(host) == ranking(host, candidates, generation)[0]


@pytest.mark.parametrize(
    "pattern",
    ["^gpu-[0-9]+$", "node-1", ".*", "", "a|b", "[^a]b", "(?i)NODE", r"\bx\b", "x{3,5}y", r"\pL\d", "[[:upper:]]"],
)
def test_example_of_a_pattern_is_found_by_it(pattern: str) -> None:
    name = hostname_found_by(pattern)
    assert name is not None
    assert matches(pattern, name)


@pytest.mark.parametrize("pattern", ["(", "^$", "^.{64}$", "a^b"])
def test_pattern_without_an_example(pattern: str) -> None:
    assert hostname_found_by(pattern) is None


def test_patterns_that_find_every_name() -> None:
    assert [p for p in ["", ".*", "x?", "a|", "(b*)c?", "^", "a", ".", "("] if finds_everything(p)] == [
        "", ".*", "x?", "a|", "(b*)c?",
    ]  # fmt: skip


def test_address_of_a_network_avoids_the_narrower_ones() -> None:
    wide, low, high, first = map(ip_network, ("10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/16"))
    assert address_in(wide) == "10.0.0.1"
    assert address_in(wide, [first]) == "10.255.255.254"
    assert address_in(wide, [low, high]) is None
    assert address_in(wide, [low]) == "10.255.255.254"
    assert address_in(ip_network("10.1.2.3/32")) == "10.1.2.3"


def test_formula_is_that_of_the_charts_manager() -> None:
    loaded = load_text(HEAD.replace("VERSION", "1.1.24") + "- {name: a, context: a, namespace: n}\n", "t.yaml")
    assert Subject(loaded.document, loaded.topology).contest.generation is generation_of("2.1.30")
