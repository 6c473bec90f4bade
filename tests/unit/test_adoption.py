"""What is not dfmc's: refused with 7, taken over with --adopt, and shown in the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from dfmc.errors import ConflictError, PreflightError, RecoveryError
from dfmc.planning.consent import Consent
from dfmc.planning.plan import make_plan
from dfmc.planning.steps import Action, Plan
from dfmc.state import Observed
from dfmc.topology.model import Topology
from observed_worlds import CHART, finished
from topologies import entry, topology

EXPOSED = {"cluster": "a", "expose": {"type": "NodePort"}}
FILE = topology(manager=EXPOSED)


def plan(world: Observed, *, adopt: bool = True, file: Topology = FILE, given: Mapping[str, str] | None = None) -> Plan:
    return make_plan(file, world, chart=CHART, given=given or {}, consent=Consent(adopt=adopt))


def foreign(world: Observed, name: str, labels: Mapping[str, str] | None = None, **changes: Any) -> Observed:
    """The world where somebody else made a cluster's release."""
    seen = world.clusters[name]
    assert seen.release is not None
    release = replace(seen.release, labels=labels or {}, **changes)
    return replace(world, clusters={**world.clusters, name: replace(seen, release=release)})


def untouched() -> Observed:
    """An installation made by hand: no credentials' Secret, and a manager that nobody can ask."""
    world = replace(finished(FILE), credentials=None, manager=None, services={})
    for name in "ab":
        world = foreign(world, name)
    return world


def owner(made: Plan, step_id: str) -> str:
    step = made.step(step_id)
    assert step is not None
    return str(step.changes[0])


def test_a_release_that_somebody_made_is_a_conflict_unless_adopted() -> None:
    world = foreign(finished(FILE), "b")
    refused = plan(world, adopt=False).failures["b"]
    assert isinstance(refused, ConflictError)
    assert "--adopt" in refused.next_step
    made = plan(world)
    assert made.failures == {}
    assert owner(made, "release:b") == "owner: (not dfmc's) → topology guide"
    assert [step.id for step in made.mutations] == ["release:b"]


def test_another_topologys_release_is_named_in_the_plan() -> None:
    made = plan(foreign(finished(FILE), "b", {"dfmc.io/topology": "other", "dfmc.io/uid": "u"}))
    assert owner(made, "release:b") == "owner: topology other → topology guide"


def test_another_charts_release_is_not_adopted_by_that_alone() -> None:
    error = plan(foreign(finished(FILE), "b", chart_name="podinfo")).failures["b"]
    assert isinstance(error, PreflightError)
    assert "--allow other-chart" in error.next_step


def test_a_whole_installation_is_adopted_with_the_passwords_of_its_database() -> None:
    with pytest.raises(ConflictError):
        plan(untouched(), adopt=False)
    made = plan(untouched())
    assert owner(made, "release:a").startswith("owner: (not dfmc's)")
    credentials = made.step("credentials:a")
    assert credentials is not None
    assert credentials.action is Action.CREATE
    said = {change.path: change.new for change in credentials.changes}
    assert said["database-password"] == said["database-root-password"] == "********"
    assert said["root-password"] == "(generated)"
    release = made.step("release:a")
    assert release is not None
    assert not [change for change in release.changes if "mysql.auth" in change.path]
    assert made.step("scale:a") is None, "a manager that has run is not started as on an empty database"


def test_without_passwords_of_its_own_the_charts_are_adopted() -> None:
    world = untouched()
    values = {"mysql": {"enable": True}}
    made = plan(foreign(world, "a", values=values))
    release = made.step("release:a")
    assert release is not None
    paths = {change.path: change.new for change in release.changes}
    assert paths["mysql.auth.password"] == "********"


def test_what_somebody_chose_is_kept_and_what_everybody_knows_is_not() -> None:
    values = {
        "mysql": {"enable": True},
        "redis": {"auth": {"password": "chosen-1"}},
        "manager": {"config": {"auth": {"jwt": {"key": "ZHJhZ29uZmx5Cg=="}}}},
    }
    step = plan(foreign(untouched(), "a", values=values)).step("credentials:a")
    assert step is not None
    said = {change.path: change.new for change in step.changes}
    assert (said["redis-password"], said["jwt-key"]) == ("********", "(generated)")
    values["redis"] = {"auth": {"password": "1e10"}}  # the chart's templates would have made a number of it
    step = plan(foreign(untouched(), "a", values=values)).step("credentials:a")
    assert step is not None
    assert {change.path: change.new for change in step.changes}["redis-password"] == "(generated)"


def test_another_database_password_than_the_datas_is_refused() -> None:
    file = topology(manager={**EXPOSED, "databasePassword": {"env": "X"}})
    with pytest.raises(PreflightError, match=r"manager\.databasePassword differs"):
        plan(untouched(), file=file, given={"database-password": "another-1"})


def test_a_record_and_a_service_change_hands() -> None:
    world = finished(FILE)
    assert world.manager is not None
    first, second = world.manager.records
    world = replace(world, manager=replace(world.manager, records=(first, replace(second, bio="mine"))))
    service = {**world.services["manager-rest"], "metadata": {"name": "manager-rest", "namespace": "cluster-a"}}
    world = replace(world, services={**world.services, "manager-rest": service})
    with pytest.raises(ConflictError):
        plan(world, adopt=False)
    made = plan(world)
    assert {step.id for step in made.mutations} == {"record:b", "expose:a"}
    assert "record.bio: mine → dfmc's mark" in [str(change) for change in made.step("record:b").changes]  # type: ignore[union-attr]


def test_lost_credentials_are_no_case_for_adoption() -> None:
    with pytest.raises(RecoveryError):
        plan(replace(finished(FILE), credentials=None))


def test_what_is_ours_is_not_adopted() -> None:
    assert not plan(
        finished(topology(manager=EXPOSED, clusters=[entry("a"), entry("b", scopes={"idc": "cluster-2"})]))
    ).has_changes
