"""Adding an entry: every other byte stays, the look is the neighbours', the data is the old plus the new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings

from dfmc.errors import DfmcError, TopologyError
from dfmc.topology.edit import insert_cluster
from topology_texts import GOOD, HEAD, block_files, flow_files, load, new_entries

NEW: dict[str, Any] = {
    "name": "c",
    "context": "arn:aws:eks:eu-west-1:1:cluster/c",
    "namespace": "cluster-c",
    "nodeSelector": {"cluster": "c"},
    "scopes": {"idc": "010", "cidrs": ["10.0.0.0/8", "fd00::/8"]},
}
SHORT = {"name": "c", "context": "x", "namespace": "ns", "scopes": {"idc": "cluster-3"}}


def added(text: str, entry: Mapping[str, Any] = SHORT) -> str:
    """The part that was inserted; everything else is proven to be as it was."""
    edited = insert_cluster(load(text), entry)
    start = next((i for i, (old, new) in enumerate(zip(text, edited, strict=False)) if old != new), len(text))
    length = len(edited) - len(text)
    # The common start may reach into the insertion (same first characters), so slide back to a place that fits.
    fits = [at for at in range(start, -1, -1) if edited[:at] + edited[at + length :] == text]
    assert fits, "bytes outside the insertion changed"
    return edited[fits[0] : fits[0] + length]


def block(clusters: str, entry: Mapping[str, Any] = SHORT) -> str:
    text = HEAD + clusters
    added(text, entry)
    return insert_cluster(load(text), entry)[len(HEAD) :]


def test_block_entry_at_the_end() -> None:
    assert insert_cluster(load(GOOD), NEW) == GOOD + (
        "- name: c\n"
        "  context: arn:aws:eks:eu-west-1:1:cluster/c\n"
        "  namespace: cluster-c\n"
        "  nodeSelector:\n"
        "    cluster: c\n"
        "  scopes:\n"
        "    idc: '010'\n"
        "    cidrs:\n"
        "    - 10.0.0.0/8\n"
        "    - 'fd00::/8'\n"
    )


def test_nested_maps_are_flow_where_the_neighbours_are() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n  nodeSelector: {cluster: a}\n"
    assert block(a, NEW) == a + (
        "- name: c\n"
        "  context: arn:aws:eks:eu-west-1:1:cluster/c\n"
        "  namespace: cluster-c\n"
        "  nodeSelector: {cluster: c}\n"
        "  scopes: {idc: '010', cidrs: [10.0.0.0/8, 'fd00::/8']}\n"
    )


def test_indentation_of_dashes_keys_maps_and_lists_is_kept() -> None:
    a = (
        "clusters:\n"
        "   -    name: a\n"
        "        context: x\n"
        "        namespace: a\n"
        "        nodeSelector:\n"
        "           cluster: a\n"
        "        scopes:\n"
        "           cidrs:\n"
        "            - 11.0.0.0/8\n"
    )
    assert block(a, NEW) == a + (
        "   -    name: c\n"
        "        context: arn:aws:eks:eu-west-1:1:cluster/c\n"
        "        namespace: cluster-c\n"
        "        nodeSelector:\n"
        "           cluster: c\n"
        "        scopes:\n"
        "           idc: '010'\n"
        "           cidrs:\n"
        "            - 10.0.0.0/8\n"
        "            - 'fd00::/8'\n"
    )


def test_comments_of_the_last_entry_stay_with_it_and_others_below() -> None:
    a = "clusters:\n- name: a  # one\n  context: x\n  namespace: a  # two\n  # host: {idc: a}\n"
    assert block(a + "\n# the end\n") == (
        a + "- name: c\n  context: x\n  namespace: ns\n  scopes:\n    idc: cluster-3\n\n# the end\n"
    )


def test_blank_lines_between_entries_are_kept_up() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n"
    text = f"{a}\n- name: b\n  context: y\n  namespace: a\n"
    edited = insert_cluster(load(HEAD + text), SHORT)
    assert edited == HEAD + text + ("\n- name: c\n  context: x\n  namespace: ns\n  scopes:\n    idc: cluster-3\n")


def test_more_keys_may_follow_the_clusters() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n"
    rest = "defaults: {metrics: true}\n"
    assert block(a + rest).endswith("    idc: cluster-3\n" + rest)


def test_file_without_a_last_line_break_keeps_none() -> None:
    assert insert_cluster(load(GOOD.rstrip("\n")), SHORT) == GOOD + (
        "- name: c\n  context: x\n  namespace: ns\n  scopes:\n    idc: cluster-3"
    )


def test_line_ends_of_windows_are_kept() -> None:
    edited = insert_cluster(load(GOOD.replace("\n", "\r\n")), SHORT)
    assert edited.count("\r\n") == edited.count("\n") == GOOD.count("\n") + 5


def test_byte_order_mark_is_kept() -> None:
    assert insert_cluster(load("\ufeff" + GOOD), SHORT) == "\ufeff" + insert_cluster(load(GOOD), SHORT)


def test_flow_entries_of_a_block_list() -> None:
    a = "clusters:\n-  {name: a, context: x, namespace: a}\n"
    assert block(a) == a + "-  {name: c, context: x, namespace: ns, scopes: {idc: cluster-3}}\n"


A = "{name: a, context: x, namespace: a}"
C = "{name: c, context: x, namespace: ns, scopes: {idc: cluster-3}}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"[{A}]", f"[{A}, {C}]"),
        (f"[{A},]", f"[{A}, {C},]"),
        (f"[\n  {A}\n]", f"[\n  {A},\n  {C}\n]"),
        (f"[\n  {A},\n]", f"[\n  {A},\n  {C},\n]"),
        (f"[\n  {A},  # one\n]", f"[\n  {A},  # one\n  {C},\n]"),
        (f"[\n  {A}  # one\n]", f"[\n  {A}  # one\n  , {C}\n]"),
        (f"[{A} # one\n  ]", f"[{A} # one\n  , {C}\n  ]"),
        (f"[{A}\n  ,\n  ]", f"[{A}\n  , {C},\n  ]"),
    ],
)
def test_flow_list(before: str, after: str) -> None:
    assert block(f"clusters: {before}\n") == f"clusters: {after}\n"


def test_json_stays_json() -> None:
    import json

    document = yaml.safe_load(GOOD)
    for indent in (None, 2, 4):
        text = json.dumps(document, indent=indent)
        edited = insert_cluster(load(text), NEW)
        assert json.loads(edited)["clusters"][2] == NEW
        added(text, NEW)
    assert '    {\n      "name": "c",\n      "context": "arn' in insert_cluster(
        load(json.dumps(document, indent=2)), NEW
    )


def test_block_scalar_at_the_end() -> None:
    a = "clusters:\n- name: a\n  context: x\n  namespace: a\n  values:\n    x: |+\n      text\n\n\n"
    assert block(a + "# end\n") == (
        a + "- name: c\n  context: x\n  namespace: ns\n  scopes:\n    idc: cluster-3\n" + "# end\n"
    )


def test_anchors_and_odd_layouts() -> None:
    text = HEAD + "clusters: &all\n-\n  # - not a dash\n  &first\n  context: x\n  <<: {namespace: a}\n  name: a\n"
    assert added(text) == "- name: c\n  context: x\n  namespace: ns\n  scopes:\n    idc: cluster-3\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("no", "'no'"), ("010", "'010'"), ("22:22", "'22:22'"), ("1e10", "'1e10'"), ("y", "'y'"), ("~", "'~'"),
        ("", "''"), ("a b", "'a b'"), ("it's", "'it''s'"), ("a: b", "'a: b'"), ("# a", "'# a'"), ("- a", "'- a'"),
        ("2025-01-01", "'2025-01-01'"), ("*a", "'*a'"), ("{{ x }}", "'{{ x }}'"), ("a\nb", '"a\\nb"'),
        ("\u2028", '"\\u2028"'), ("é", "'é'"), ("<<", "'<<'"), ("=", "'='"), ("cluster-2", "cluster-2"),
        ("10.0.0.0/8", "10.0.0.0/8"), ("http://h:80/x", "http://h:80/x"), (True, "true"), (None, "null"), (3, "3"),
        (1e300, "1.0e+300"), (1e-7, "1.0e-07"), (0.5, "0.5"), ([], "[]"), ({}, "{}"),
    ],
)  # fmt: skip
def test_scalars_are_written_so_that_they_stay_what_they_are(value: Any, written: str) -> None:
    # The raw entry counts here: whether a topology may say so is seen when it is loaded.
    assert added(GOOD, {"name": "c", "context": value}) == f"- name: c\n  context: {written}\n"


def test_existing_name_is_refused_with_its_place() -> None:
    with pytest.raises(TopologyError) as caught:
        insert_cluster(load(GOOD), {"name": "b", "context": "z", "namespace": "n"})
    assert str(caught.value) == "t.yaml:10:3: clusters[1].name: there is a cluster 'b' already"
    assert caught.value.what == "cannot add b: t.yaml has it"


def test_text_that_yaml_cannot_hold_is_refused() -> None:
    with pytest.raises(DfmcError, match=r"cannot write this text into a topology: holds the control character U\+0000"):
        insert_cluster(load(GOOD), SHORT | {"context": "a\0b"})
    with pytest.raises(DfmcError, match="cannot write a set into a topology"):
        insert_cluster(load(GOOD), SHORT | {"context": {1}})


def test_form_that_allows_no_insertion_is_refused_and_says_what_to_add() -> None:
    # The last value has no line break, and any added one would become part of it.
    text = HEAD + "clusters:\n- name: a\n  context: x\n  namespace: a\n  values:\n    x: |\n      text"
    with pytest.raises(DfmcError) as caught:
        insert_cluster(load(text), SHORT)
    assert caught.value.what == "cannot add c to t.yaml in place"
    assert caught.value.left == "the file is as it was"
    assert caught.value.next_step == (
        "add it to clusters by hand: {name: c, context: x, namespace: ns, scopes: {idc: cluster-3}}"
    )


@settings(
    max_examples=300, derandomize=True, deadline=5000, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(block_files() | flow_files(), new_entries)
def test_all_bytes_outside_the_insertion_stay(text: str, entry: dict[str, Any]) -> None:
    try:
        loaded = load(text)
    except TopologyError as refused:
        event(f"refused: {refused.diagnostics[0].message}")  # some mixtures of lines are no YAML
        return
    piece = added(text, entry)
    assert entry["name"] in piece
    edited = insert_cluster(loaded, entry)
    if "\r\n" in text and "\n" not in text.replace("\r\n", ""):
        assert "\n" not in edited.replace("\r\n", "")
