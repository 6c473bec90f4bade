"""MySQL and Redis that are none of the release's, and three managers: what a production file asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bed_tools import BedTools, wait_until
from bed_world import World
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.layout import BedRequest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml"
PLACE = "databases"
PASSWORDS = {"DFMC_DATABASE_PASSWORD": "canary-database-Pw7", "DFMC_REDIS_PASSWORD": "canary-redis-Pw7"}


def databases_alone() -> dict[str, Any]:
    """Values of a release of the same chart that is nothing but MySQL and Redis."""
    off = {"enable": False}
    return {
        **dict.fromkeys(("manager", "scheduler", "seedClient", "client"), off),
        "mysql": {"enable": True, "auth": {"password": PASSWORDS["DFMC_DATABASE_PASSWORD"]}},
        "redis": {"enable": True, "auth": {"enabled": True, "password": PASSWORDS["DFMC_REDIS_PASSWORD"]}},
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The guide's two clusters with three managers, on databases that somebody else has installed, once up."""
    directory = tmp_path_factory.mktemp("bed") / "kwok"
    request = BedRequest(topology=EXAMPLE, directory=directory, helm=4, clients="simulated")
    try:
        bed = kwok_bed.up(request, lambda line: None)
        made = World(BedTools(bed), tmp_path_factory.mktemp("state"), {})
        made.tools.install(PLACE, databases_alone(), major=4)
        made.secrets.update(PASSWORDS)

        def edit(document: dict[str, Any]) -> None:
            domain = f"{PLACE}.svc.cluster.local"
            del document["manager"]["expose"]["redisNodePort"]
            document["manager"]["database"] = {
                "host": f"dragonfly-mysql.{domain}",
                "password": {"env": "DFMC_DATABASE_PASSWORD"},
            }
            document["manager"]["redis"] = {
                "addresses": [f"dragonfly-redis-master.{domain}:6379"],
                "password": {"env": "DFMC_REDIS_PASSWORD"},
            }
            document["defaults"]["replicas"]["manager"] = 3

        made.edit(edit)
        made.first = made.dfmc("up", str(made.topology))
        yield made
    finally:
        kwok_bed.down(directory, lambda line: None)


def managers(world: World) -> list[dict[str, Any]]:
    """Return the manager's pods that are ready."""
    return [
        pod
        for pod in world.tools.pods("cluster-a", "component=manager")
        if any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ())
    ]


def records(world: World) -> dict[str, int]:
    """Return the manager's records: ids by name."""
    return {row["name"]: row["id"] for row in world.manager().get("/api/v1/clusters?per_page=100")}


def test_the_manager_starts_alone_and_is_scaled_once_it_has_answered(world: World) -> None:
    assert len(managers(world)) == 3
    assert len(world.revisions("cluster-a")) == 2  # installed with one, upgraded to three
    arguments = ("-n", "cluster-a", "get", "values", "dragonfly", "--revision", "1", "-o", "json")
    first = json.loads(world.tools.helm(*arguments))
    assert first["manager"]["replicas"] == 1
    assert world.active_schedulers(world.manager()) == {1: ["dragonfly-scheduler-0"], 2: ["dragonfly-scheduler-0"]}


def test_nothing_of_the_chart_keeps_data_here_and_every_password_is_the_files(world: World) -> None:
    sets = [one["metadata"]["name"] for one in world.tools.objects("statefulsets", "-n", "cluster-a")]
    assert sorted(sets) == ["dragonfly-scheduler", "dragonfly-seed-client"]
    for name, key in (("database-password", "DFMC_DATABASE_PASSWORD"), ("redis-password", "DFMC_REDIS_PASSWORD")):
        assert world.credential(name) == PASSWORDS[key]
    services = {one["metadata"]["name"] for one in world.tools.objects("services", "-n", "cluster-a")}
    assert "manager-redis" not in services
    assert not any(secret in world.first.text for secret in PASSWORDS.values())


def test_a_second_up_does_nothing(world: World) -> None:
    mark = world.audit_mark()
    assert "nothing to do" in world.dfmc("up", str(world.topology)).text
    world.audit_mark()
    assert world.writes_since(mark) == []


def test_each_manager_knows_the_others_members(world: World) -> None:
    """One database: whatever was registered with one of them is there with all."""
    ids = records(world)
    assert ids == {"a": 1, "b": 2}
    former = managers(world)
    for pod in former:
        world.tools.kubectl("-n", "cluster-a", "delete", "pod", pod["metadata"]["name"], "--wait=false")
    gone = {pod["metadata"]["uid"] for pod in former}

    def are_new() -> bool:
        now = {pod["metadata"]["uid"] for pod in managers(world)}
        return len(now) == 3 and not now & gone

    wait_until("three other managers", are_new)
    world.dfmc("up", str(world.topology))
    assert records(world) == ids


def test_what_is_in_databases_of_others_outlives_down_and_is_found_again(world: World) -> None:
    ids, password = records(world), world.credential("root-password")
    ended = world.dfmc("down", "--yes", "--delete-data", str(world.topology))
    assert "the external database" in ended.text
    assert world.tools.pods(PLACE, "app.kubernetes.io/name=mysql")
    world.dfmc("up", str(world.topology))
    assert world.credential("root-password") == password
    assert records(world) == ids
    assert len(managers(world)) == 3
