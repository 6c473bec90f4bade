"""What a bed consists of: kind's names, and plans that only grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfmc.errors import PreflightError
from dfmc.testbed.addressing import BLOCKS, AddressBlock
from dfmc.testbed.plan import BedPlan, ClusterNeed, grow, node_prefix

GUIDE = ClusterNeed("kind-kind", ({"cluster": "a"}, {"cluster": "b"}))


def anything_is_free(block: AddressBlock) -> bool:
    return True


def plan_for(*needs: ClusterNeed, before: BedPlan | None = None) -> BedPlan:
    return grow(before, needs, 0, anything_is_free)


def test_the_guides_nodes_are_named_as_kind_names_them() -> None:
    (cluster,) = plan_for(GUIDE).clusters
    assert [(node.name, dict(node.labels), node.control_plane) for node in cluster.nodes] == [
        ("kind-control-plane", {}, True),
        ("kind-worker", {"cluster": "a"}, False),
        ("kind-worker2", {"cluster": "a"}, False),
        ("kind-worker3", {"cluster": "b"}, False),
        ("kind-worker4", {"cluster": "b"}, False),
    ]


@pytest.mark.parametrize(
    ("context", "prefix"),
    [
        ("kind-kind", "kind"),
        ("kind-east", "east"),
        ("gke_proj_EU-West", "gke-proj-eu-west"),
        ("arn:aws/x", "arn-aws-x"),
    ],
)
def test_node_names_of_other_contexts_are_valid(context: str, prefix: str) -> None:
    assert node_prefix(context) == prefix


def test_a_context_without_usable_characters_still_gets_a_prefix() -> None:
    assert node_prefix("___") == "bed"


def test_a_plan_grows_and_keeps_what_it_has() -> None:
    first = plan_for(GUIDE)
    wider = ClusterNeed("kind-kind", ({"cluster": "a"}, {"cluster": "b"}, {"cluster": "c"}))
    second = plan_for(wider, ClusterNeed("east", ({},)), before=first)
    assert second.clusters[0].nodes[:5] == first.clusters[0].nodes
    assert [node.name for node in second.clusters[0].nodes[5:]] == ["kind-worker5", "kind-worker6"]
    assert second.clusters[1].index != first.clusters[0].index


def test_nothing_is_taken_away_when_the_file_names_less() -> None:
    first = plan_for(GUIDE, ClusterNeed("east", ({},)))
    assert plan_for(ClusterNeed("kind-kind", ({"cluster": "b"},)), before=first) == first


def test_two_entries_with_one_selector_have_four_nodes() -> None:
    (cluster,) = plan_for(ClusterNeed("c", ({"zone": "x"}, {"zone": "x"}))).clusters
    assert sum(dict(node.labels) == {"zone": "x"} for node in cluster.nodes) == 4


def test_blocks_in_use_are_passed_over() -> None:
    plan = grow(None, [ClusterNeed("x", ({},)), ClusterNeed("y", ({},))], 60, lambda block: block.index not in (60, 61))
    assert [cluster.index for cluster in plan.clusters] == [0, 1]


def test_a_machine_without_a_free_block_is_refused() -> None:
    with pytest.raises(PreflightError, match=f"all {len(BLOCKS)} address blocks"):
        grow(None, [GUIDE], 0, lambda block: False)


def test_too_many_nodes_are_refused() -> None:
    with pytest.raises(PreflightError, match="nodes in context big"):
        plan_for(ClusterNeed("big", tuple({"n": str(i)} for i in range(60))))


def test_an_unknown_context_is_refused_by_name() -> None:
    with pytest.raises(PreflightError, match="no context west"):
        plan_for(GUIDE).cluster("west")


def test_a_plan_survives_its_file() -> None:
    plan = plan_for(GUIDE, ClusterNeed("east", ({"a": "b"}, {})))
    assert BedPlan.from_json(plan.to_json()) == plan


selectors = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]), max_size=2)
needs = st.lists(
    st.builds(ClusterNeed, st.sampled_from(["x", "y", "z"]), st.lists(selectors, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=4,
)


@given(needs)
def test_growing_twice_by_the_same_needs_changes_nothing(wanted: list[ClusterNeed]) -> None:
    once = grow(None, wanted, 7, anything_is_free)
    assert grow(once, wanted, 7, anything_is_free) == once
    for cluster in once.clusters:
        assert len({node.name for node in cluster.nodes}) == len(cluster.nodes)
        assert [node.number for node in cluster.nodes] == list(range(1, len(cluster.nodes) + 1))
