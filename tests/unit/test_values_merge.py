from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dfmc.values.merge import coalesce, get_path, merge, nest

KEYS = st.sampled_from("abcd")
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
TREES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=2), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
MAPS = st.dictionaries(KEYS, TREES, max_size=4)


def shaped(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Trees in which a key always is a map, or never: there merging is associative."""
    leaves = st.dictionaries(st.sampled_from(["x", "y"]), SCALARS, max_size=2)
    if depth == 0:
        return leaves
    maps = st.dictionaries(st.sampled_from(["m", "n"]), shaped(depth - 1), max_size=2)
    return st.builds(lambda left, right: left | right, leaves, maps)


@given(MAPS)
def test_nothing_over_a_tree_or_under_it_leaves_it_as_it_is(tree: dict[str, Any]) -> None:
    assert merge(tree, {}) == tree
    assert merge({}, tree) == tree
    assert merge(tree, tree) == tree


@given(MAPS, MAPS)
def test_merging_changes_no_argument_and_shares_nothing_with_it(base: dict[str, Any], over: dict[str, Any]) -> None:
    before = deepcopy((base, over))
    merged = merge(base, over)
    spoil(merged)
    assert (base, over) == before


def spoil(tree: Any) -> None:
    if isinstance(tree, dict):
        for value in tree.values():
            spoil(value)
        tree["spoilt"] = True
    elif isinstance(tree, list):
        tree.append("spoilt")


@given(shaped(), shaped(), shaped())
def test_merging_is_associative_where_maps_stay_maps(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(MAPS, MAPS)
def test_what_is_over_wins_wherever_it_is_no_map(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = merge(base, over)
    for key, value in over.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    for key in base.keys() - over.keys():
        assert merged[key] == base[key]


@given(MAPS, MAPS)
def test_coalescing_leaves_no_null_of_the_values(defaults: dict[str, Any], values: dict[str, Any]) -> None:
    before = deepcopy((defaults, values))
    seen = coalesce(defaults, values)
    assert (defaults, values) == before
    for key, value in values.items():
        assert key not in seen if value is None else key in seen


def test_maps_are_merged_lists_replaced_and_nulls_kept_until_they_meet_the_charts_defaults() -> None:
    defaults = {"host": {"id": 1, "idc": ""}, "list": [1, 2]}
    values = merge({"host": {"id": 7}, "list": [3]}, {"host": {"id": None}})
    assert values == {"host": {"id": None}, "list": [3]}
    assert coalesce(defaults, values) == {"host": {"idc": ""}, "list": [3]}


def test_key_paths_become_a_tree_and_dots_inside_values_stay() -> None:
    tree = nest({"a.b": 1, "a.c.d": {"kubernetes.io/arch": "arm64"}, "a.c.e": 2})
    assert tree == {"a": {"b": 1, "c": {"d": {"kubernetes.io/arch": "arm64"}, "e": 2}}}
    assert get_path(tree, "a.c.e") == 2
    assert get_path(tree, "a.b.missing", "default") == "default"
