"""``-l``: kubectl's grammar on the labels of the file's entries."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from dfmc.errors import UsageError
from dfmc.topology.model import Topology
from dfmc.topology.selectors import Requirement, parse_selector, selected_names
from topologies import entry, topology

SEEDS = range(3)


def labelled(**labels: dict[str, str]) -> Topology:
    clusters = [entry(name, labels=given) for name, given in labels.items()]
    return topology(manager={"cluster": next(iter(labels))}, clusters=clusters)


FLEET = labelled(
    a={"region": "eu", "env": "prod"},
    b={"region": "us", "env": "prod", "gpu": ""},
    c={"region": "eu", "env": "test"},
    d={},
)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("region=eu", "ac"),
        ("region==eu", "ac"),
        (" region = eu , env = prod ", "a"),
        ("region!=eu", "bd"),
        ("region in (eu,us)", "abc"),
        ("region in (eu, us),env notin (test)", "ab"),
        ("region notin (eu)", "bd"),
        ("gpu", "b"),
        ("gpu=", "b"),
        ("gpu in ()", "b"),
        ("!gpu", "acd"),
        ("!region", "d"),
        ("!gpu,region", "ac"),
        ("env in (prod),env in (test,prod),region=us", "b"),
    ],
)
def test_entries_are_selected_as_kubectl_would(selector: str, names: str) -> None:
    assert selected_names(FLEET, "t.yaml", selectors=[selector]) == tuple(names)


def test_no_selector_leaves_what_was_named() -> None:
    assert selected_names(FLEET, "t.yaml") == ()
    assert selected_names(FLEET, "t.yaml", ["b", "a"]) == ("b", "a")


def test_names_and_every_selector_narrow() -> None:
    assert selected_names(FLEET, "t.yaml", ["c", "b", "a"], ["env", "region=eu"]) == ("a", "c")
    with pytest.raises(UsageError, match="no cluster is called x"):
        selected_names(FLEET, "t.yaml", ["x"], ["env"])


@pytest.mark.parametrize(
    ("selector", "column", "wanted"),
    [
        ("", 1, "a label's key is wanted, and it ends"),
        ("  ", 3, "a label's key is wanted, and it ends"),
        ("=eu", 1, "a label's key is wanted, and there is '='"),
        ("region=eu,", 11, "a label's key is wanted, and it ends"),
        ("region=eu us", 11, "',' is wanted, and there is 'us'"),
        ("region in eu", 11, "'(' is wanted, and there is 'eu'"),
        ("region in (eu", 14, "')' is wanted, and it ends"),
        ("region notin (eu us)", 18, "')' is wanted, and there is 'us'"),
        ("region is eu", 8, "one of =, ==, !=, in, notin or a comma is wanted, and there is 'is'"),
        ("size>3", 5, "one of =, ==, !=, in, notin or a comma is wanted, and there is '>'"),
        ("!", 2, "a label's key is wanted, and it ends"),
        ("a=b=c", 4, "',' is wanted, and there is '='"),
        ("a!b", 2, "one of =, ==, !=, in, notin or a comma is wanted, and there is '!'"),
        (",a", 1, "a label's key is wanted, and there is ','"),
    ],
)
def test_what_is_no_selector_is_refused_at_its_place(selector: str, column: int, wanted: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_selector(selector)
    assert caught.value.what == f"-l {selector!r}, character {column}: {wanted}"
    assert "key notin (one,other)" in caught.value.next_step


def test_no_match_names_the_labels_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        selected_names(FLEET, "t.yaml", ["a", "b", "d"], ["region=ap"])
    error = caught.value
    assert (error.what, error.where) == ("no cluster of a, b, d matches -l region=ap", "t.yaml")
    assert error.next_step == "the labels there are: env=prod, gpu, region=eu, region=us"
    with pytest.raises(UsageError) as caught:
        selected_names(topology(), "t.yaml", selectors=["x"])
    assert caught.value.next_step.startswith("no cluster has labels")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_selectors_mean_what_their_requirements_mean(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    keys, values = ["a", "b.c/d", "in", "notin"], ["x", "y-1", ""]
    for _ in range(500):
        parts, meant = [], []
        for _ in range(chance.randint(1, 4)):
            key, chosen = chance.choice(keys), chance.sample(values, chance.randint(1, 3))
            gap = chance.choice(["", " ", "\t"])
            form = chance.randrange(6)
            if form == 0:
                parts.append(f"{gap}{key}{gap}{chance.choice(['=', '=='])}{gap}{chosen[0]}")
                meant.append(Requirement(key, "in", frozenset(chosen[:1])))
            elif form == 1:
                parts.append(f"{key}{gap}!={gap}{chosen[0]}{gap}")
                meant.append(Requirement(key, "notin", frozenset(chosen[:1])))
            elif form in (2, 3):
                operator = "in" if form == 2 else "notin"
                parts.append(f"{key} {operator}{gap}({gap}{f'{gap},{gap}'.join(chosen)}{gap})")
                meant.append(Requirement(key, "in" if form == 2 else "notin", frozenset(chosen)))
            elif form == 4:
                parts.append(f"{gap}{key}")
                meant.append(Requirement(key, "exists"))
            else:
                parts.append(f"!{gap}{key}")
                meant.append(Requirement(key, "absent"))
        text = ",".join(parts)
        read = parse_selector(text)
        assert read.requirements == tuple(meant), text
        labels = {key: chance.choice(values) for key in keys if chance.random() < 0.5}
        assert read.holds(labels) == all(one.holds(labels) for one in meant), (text, labels)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_texts_are_read_or_refused_never_worse(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(3000):
        text = "".join(
            chance.choice(["a", "in", "notin", " ", "=", "!", ",", "(", ")", "<", "é", "\n"]) for _ in range(8)
        )
        with suppress(UsageError):
            parse_selector(text)
