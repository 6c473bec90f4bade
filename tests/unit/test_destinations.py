"""Where peers go by the manager's records as they are: what each says of itself, what it is answered, and why."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from dfmc.matching.formula import Candidate, ClusterScopes, Host, order
from dfmc.matching.records import candidates_at
from dfmc.matching.searcher import Answer, Says, Searcher
from dfmc.matching.versions import NEWEST, generation_of
from dfmc.planning.destinations import Destination, cluster_destinations, running_version, searcher_at, terms_text
from dfmc.planning.peers import Peer, peers_of
from dfmc.state import ClusterRecord, ObservedManager, PodState, SchedulerRecord, ScopesRecord
from dfmc.symbols import Pending
from dfmc.values.layouts import layout_of
from observed_worlds import finished
from topologies import entry, topology

MODERN, MIDDLE, LEGACY = layout_of("1.7.4"), layout_of("1.3.0"), layout_of("1.1.1")
SCOPED = topology(clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2"}, membership="scopes")])
B = SCOPED.cluster("b")


def node(name: str, ip: str = "", taints: Any = (), hostname: str = "") -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": ip}] if ip else []
    addresses += [{"type": "Hostname", "address": hostname}] if hostname else []
    return {"metadata": {"name": name}, "spec": {"taints": list(taints)}, "status": {"addresses": addresses}}


def pod(name: str, component: str, ip: str, on: str = "", **more: Any) -> PodState:
    return PodState(name, component, "Running", True, ip, on, **more)


def said(part: str, **host: Any) -> dict[str, Any]:
    return {part: {"config": {"host": host}}}


# --- what peers say --------------------------------------------------------------------------------------------


def test_a_rust_client_has_its_nodes_name_and_address_and_a_seed_its_pods() -> None:
    values = said("client", idc="cluster-2", location="eu|x", schedulerClusterID=None)
    values |= said("seedClient", idc="seeds", schedulerClusterID=7)
    nodes = [node("n-2", "10.0.0.2"), node("n-1", "10.0.0.1", hostname="n-1.example")]
    pods = [
        pod("client-x", "client", "10.0.0.2", "n-2"),
        pod("seed-0", "seed-client", "10.244.1.5"),
        pod("seed-1", "seed-client", ""),
        pod("seed-2", "seed-client", "10.244.1.6", terminating=True),
        pod("dragonfly-scheduler-0", "scheduler", "10.244.1.7"),
    ]
    one, two, seed = peers_of(B, MODERN, values, nodes, pods)
    assert one == Peer("b", "node", "n-1", Says(Host("10.0.0.1", "n-1.example", "cluster-2", "eu|x")))
    assert two == Peer("b", "node", "n-2", Says(Host("10.0.0.2", "n-2", "cluster-2", "eu|x")))
    assert seed == Peer("b", "seed peer", "seed-0", Says(Host("10.244.1.5", "seed-0", "seeds"), 7))


def test_a_go_client_has_its_pods_name_and_address() -> None:
    pods = [pod("dragonfly-dfdaemon-x", "dfdaemon", "10.244.0.3", "n-1"), pod("seed-0", "seed-peer", "10.244.0.4")]
    values = said("dfdaemon", idc="x")
    running, waiting, seed = peers_of(B, LEGACY, values, [node("n-1", "10.0.0.1"), node("n-2", "10.0.0.2")], pods)
    assert running.says == Says(Host("10.244.0.3", "dragonfly-dfdaemon-x", "x"))
    assert waiting.says == Says(Host(idc="x"))  # its pod's address is not known before there is one
    assert (seed.kind, seed.says) == ("seed peer", Says(Host("10.244.0.4", "seed-0")))
    in_host = {"dfdaemon": {"hostNetwork": True}}
    assert peers_of(B, LEGACY, in_host, [node("n-1", "10.0.0.1")], ())[0].says == Says(Host("10.0.0.1", "n-1"))


@pytest.mark.parametrize(
    ("layout", "host", "expected"),
    [
        (MODERN, {}, 1),  # the chart's own default: a member that lacks the key joins cluster 1
        (MODERN, {"schedulerClusterID": None}, None),
        (MODERN, {"schedulerClusterID": 0}, None),
        (MODERN, {"schedulerClusterID": 5}, 5),
        (MODERN, {"schedulerClusterID": Pending("record:b/scheduler_cluster_id")}, -1),
        (MIDDLE, {"schedulerClusterID": 5}, None),  # no peer of these charts says an id
    ],
)
def test_the_id_that_a_client_says(layout: Any, host: dict[str, Any], expected: int | None) -> None:
    assert peers_of(B, layout, said("client", **host), [node("n")], ())[0].says.cluster_id == expected


def test_what_the_values_say_of_name_and_address_wins() -> None:
    values = said("client", ip="192.0.2.1", hostname="told")
    assert peers_of(B, MODERN, values, [node("n", "10.0.0.1")], ())[0].says.host == Host("192.0.2.1", "told")


def test_nodes_that_take_no_client_are_no_peers() -> None:
    own = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    plane = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    nodes = [node("plane", taints=[plane]), node("tired", taints=[own]), node("both", taints=[own, plane])]
    assert [peer.name for peer in peers_of(B, MODERN, {}, nodes, ())] == ["tired"]
    tolerant = topology(clusters=[entry("a"), entry("b", tolerations=[{"key": plane["key"], "operator": "Exists"}])])
    assert len(peers_of(tolerant.cluster("b"), MODERN, {}, nodes, ())) == 3
    there = [pod("client-x", "client", "10.0.0.9", "plane")]
    assert [peer.name for peer in peers_of(B, MODERN, {}, nodes, there)] == ["plane", "tired"]


def test_where_nodes_cannot_be_read_the_clients_that_run_are_known() -> None:
    (peer,) = peers_of(B, MODERN, {}, None, [pod("client-x", "client", "10.0.0.9", "n-9")])
    assert (peer.name, peer.says.host) == ("n-9", Host("10.0.0.9", "n-9"))


def test_clients_and_seeds_that_are_switched_off_are_no_peers() -> None:
    off = {"client": {"enable": False}, "seedClient": {"enable": False}}
    assert peers_of(B, MODERN, off, [node("n")], [pod("seed-0", "seed-client", "10.0.0.1")]) == ()


# --- what they are answered ------------------------------------------------------------------------------------

RECORDS = (
    Candidate(1, "a", is_default=True),
    Candidate(2, "b", ClusterScopes(idc="cluster-2")),
    Candidate(3, "silent", ClusterScopes(idc="cluster-3"), is_active=False),
)


def test_an_id_is_answered_with_its_record_whatever_the_scopes_and_alive_or_not() -> None:
    searcher = Searcher(RECORDS, NEWEST)
    assert searcher.answer(Says(Host(idc="cluster-2"), 1)) == Answer(RECORDS[0], "id")
    assert searcher.answer(Says(Host(), 3)) == Answer(RECORDS[2], "id")
    assert searcher.answer(Says(Host(idc="cluster-2"), 9)) == Answer(None, "id")


def test_without_an_active_scheduler_there_is_no_answer() -> None:
    nobody = Searcher([replace(record, is_active=False) for record in RECORDS], NEWEST)
    assert nobody.answer(Says(Host(idc="cluster-2"))) == Answer(None, "scopes")


@pytest.mark.parametrize("seed", range(4))
def test_the_answer_by_scopes_is_the_first_of_the_managers_order(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    idcs, locations = ["", "x", "X", "y", "x|y"], ["", "eu", "eu|1", "eu|2|z", "us"]
    cidrs, names = [(), ("10.0.0.0/8",), ("10.1.0.0/16", "bad"), ("fd00::/8",)], [(), ("^n-1",), ("seed", "(")]
    for _ in range(150):
        records = [
            Candidate(
                number,
                f"r{number}",
                ClusterScopes(*(chance.choice(list[Any](of)) for of in (idcs, locations, cidrs, names))),
                is_default=chance.random() < 0.2,
                is_active=chance.random() < 0.8,
            )
            for number in range(1, chance.randint(2, 9))
        ]
        generation = generation_of(chance.choice(["2.0.9", "2.1.5", "2.5.0"]))
        chance.shuffle(records)
        searcher = Searcher(records, generation)
        for _ in range(5):
            host = Host(
                chance.choice(["", "10.1.2.3", "10.9.9.9", "fd00::1"]),
                chance.choice(["", "n-1", "seed-0"]),
                chance.choice(["", "x", "Y"]),
                chance.choice(locations),
            )
            expected = order(host, sorted(records, key=lambda one: one.id), generation)
            answer = searcher.answer(Says(host))
            assert answer.record == (expected[0].candidate if expected else None)
            assert answer.winner == (expected[0] if expected else None)


def test_only_schedulers_that_schedule_make_a_record_active() -> None:
    def row(number: int, state: Any, *features: str) -> SchedulerRecord:
        return SchedulerRecord(number, f"s{number}", "10.0.0.1", 8002, state, number, features)

    rows = (row(1, "active", "schedule", "preheat"), row(2, "active"), row(3, "active", "preheat"), row(4, "inactive"))
    records = tuple(ClusterRecord(n, f"r{n}", "", ScopesRecord(idc=f"{n}"), n, n, n == 1) for n in range(1, 6))
    found = candidates_at(ObservedManager(records, rows))
    assert [one.id for one in found if one.is_active] == [1, 2]
    assert (found[0].is_default, found[2].scopes) == (True, ClusterScopes(idc="3"))


# --- why -------------------------------------------------------------------------------------------------------


def why(says: Says, *records: Candidate, home: int | None = 2) -> tuple[bool, str]:
    searcher = Searcher(records or RECORDS, NEWEST)
    own = next((record for record in searcher.records if record.id == home), None)
    peer = Peer("b", "node", "n", says)
    found = Destination(peer, searcher.answer(says), searcher.score(says.host, own) if own else None)
    return found.is_home, found.why


def test_what_decided_in_words() -> None:
    assert why(Says(Host(idc="cluster-2"))) == (True, "b scores 0.25 (idc)")
    assert why(Says(Host(idc="other"))) == (False, "a scores 0.01 (default), b 0")
    assert why(Says(Host(), 2)) == (True, "says id 2")
    assert why(Says(Host(), 1)) == (False, "says id 1, not 2")
    assert why(Says(Host(), 9)) == (False, "says id 9, which no record has: the manager answers with an error")
    both = why(
        Says(Host("10.0.0.1", idc="cluster-2")),
        RECORDS[1],
        Candidate(1, "a", ClusterScopes(cidrs=("10.0.0.0/8",)), True),
    )
    assert both == (False, "a scores 0.31 (cidr 0.3, default 0.01), b 0.25 (idc)")
    equal = why(Says(Host(idc="cluster-2")), RECORDS[1], Candidate(1, "a", ClusterScopes(idc="cluster-2")))
    assert equal == (False, "a scores 0.25 (idc), b the same; the lower id wins")


def test_why_a_cluster_loses_its_peers_without_a_scheduler_or_record() -> None:
    silent = replace(RECORDS[1], is_active=False)
    assert why(Says(Host(idc="cluster-2")), RECORDS[0], silent) == (
        False,
        "b has no active scheduler and is passed over; a scores 0.01 (default)",
    )
    assert why(Says(Host(idc="cluster-2")), silent) == (False, "no record has an active scheduler")
    assert why(Says(Host()), RECORDS[0], home=None) == (False, "a scores 0.01 (default); b has no record")
    assert why(Says(Host(), 4), RECORDS[0], home=None)[1].endswith("with an error; b has no record")


def test_a_score_is_shown_with_its_terms() -> None:
    searcher = Searcher(RECORDS, NEWEST)
    assert terms_text(searcher.score(Host(), RECORDS[1])) == "0"
    assert terms_text(searcher.score(Host(location="x|y"), Candidate(1, "", ClusterScopes(location="x|z")))) == (
        "0.028 (location)"
    )


# --- a whole cluster -------------------------------------------------------------------------------------------


def observed_with_schedulers() -> Any:
    world = finished(SCOPED)
    assert world.manager
    rows = tuple(SchedulerRecord(n, f"s{n}", "10.0.0.1", 8002, "active", n) for n in (1, 2))
    return replace(world, manager=replace(world.manager, schedulers=rows))


def test_a_clusters_peers_by_its_release_and_the_records_there_are() -> None:
    world = observed_with_schedulers()
    release = world.clusters["b"].release
    peers = peers_of(B, MODERN, release.values, [node("n-1", "10.0.0.1")], [pod("seed-0", "seed-client", "10.244.0.1")])
    found = cluster_destinations(SCOPED, B, world, searcher_at(SCOPED, world), peers)
    assert (found.strays, found.schedulers, found.membership, found.record and found.record.id) == ((), 1, "scopes", 2)
    records = [replace(one, scopes=ScopesRecord()) for one in world.manager.records]
    spoilt = replace(world, manager=replace(world.manager, records=tuple(records)))
    lost = cluster_destinations(SCOPED, B, spoilt, searcher_at(SCOPED, spoilt), peers)
    assert [one.peer.name for one in lost.strays] == ["n-1", "seed-0"]
    assert {one.answer.name for one in lost.strays} == {"a"}


def test_the_running_managers_version_is_that_of_its_release() -> None:
    world = observed_with_schedulers()
    assert running_version(SCOPED, world) == "2.5.0"
    release = replace(world.clusters["a"].release, chart_version="1.1.1")
    old = replace(world, clusters={**world.clusters, "a": replace(world.clusters["a"], release=release)})
    assert running_version(SCOPED, old) == "2.1.0"
    assert searcher_at(SCOPED, old).generation.hostname == 0.0
    assert searcher_at(SCOPED, old, "2.5.1").generation.hostname == 0.3
