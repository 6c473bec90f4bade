"""``match --live`` against the simulated manager: who goes home, who does not, and what cannot be told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dfmc.cli.match_live import _error
from dfmc.engine.live_match import LiveMatch, live_match, live_searcher
from dfmc.engine.runs import plan
from dfmc.errors import AuthError, FindingsError, UnreachableError
from dfmc.output.documents import as_json
from dfmc.output.live_match import live_document, live_lines
from dfmc.planning.ownership import record_bio
from dfmc.state import PodState
from removal_world import ENTRIES, Kube, World, removal_world


@pytest.fixture
def world() -> Iterator[World]:
    """Three clusters up, two nodes each: a and b by scopes, c by its id."""
    with removal_world() as made:
        for name, number in made.ids.items():
            said = {"idc": name, "schedulerClusterID": number if name == "c" else None}
            speak(made, name, **said)
            add_nodes(made.of[name], name, 2)
        yield made


def speak(world: World, name: str, **said: Any) -> None:
    """Let the release of a cluster say this of its peers."""
    kube, key = world.of[name], (f"cluster-{name}", "dragonfly")
    host = {"config": {"host": said}}
    values = {**kube.releases[key].values, "client": host, "seedClient": host}
    kube.releases[key] = replace(kube.releases[key], values=values)


def add_nodes(kube: Kube, name: str, count: int) -> None:
    for number in range(1, count + 1):
        addresses = [{"type": "InternalIP", "address": f"10.{ord(name)}.0.{number}"}]
        metadata = {"name": f"{name}-{number:03}"}
        kube._stored({"kind": "Node", "metadata": metadata, "status": {"addresses": addresses}})


def change(world: World, name: str, **fields: Any) -> None:
    """Change a record as somebody in the console would."""
    world.manager.database.update_cluster(world.ids[name], {"is_default": world.ids[name] == 1, **fields})
    world.empty_caches()


def look(world: World, **options: Any) -> LiveMatch:
    return world.session(live_match, **options)


def text(found: LiveMatch) -> str:
    return "\n".join(line.plain for line in live_lines(found, "t.yaml"))


def strays(found: LiveMatch) -> dict[str, list[str]]:
    return {one.cluster: [stray.peer.name for stray in one.strays] for one in found.clusters}


def test_all_go_home_and_each_cluster_is_one_line(world: World) -> None:
    found = look(world)
    assert strays(found) == {"a": [], "b": [], "c": []}
    assert _error(found) is None
    assert text(found) == (
        "manager  3 records, formula of 2.1.33 and newer, here 2.5.0\n"
        "\n"
        "CLUSTER  PEER     JOINS  WHY\n"
        "a        2 nodes  a      by scopes\n"
        "b        2 nodes  b      by scopes\n"
        "c        2 nodes  c      by id\n"
        "\n"
        "✓ all 6 peers go home"
    )


def test_a_changed_record_names_each_stray_with_its_scores(world: World) -> None:
    change(world, "b", scopes={"idc": "elsewhere"})
    found = look(world)
    assert strays(found) == {"a": [], "b": ["b-001", "b-002"], "c": []}
    assert "b        node b-001 (10.98.0.1, idc b)  a      a scores 0.01 (default), b 0\n" in text(found)
    error = _error(found)
    assert isinstance(error, FindingsError)
    assert (error.exit_code, error.what) == (1, "peers that do not go home: 2 of 2 of b")
    assert "dfmc plan t.yaml" in text(found)


def test_a_cluster_without_an_active_scheduler_loses_its_peers(world: World) -> None:
    world.stop_schedulers(world.ids["b"])
    world.stop_schedulers(world.ids["c"])
    found = look(world)
    assert strays(found) == {"a": [], "b": ["b-001", "b-002"], "c": []}
    assert "b has no active scheduler and is passed over; a scores 0.01 (default)" in text(found)
    assert "without an active scheduler: b (id 2), c (id 3)" in text(found)
    assert "c: its record has no active scheduler" in text(found)


def test_records_of_nobody_take_part_and_are_named(world: World) -> None:
    number = world.register("other", scopes={"idc": "b", "cidrs": ["10.98.0.1/32"]}, bio="somebody's")
    assert strays(look(world))["b"] == []  # it has no scheduler
    world.manager.register_scheduler(number, "other-scheduler-0", ip="10.9.9.9")
    world.empty_caches()
    found = look(world)
    assert strays(found) == {"a": [], "b": ["b-001"], "c": []}
    assert "other scores 0.55 (cidr 0.3, idc 0.25), b 0.25 (idc)" in text(found)
    assert f"records that t.yaml does not know take part: other (id {number})" in text(found)
    assert "b        1 node                         b" in text(found)


def test_a_record_made_anew_leaves_the_peers_with_an_id_that_is_nobodys(world: World) -> None:
    old = world.ids["c"]
    world.stop_schedulers(old)
    database = world.manager.database
    for number in [key for key, row in database.schedulers.items() if row["scheduler_cluster_id"] == old]:
        del database.schedulers[number]
    database.delete_cluster(old)
    gone = look(world)
    assert "which no record has: the manager answers with an error; c has no record" in text(gone)
    new = world.register("c", scopes={"idc": "c"}, bio=record_bio("guide", world.uid))
    world.empty_caches()
    found = look(world)
    assert (strays(found)["c"], old != new) == (["c-001", "c-002"], True)
    assert "c        node c-001  none   says id 3, which no record has: the manager answers with an error\n" in text(
        found
    )


def test_seed_peers_are_peers_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pods(self: Kube, release: str, namespace: str) -> list[PodState]:
        return [PodState("dragonfly-seed-client-0", "seed-client", "Running", True, "10.244.0.5", f"{self.name}-001")]

    monkeypatch.setattr(Kube, "pods", pods)
    change(world, "b", scopes={"cidrs": ["10.98.0.0/16"]})  # the nodes' network, and not the pods'
    found = look(world)
    assert strays(found)["b"] == ["dragonfly-seed-client-0"]
    assert "a        2 nodes, 1 seed peer" in text(found)
    assert "seed peer dragonfly-seed-client-0 (10.244.0.5, idc b)" in text(found)


def test_many_strays_for_one_reason_are_one_line_and_all_in_json(world: World) -> None:
    add_nodes(world.of["b"], "b", 250)
    change(world, "b", scopes={})
    found = look(world)
    lines = [line for line in text(found).splitlines() if line.startswith("b ")]
    assert lines == ["b        250 nodes: b-001, b-002, b-003 and 247 more  a      a scores 0.01 (default), b 0"]
    (of_b,) = [one for one in live_document(found)["clusters"] if one["name"] == "b"]
    assert (of_b["strays"], len(of_b["peers"])) == (250, 250)


def test_some_clusters_alone(world: World) -> None:
    change(world, "b", scopes={})
    assert strays(look(world, only=("c",))) == {"c": []}
    assert all("Node" not in line for line in world.of["b"].requests)


def test_a_cluster_that_does_not_answer_hides_nothing_of_the_others(world: World) -> None:
    world.of["b"].fail["get Namespace kube-system"] = UnreachableError("does not answer", where="b")
    world.of["c"].fail["list Node "] = AuthError("may not list nodes")
    found = look(world)
    assert {one.cluster: one.error is None for one in found.clusters} == {"a": True, "b": False, "c": True}
    assert "b        -        ?      b: does not answer" in text(found)
    error = _error(found)
    assert error is not None
    assert error.what == "peers that do not go home: b could not be read"
    assert "no node takes" not in text(found)
    assert "its nodes may not be listed: only clients that run are known" in text(found)


def test_nothing_is_written(world: World) -> None:
    before = {name: dict(kube.objects) for name, kube in world.of.items()}
    change(world, "b", scopes={})
    log = list(world.log)
    look(world)
    assert ({name: kube.objects for name, kube in world.of.items()}, world.log) == (before, log)


def test_a_manager_that_is_not_there_yet(world: World) -> None:
    world.of["a"].releases.clear()
    with pytest.raises(FindingsError, match="there is no manager to ask yet"):
        look(world)


def test_a_manager_that_cannot_be_asked(world: World) -> None:
    world.of["a"].fail["get Namespace kube-system"] = UnreachableError("does not answer", where="a")
    with pytest.raises(UnreachableError):
        look(world)


def test_a_cluster_that_is_not_installed_has_no_peers(world: World) -> None:
    world.of["b"].releases.clear()
    found = look(world)
    assert strays(found)["b"] == []
    assert "b        none     -      not installed: it has no peers" in text(found)


def test_the_records_alone_for_one_described_peer(world: World) -> None:
    world.of["b"].fail["get Namespace kube-system"] = UnreachableError("nobody asks it")
    found = world.session(live_searcher)
    assert [record.name for record in found.searcher.records] == ["a", "b", "c"]
    assert found.clusters == ()


def test_the_document_is_a_contract(world: World) -> None:
    change(world, "b", scopes={"idc": "x"})
    document = json.loads(as_json(live_document(look(world))))
    assert {
        key: document[key] for key in ("apiVersion", "kind", "topology", "managerVersion", "formula", "strays")
    } == {
        "apiVersion": "dfmc.io/v1alpha1",
        "kind": "LiveMatch",
        "topology": "guide",
        "managerVersion": "2.5.0",
        "formula": "2.1.33 and newer",
        "strays": 2,
    }
    scopes = {"idc": "x", "location": "", "cidrs": [], "hostnames": []}
    flags = {"isDefault": False, "activeSchedulers": 2, "takesPeersByScopes": True}
    assert document["records"][1] == {"id": 2, "name": "b", "cluster": "b", **flags, "scopes": scopes}
    of_b = document["clusters"][1]
    assert {key: of_b[key] for key in of_b if key != "peers"} == {
        **{"name": "b", "recordID": 2, "activeSchedulers": 2, "strays": 2, "note": "", "error": None}
    }
    nothing = {"cidr": 0, "hostname": 0, "idc": 0, "location": 0, "default": 0}
    assert of_b["peers"][0] == {
        **{"kind": "node", "name": "b-001", "ip": "10.98.0.1", "hostname": "b-001", "idc": "b", "location": ""},
        **{"schedulerClusterID": None, "by": "scopes", "home": False},
        **{"joins": "a", "joinsID": 1, "joinsCluster": "a", "why": "a scores 0.01 (default), b 0"},
        "score": {"score": 0.01, "terms": {**nothing, "default": 0.01}},
        "homeScore": {"score": 0.0, "terms": nothing},
    }


# --- what a plan foretells -------------------------------------------------------------------------------------


def test_a_plan_reads_nodes_and_foretells_what_live_answers_once_the_record_is_changed(world: World) -> None:
    entries = {name: text.replace("}\n", ", membership: scopes}\n") for name, text in ENTRIES.items()}
    entries["a"] = entries["a"].replace("membership", "scopes: {idc: a}, membership")
    entries["b"] = entries["b"].replace("scopes: {idc: b}", "scopes: {idc: b|c, cidrs: [10.98.0.1/32, 10.99.0.2/32]}")
    entries["b"] = entries["b"].replace("membership", "host: {idc: b}, membership")
    world.text = world.written(entries)
    for name in "abc":
        speak(world, name, idc=name, schedulerClusterID=None)
    earlier = look(world)
    made = world.session(plan)
    assert made.moves is not None
    assert [(move.cluster, move.source, move.target, move.peers) for move in made.moves.moves] == [
        ("c", "c", "b", ("node c-001", "node c-002"))  # equal scores go to the lower id
    ]
    change(world, "b", scopes={"idc": "b|c", "cidrs": ["10.98.0.1/32", "10.99.0.2/32"]})
    change(world, "a", scopes={"idc": "a"})
    later = look(world)
    assert (strays(earlier)["c"], strays(later)["c"]) == ([], ["c-001", "c-002"])
    assert strays(later)["b"] == []


def test_nodes_that_cannot_be_read_keep_no_plan_from_being_made(world: World) -> None:
    world.of["b"].fail["list Node "] = UnreachableError("does not answer any more", where="b")
    world.of["c"].fail["list Node "] = AuthError("may not list nodes")
    entries = {name: text.replace("}\n", ", membership: scopes}\n") for name, text in ENTRIES.items()}
    world.text = world.written({**entries, "b": entries["b"].replace("idc: b", "idc: x")})
    made = world.session(plan)
    assert made.step("record:b") is not None
    assert made.moves is not None
    assert [name for name, why in made.moves.unknown if "does not answer any more" in why] == ["b"]


def test_a_plan_for_nothing_that_decides_asks_for_no_nodes(world: World) -> None:
    for name, number in world.ids.items():
        idc = None if name == "a" else name
        speak(world, name, **({"idc": idc} if idc else {}), schedulerClusterID=number)
    made = world.session(plan)
    assert made.moves is None
    assert made.has_changes
    assert not [line for kube in world.of.values() for line in kube.requests if line.startswith("list Node")]
