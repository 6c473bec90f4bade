"""Removing an entry: every other byte stays, its own comments go with it, the data is the old without the entry."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from dfmc.errors import DfmcError, TopologyError
from dfmc.topology.edit import insert_cluster
from dfmc.topology.nodes import plain
from dfmc.topology.parse import parse
from dfmc.topology.removal import remove_cluster
from topology_texts import CLUSTERS, GOOD, HEAD, block_files, flow_files, load, new_entries

A = "{name: a, context: x, namespace: a}"
B = "{name: b, context: x, namespace: b}"
C = "{name: c, context: x, namespace: c}"


def removed(clusters: str, name: str = "b") -> str:
    """The part below HEAD that is left."""
    edited = remove_cluster(load(HEAD + clusters), name)
    assert edited.startswith(HEAD)
    return edited[len(HEAD) :]


def test_the_last_entry_goes_and_all_above_stays() -> None:
    assert remove_cluster(load(GOOD), "b") == HEAD + "clusters:\n- name: a\n  context: one\n  namespace: dragonfly\n"


def test_an_entry_in_the_middle_takes_its_own_comments_along() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n  # of a\n"
    b = "# the second\n# of two lines\n- name: b  # one\n  context: x\n  namespace: b\n  # host: {idc: b}\n"
    c = "# the third\n- name: c\n  context: x\n  namespace: c\n"
    assert removed(a + b + c) == a + c


def test_of_two_blank_lines_one_stays_and_none_at_the_end() -> None:
    entries = [f"- name: {name}\n  context: x\n  namespace: {name}\n" for name in "abc"]
    text = "clusters:\n" + "\n".join(entries)
    assert removed(text) == "clusters:\n" + "\n".join([entries[0], entries[2]])
    assert removed(text, "c") == "clusters:\n" + "\n".join(entries[:2])
    assert removed(text + "\n# the end\n", "c") == "clusters:\n" + "\n".join(entries[:2]) + "\n# the end\n"


def test_a_comment_with_a_blank_line_below_belongs_to_nobody() -> None:
    a, b = "clusters:\n- name: a\n  context: x\n  namespace: a\n", "- name: b\n  context: x\n  namespace: b\n"
    assert removed(f"{a}\n# members\n\n{b}") == f"{a}\n# members\n"


def test_the_first_entry_may_be_a_member() -> None:
    rest = "- name: a\n  context: x\n  namespace: a\ndefaults: {metrics: true}\n"
    assert removed("clusters: # all\n- name: b\n  context: x\n  namespace: b\n" + rest) == "clusters: # all\n" + rest


def test_text_blocks_anchors_and_odd_indentation() -> None:
    a = "clusters: &all\n   -\n     # - no dash\n     &first\n     name: a\n     context: x\n     namespace: a\n"
    b = "   - name: b\n     context: x\n     namespace: b\n     values:\n       x: |+\n         - text\n\n\n"
    c = "   -    name: c\n        context: x\n        namespace: c\n"
    assert removed(a + b + c) == a + c
    assert removed(a + b + c, "c") == a + b


def test_blank_lines_that_are_anothers_text_stay() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n  values:\n    x: |+\n      text\n\n"
    b = "- name: b\n  context: x\n  namespace: b\n"
    assert removed(a + b) == a


def test_windows_line_ends_byte_order_mark_and_no_last_line_break() -> None:
    text = "\ufeff" + GOOD.replace("\n", "\r\n").removesuffix("\r\n")
    first = (HEAD + "clusters:\n- name: a\n  context: one\n  namespace: dragonfly\n").replace("\n", "\r\n")
    assert remove_cluster(load(text), "b") == "\ufeff" + first.removesuffix("\r\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"[{A}, {B}]", f"[{A}]"),
        (f"[{B}, {A}]", f"[{A}]"),
        (f"[{A}, {B}, {C}]", f"[{A}, {C}]"),
        (f"[{A}, {B},]", f"[{A},]"),
        (f"[\n  {A},\n  {B}\n]", f"[\n  {A}\n]"),
        (f"[\n  {A},\n  {B},\n]", f"[\n  {A},\n]"),
        (f"[\n  {A},  # one\n  # above two\n  {B}  # two\n]", f"[\n  {A}  # one\n]"),
        (f"[\n  {B},  # two\n  {A},  # one\n]", f"[\n  {A},  # one\n]"),
        (f"[{A} # one\n  , {B}]", f"[{A} # one\n  ]"),
    ],
)
def test_flow_list(before: str, after: str) -> None:
    assert removed(f"clusters: {before}\n") == f"clusters: {after}\n"


def test_json_stays_json() -> None:
    document = yaml.safe_load(GOOD)
    for indent in (None, 2, 4):
        text = json.dumps(document, indent=indent)
        edited = remove_cluster(load(text), "b")
        assert edited == json.dumps({**document, "clusters": document["clusters"][:1]}, indent=indent)


def test_an_anchor_that_others_need_keeps_the_entry() -> None:
    text = "clusters:\n- name: a\n  context: x\n  namespace: a\n- name: b\n  context: x\n  namespace: b\n"
    text += "  labels: &l {x: y}\n- name: c\n  context: x\n  namespace: c\n  labels: *l\n"
    with pytest.raises(DfmcError) as caught:
        removed(text)
    assert caught.value.what == "cannot take b out of t.yaml in place"
    assert "alias" in caught.value.why
    assert caught.value.next_step == "delete the entry b from clusters by hand"
    assert removed(text, "c") + "".join(text.splitlines(keepends=True)[-4:]) == text


def test_an_entry_that_is_written_elsewhere_is_cut_where_it_counts() -> None:
    head = HEAD.replace("clusters", "")
    text = head + "x-b: &b {name: b, context: x, namespace: b}\n"
    try:
        load(text + f"clusters: [{A}, *b]\n")
    except TopologyError:
        text = head + f"clusters: [{A}, {B}]\n"
        assert remove_cluster(load(text), "b") == head + f"clusters: [{A}]\n"
        return
    assert remove_cluster(load(text + f"clusters: [{A}, *b]\n"), "b") == text + f"clusters: [{A}]\n"


def test_there_is_always_an_entry_left_and_none_that_is_not_there() -> None:
    with pytest.raises(DfmcError, match="cannot take a out of"):
        removed(f"clusters: [{A}]\n", "a")
    with pytest.raises(KeyError):
        remove_cluster(load(HEAD + CLUSTERS), "z")


def is_subsequence_of_lines(less: str, more: str) -> bool:
    lines = iter(more.splitlines())
    return all(line in lines for line in less.splitlines())


@settings(
    max_examples=150, derandomize=True, deadline=5000, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(block_files() | flow_files(), st.sampled_from("abd"))
def test_whatever_the_file_looks_like_only_the_entry_goes(text: str, name: str) -> None:
    try:
        loaded = load(text)
    except TopologyError as refused:
        event(f"refused: {refused.diagnostics[0].message}")
        return
    names = [cluster.name for cluster in loaded.topology.clusters]
    if name not in names or len(names) == 1:
        event("nothing to remove")
        return
    edited = remove_cluster(loaded, name)
    entries = [entry for entry in plain(loaded.document.raw)["clusters"] if entry["name"] != name]
    # The central cluster is one like the others here: what a topology must have is not this function's business.
    root = parse(edited).root
    assert root is not None
    assert json.dumps(plain(root)["clusters"]) == json.dumps(entries)
    if not loaded.document.raw.entries["clusters"].value.flow:  # type: ignore[union-attr]
        assert is_subsequence_of_lines(edited, text)
    assert edited.startswith("\ufeff") == text.startswith("\ufeff")
    assert edited.endswith(("\n", "\r")) == text.endswith(("\n", "\r"))


@settings(
    max_examples=100, derandomize=True, deadline=5000, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(block_files() | flow_files(), new_entries)
def test_what_was_added_can_be_removed_again(text: str, entry: dict[str, Any]) -> None:
    try:
        loaded = load(text)
        added = load(insert_cluster(loaded, entry))
    except DfmcError:
        event("refused")
        return
    edited = remove_cluster(added, entry["name"])
    assert load(edited).topology == loaded.topology
    # Blank lines around may have joined or gone, and a comma of the list's end; nothing else.
    assert "".join(edited.split()).replace(",", "") == "".join(text.split()).replace(",", "")
