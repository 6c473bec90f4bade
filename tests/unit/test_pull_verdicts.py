"""Every fault leaves its own trace in the counters, and is told by it."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfmc.errors import UnreachableError
from dfmc.planning.proof import ProofFinding
from dfmc.planning.pulls import (
    ClusterView,
    Counters,
    Movement,
    Outcome,
    Peer,
    PeerStart,
    Place,
    Pull,
    Rhythm,
    World,
    movement,
    plan_pulls,
    seconds_to_settle,
)
from dfmc.planning.verdicts import Verdict, judge
from dfmc.state import PeerCounters, SchedulerCounters
from simulated_dragonfly import SimPeer, SimScheduler, SimulatedDragonfly

MIB = 1 << 20
SEED_OF_CLOCKS = 20261124


def verify(
    sim: SimulatedDragonfly, clusters: str = "ab", *, by_runtime: bool = True, fresh: bool = True, **views: ClusterView
) -> list[Verdict]:
    """Pull 64 MiB as ``dfmc verify`` does, and return what the counters said of each pull."""
    world = sim.world(**views)
    verdicts = []
    for pull in plan_pulls(world.peers, list(clusters)):
        before = sim.counters()
        client = sim.peers[pull.cluster, pull.pod]
        sim.pull_by_runtime(client, "content", 64 * MIB) if by_runtime else sim.pull(client, "content", 64 * MIB)
        after = sim.counters()
        answers = client.proxy_up if before == after else None
        outcome = Outcome(1.0, None if by_runtime else 64 * MIB, is_fresh=fresh, proxy_answers=answers)
        verdicts.append(judge(world, pull, outcome, movement(before, after)))
    return verdicts


def causes(verdicts: list[Verdict]) -> list[list[str]]:
    return [[cause.id for cause in verdict.causes] for verdict in verdicts]


def view(name: str, **changes: Any) -> ClusterView:
    return replace(ClusterView(name, "id", 1, 1, (), f"kubectl -n {name}"), **changes)


def wrong_id(component: str, cluster: str = "b") -> ProofFinding:
    return ProofFinding(cluster, f"dragonfly-{component}/dfdaemon.yaml: host.schedulerClusterID", "2", "1")


# --- the way it should be --------------------------------------------------------------------------------------------


def test_a_healthy_world_fetches_once_per_cluster_and_crosses_nothing() -> None:
    verdicts = verify(SimulatedDragonfly(), by_runtime=False)
    assert [verdict.source for verdict in verdicts] == ["seed", "peers", "seed", "peers"]
    assert [verdict.fetched for verdict in verdicts] == [64 * MIB, 0, 64 * MIB, 0]
    assert [verdict.received for verdict in verdicts] == [64 * MIB] * 4
    assert not any(verdict.crossed or verdict.causes or verdict.notes for verdict in verdicts)


def test_the_first_two_nodes_of_each_cluster_pull_in_the_files_order() -> None:
    world = SimulatedDragonfly(("a", "b"), nodes=3).world()
    pulls = plan_pulls(world.peers, ["b", "a"])
    assert [(pull.node, pull.is_first) for pull in pulls] == [
        ("worker-b1", True),
        ("worker-b2", False),
        ("worker-a1", True),
        ("worker-a2", False),
    ]


def test_a_node_without_a_ready_client_does_not_pull() -> None:
    peers = [Peer(Place("a", f"c{n}"), f"node-{n}", "client", is_ready=n > 1) for n in (1, 2, 3)]
    assert [pull.node for pull in plan_pulls(peers, ["a"])] == ["node-2", "node-3"]
    assert plan_pulls([], ["a"]) == ()


def test_content_that_the_cluster_had_already_is_noted_unless_it_must_be_new() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.seed("a").has.add("content")
    verdicts = verify(sim, "a", fresh=False)
    assert (verdicts[0].source, causes(verdicts)) == ("peers", [[], []])
    assert "cluster a had the content already" in verdicts[0].notes[0]
    sim = SimulatedDragonfly(("a",))
    sim.seed("a").has.add("content")
    assert causes(verify(sim, "a")) == [["evidence"], []]


def test_content_that_the_node_had_already_is_noted() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.client("a").has.add("content")
    verdicts = verify(sim, "a", fresh=False)
    assert verdicts[0].source == "disk"
    assert "had the content already" in verdicts[0].notes[0]


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_client_with_another_clusters_id_is_served_from_there() -> None:
    sim = SimulatedDragonfly()
    for client in sim.clients("b"):
        client.joined = 1
    verdicts = verify(sim, b=view("b", wiring=(wrong_id("client"),)))
    assert causes(verdicts) == [[], [], ["client-id"], ["client-id"]]
    assert [verdict.source for verdict in verdicts[2:]] == ["other-cluster"] * 2
    assert verdicts[2].crossed == 64 * MIB
    assert verdicts[2].causes[0].sentence == (
        "the client on worker-b1 works with the scheduler of a: it carries another cluster's id "
        "(dragonfly-client/dfdaemon.yaml: host.schedulerClusterID: expected 2, seen 1)"
    )
    assert verdicts[2].causes[0].next_step.startswith("dfmc up topology.yaml -c b")


def test_scopes_that_send_clients_elsewhere_are_told_from_an_id() -> None:
    sim = SimulatedDragonfly()
    for client in sim.clients("b"):
        client.joined = 1
    verdicts = verify(sim, b=view("b", membership="scopes"))
    assert causes(verdicts)[2:] == [["scopes"], ["scopes"]]
    assert "scopes send the client on worker-b1 to a" in verdicts[2].causes[0].sentence
    assert "dfmc match topology.yaml" in verdicts[2].causes[0].next_step


def test_without_its_scheduler_a_client_fetches_by_itself() -> None:
    sim = SimulatedDragonfly()
    sim.scheduler("b").up = False
    verdicts = verify(sim)
    assert causes(verdicts)[2:] == [["scheduler-down"], ["scheduler-down"]]
    assert verdicts[2].source == "registry"
    assert "no scheduler of b is ready" in verdicts[2].causes[0].sentence


def test_what_others_pull_meanwhile_is_no_hint_of_where_a_client_without_scheduler_went() -> None:
    sim = SimulatedDragonfly()
    sim.scheduler("b").up = False
    world, before = sim.world(), sim.counters()
    sim.pull(sim.client("a"), "other", 100)
    sim.pull(sim.client("b"), "content", 100)
    pull = Pull("b", "worker-b1", "dragonfly-client-b1", is_first=True)
    verdict = judge(world, pull, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["scheduler-down"]
    assert "by itself" in verdict.causes[0].sentence


def test_without_its_scheduler_a_cluster_of_scopes_falls_back_to_another() -> None:
    sim = SimulatedDragonfly()
    sim.scheduler("b").up = False
    for client in sim.clients("b"):
        client.joined = 1
    verdicts = verify(sim, b=view("b", membership="scopes", schedulers=0))
    assert causes(verdicts)[2:] == [["scheduler-down"], ["scheduler-down"]]
    assert "its clients work with a" in verdicts[2].causes[0].sentence


def test_a_scheduler_that_is_ready_and_was_not_asked_is_told() -> None:
    sim = SimulatedDragonfly()
    sim.client("a").joined = 77
    assert causes(verify(sim))[0] == ["scheduler-unreached"]


def test_without_its_seed_a_client_fetches_by_itself() -> None:
    sim = SimulatedDragonfly()
    sim.seed("b").up = False
    verdicts = verify(sim)
    assert causes(verdicts)[2:] == [["seed-down"], []]
    assert (verdicts[2].source, verdicts[3].source) == ("registry", "peers")


def test_a_seed_with_another_clusters_id_is_idle_at_home() -> None:
    sim = SimulatedDragonfly()
    sim.seed("b").joined = 1
    sim.seed("b").has.clear()
    verdicts = verify(sim, b=view("b", wiring=(wrong_id("seed-client"),)))
    assert causes(verdicts) == [["seed-id"], ["seed-id"], ["seed-id"], []]
    assert "the seed of b serves a" in verdicts[0].causes[0].sentence
    assert "expected 2, seen 1" in verdicts[0].causes[0].sentence
    assert "-c b" in verdicts[0].causes[0].next_step
    assert "registered elsewhere" in verdicts[2].causes[0].sentence
    assert verdicts[0].crossed == 64 * MIB


def test_a_seed_elsewhere_that_is_not_used_there_is_told_at_home() -> None:
    sim = SimulatedDragonfly()
    sim.seed("b").joined = 9
    assert causes(verify(sim)) == [[], [], ["seed-id"], []]


def test_a_seed_elsewhere_that_its_old_scheduler_still_asks_is_told() -> None:
    """Seen with real programs: the seed fetches, for nobody, and the client fetches by itself."""
    sim = SimulatedDragonfly()
    sim.seed("b").joined = 1
    world, before = sim.world(), sim.counters()
    sim.pull(sim.client("b"), "content", 100)
    sim.seed("b").count("from_source", 100)
    sim.scheduler("a").seeds += 1
    pull = Pull("b", "worker-b1", "dragonfly-client-b1", is_first=True)
    verdict = judge(world, pull, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["seed-id"]


def test_a_runtime_that_does_not_ask_the_proxy_is_told() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.client("a").wired = False
    verdicts = verify(sim, "a")
    assert causes(verdicts)[0] == ["runtime-not-wired"]
    assert verdicts[0].source == "none"
    assert "did not go through Dragonfly at all" in verdicts[0].causes[0].sentence
    assert "hosts.toml" in verdicts[0].causes[0].sentence


def test_a_dead_proxy_is_told_from_a_runtime_that_does_not_ask() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.client("a").proxy_up = False
    verdicts = verify(sim, "a")
    assert causes(verdicts)[0] == ["proxy-dead"]
    assert "does not answer" in verdicts[0].causes[0].sentence


PULL = Pull("a", "worker-a1", "dragonfly-client-a1", is_first=True)


def judged(outcome: Outcome, **counted: int) -> list[str]:
    """What is said when the node's client alone counted something."""
    sim = SimulatedDragonfly(("a",))
    before = sim.counters()
    for name, amount in counted.items():
        sim.client("a").count(name, amount)
    return causes([judge(sim.world(), PULL, outcome, movement(before, sim.counters()))])[0]


def test_what_the_proxy_passed_on_is_told_from_what_never_came() -> None:
    assert judged(Outcome(1.0), requests=2) == ["no-rule"]
    assert judged(Outcome(1.0), requests=2, requests_p2p=1) == ["no-bytes"]
    assert judged(Outcome(1.0)) == ["direct"]


def test_an_image_that_the_node_has_proves_nothing() -> None:
    assert judged(Outcome(0.0, was_present=True)) == ["present"]


def test_a_part_of_the_bytes_is_not_enough() -> None:
    sim = SimulatedDragonfly(("a",))
    before = sim.counters()
    sim.pull(sim.client("a"), "content", 100)
    verdict = judge(sim.world(), PULL, Outcome(1.0, size=1000, is_fresh=True), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["partly"]
    assert "100 of 1000 bytes" in verdict.causes[0].sentence


def test_a_failed_pull_says_why_and_what_may_be_behind_it() -> None:
    failed = Outcome(1.0, error=UnreachableError("the client's proxy does not answer", why="connection refused"))
    assert judged(failed) == ["pull-failed"]
    assert judged(replace(failed, proxy_answers=False)) == ["proxy-dead", "pull-failed"]
    sim = SimulatedDragonfly(("a",))
    sim.scheduler("a").up = False
    moved = movement(sim.counters(), sim.counters())
    verdict = judge(sim.world(), PULL, failed, moved)
    assert [cause.id for cause in verdict.causes] == ["scheduler-down", "pull-failed"]
    assert "connection refused" in verdict.causes[1].sentence


def test_a_client_that_fetches_beside_its_seed_is_told() -> None:
    sim = SimulatedDragonfly(("a",))
    before = sim.counters()
    sim.pull(sim.client("a"), "content", 100)
    sim.client("a").count("from_source", 40)
    verdict = judge(sim.world(), PULL, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["client-source"]


def test_a_second_pull_that_is_fetched_again_is_told() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.pull(sim.client("a"), "content", 100)
    before = sim.counters()
    sim.seed("a").count("from_source", 100)
    sim.pull(sim.client("a", 2), "content", 100)
    second = Pull("a", "worker-a2", "dragonfly-client-a2", is_first=False)
    verdict = judge(sim.world(), second, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["fetched-again"]


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda c, place: replace(c, peers=_without(c.peers, place), unread={place: "no answer"}), "no answer"),
        (lambda c, place: replace(c, peers=_without(c.peers, place)), "not there all the time"),
        (lambda c, place: replace(c, peers={**c.peers, place: PeerCounters(from_peers=-1)}), "started anew"),
    ],
)
@pytest.mark.parametrize("pod", ["dragonfly-client-a1", "dragonfly-client-a2", "dragonfly-seed-client-0"])
def test_counters_that_cannot_be_compared_are_a_cause(
    spoil: Callable[[Counters, Place], Counters], words: str, pod: str
) -> None:
    sim = SimulatedDragonfly(("a",))
    before = sim.counters()
    sim.pull(sim.client("a"), "content", 100)
    verdict = judge(sim.world(), PULL, Outcome(1.0), movement(before, spoil(sim.counters(), Place("a", pod))))
    assert verdict.causes
    assert verdict.causes[0].id == "evidence"
    assert words in verdict.causes[0].sentence
    assert pod in verdict.causes[0].sentence


def test_a_scheduler_that_cannot_be_read_is_a_cause_and_accuses_nobody() -> None:
    sim = SimulatedDragonfly(("a",))
    before = sim.counters()
    sim.pull(sim.client("a"), "content", 100)
    place = Place("a", "dragonfly-scheduler-0")
    after = replace(sim.counters(), schedulers={}, unread={place: "no answer"})
    verdict = judge(sim.world(), PULL, Outcome(1.0), movement(before, after))
    assert [cause.id for cause in verdict.causes] == ["evidence"]


def _without(peers: dict[Place, PeerCounters], place: Place) -> dict[Place, PeerCounters]:
    return {key: value for key, value in peers.items() if key != place}


# --- properties ------------------------------------------------------------------------------------------------------

SIZES = st.integers(min_value=1, max_value=1 << 40)
NAMES = st.sampled_from(["a", "b", "c"])


@given(st.lists(st.tuples(NAMES, NAMES, SIZES), max_size=12))
def test_bytes_are_conserved(transfers: list[tuple[str, str, int]]) -> None:
    """What is sent within clusters crosses nothing; where only one cluster receives, exactly what was sent does."""
    peers = {Place(name, pod): PeerCounters() for name in "abc" for pod in "xy"}
    crossing = 0
    for sender, receiver, size in transfers:
        source, target = Place(sender, "x"), Place(receiver if receiver != "b" else sender, "y")
        peers[source] = replace(peers[source], uploaded=peers[source].uploaded + size)
        peers[target] = replace(peers[target], from_peers=peers[target].from_peers + size)
        crossing += size if source.cluster != target.cluster else 0
    moved = Movement(peers, {}, {})
    assert sum(moved.incoming(name) for name in "abc") == sum(moved.outgoing(name) for name in "abc")
    assert sum(moved.incoming(name) for name in "abc") <= crossing
    if not crossing:
        assert all(moved.incoming(name) == moved.outgoing(name) == 0 for name in "abc")


FAULTS = ("none", "client id", "seed id", "seed down", "scheduler down", "proxy dead", "not wired")


def plant(fault: str, sim: SimulatedDragonfly) -> None:
    """Make one thing of cluster b as it should not be."""
    match fault:
        case "client id":
            for client in sim.clients("b"):
                client.joined = 1
        case "seed id":
            sim.seed("b").joined = 1
        case "seed down":
            sim.seed("b").up = False
        case "scheduler down":
            sim.scheduler("b").up = False
        case "proxy dead":
            sim.client("b").proxy_up = False
        case "not wired":
            sim.client("b", 2).wired = False


@given(st.sampled_from(FAULTS), st.randoms(use_true_random=False), st.booleans())
def test_the_verdict_does_not_depend_on_the_order_of_pods_or_on_what_was_counted_before(
    fault: str, shuffle: random.Random, is_old: bool
) -> None:
    plain, shuffled = SimulatedDragonfly(("a", "b", "c"), nodes=3), SimulatedDragonfly(("a", "b", "c"), nodes=3)
    for sim in (plain, shuffled):
        plant(fault, sim)
    for kept in (shuffled.peers, shuffled.schedulers):
        items = list(kept.items())
        shuffle.shuffle(items)
        kept.clear()
        kept.update(items)  # type: ignore[arg-type] # items of the same dictionary
    if is_old:
        for peer in shuffled.peers.values():
            for name in ("from_source", "from_peers", "from_disk", "uploaded", "requests"):
                peer.count(name, shuffle.randrange(1 << 40))
    verdicts = verify(plain, "abc")
    assert [_plain(one) for one in verify(shuffled, "abc")] == [_plain(one) for one in verdicts]
    assert any(verdict.causes for verdict in verdicts) == (fault != "none")


def _plain(verdict: Verdict) -> tuple[object, ...]:
    return verdict.source, verdict.received, verdict.fetched, verdict.crossed, set(verdict.causes)


@given(st.sampled_from(FAULTS), st.lists(st.tuples(NAMES, st.integers(1, 3), SIZES), max_size=5))
def test_other_pulls_in_other_clusters_do_not_hide_a_fault_nor_make_one(
    fault: str, others: list[tuple[str, int, int]]
) -> None:
    """While b is verified, c's nodes pull what they like."""
    sim = SimulatedDragonfly(("a", "b", "c"), nodes=3)
    plant(fault, sim)
    world = sim.world()
    found = []
    for pull in plan_pulls(world.peers, ["b"]):
        before = sim.counters()
        for number, (_, node, size) in enumerate(others):
            sim.pull(sim.client("c", node), f"other-{pull.is_first}-{number}", size)
        client: SimPeer = sim.peers[pull.cluster, pull.pod]
        sim.pull_by_runtime(client, "content", MIB)
        moved = movement(before, sim.counters())
        found.append(judge(world, pull, Outcome(1.0, is_fresh=True), moved))
    assert any(verdict.causes for verdict in found) == (fault != "none")


@given(st.dictionaries(st.sampled_from(["from_source", "from_peers", "uploaded"]), st.integers(0, 1 << 50)))
def test_since_is_the_difference_of_every_counter(amounts: dict[str, int]) -> None:
    assert PeerCounters(**amounts).since(PeerCounters()) == PeerCounters(**amounts)
    assert PeerCounters(**amounts).since(PeerCounters(**amounts)) == PeerCounters()
    assert SchedulerCounters(3, 2).since(SchedulerCounters(1, 2)) == SchedulerCounters(2, 0)


def test_a_world_without_a_pod_has_it_nowhere() -> None:
    world: World = SimulatedDragonfly(("a",)).world()
    gone = {Place("a", "dragonfly-seed-client-0"), Place("a", "dragonfly-scheduler-0")}
    assert not world.without(gone).seeds("a")
    assert not world.without(gone).schedulers_of("a")


CLIENT, SEED = Rhythm(300.0, 300.0), Rhythm(60.0, 60.0)


def seeds(*started: float | None) -> list[PeerStart]:
    return [PeerStart(one, SEED, is_seed=True) for one in started]


def clients(*started: float | None, rhythm: Rhythm = CLIENT) -> list[PeerStart]:
    return [PeerStart(one, rhythm) for one in started]


@pytest.mark.parametrize(
    ("schedulers", "peers", "now", "left"),
    [
        ([], [], 1000.0, 0.0),
        ([None], seeds(None), 1000.0, 0.0),
        ([100.0, None], seeds(990.0), 1000.0, 45.0),
        ([945.0], [], 1000.0, 0.0),
        ([2000.0], [], 1000.0, 55.0),  # a clock that is ahead costs no more than the whole time
        ([100.0], clients(101.0), 1000.0, 0.0),
    ],
)
def test_seeds_and_schedulers_need_a_while_to_know_each_other(
    schedulers: list[float | None], peers: list[PeerStart], now: float, left: float
) -> None:
    assert seconds_to_settle(schedulers, peers, now) == left


@pytest.mark.parametrize(
    ("schedulers", "peers", "now", "left"),
    [
        # One scheduler: a peer that came after it knows it, however shortly after.
        ([1000.0], clients(1001.0), 1055.0, 0.0),
        # It started anew: a client says after 300 s at the latest that it is there; 15 s of measuring come before.
        ([1000.0], clients(900.0), 1055.0, 900.0 + 300 + 15 - 1055),
        # Three: the last may not have been active yet when the client asked.
        ([980.0, 990.0, 1000.0], clients(1005.0), 1100.0, 1005.0 + 300 + 15 - 1100),
        ([980.0, 990.0, 1000.0], clients(1015.0), 1100.0, 0.0),
        # Whoever asks more rarely than it announces knows when it has asked; and the other way round.
        ([980.0, 1000.0], clients(990.0, rhythm=Rhythm(300.0, 60.0)), 1100.0, 990.0 + 300 + 15 - 1100),
        ([980.0, 1000.0], clients(990.0, rhythm=Rhythm(60.0, 300.0)), 1100.0, 990.0 + 300 + 15 - 1100),
        # A seed, besides, comes into the schedulers' rings.
        ([980.0, 1000.0], seeds(990.0), 1010.0, 990.0 + 60 + 55 - 1010),
        ([980.0, 1000.0], [*seeds(990.0), *clients(1500.0)], 2000.0, 0.0),
        ([None, 1000.0], clients(None), 1055.0, 0.0),
    ],
)
def test_a_peer_that_is_older_than_a_scheduler_needs_to_ask_the_manager_and_to_announce_itself(
    schedulers: list[float | None], peers: list[PeerStart], now: float, left: float
) -> None:
    assert seconds_to_settle(schedulers, peers, now) == left


def test_the_wait_for_each_other_ends_whatever_the_clocks_say() -> None:
    rng = random.Random(SEED_OF_CLOCKS)  # noqa: S311 - made-up clocks
    for _ in range(2000):
        schedulers = [rng.choice([None, rng.uniform(0, 5000)]) for _ in range(rng.randrange(4))]
        rhythm = Rhythm(rng.choice([0.0, 60.0, 300.0]), rng.choice([0.0, 60.0, 300.0]))
        peers = [PeerStart(rng.choice([None, rng.uniform(0, 5000)]), rhythm, rng.random() < 0.5) for _ in range(3)]
        left = seconds_to_settle(schedulers, peers, rng.uniform(0, 5000))
        assert 0.0 <= left <= rhythm.refresh + rhythm.announce + 55.0, (SEED_OF_CLOCKS, schedulers, peers)


# --- several schedulers -----------------------------------------------------------------------------------------------


def test_a_client_and_a_seed_that_go_to_different_schedulers_are_told() -> None:
    """Seen with the chart's three schedulers, minutes after they started."""
    sim = SimulatedDragonfly(("a",))
    for number in (1, 2):
        pod = f"dragonfly-scheduler-{number}"
        sim.schedulers["a", pod] = SimScheduler("a", pod, 9)
    world, before = sim.world(a=view("a", schedulers=3, settles=640.0)), sim.counters()
    sim.client("a").count("from_source", 100)
    sim.seed("a").count("from_source", 100)
    sim.schedulers["a", "dragonfly-scheduler-1"].clients += 2
    sim.schedulers["a", "dragonfly-scheduler-2"].seeds += 1
    verdict = judge(world, PULL, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["schedulers-apart"]
    assert "it asked dragonfly-scheduler-1 and its seed told dragonfly-scheduler-2" in verdict.causes[0].sentence
    assert verdict.causes[0].next_step == "verify again in 11 min"


def test_a_scheduler_of_several_that_knows_no_seed_yet_is_told_unless_the_seed_is_known_to_be_elsewhere() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.schedulers["a", "dragonfly-scheduler-1"] = SimScheduler("a", "dragonfly-scheduler-1", 9)
    before = sim.counters()
    sim.client("a").count("from_source", 100)
    sim.scheduler("a").clients += 1
    moved = movement(before, sim.counters())
    verdict = judge(sim.world(), PULL, Outcome(1.0), moved)
    assert [cause.id for cause in verdict.causes] == ["schedulers-apart"]
    assert "it asked dragonfly-scheduler-0 and no seed came of that" in verdict.causes[0].sentence
    world = sim.world(a=view("a", wiring=(wrong_id("seed-client", "a"),)))
    assert [cause.id for cause in judge(world, PULL, Outcome(1.0), moved).causes] == ["seed-id"]


def test_a_client_beside_its_seed_at_the_same_of_several_schedulers_is_no_matter_of_theirs() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.schedulers["a", "dragonfly-scheduler-1"] = SimScheduler("a", "dragonfly-scheduler-1", 9)
    before = sim.counters()
    sim.pull(sim.client("a"), "content", 100)
    sim.client("a").count("from_source", 40)
    verdict = judge(sim.world(), PULL, Outcome(1.0), movement(before, sim.counters()))
    assert [cause.id for cause in verdict.causes] == ["client-source"]


def test_a_client_that_none_of_several_schedulers_took_may_not_be_known_there() -> None:
    sim = SimulatedDragonfly(("a",))
    sim.schedulers["a", "dragonfly-scheduler-1"] = SimScheduler("a", "dragonfly-scheduler-1", 9)
    sim.client("a").joined = 77
    (first, *_) = verify(sim, "a")
    assert [cause.id for cause in first.causes] == ["scheduler-unreached"]
    assert "one that does not know its node yet" in first.causes[0].sentence
