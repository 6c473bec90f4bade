"""make_plan over hand-made worlds: what is there decides which steps there are."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from dfmc.errors import ConflictError, DfmcError, PreflightError, RecoveryError, UnreachableError
from dfmc.output.plan import summary
from dfmc.planning.removal import make_removal
from dfmc.planning.steps import Action, Plan
from dfmc.planning.teardown import Remains, make_teardown
from dfmc.state import (
    EditedConfigMap,
    EditedField,
    Observed,
    ObservedManager,
    StoredCredentials,
)
from dfmc.symbols import symbols_in
from observed_worlds import FACTS, SECRETS, UID, finished, fresh, plan
from scenarios import scenario
from topologies import entry, topology


def ids(made: Plan) -> list[str]:
    return [step.id for step in made.steps]


def changed(world: Observed, name: str, **fields: Any) -> Observed:
    return replace(world, clusters={**world.clusters, name: replace(world.clusters[name], **fields)})


GUIDE = topology(
    manager={
        "cluster": "a",
        "expose": {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952},
    }
)


def test_a_fresh_world_gets_every_step_in_an_order_that_works() -> None:
    made = plan(GUIDE, fresh(GUIDE))
    order = ids(made)
    assert set(order) == {
        *("namespace:a", "credentials:a", "expose:a", "release:a", "manager:a", "record:a", "ready:a", "proof:a"),
        *("namespace:b", "record:b", "release:b", "ready:b", "proof:b"),
    }
    for step in made.steps:
        assert all(order.index(need) < order.index(step.id) for need in step.needs)


def test_members_wait_for_the_manager_and_not_for_the_rest_of_the_central_cluster() -> None:
    by_id = {step.id: step for step in plan(GUIDE, fresh(GUIDE)).steps}
    needed, todo = set(), ["release:b"]
    while todo:
        step = by_id[todo.pop()]
        needed.add(step.id)
        todo.extend(step.needs)
    assert "manager:a" in needed
    assert not {"ready:a", "proof:a", "record:a"} & needed
    assert by_id["namespace:b"].needs == ()


def test_ids_of_a_member_are_known_after_registration_only() -> None:
    step = plan(GUIDE, fresh(GUIDE)).step("release:b")
    assert step is not None
    shown = {change.path: str(change.new) for change in step.changes}
    assert shown["scheduler.config.manager.schedulerClusterID"] == "(known after apply)"
    assert shown["client.config.host.schedulerClusterID"] == "(known after apply)"
    assert shown["seedClient.config.host.schedulerClusterID"] == "(known after apply)"


def test_a_finished_world_gets_only_checks() -> None:
    made = plan(GUIDE, finished(GUIDE))
    assert ids(made) == ["manager:a", "ready:a", "proof:a", "ready:b", "proof:b"] or set(ids(made)) == {
        *("manager:a", "ready:a", "proof:a", "ready:b", "proof:b")
    }
    assert not made.has_changes


def test_one_changed_field_of_b_changes_b_alone() -> None:
    world = finished(GUIDE)
    file = topology(
        manager=GUIDE.manager.model_dump(by_alias=True, exclude_unset=True),
        clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2"}, replicas={"scheduler": 2})],
    )
    made = plan(file, world)
    assert [step.id for step in made.mutations] == ["release:b"]
    (change,) = made.mutations[0].changes
    assert change.path == "scheduler.replicas"
    assert change.new == 2


@scenario("V3", real="what was observed is made up")
def test_changed_scopes_change_the_record() -> None:
    world = finished(GUIDE)
    file = topology(
        manager=GUIDE.manager.model_dump(by_alias=True, exclude_unset=True),
        clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2", "location": "asia|china"})],
    )
    step = plan(file, world).step("record:b")
    assert step is not None
    assert [str(change) for change in step.changes] == ["scopes.location: (unset) → asia|china"]


@scenario("M3", real="what was observed is made up")
def test_a_record_made_again_under_new_ids_reaches_the_values() -> None:
    world = finished(GUIDE)
    assert world.manager is not None
    moved = replace(world.manager.records[1], id=7, scheduler_cluster_id=7, seed_peer_cluster_id=17)
    world = replace(world, manager=ObservedManager((world.manager.records[0], moved)))
    made = plan(GUIDE, world)
    assert [step.id for step in made.mutations] == ["release:b"]
    assert {str(change) for change in made.mutations[0].changes} == {
        "scheduler.config.manager.schedulerClusterID: 2 → 7",
        "client.config.host.schedulerClusterID: 2 → 7",
        "seedClient.config.host.schedulerClusterID: 2 → 7",
    }


def test_what_somebody_deleted_is_made_again() -> None:
    world = changed(finished(GUIDE), "b", missing=("Service dragonfly-scheduler",))
    made = plan(GUIDE, world)
    assert [step.id for step in made.mutations] == ["release:b"]
    assert [str(change) for change in made.mutations[0].changes] == [
        "Service dragonfly-scheduler: (deleted) → (as the chart has it)"
    ]


def test_a_changed_annotation_of_the_exposure_reaches_its_services() -> None:
    manager = GUIDE.manager.model_dump(by_alias=True, exclude_unset=True)
    manager["expose"] = {**manager["expose"], "annotations": {"example.com/pool": "blue"}}
    made = plan(topology(manager=manager), finished(GUIDE))
    assert [step.id for step in made.mutations] == ["expose:a"]
    assert {str(change) for change in made.mutations[0].changes} == {
        f"{name}.annotations.example.com/pool: (unset) → blue"
        for name in ("manager-rest", "manager-grpc", "manager-redis")
    }


def test_an_annotation_that_the_file_gives_up_goes_and_those_of_others_stay() -> None:
    world = finished(GUIDE)
    live = world.services["manager-rest"]
    annotations = {**live["metadata"]["annotations"], "example.com/pool": "blue", "example.com/health": "ok"}
    fields: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:example.com/pool": {}, "f:dfmc.io/uid": {}}}}
    others: dict[str, Any] = {"f:metadata": {"f:annotations": {"f:example.com/health": {}}}}
    managed = [
        {"manager": "dfmc", "operation": "Apply", "fieldsV1": fields},
        {"manager": "balancer", "operation": "Update", "fieldsV1": others},
    ]
    metadata = {**live["metadata"], "annotations": annotations, "managedFields": managed}
    services = {**world.services, "manager-rest": {**live, "metadata": metadata}}
    made = plan(GUIDE, replace(world, services=services))
    assert [step.id for step in made.mutations] == ["expose:a"]
    assert [str(change) for change in made.mutations[0].changes] == [
        "manager-rest.annotations.example.com/pool: blue → (unset)"
    ]


def test_a_manager_that_does_not_answer_is_no_reason_to_upgrade_a_member() -> None:
    world = replace(finished(GUIDE), manager=None, manager_error=UnreachableError("restarting"))
    made = plan(GUIDE, world)
    assert [step.id for step in made.mutations] == ["record:a", "record:b", "release:b"]
    assert all(step.conditional and not step.changes for step in made.mutations)
    assert summary(made) == "3 to look at again in 2 clusters."
    again, release_again = made.step("record:b"), made.step("release:b")
    assert again is not None
    assert release_again is not None
    assert "does not answer now" in again.note
    assert "only if" in release_again.note
    # What the manager's answer makes of it is still open, so the values wait for the record.
    assert "record:b" in release_again.needs
    assert any(str(symbol).startswith("(known") for symbol in symbols_in(release_again.values).values())


def test_with_a_silent_manager_a_changed_field_still_is_the_only_one_shown() -> None:
    world = replace(finished(GUIDE), manager=None)
    file = topology(
        manager=GUIDE.manager.model_dump(by_alias=True, exclude_unset=True),
        clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2"}, replicas={"scheduler": 2})],
    )
    step = plan(file, world).step("release:b")
    assert step is not None
    assert [change.path for change in step.changes] == ["scheduler.replicas"]


def test_a_selected_member_leaves_an_installed_central_cluster_alone_even_if_its_manager_is_silent() -> None:
    world = replace(finished(GUIDE), manager=None)
    file = topology(
        manager=GUIDE.manager.model_dump(by_alias=True, exclude_unset=True),
        clusters=[entry("a", replicas={"scheduler": 2}), entry("b", scopes={"idc": "cluster-2"})],
    )
    made = plan(file, world)
    assert made.step("release:a") is not None
    assert {step.cluster for step in made.restricted(["b"]).mutations} == {"b"}


def test_a_member_may_have_the_name_that_the_manager_gives_record_1() -> None:
    file = topology(clusters=[entry("a"), entry("cluster-1")])
    world = finished(file)
    assert world.manager is not None
    own = replace(world.manager.records[0], name="cluster-1", bio="")
    before = replace(changed(world, "cluster-1", release=None, namespace_exists=False), manager=ObservedManager((own,)))
    made = plan(file, before)
    assert not made.failures
    step = made.step("record:cluster-1")
    assert step is not None
    assert step.action is Action.CREATE
    assert "record:a" in step.needs


def test_a_member_of_that_name_added_alone_gets_it_from_a_manager_that_is_there_already() -> None:
    file = topology(clusters=[entry("a"), entry("cluster-1")])
    world = finished(file)
    assert world.manager is not None
    own = replace(world.manager.records[0], name="cluster-1", bio="")
    before = replace(changed(world, "cluster-1", release=None), manager=ObservedManager((own,)))
    alone = plan(file, before).restricted(["cluster-1"])
    assert alone.manager_installed
    assert ids(alone)[:3] == ["manager:a", "record:a", "record:cluster-1"]


def test_another_chart_goes_to_the_central_cluster_first_and_to_members_once_that_is_ready() -> None:
    world = finished(GUIDE)
    older = {
        name: replace(seen, release=seen.release and replace(seen.release, chart_version="1.7.3"))
        for name, seen in world.clusters.items()
    }
    made = plan(GUIDE, replace(world, clusters=older))
    step = made.step("release:b")
    assert step is not None
    assert {"manager:a", "ready:a"} <= set(step.needs)
    assert ids(made).index("release:a") < ids(made).index("ready:a") < ids(made).index("release:b")
    alone = made.restricted(["b"])
    assert {one.cluster for one in alone.mutations} == {"b"}
    assert not {"release:a", "ready:a"} & set(ids(alone))


def test_a_service_that_asks_for_a_label_that_newer_pods_lack_is_put_right() -> None:
    """As the Services in front of chart 1.4.2 do, whose pods carried the release's name."""
    world = finished(GUIDE)
    live = {name: copy.deepcopy(dict(service)) for name, service in world.services.items()}
    live["manager-rest"]["spec"]["selector"]["release"] = "dragonfly"
    step = plan(GUIDE, replace(world, services=live)).step("expose:a")
    assert step is not None
    assert [str(change) for change in step.changes] == ["manager-rest.selector.release: dragonfly → (unset)"]


@scenario("M1", real="what was observed is made up")
def test_an_unreachable_member_is_a_failure_and_the_others_go_on() -> None:
    world = changed(fresh(GUIDE), "b", error=UnreachableError("no answer", where="b"))
    made = plan(GUIDE, world)
    assert set(made.failures) == {"b"}
    assert {step.cluster for step in made.steps} == {"a"}


def test_an_unreachable_central_cluster_ends_the_planning() -> None:
    with pytest.raises(UnreachableError):
        plan(GUIDE, changed(fresh(GUIDE), "a", error=UnreachableError("no answer", where="a")))


@pytest.mark.parametrize("name", ["a", "b"])
@scenario("P9", real="what was observed is made up")
def test_somebody_elses_release_is_never_touched(name: str) -> None:
    world = finished(GUIDE)
    theirs = world.clusters[name].release
    assert theirs is not None
    world = changed(world, name, release=replace(theirs, labels={}))
    error: DfmcError | None
    if name == "a":
        with pytest.raises(ConflictError) as caught:
            plan(GUIDE, world)
        error = caught.value
    else:
        error = plan(GUIDE, world).failures["b"]
    assert isinstance(error, ConflictError)
    assert "helm --context" in error.next_step or "helm --kube-context" in error.next_step


def test_a_release_without_its_credentials_needs_repair_and_no_new_passwords() -> None:
    with pytest.raises(RecoveryError, match="Secret is gone") as caught:
        plan(GUIDE, replace(finished(GUIDE), credentials=None))
    assert "backup" in caught.value.next_step


@scenario("X2", real="what was observed is made up")
def test_another_topologys_release_and_record_are_conflicts() -> None:
    world = finished(GUIDE)
    ours = world.clusters["b"].release
    assert ours is not None
    labels = {**ours.labels, "dfmc.io/topology": "other"}
    failures = plan(GUIDE, changed(world, "b", release=replace(ours, labels=labels))).failures
    assert "owned by topology 'other'" in failures["b"].why
    assert world.manager is not None
    foreign = replace(world.manager.records[1], bio="made in the console")
    world = replace(world, manager=ObservedManager((world.manager.records[0], foreign)))
    assert "did not make" in plan(GUIDE, world).failures["b"].what


def test_a_context_that_is_the_central_cluster_under_another_name_is_no_member() -> None:
    misled = topology(clusters=[entry("a"), entry("b", context="another-name", namespace="cluster-a")])
    world = finished(GUIDE)
    world = changed(world, "b", release=world.clusters["a"].release)
    made = plan(misled, world)
    assert "lead to the same Kubernetes cluster" in made.failures["b"].why
    assert not [step for step in made.steps if step.cluster == "b"]
    down = make_teardown(misled, world, {}, delete_data=False)
    assert not [step for step in down.steps if step.cluster == "b"]
    with pytest.raises(ConflictError, match="the release is that of a"):
        make_removal(misled, world, "b", Remains(), delete_data=False, force=False)


def test_a_release_left_pending_is_recovered_not_reinstalled() -> None:
    world = finished(GUIDE)
    left = world.clusters["b"].release
    assert left is not None
    made = plan(GUIDE, changed(world, "b", release=replace(left, status="pending-upgrade")))
    step = made.step("release:b")
    assert step is not None
    assert "left pending-upgrade" in step.note


def test_three_managers_come_after_the_first_has_answered() -> None:
    file = topology(clusters=[entry("a", replicas={"manager": 3}), entry("b", scopes={"idc": "cluster-2"})])
    made = plan(file, fresh(file))
    first, scale = made.step("release:a"), made.step("scale:a")
    assert first is not None
    assert first.values is not None
    assert first.values["manager"]["replicas"] == 1
    assert scale is not None
    assert "manager:a" in scale.needs
    assert [str(change) for change in scale.changes] == ["manager.replicas: 1 → 3"]
    assert "scale:a" not in ids(plan(file, finished(file)))


@scenario("U10", real="what was observed is made up")
def test_a_chart_that_the_release_cannot_become_stops_the_cluster_before_helm_is_asked() -> None:
    world = finished(GUIDE)
    member = world.clusters["b"].release
    assert member is not None
    older = changed(world, "b", release=replace(member, chart_version="1.1.1"))
    made = plan(GUIDE, older)
    assert "cannot be changed to 1.7.4" in made.failures["b"].what
    assert not made.of("b")


def test_a_known_password_is_no_reason_to_scale() -> None:
    """Given or stored, it is the same before and after: neither a step of its own nor one of its fields."""
    file = topology(manager={"cluster": "a", "redisPassword": {"env": "REDIS"}})
    assert "scale:a" not in ids(plan(file, fresh(file), **{"redis-password": "canary-redis-2"}))
    three = topology(clusters=[entry("a", replicas={"manager": 3}), entry("b", scopes={"idc": "cluster-2"})])
    stored = replace(fresh(three), credentials=StoredCredentials("guide", UID, SECRETS, resource_version="1"))
    scale = plan(three, stored).step("scale:a")
    assert scale is not None
    assert [str(change) for change in scale.changes] == ["manager.replicas: 1 → 3"]


@scenario("N15", real="what was observed is made up")
def test_three_managers_never_start_on_a_database_that_no_manager_has_answered_on() -> None:
    """However often an install was tried: what counts is that somebody has signed in."""
    file = topology(clusters=[entry("a", replicas={"manager": 3}), entry("b", scopes={"idc": "cluster-2"})])
    world = finished(file)
    assert world.credentials is not None
    central = world.clusters["a"].release
    assert central is not None
    never = replace(world, credentials=replace(world.credentials, root_password_set=False), manager=None)
    one = {**central.values, "manager": {**central.values["manager"], "replicas": 1}}
    tried = changed(never, "a", release=replace(central, revision=2, status="failed", values=one))
    made = plan(file, tried)
    first, scale = made.step("release:a"), made.step("scale:a")
    assert first is not None
    assert scale is not None
    assert first.values is not None
    assert first.values["manager"]["replicas"] == 1
    # A new root password that is still to be replaced scales no running managers down.
    assert not {"release:a", "scale:a"} & set(ids(plan(file, never)))


def test_no_password_is_in_a_plan() -> None:
    for world in (fresh(GUIDE), finished(GUIDE)):
        made = plan(GUIDE, world, **{"redis-password": "canary-new-1"})
        text = repr(made) + "".join(str(change) for step in made.steps for change in step.changes)
        assert "canary" not in text


@scenario("M6", real="what was observed is made up")
def test_a_changed_redis_password_reaches_every_release() -> None:
    made = plan(GUIDE, finished(GUIDE), **{"redis-password": "canary-new-1"})
    assert [step.id for step in made.mutations] == ["credentials:a", "release:a", "release:b"]


def test_a_member_elsewhere_needs_an_address_its_pods_can_resolve() -> None:
    elsewhere = replace(FACTS, uid="uid-2")
    world = changed(fresh(GUIDE), "b", facts=elsewhere)
    error = plan(GUIDE, world).failures["b"]
    assert isinstance(error, PreflightError)
    assert "manager.address" in error.next_step
    manager = GUIDE.manager.model_dump(by_alias=True, exclude_unset=True)
    file = topology(manager={**manager, "address": "manager.example.com"})
    step = plan(file, changed(fresh(file), "b", facts=elsewhere)).step("release:b")
    assert step is not None
    assert step.values is not None
    external = {"host": "manager.example.com", "restPort": 30950, "grpcPort": 30951}
    assert external.items() <= step.values["externalManager"].items()
    assert step.values["externalRedis"]["addrs"] == ["manager.example.com:30952"]


def test_an_edited_config_map_is_shown_and_made_as_it_was() -> None:
    world = changed(finished(GUIDE), "b", edited=(EditedConfigMap("dragonfly-scheduler", ("scheduler.yaml",)),))
    (step,) = plan(GUIDE, world).mutations
    assert step.id == "release:b"
    words = "ConfigMap dragonfly-scheduler, scheduler.yaml: (edited by hand) → (as the chart has it)"
    assert [str(change) for change in step.changes] == [words]


def test_settings_that_somebody_edited_are_shown_one_by_one_and_many_are_counted() -> None:
    def changes(*fields: EditedField) -> list[str]:
        edit = EditedConfigMap("dragonfly-scheduler", ("scheduler.yaml", "more.yaml"), None, fields)
        (step,) = plan(GUIDE, changed(finished(GUIDE), "b", edited=(edit,))).mutations
        return [str(change) for change in step.changes]

    wrong = EditedField("scheduler.yaml: manager.schedulerClusterID", "1", "2")
    gone, added = EditedField("more.yaml: a", None, "b"), EditedField("scheduler.yaml: x", "y", None)
    assert changes(wrong, added, gone) == [
        "ConfigMap dragonfly-scheduler, scheduler.yaml: manager.schedulerClusterID: 1 (edited by hand) → 2",
        "ConfigMap dragonfly-scheduler, scheduler.yaml: x: y (edited by hand) → (not in the chart)",
        "ConfigMap dragonfly-scheduler, more.yaml: a: (removed) (edited by hand) → b",
    ]
    many = changes(*(EditedField(f"scheduler.yaml: k{n}", "1", "2") for n in range(11)))
    assert len(many) == 10
    assert "scheduler.yaml: 3 more settings" in many[8]
    assert "more.yaml: (edited by hand) → (as the chart has it)" in many[9]
