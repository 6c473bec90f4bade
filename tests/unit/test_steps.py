import pytest

from dfmc.errors import DfmcError, UnreachableError
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step, in_order


def writing(*steps: Step) -> Plan:
    return Plan("guide", "1.7.4", steps)


def update(cluster: str, *paths: str, conditional: bool = False) -> Step:
    changes = tuple(FieldChange(path, 1, 2) for path in paths)
    return Step(Kind.RELEASE, cluster, Action.UPDATE, changes=changes, conditional=conditional)


def step(kind: Kind, cluster: str, *needs: str, action: Action = Action.UPDATE) -> Step:
    return Step(kind, cluster, action, needs)


MANAGER = step(Kind.MANAGER, "a", "release:a", action=Action.CHECK)
STEPS = (
    step(Kind.RELEASE, "a"),
    MANAGER,
    step(Kind.RECORD, "b", "manager:a"),
    step(Kind.RELEASE, "b", "record:b"),
    step(Kind.RECORD, "c", "manager:a"),
)


def plan(*, manager_installed: bool, failures: dict[str, DfmcError] | None = None) -> Plan:
    return Plan("guide", "1.7.4", STEPS, failures or {}, manager_installed=manager_installed)


def test_order_follows_needs_and_otherwise_the_file() -> None:
    shuffled = [STEPS[3], STEPS[4], STEPS[2], STEPS[1], STEPS[0]]
    assert [s.id for s in in_order(shuffled)] == ["release:a", "manager:a", "record:c", "record:b", "release:b"]


def test_a_cycle_is_a_bug_that_shows() -> None:
    with pytest.raises(ValueError, match="cycle"):
        in_order([step(Kind.RELEASE, "a", "record:a"), step(Kind.RECORD, "a", "release:a")])


def test_one_cluster_alone_leaves_others_unwritten_where_the_manager_installed() -> None:
    alone = plan(manager_installed=True).restricted(["b"])
    assert [s.id for s in alone.steps] == ["manager:a", "record:b", "release:b"]
    assert {s.cluster for s in alone.mutations} == {"b"}
    assert all(need in {s.id for s in alone.steps} for s in alone.steps for need in s.needs)


def test_one_cluster_alone_brings_the_manager_up_where_there_is_none() -> None:
    alone = plan(manager_installed=False).restricted(["b"])
    assert [s.id for s in alone.steps] == ["release:a", "manager:a", "record:b", "release:b"]


def test_failures_of_other_clusters_are_not_this_selections() -> None:
    failures: dict[str, DfmcError] = {"b": UnreachableError("no"), "c": UnreachableError("no")}
    assert set(plan(manager_installed=True, failures=failures).restricted(["c"]).failures) == {"c"}


@pytest.mark.parametrize(
    ("now", "is_more"),
    [
        (writing(update("b", "x", "y")), False),
        (writing(update("b", "y")), False),
        (writing(step(Kind.PROOF, "c", action=Action.CHECK)), False),
        (writing(update("b", "x", "z")), True),
        (writing(update("b", "x"), update("a", "x")), True),
        (writing(update("a", conditional=True)), False),
        (writing(update("c", "anything")), False),  # it was said that it would be looked at again
    ],
)
def test_a_plan_exceeds_another_by_what_that_one_did_not_say(now: Plan, is_more: bool) -> None:
    shown = writing(update("b", "x", "y"), update("c", conditional=True))
    assert now.exceeds(shown) is is_more


def test_a_plan_without_a_cluster_keeps_the_others_and_says_why() -> None:
    rest = plan(manager_installed=True).without({"b": UnreachableError("no")})
    assert [s.id for s in rest.steps] == ["release:a", "manager:a", "record:c"]
    assert set(rest.failures) == {"b"}
    assert plan(manager_installed=True).without({}) == plan(manager_installed=True)
