"""Who changes cluster by a plan: what is foretold is what ``match --live`` answers after it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from dfmc.output.documents import plan_document
from dfmc.output.moves import move_lines, move_markdown, move_warnings
from dfmc.output.plan import plan_lines, plan_markdown
from dfmc.planning.destinations import cluster_destinations, searcher_at
from dfmc.planning.moves import Expiry, Move, Moves, seconds_of
from dfmc.planning.moving import SeenPeers, changed_by, moves_by
from dfmc.planning.peers import peers_of
from dfmc.planning.steps import Action, Kind, Plan, Step
from dfmc.state import ClusterRecord, Observed, PodState, SchedulerRecord, ScopesRecord
from dfmc.topology.model import Topology
from dfmc.values.layouts import layout_of
from observed_worlds import finished, plan, release
from topologies import entry, topology

Key = tuple[str, str, str]


def scoped(**scopes: Any) -> Topology:
    return topology(clusters=[entry(name, scopes=given, membership="scopes") for name, given in scopes.items()])


def alive(world: Observed, *, silent: tuple[int, ...] = ()) -> Observed:
    """The world with an active scheduler under each record but some."""
    assert world.manager is not None
    rows = tuple(
        SchedulerRecord(one.id, f"s{one.id}", "10.0.0.1", 8002, "inactive" if one.id in silent else "active", one.id)
        for one in world.manager.records
    )
    return replace(world, manager=replace(world.manager, schedulers=rows))


def seen_of(file: Topology, addresses: str = "10.{n}.0.{i}", nodes: int = 2) -> dict[str, SeenPeers]:
    """Nodes ``b-1`` … and one seed peer of each cluster."""
    found = {}
    for n, cluster in enumerate(file.clusters, start=1):
        listed = [
            {
                "metadata": {"name": f"{cluster.name}-{i}"},
                "status": {"addresses": [{"type": "InternalIP", "address": addresses.format(n=n, i=i)}]},
            }
            for i in range(1, nodes + 1)
        ]
        seed = PodState("seed-0", "seed-client", "Running", True, f"10.244.{n}.5", f"{cluster.name}-1")
        found[cluster.name] = SeenPeers(tuple(listed), (seed,))
    return found


def foretold(before: Topology, after: Topology, *, world: Observed | None = None, only: tuple[str, ...] = ()) -> Moves:
    observed = world or with_room(alive(finished(before)), after)
    made = plan(after, observed)
    found = moves_by(after, observed, made.restricted(only) if only else made, seen_of(after))
    assert found is not None
    return found


def with_room(world: Observed, file: Topology) -> Observed:
    """The world with clusters that answer and have nothing installed yet for new entries."""
    facts = next(iter(world.clusters.values())).facts
    new = {c.name: replace(world.clusters["a"], name=c.name, release=None, facts=facts) for c in file.clusters}
    return replace(world, clusters={**new, **world.clusters})


def where(file: Topology, world: Observed, seen: dict[str, SeenPeers]) -> dict[Key, int | None]:
    """The record that ``match --live`` gives each peer."""
    found: dict[Key, int | None] = {}
    searcher = searcher_at(file, world)
    for cluster in file.clusters:
        release = world.clusters[cluster.name].release if cluster.name in world.clusters else None
        if release is None:
            continue
        here = seen[cluster.name]
        peers = peers_of(cluster, layout_of(release.chart_version), release.values, here.nodes, here.pods)
        for one in cluster_destinations(file, cluster, world, searcher, peers).destinations:
            found[one.peer.key] = one.answer.record.id if one.answer.record else None
    return found


# --- the property ----------------------------------------------------------------------------------------------


def random_scopes(chance: random.Random) -> dict[str, Any]:
    scopes: dict[str, Any] = {}
    if chance.random() < 0.7:
        scopes["idc"] = chance.choice(["x", "y", "z", "x|y"])
    if chance.random() < 0.3:
        scopes["location"] = chance.choice(["eu", "eu|1", "us|2"])
    if chance.random() < 0.4:
        scopes["cidrs"] = chance.sample(
            ["10.1.0.0/16", "10.2.0.0/24", "10.244.0.0/16", "10.0.0.0/8"], chance.randint(1, 2)
        )
    if chance.random() < 0.2:
        scopes["hostnames"] = [chance.choice(["^b-", "seed", "-1$"])]
    return scopes


def random_entry(chance: random.Random, name: str) -> dict[str, Any]:
    scopes = random_scopes(chance)
    membership = chance.choice(["scopes", "scopes", "id"])
    host = {"idc": chance.choice(["x", "y", "q"])} if chance.random() < 0.3 else {}
    return entry(name, scopes=scopes, membership=membership, host=host)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_foretold_is_what_match_live_answers_afterwards(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    moved = 0
    for _ in range(25):
        names = "abcd"[: chance.randint(2, 4)]
        old = [random_entry(chance, name) for name in names]
        new = [random_entry(chance, one["name"]) if chance.random() < 0.5 else one for one in old]
        if chance.random() < 0.3:
            new.append(random_entry(chance, "new"))
        before, after = topology(clusters=old), topology(clusters=new)
        stranger = ClusterRecord(77, "stranger", "", ScopesRecord(**_record(random_scopes(chance))), 77, 77, False)
        worlds = []
        for file, silent in ((before, (chance.randint(1, 6),)), (after, ())):
            world = numbered(file, finished(file))
            assert world.manager is not None
            records = (*world.manager.records, stranger)
            worlds.append(alive(replace(world, manager=replace(world.manager, records=records)), silent=silent))
        observed = with_room(worlds[0], after)
        made = plan(after, observed)
        seen = seen_of(after)
        found = moves_by(after, observed, made, seen)
        earlier, later = where(before, worlds[0], seen), where(after, worlds[1], seen)
        if found is None:
            assert changed_by(made) == ()
            continue
        told = {
            (move.cluster, *_kind_and_name(peer)): (move.source, move.target)
            for move in found.moves
            for peer in move.peers
        }
        ids = {world_record.name: world_record.id for world_record in worlds[1].manager.records}  # type: ignore[union-attr]
        homes = {name: ids[name] for name in (one["name"] for one in new)}
        by_scopes = {key for key in later for c in after.clusters if c.name == key[0] and c.membership == "scopes"} | {
            key for key in earlier for c in before.clusters if c.name == key[0] and c.membership == "scopes"
        }
        for key, number in later.items():
            target = told.get(key, (None, None))[1]
            if key in earlier and key in by_scopes and earlier[key] != number:
                moved += 1
                assert target is not None, (key, earlier[key], number)
                assert ids.get(target) == number, (key, target, number)
            elif key not in earlier and key in by_scopes and number != homes[key[0]]:
                assert target is not None, (key, number)
                assert ids.get(target) == number, (key, target, number)
            else:
                assert key not in told, (key, told.get(key))
    assert moved > 20


def numbered(file: Topology, world: Observed) -> Observed:
    """The world with a higher id for the entry that is called new, as a manager gives it to what is made last."""
    assert world.manager is not None
    records = tuple(
        replace(one, id=100, scheduler_cluster_id=100) if one.name == "new" else one for one in world.manager.records
    )
    world = replace(world, manager=replace(world.manager, records=records))
    clusters = {c.name: replace(world.clusters[c.name], release=release(file, c, world)) for c in file.clusters}
    return replace(world, clusters=clusters)


def _record(scopes: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in scopes.items()}


def _kind_and_name(peer: str) -> tuple[str, str]:
    kind = "seed peer" if peer.startswith("seed peer ") else "node"
    return kind, peer.removeprefix(f"{kind} ")


# --- in particular ---------------------------------------------------------------------------------------------


def test_a_narrowed_scope_loses_peers_and_a_widened_one_takes_anothers() -> None:
    before = scoped(a={}, b={"cidrs": ["10.2.0.0/16", "10.244.0.0/16"]}, c={"idc": "c"})
    after = scoped(a={}, b={"cidrs": ["10.2.0.1/32", "10.244.0.0/16", "10.3.0.0/16"]}, c={"idc": "c"})
    found = foretold(before, after)
    assert found.changed == ("b",)
    lost, stolen = found.moves
    assert (lost.cluster, lost.source, lost.target, lost.peers, lost.is_home) == ("b", "b", "a", ("node b-2",), False)
    assert lost.why == "a scores 0.01 (default), b 0"
    assert (stolen.cluster, stolen.source, stolen.target) == ("c", "c", "b")
    assert stolen.peers == ("node c-1", "node c-2")
    assert stolen.why == "b scores 0.3 (cidr), c 0.25 (idc)"


def test_peers_that_come_home_are_told_as_such() -> None:
    found = foretold(scoped(a={}, b={"hostnames": ["nobody"]}), scoped(a={}, b={"idc": "b"}))
    (home,) = found.moves
    assert (home.source, home.target, home.is_home, len(home.peers)) == ("a", "b", True, 3)
    assert move_warnings(found) == []


def test_a_change_of_what_peers_say_moves_them_too() -> None:
    before = topology(clusters=[entry("a"), entry("b", scopes={"idc": "b"}, membership="scopes")])
    after = topology(clusters=[entry("a"), entry("b", scopes={"idc": "b"}, host={"idc": "x"}, membership="scopes")])
    (move,) = foretold(before, after).moves
    assert (move.target, move.is_home, len(move.peers)) == ("a", False, 3)


def test_a_new_cluster_takes_peers_of_others_and_says_who_of_its_own_will_not_come() -> None:
    before = scoped(a={}, b={"idc": "b"})
    after = scoped(a={}, b={"idc": "b"}, c={"cidrs": ["10.2.0.1/32", "10.3.0.1/32"]})
    found = foretold(before, after)
    assert [(move.cluster, move.source, move.target, move.peers) for move in found.moves] == [
        ("b", "b", "c", ("node b-1",)),
        ("c", "", "a", ("node c-2", "seed peer seed-0")),
    ]
    assert any("c: 2 peers: node c-2, seed peer seed-0 join a, not c" in line.plain for line in move_lines(found))


def test_peers_by_id_move_nowhere_and_that_is_said() -> None:
    before = topology()
    after = topology(clusters=[entry("a"), entry("b", scopes={"idc": "cluster-3"})])
    found = foretold(before, after)
    assert (found.moves, found.by_id) == ((), ("b",))
    assert [line.plain for line in move_lines(found)] == [
        "· the peers of b join by id: scopes decide nothing about them"
    ]


def test_a_cluster_that_was_not_looked_at_has_examples() -> None:
    before = scoped(a={}, b={"idc": "b"}, c={"idc": "c", "cidrs": ["10.3.0.0/16"]})
    after = scoped(a={}, b={"idc": "b|c", "cidrs": ["10.0.0.0/8"]}, c={"idc": "c", "cidrs": ["10.3.0.0/16"]})
    world = alive(finished(before))
    blind = replace(world, clusters={**world.clusters, "c": replace(world.clusters["c"], facts=None, release=None)})
    found = foretold(before, after, world=blind, only=("b",))
    seen = {name: one for name, one in seen_of(after).items() if name != "c"}
    found = moves_by(after, blind, plan(after, blind).restricted(["b"]), seen) or found
    (stolen,) = [move for move in found.moves if move.cluster == "c"]
    assert (stolen.is_example, stolen.source, stolen.target) == (True, "c", "b")
    assert stolen.peers == ("a host at 10.3.0.1 that says idc c",)
    assert found.unknown == (("c", "it was not looked at; examples from its scopes stand for them"),)


def test_peers_that_cannot_be_read_keep_no_plan_and_are_told() -> None:
    before, after = scoped(a={}, b={"idc": "b"}), scoped(a={}, b={"idc": "x"})
    world = alive(finished(before))
    seen = {**seen_of(after), "b": SeenPeers(trouble="b: does not answer")}
    found = moves_by(after, world, plan(after, world), seen)
    assert found is not None
    assert found.unknown == (("b", "b: does not answer; examples from its scopes stand for them"),)
    assert any("not known: b: does not answer" in line.plain for line in move_lines(found))


def test_nothing_is_asked_where_nothing_that_decides_changes() -> None:
    file = scoped(a={}, b={"idc": "b"})
    world = alive(finished(file))
    more = topology(
        clusters=[
            entry("a", membership="scopes", scopes={}),
            entry("b", scopes={"idc": "b"}, membership="scopes", replicas={"scheduler": 5}),
        ]
    )
    made = plan(more, world)
    assert made.has_changes
    assert changed_by(made) == ()
    assert moves_by(more, world, made, {}) is None


def test_an_orphan_that_is_removed_gives_its_peers_back() -> None:
    file = scoped(a={}, b={"cidrs": ["10.2.0.0/16"]})
    world = finished(file)
    assert world.manager is not None
    orphan = ClusterRecord(9, "gone", "", ScopesRecord(cidrs=("10.2.0.1/32",), hostnames=("b-1",)), 9, 9, False)
    world = alive(replace(world, manager=replace(world.manager, records=(*world.manager.records, orphan))))
    made = plan(file, world)
    pruning = replace(made, steps=(*made.steps, Step(Kind.DEREGISTER, "gone", Action.DELETE)))
    found = moves_by(file, world, pruning, seen_of(file))
    assert found is not None
    back = [move for move in found.moves if move.cluster == "b"]
    assert [(move.source, move.target, move.is_home, move.peers) for move in back] == [
        ("gone", "b", True, ("node b-1",))
    ]


def test_scopes_that_have_too_much_in_common_keep_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfmc.planning.moving.MAX_SCORES", 3)
    found = foretold(scoped(a={}, b={"idc": "b"}), scoped(a={}, b={"idc": "x"}))
    assert found.moves == ()
    assert found.unknown == (("b", "the records cannot be compared: too many of them overlap"),)


# --- when ------------------------------------------------------------------------------------------------------


def test_times_are_the_charts_and_a_users_own() -> None:
    standard = foretold(scoped(a={}, b={"idc": "b"}), scoped(a={}, b={"idc": "c"})).expiry
    assert (standard, standard.longest) == (Expiry("5m", "3m", "5m", "1m"), 780.0)
    values = {
        "manager": {"config": {"cache": {"redis": {"ttl": "5s"}, "local": {"ttl": "3s"}}}},
        "client": {"config": {"dynconfig": {"refreshInterval": "1m30s"}}},
    }
    quick = [entry("a", values=values), entry("b", scopes={"idc": "c"}, membership="scopes")]
    own = foretold(scoped(a={}, b={"idc": "b"}), topology(clusters=quick)).expiry
    assert (own, own.longest) == (Expiry("5s", "3s", "1m30s", "1m"), 98.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("", None),
        ("5", None),
        ("5 m", None),
        ("x", None),
    ],
)
def test_durations_as_go_writes_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
    assert Expiry(redis=text).longest == (None if seconds is None else seconds + 480)


# --- shown -----------------------------------------------------------------------------------------------------

MOVES = Moves(
    changed=("b",),
    moves=(
        Move("b", "b", "a", False, tuple(f"node b-{i}" for i in range(1, 9)), False, "a scores 0.01 (default), b 0"),
        Move("a", "a", "b", False, ("a host at 10.0.0.1",), True, "b scores 0.3 (cidr), a 0.01 (default)"),
        Move("c", "", "c", True, ("node c-1",), False, "c scores 0.25 (idc)"),
    ),
    expiry=Expiry(),
    unknown=(("a", "it was not looked at; examples from its scopes stand for them"),),
)
SHOWN = Plan("guide", "1.7.4", (Step(Kind.RECORD, "b", Action.UPDATE),), moves=MOVES)


def test_a_plan_shows_who_moves_and_when() -> None:
    lines = [line.plain for line in plan_lines(SHOWN, topology())]
    start = lines.index(
        "⚠ b: 8 peers: node b-1, node b-2, node b-3, node b-4, node b-5, node b-6 and 2 more move from b to a "
        "(a scores 0.01 (default), b 0)"
    )
    assert lines[start + 1 :] == [
        "⚠ a: a host at 10.0.0.1 would move from a to b (b scores 0.3 (cidr), a 0.01 (default))",
        "→ c: node c-1 moves home from no cluster to c (c scores 0.25 (idc))",
        "· a: which of its peers move is not known: it was not looked at; examples from its scopes stand for them",
        "· peers move only as what they were told expires: up to 13 minutes; the manager keeps its answer to a peer "
        "for 5m in Redis and 3m in its process, clients ask every 5m, seed peers every 1m",
        "",
        "1 to change in 1 cluster.",
    ]


def test_a_run_that_does_not_show_its_plan_still_warns_of_peers_that_leave() -> None:
    warnings = move_warnings(MOVES)
    assert len(warnings) == 3
    assert warnings[0].startswith("b: 8 peers")
    assert warnings[2].startswith("peers move only as")
    assert move_warnings(None) == []


def test_markdown_and_json_say_the_same() -> None:
    markdown = plan_markdown(SHOWN)
    assert "**Peers that change cluster**\n\n- ⚠ b: 8 peers: node b-1" in markdown
    assert markdown.index("Peers that change") < markdown.index("**1 to change in 1 cluster.**")
    assert move_markdown(None) == []
    document = json.loads(json.dumps(plan_document(SHOWN)))["peers"]
    assert document["moves"][0]["peers"][7] == "node b-8"
    assert [(one["from"], one["to"], one["home"], one["examples"]) for one in document["moves"]] == [
        ("b", "a", False, False),
        ("a", "b", False, True),
        (None, "c", True, False),
    ]
    assert document["expiry"]["longestSeconds"] == 780
    assert document["notKnown"] == [{"cluster": "a", "why": MOVES.unknown[0][1]}]
    assert plan_document(replace(SHOWN, moves=None))["peers"] is None


def test_hostile_names_stay_text_in_markdown() -> None:
    hostile = replace(MOVES, moves=(replace(MOVES.moves[0], target="x|**y**<script>", why=""),))
    (line,) = [one for one in move_markdown(hostile) if one.startswith("- ⚠")]
    assert "x\\|\\*\\*y\\*\\*&lt;script>" in line
