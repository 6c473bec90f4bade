import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from command_line import GUIDE, Dfmc
from dfmc.engine.live_match import LiveMatch
from dfmc.engine.session import Session
from dfmc.matching.formula import Candidate, ClusterScopes
from dfmc.matching.searcher import Searcher
from dfmc.matching.versions import NEWEST
from fakes import FakeKube


class FakeClients:
    """Clients of a run whose engine is replaced."""

    def kube(self, cluster: object) -> FakeKube:
        return FakeKube()

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager")

    def close(self) -> None:
        """Nothing is open."""


CONTRACT = Path(__file__).resolve().parents[1] / "data" / "contract"


def test_winner_terms_and_fallback_as_text(dfmc: Dfmc) -> None:
    ended = dfmc("match", "--idc", "Cluster-2")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "peer     says idc Cluster-2\n"
        "formula  that of manager 2.1.33 and newer (here 2.5.0)\n"
        "\n"
        "CLUSTER  CIDR  HOSTNAME  IDC   LOCATION  DEFAULT  SCORE\n"
        "b        0     0         0.25  0         0        0.25   joins\n"
        "a        0     0         0     0         0.01     0.01\n"
        "\n"
        "The peer joins b.\n"
        "While b has no active scheduler, the peer goes to a (0.01), and nothing tells.\n"
        "The peers that dfmc installs in a, b say their id and join by it (membership: id): scopes decide nothing for "
        "them.\n"
    )


def test_json_is_order_and_winner_alone(dfmc: Dfmc) -> None:
    ended = dfmc("match", "topology.yaml", "--idc", "cluster-2", "-o", "json")
    nothing = {"cidr": 0, "hostname": 0, "idc": 0, "location": 0, "default": 0}
    assert json.loads(ended.out) == {
        "order": [
            {"cluster": "b", "score": 0.25, "terms": {**nothing, "idc": 0.25}},
            {"cluster": "a", "score": 0.01, "terms": {**nothing, "default": 0.01}},
        ],
        "winner": "b",
    }


def test_cluster_without_an_active_scheduler_loses_its_peers_silently(dfmc: Dfmc) -> None:
    document = json.loads(dfmc("match", "--idc", "cluster-2", "--inactive", "b", "-o", "json").out)
    assert ([one["cluster"] for one in document["order"]], document["winner"]) == (["a"], "a")
    text = dfmc("match", "--idc", "cluster-2", "--inactive", "b").out
    assert "0.25   no active scheduler: passed over\n" in text
    assert "The peer joins a.\nWhile a has no active scheduler, the peer is given no cluster.\n" in text
    none = dfmc("match", "--inactive", "a", "--inactive", "b", "-o", "json")
    assert json.loads(none.out) == {"order": [], "winner": None}
    assert "No cluster has an active scheduler" in dfmc("match", "--inactive", "a", "--inactive", "b").out


def test_version_of_the_manager_decides_the_formula(dfmc: Dfmc, workplace: Path) -> None:
    old = json.loads(dfmc("match", "--idc", "cluster-2", "--manager-version", "v2.1.0", "-o", "json").out)
    assert old["order"][0]["score"] == 0.35
    (workplace / "old.yaml").write_text(GUIDE.replace("1.7.4", "1.1.1"))
    assert "here 2.1.0" in dfmc("match", "old.yaml").out
    pinned = GUIDE.replace("1.7.4", "1.1.1").replace("runtime:", "images: {manager: {tag: v2.1.50}}\n  runtime:")
    (workplace / "pinned.yaml").write_text(pinned)
    assert "here v2.1.50" in dfmc("match", "pinned.yaml").out
    assert dfmc("match", "--manager-version", "new").code == 64


def test_equal_scores_are_pointed_out(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(
        GUIDE + "- {name: c, context: other, namespace: c, scopes: {idc: cluster-2}}\n"
    )
    assert "c scores the same: the lower id decides" in dfmc("match", "--idc", "cluster-2").out


def test_address_that_is_none_is_warned_of(dfmc: Dfmc) -> None:
    ended = dfmc("match", "--ip", "10.1.2")
    assert (ended.code, ended.err) == (0, "⚠ --ip: 10.1.2 is no address; the manager counts it for nothing\n")


def test_inactive_cluster_is_one_of_the_file(dfmc: Dfmc) -> None:
    ended = dfmc("match", "--inactive", "x")
    assert (ended.code, ended.out) == (64, "")
    assert "the file has no cluster x" in ended.err


@pytest.mark.parametrize("version", ["2.5.1", "2.1.30"])
def test_world_is_answered_in_its_own_form(dfmc: Dfmc, version: str, workplace: Path) -> None:
    recorded = json.loads((CONTRACT / f"matching-{version}.json").read_text())
    asked = json.loads(json.dumps(recorded))
    for world in asked["worlds"]:
        for answer in world["answers"]:
            del answer["order"]
    (workplace / "world.json").write_text(json.dumps(asked))
    ended = dfmc("match", "--world", "world.json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == recorded


def test_world_from_standard_input(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"worlds": []}')))
    assert dfmc("match", "--world", "-").out == '{"worlds":[]}\n'


def test_world_that_cannot_be_used(dfmc: Dfmc, workplace: Path) -> None:
    assert dfmc("match", "--world", "missing.json").code == 3
    assert dfmc("match", "--world", ".").code == 3
    (workplace / "bad.json").write_text('{"worlds": 1}')
    ended = dfmc("match", "--world", "bad.json")
    assert (ended.code, ended.out) == (3, "")
    assert "bad.json: worlds must be a list" in ended.err
    assert dfmc("match", "--world", "bad.json", "--idc", "x").code == 64
    assert dfmc("match", "topology.yaml", "--world", "bad.json").code == 64


def test_pattern_too_large_is_no_bug(dfmc: Dfmc, workplace: Path) -> None:
    pattern = "(" + "a" * 2000 + "){1000}"
    (workplace / "topology.yaml").write_text(GUIDE.replace("{idc: cluster-2}", f"{{hostnames: ['{pattern}']}}"))
    ended = dfmc("match", "--hostname", "a")
    assert ended.code == 64
    assert "more than 100,000 steps" in ended.err


LIVE = LiveMatch(
    topology="guide",
    version="2.5.0",
    searcher=Searcher((Candidate(1, "a", is_default=True), Candidate(2, "b", ClusterScopes(idc="cluster-2"))), NEWEST),
    schedulers={1: 1, 2: 1},
    entries={1: "a", 2: "b"},
    foreign=(),
    clusters=(),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...], float]]:
    """What the engine was asked for: every peer or the records alone, for whom, and how long to wait."""
    calls: list[tuple[str, tuple[str, ...], float]] = []
    for name in ("live_match", "live_searcher"):

        async def look(session: Session, version: str | None, name: str = name) -> LiveMatch:
            calls.append((name, session.options.only, session.options.timeout))
            return LIVE

        monkeypatch.setattr(f"dfmc.engine.live_match.{name}", look)
    monkeypatch.setattr("dfmc.cli.running.make_factory", lambda *arguments: FakeClients())
    return calls


def test_live_asks_for_every_peer_of_the_chosen_clusters(dfmc: Dfmc, asked: list[Any]) -> None:
    assert dfmc("match", "--live").code == 0
    assert dfmc("match", "topology.yaml", "--live", "-c", "b", "--timeout", "5s", "-o", "json").code == 0
    assert asked == [("live_match", (), 30.0), ("live_match", ("b",), 5.0)]


def test_live_ranks_a_described_peer_by_the_managers_records(dfmc: Dfmc, asked: list[Any]) -> None:
    text = dfmc("match", "--live", "--idc", "cluster-2")
    assert (text.code, "The peer joins b.\n" in text.out, asked[0][0]) == (0, True, "live_searcher")
    assert json.loads(dfmc("match", "--live", "--idc", "cluster-2", "-o", "json").out)["winner"] == "b"


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "b"),
        ("-l", "env=prod"),
        ("--live", "--inactive", "b"),
        ("--live", "--idc", "x", "-c", "b"),
        ("--live", "-c", "x"),
        ("--live", "--world", "world.json"),
        ("--live", "--timeout", "soon"),
    ],
)
def test_options_that_do_not_fit_together(dfmc: Dfmc, arguments: tuple[str, ...]) -> None:
    ended = dfmc("match", *arguments)
    assert (ended.code, ended.out) == (64, "")
