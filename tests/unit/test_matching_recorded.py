"""Every answer that real managers gave (2.5.1 and 2.1.30) is reproduced, order included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfmc.errors import TopologyError, UsageError
from dfmc.matching.worlds import answered, read_world

CONTRACT = Path(__file__).resolve().parents[1] / "data" / "contract"
RECORDED = {"2.5.1": 1200, "2.1.30": 600}


def recorded(version: str) -> dict[str, Any]:
    file = CONTRACT / f"matching-{version}.json"
    return dict(read_world(file.read_bytes(), file.name))


def without_orders(document: dict[str, Any]) -> dict[str, Any]:
    worlds = [
        {**world, "answers": [{"host": answer["host"]} for answer in world["answers"]]} for world in document["worlds"]
    ]
    return {**document, "worlds": worlds}


@pytest.mark.parametrize("version", RECORDED)
def test_every_recorded_answer(version: str) -> None:
    document = recorded(version)
    computed = answered(without_orders(document), "w.json")
    pairs = [
        (answer["host"], answer["order"], found["order"])
        for world, computed_world in zip(document["worlds"], computed["worlds"], strict=True)
        for answer, found in zip(world["answers"], computed_world["answers"], strict=True)
    ]
    assert len(pairs) == RECORDED[version]
    assert [pair for pair in pairs if pair[1] != pair[2]] == []
    assert computed == document


def test_other_formula_gives_other_answers() -> None:
    """The recordings can tell the generations apart, so the test above can fail."""
    document = recorded("2.5.1")
    assert answered(document, "w.json", "2.1.30") != document
    assert answered(document, "w.json", "v2.1.33") == document


def test_whatever_else_a_world_holds_stays() -> None:
    world = {"note": 1, "clusters": [{"id": 7}], "answers": [{"host": {"ip": None}, "why": "x"}]}
    document = {"worlds": [world], "seed": 3}
    assert answered(document, "w.json") == {
        "worlds": [{**world, "answers": [{"host": {"ip": None}, "why": "x", "order": [7]}]}],
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "w.json: worlds"),
        ({"worlds": [1]}, "worlds[0]"),
        ({"worlds": [{"clusters": {}}]}, "worlds[0].clusters"),
        ({"worlds": [{"clusters": [{"id": "1"}], "answers": []}]}, "clusters[0].id"),
        ({"worlds": [{"clusters": [{"id": True}], "answers": []}]}, "clusters[0].id"),
        ({"worlds": [{"clusters": [{"id": 1, "active": "no"}], "answers": []}]}, "clusters[0].active"),
        ({"worlds": [{"clusters": [{"id": 1, "scopes": {"idc": 1}}], "answers": []}]}, "scopes.idc"),
        ({"worlds": [{"clusters": [{"id": 1, "scopes": {"cidrs": "x"}}], "answers": []}]}, "scopes.cidrs"),
        ({"worlds": [{"clusters": [{"id": 1, "scopes": {"cidrs": [1]}}], "answers": []}]}, "scopes.cidrs[0]"),
        ({"worlds": [{"clusters": [], "answers": [{}]}]}, "answers[0].host"),
    ],
)
def test_world_of_another_form_is_refused_with_its_place(document: dict[str, Any], place: str) -> None:
    with pytest.raises(TopologyError) as refused:
        answered(document, "w.json")
    assert f"{place} must be " in refused.value.what


@pytest.mark.parametrize("data", [b"", b"\xff", b"[1]", b"{", b"[" * 100_000])
def test_file_that_is_no_world(data: bytes) -> None:
    with pytest.raises(TopologyError):
        read_world(data, "w.json")


def test_world_of_an_unknown_manager() -> None:
    with pytest.raises(UsageError):
        answered({"manager": "1.0", "worlds": []}, "w.json")
