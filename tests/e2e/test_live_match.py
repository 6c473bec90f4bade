"""Where peers go by the real manager's records: told as they are, foretold by a plan, and put right by ``up``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bed_world import World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def world(empty_world: World) -> World:
    """The guide's two clusters, up, their peers found by scopes; each test leaves them as the file says."""

    def by_scopes(document: dict[str, Any]) -> None:
        document["defaults"]["membership"] = "scopes"
        for cluster in document["clusters"]:
            cluster["labels"] = {"tier": "central" if cluster["name"] == "a" else "edge"}

    empty_world.edit(by_scopes)
    empty_world.first = empty_world.dfmc("up", str(empty_world.topology))
    return empty_world


def live(world: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        world.dfmc("match", "--live", str(world.topology), "-o", "json", *arguments, code=code).stdout
    )
    return document


def joined(document: dict[str, Any]) -> dict[tuple[str, str], str | None]:
    """The record that each peer joins, by cluster and peer."""
    return {(c["name"], peer["name"]): peer["joins"] for c in document["clusters"] for peer in c["peers"]}


def foretold(world: World) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """From where to where peers go by the plan, by cluster and peer."""
    peers = json.loads(world.dfmc("plan", str(world.topology), "-o", "json").stdout)["peers"]
    assert peers["notKnown"] == []
    return {
        (move["cluster"], peer.removeprefix("seed peer ").removeprefix("node ")): (move["from"], move["to"])
        for move in peers["moves"]
        for peer in move["peers"]
    }


def set_scopes(world: World, name: str, scopes: dict[str, Any]) -> None:
    """Change a record's scopes as somebody in the console does."""
    api = world.manager()
    (record,) = api.get(f"/api/v1/clusters?name={name}")
    changed = {"is_default": record["is_default"], "scopes": scopes}
    assert api.request("PATCH", f"/api/v1/clusters/{record['id']}", changed)[0] == 200


def nodes_of(world: World, name: str) -> list[str]:
    return sorted(item["metadata"]["name"] for item in world.tools.objects("nodes", "-l", f"cluster={name}"))


def test_at_home_one_line_a_cluster_and_every_node_is_told(world: World) -> None:
    mark = world.audit_mark()
    ended = world.dfmc("match", "--live", str(world.topology))
    assert "peers go home" in ended.stdout
    lines = [line.split() for line in ended.stdout.splitlines() if line.startswith(("a ", "b "))]
    assert [(line[0], line[-2:]) for line in lines] == [("a", ["by", "scopes"]), ("b", ["by", "scopes"])]
    document = live(world)
    for cluster in document["clusters"]:
        nodes = [peer for peer in cluster["peers"] if peer["kind"] == "node"]
        assert [peer["name"] for peer in nodes] == nodes_of(world, cluster["name"])
        assert all(peer["ip"] and peer["hostname"] == peer["name"] for peer in nodes)
        assert [peer["kind"] for peer in cluster["peers"]].count("seedPeer") == 1
    assert {peer["idc"] for peer in document["clusters"][1]["peers"]} == {"cluster-2"}
    assert [record["activeSchedulers"] for record in document["records"]] == [1, 1]
    assert world.writes_since(mark) == []


@scenario("V3", real=True)
def test_scopes_changed_by_hand_are_seen_foretold_and_put_right(world: World) -> None:
    set_scopes(world, "b", {"idc": "elsewhere"})
    document = live(world, code=1)
    strays = {peer["name"] for peer in document["clusters"][1]["peers"] if not peer["home"]}
    assert set(nodes_of(world, "b")) < strays  # and the seed peer
    assert document["clusters"][0]["strays"] == 0
    text = world.dfmc("match", "--live", "-l", "tier=edge", str(world.topology), code=1)
    for node in nodes_of(world, "b"):
        assert f"node {node} (" in text.stdout
    assert "a scores 0.01 (default), b 0" in text.stdout
    assert "\na " not in text.stdout
    assert foretold(world) == {("b", name): ("a", "b") for name in strays}
    shown = world.dfmc("plan", str(world.topology)).stdout
    assert "move home from a to b (b scores 0.25 (idc))" in shown
    assert "up to 13 minutes" in shown
    world.dfmc("up", str(world.topology))
    assert live(world)["strays"] == 0


def test_a_widened_scope_takes_another_clusters_peers_as_the_plan_said(world: World) -> None:
    text = world.topology.read_text()
    networks = [f"{peer['ip']}/32" for peer in live(world)["clusters"][1]["peers"] if peer["kind"] == "node"][:1]

    def widen(document: dict[str, Any]) -> None:
        world.entry("a", document)["scopes"] = {"cidrs": networks}

    world.edit(widen)
    told = foretold(world)
    assert list(told.values()) == [("b", "a")]
    markdown = world.dfmc("plan", str(world.topology), "-o", "markdown").stdout
    assert "**Peers that change cluster**" in markdown
    ended = world.dfmc("up", str(world.topology))
    assert "moves from b to a (a scores 0.31 (cidr 0.3, default 0.01), b 0.25 (idc))" in ended.stderr
    after = joined(live(world, code=1))
    assert {peer: target for peer, target in after.items() if peer[0] != target} == {
        peer: target for peer, (_, target) in told.items()
    }
    world.topology.write_text(text)
    world.dfmc("up", str(world.topology))
    assert live(world)["strays"] == 0


def test_a_record_of_nobody_is_named_and_an_inactive_one_takes_nobody(world: World) -> None:
    api = world.manager()
    configs: dict[str, Any] = {f"{part}_cluster_config": {} for part in ("scheduler", "seed_peer", "peer")}
    body = {"name": "stranger", "scopes": {"idc": "cluster-2", "location": "x"}, **configs}
    status, record = api.request("POST", "/api/v1/clusters", body)
    assert status == 200
    try:
        ended = world.dfmc("match", "--live", str(world.topology))
        assert f"does not know take part: stranger (id {record['id']})" in ended.stdout
        assert f"without an active scheduler: stranger (id {record['id']})" in ended.stdout
        described = world.dfmc("match", "--live", str(world.topology), "--idc", "cluster-2", "--location", "x")
        assert "no active scheduler: passed over" in described.stdout
        assert "The peer joins b." in described.stdout
        assert "stranger" in world.dfmc("status", str(world.topology)).stdout
    finally:
        assert api.request("DELETE", f"/api/v1/clusters/{record['id']}")[0] == 200


def delete_record(world: World, name: str) -> int:
    """Delete a record as the console does, with the rows of its schedulers; returns its id."""
    api = world.manager()
    (record,) = api.get(f"/api/v1/clusters?name={name}")
    for _ in range(5):
        for row in api.get(f"/api/v1/schedulers?scheduler_cluster_id={record['id']}&per_page=1000"):
            api.request("DELETE", f"/api/v1/schedulers/{row['id']}")
        status, answer = api.request("DELETE", f"/api/v1/clusters/{record['id']}")
        if status == 200:
            return int(record["id"])
    raise AssertionError(answer)


def test_a_record_that_was_deleted_is_told_and_healed_and_nobody_else_is_touched(world: World) -> None:
    revisions = world.revisions("cluster-a")
    old = delete_record(world, "b")
    told = world.dfmc("status", str(world.topology), code=1).stdout
    assert f"b: its record is another one: id {old}, which its release has, is that of a record that is gone" in told
    assert f"{old}, which its release has" in world.dfmc("plan", str(world.topology)).stdout
    strays = live(world, code=1)["clusters"][1]
    assert (strays["recordID"], {peer["home"] for peer in strays["peers"]}) == (None, {False})
    world.dfmc("up", str(world.topology))
    (record,) = world.manager().get("/api/v1/clusters?name=b")
    assert record["id"] > old
    assert world.active_schedulers(world.manager())[record["id"]] == ["dragonfly-scheduler-0"]
    assert (
        f"schedulerClusterID: {record['id']}"
        in world.config_map("cluster-b", "dragonfly-scheduler")["data"]["scheduler.yaml"]
    )
    assert world.revisions("cluster-a") == revisions
    assert live(world)["strays"] == 0
    world.dfmc("status", str(world.topology))
