"""What makes `up` hard to break, on the real parts, in one bed from an empty one to an empty one again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bed_tools import wait_until
from bed_world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture
def waiting_run(empty_world: World) -> Iterator[subprocess.Popen[str]]:
    """A run of ``up`` that waits for pods of b, which no node takes."""
    world = empty_world
    world.tools.kubectl("cordon", "-l", "cluster=b")
    world.tools.kubectl("-n", "cluster-b", "delete", "pod", "-l", "component=scheduler")
    process = subprocess.Popen(
        [sys.executable, "-m", "dfmc", "up", str(world.topology)],
        env=world.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        world.tools.kubectl("uncordon", "-l", "cluster=b")
        process.kill()
        process.communicate()


def lock_holder(world: World) -> str:
    """Return who holds the lock; empty when nobody does."""
    holder = "jsonpath={.spec.holderIdentity}"
    return world.tools.kubectl("-n", "cluster-a", "get", "lease", "dfmc-guide", "-o", holder, check=False)


def test_a_saved_plan_is_carried_out_as_it_was_agreed_to_or_not_at_all(empty_world: World, tmp_path: Path) -> None:
    world, saved = empty_world, str(tmp_path / "night.plan")
    ended = world.dfmc("plan", "--out", saved, "--detailed-exitcode", str(world.topology), code=2)
    assert f"--plan {saved}" in ended.stderr
    assert Path(saved).stat().st_mode & 0o777 == 0o600
    world.tools.kubectl("create", "namespace", "cluster-b")
    mark = world.audit_mark()
    refused = world.dfmc("up", "--plan", saved, str(world.topology), code=7)
    assert "b: namespace was absent, is there" in refused.stderr
    assert world.writes_since(mark) == []
    world.tools.remove_namespaces("cluster-b")
    world.dfmc("up", "--plan", saved, str(world.topology))
    again = world.dfmc("up", "--plan", saved, str(world.topology), code=7)
    assert "a: release was absent, is revision 1" in again.stderr
    secrets = [world.credential(key) for key in ("root-password", "redis-password", "jwt-key", "database-password")]
    world.dfmc("plan", "--out", saved, str(world.topology))
    assert not [secret for secret in secrets if secret in Path(saved).read_text()]


def test_a_saved_plan_names_the_record_the_secret_and_the_release_that_have_changed(
    empty_world: World, tmp_path: Path
) -> None:
    world, saved = empty_world, str(tmp_path / "night.plan")
    world.dfmc("plan", "--out", saved, str(world.topology))
    api = world.manager()
    (record,) = [row for row in api.get("/api/v1/clusters?per_page=100") if row["name"] == "b"]
    changed = {"scopes": {"idc": "elsewhere"}, "is_default": record["is_default"]}
    assert api.request("PATCH", f"/api/v1/clusters/{record['id']}", changed)[0] == 200
    note = ("--overwrite", "looked-at=yes")
    world.tools.kubectl("-n", "cluster-b", "annotate", "secret", "sh.helm.release.v1.dragonfly.v1", *note)
    world.tools.kubectl("-n", "cluster-a", "annotate", "secret", "dfmc-dragonfly", *note)
    world.topology.write_text(world.topology.read_text() + "# a comment\n")
    why = world.dfmc("up", "--plan", saved, str(world.topology), code=7).stderr
    for words in ("the topology's text was", "a: credentials' Secret was", "b: release was", "b: record was"):
        assert words in why
    world.dfmc("up", str(world.topology))


def test_a_run_whose_lock_is_taken_away_stops_with_8(empty_world: World, waiting_run: subprocess.Popen[str]) -> None:
    world = empty_world
    wait_until("the run's lock", lambda: f":{waiting_run.pid}:" in lock_holder(world))
    held = world.dfmc("unlock", str(world.topology), "--yes", code=8)
    assert f":{waiting_run.pid}:" in held.stdout
    assert f":{waiting_run.pid}:" in lock_holder(world)
    freed = world.dfmc("unlock", str(world.topology), "--yes", "--force")
    assert freed.stdout.endswith("the lock is free\n")
    _, said = waiting_run.communicate(timeout=60)
    assert waiting_run.returncode == 8, said
    assert "the lock was lost" in said
    assert lock_holder(world) == ""


def test_unlock_takes_a_dead_holders_lock_only_when_asked(empty_world: World) -> None:
    world = empty_world
    assert "nobody holds the lock" in world.dfmc("unlock", str(world.topology)).stdout
    spec = {"holderIdentity": "somebody@elsewhere:1:ab", "leaseDurationSeconds": 2}
    patch = ("--type", "merge", "-p", json.dumps({"spec": spec}))
    world.tools.kubectl("-n", "cluster-a", "patch", "lease", "dfmc-guide", *patch)
    shown = world.dfmc("unlock", str(world.topology), code=64)
    assert "somebody@elsewhere:1:ab" in shown.stdout
    assert lock_holder(world) == "somebody@elsewhere:1:ab"
    world.dfmc("unlock", str(world.topology), "--yes")
    assert lock_holder(world) == ""


def records(world: World) -> dict[str, tuple[int, int]]:
    """Return the ids of the manager's records by name."""
    world.api = None  # another manager by now; it takes its time between two sign-ins
    report = json.loads(world.dfmc("status", "-o", "json", str(world.topology)).stdout)
    return {one["name"]: (one["schedulerClusterID"], one["seedPeerClusterID"]) for one in report["clusters"]}


def namespaces(world: World) -> set[str]:
    """Return the namespaces of the topology that are there."""
    return {one["metadata"]["name"] for one in world.tools.objects("namespaces")} & {"cluster-a", "cluster-b"}


def test_down_needs_consent_and_keeps_data_so_that_up_gives_the_same_ids(empty_world: World) -> None:
    world = empty_world
    world.dfmc("up", str(world.topology))
    before, password = records(world), world.credential("root-password")
    mark = world.audit_mark()
    world.dfmc("down", str(world.topology), code=64)
    assert world.writes_since(mark) == []
    ended = world.dfmc("down", str(world.topology), "--yes")
    assert "stays: PersistentVolumeClaim data-dragonfly-mysql-0" in ended.stdout
    assert "stays: the manager's records" in ended.stdout
    assert world.revisions("cluster-a") == []
    assert world.tools.pods("cluster-a") == []
    order = [event["objectRef"]["namespace"] for event in world.writes_since(mark) if event["verb"] == "delete"]
    assert order.index("cluster-a") > max(i for i, name in enumerate(order) if name == "cluster-b")
    assert "is down" in world.dfmc("down", str(world.topology), "--yes").stdout
    world.dfmc("up", str(world.topology))
    assert records(world) == before
    assert world.credential("root-password") == password


def test_down_with_data_leaves_nothing_but_what_is_not_dfmcs(empty_world: World) -> None:
    world = empty_world
    world.tools.kubectl("-n", "cluster-b", "create", "configmap", "somebody-elses")
    ended = world.dfmc("down", str(world.topology), "--yes", "--delete-data")
    assert "namespace cluster-b stays: ConfigMap somebody-elses in it" in ended.stdout
    assert namespaces(world) == {"cluster-b"}
    assert world.tools.objects("persistentvolumeclaims", "-A") == []
