"""What makes `up` hard to break, on the real parts, in one bed from an empty one to an empty one again."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_tools import central_values, wait_until
from bed_world import World
from dfmc.clients.kube import DynamicKube
from dfmc.state import AccessNeed
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture
def waiting_run(empty_world: World) -> Iterator[subprocess.Popen[str]]:
    """A run of ``up`` that waits for the manager, which somebody has scaled away: nobody calls that hopeless."""
    world = empty_world
    manager = ("-n", "cluster-a", "scale", "deployment", "dragonfly-manager")
    world.tools.kubectl(*manager, "--replicas=0")
    wait_until("the manager's end", lambda: not world.tools.pods("cluster-a", "component=manager"))
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
        process.kill()
        process.communicate()
        world.tools.kubectl(*manager, "--replicas=1")
        rollout = ("rollout", "status", "deployment/dragonfly-manager", "--timeout=100s")
        world.tools.kubectl("-n", "cluster-a", *rollout)


def lock_holder(world: World) -> str:
    """Return who holds the lock; empty when nobody does."""
    holder = "jsonpath={.spec.holderIdentity}"
    return world.tools.kubectl("-n", "cluster-a", "get", "lease", "dfmc-guide", "-o", holder, check=False)


def as_user(world: World, name: str) -> dict[str, str]:
    """Return the environment of a user who has nothing but what RBAC gives to that name."""
    config = yaml.safe_load(world.bed.kubeconfig.read_text())
    for user in config["users"]:
        user["user"]["as"] = name
    file = world.state_home / f"kubeconfig-{name}"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(file)}


def roles(world: World, *arguments: str) -> list[dict[str, Any]]:
    """Return what ``dfmc rbac`` prints."""
    return list(yaml.safe_load_all(world.dfmc("rbac", str(world.topology), *arguments).stdout))


def lacking(objects: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, list[AccessNeed]]]:
    """Return roles and bindings for one user after another who lacks one rule, and what each lacks."""
    roles_of = [one for one in objects if "rules" in one]
    bindings = [copy.deepcopy(one) for one in objects if "roleRef" in one]
    more, missing = [], {}
    for place, role in enumerate(roles_of):
        for index, rule in enumerate(role["rules"]):
            user = f"lacks-{place}-{index}"
            missing[user] = needs(rule, role["metadata"].get("namespace"))
            less, binding = copy.deepcopy(role), copy.deepcopy(bindings[place])
            del less["rules"][index]
            less["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = user
            binding["subjects"] = [{**binding["subjects"][0], "name": user}]
            more += [less, binding]
            for other in (one for number, one in enumerate(bindings) if number != place):
                other["subjects"].append({**other["subjects"][0], "name": user})
    return [*bindings, *more], missing


def needs(rule: dict[str, Any], namespace: str | None) -> list[AccessNeed]:
    """Return a rule's rights one by one."""
    name = (rule.get("resourceNames") or [""])[0]
    return [
        AccessNeed(verb, rule["apiGroups"][0], resource, namespace, name)
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


@scenario("P7", real=True)
def test_what_rbac_prints_is_all_that_is_needed_and_no_rule_can_be_missing(empty_world: World) -> None:
    """One user lacks nothing, each of the others one rule; preflight's own questions find it."""
    world = empty_world
    printed = roles(world, "--down", "--subject", "user:all")
    world.tools.apply(*printed)
    of_a = [one for one in printed if one["metadata"]["name"] == "dfmc-guide-a"]
    more, missing = lacking(of_a)
    world.tools.apply(*more)
    missing["all"] = []
    everything = [need for one in of_a for rule in one.get("rules", ()) for need in needs(rule, namespace(one))]

    async def denied() -> dict[str, list[AccessNeed]]:
        found = {}
        for user, lost in missing.items():
            kube = DynamicKube("kind-kind", Path(as_user(world, user)["KUBECONFIG"]))
            found[user] = list(await kube.denied(lost or everything))
            await kube.close()
        return found

    assert asyncio.run(denied()) == missing
    update = AccessNeed("update", "", "secrets", "cluster-a")
    clumsy = next(user for user, lost in missing.items() if update in lost)
    mark = world.audit_mark()
    ended = world.dfmc("up", str(world.topology), code=6, **as_user(world, clumsy))
    assert "secrets in namespace cluster-a" in ended.stderr
    assert world.writes_since(mark) == []


def namespace(one: dict[str, Any]) -> str | None:
    """Return the namespace of an object; None where it has none."""
    found: str | None = one["metadata"].get("namespace")
    return found


@scenario("K12", real=True)
def test_a_saved_plan_is_carried_out_as_it_was_agreed_to_or_not_at_all(empty_world: World, tmp_path: Path) -> None:
    """By the user who has nothing but what rbac prints."""
    world, saved = empty_world, str(tmp_path / "night.plan")
    world.secrets.update(as_user(world, "all"))
    ended = world.dfmc("plan", "--out", saved, "--detailed-exitcode", str(world.topology), code=2)
    assert f"--plan {saved}" in ended.stderr
    assert Path(saved).stat().st_mode & 0o777 == 0o600
    text = world.topology.read_text()
    world.topology.write_text(text + "# a comment\n")
    mark = world.audit_mark()
    refused = world.dfmc("up", "--plan", saved, str(world.topology), code=7)
    assert "the topology's text was" in refused.stderr
    assert world.writes_since(mark) == []
    world.topology.write_text(text)
    world.dfmc("up", "--plan", saved, str(world.topology))
    again = world.dfmc("up", "--plan", saved, str(world.topology), code=7)
    assert "a: release was absent, is revision 1" in again.stderr
    secrets = [world.credential(key) for key in ("root-password", "redis-password", "jwt-key", "database-password")]
    world.dfmc("plan", "--out", saved, str(world.topology))
    assert not [secret for secret in secrets if secret in Path(saved).read_text()]


@scenario("K12", real=True)
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
    world.dfmc("up", "-c", "b", str(world.topology))


@scenario("V4", real=True)
def test_an_edited_config_map_is_named_shown_and_repaired_with_the_pods_that_read_it(empty_world: World) -> None:
    world = empty_world
    name, before = "dragonfly-scheduler", world.config_map("cluster-b", "dragonfly-scheduler")["data"]
    wrong = before["scheduler.yaml"].replace("schedulerClusterID: 2", "schedulerClusterID: 1")
    assert wrong != before["scheduler.yaml"]
    world.replace_config("cluster-b", name, {"scheduler.yaml": wrong, "more.yaml": "a: b"})
    world.tools.kubectl("-n", "cluster-b", "delete", "pod", f"{name}-0", "--wait=false")
    wrong_id = f"ConfigMap {name}, scheduler.yaml: manager.schedulerClusterID"
    assert wrong_id in world.dfmc("status", str(world.topology), code=1).stdout
    ended = world.dfmc("up", str(world.topology))
    assert f"{wrong_id}: 1 (edited by hand) → 2" in ended.text
    assert f"ConfigMap {name}, more.yaml: (edited by hand)" in ended.text
    assert f"deleting ConfigMap {name}" in ended.stderr
    assert world.config_map("cluster-b", name)["data"] == before
    assert f"{name}-0" in world.active_schedulers(world.manager())[2]


@scenario("X8", "X10", real=True)
def test_a_run_whose_lock_is_taken_away_stops_with_8(empty_world: World, waiting_run: subprocess.Popen[str]) -> None:
    world = empty_world
    wait_until("the run's lock", lambda: f":{waiting_run.pid}:" in lock_holder(world), 120)
    held = world.dfmc("unlock", str(world.topology), "--yes", code=8)
    assert f":{waiting_run.pid}:" in held.stdout
    assert f":{waiting_run.pid}:" in lock_holder(world)
    freed = world.dfmc("unlock", str(world.topology), "--yes", "--force")
    assert freed.stdout.endswith("the lock is free\n")
    _, said = waiting_run.communicate(timeout=120)
    assert waiting_run.returncode == 8, said
    assert "the lock was lost" in said
    assert lock_holder(world) == ""


@scenario("X10", real=True)
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
    report = json.loads(world.dfmc("status", "-o", "json", str(world.topology), code=None).stdout)
    return {one["name"]: (one["schedulerClusterID"], one["seedPeerClusterID"]) for one in report["clusters"]}


def namespaces(world: World) -> set[str]:
    """Return the namespaces of the topology that are there."""
    return {one["metadata"]["name"] for one in world.tools.objects("namespaces")} & {"cluster-a", "cluster-b"}


@scenario("U6", "U8", real=True)
def test_down_needs_consent_and_keeps_data_so_that_up_gives_the_same_ids(empty_world: World) -> None:
    world = empty_world
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


@scenario("U5", real=True)
def test_down_with_data_leaves_nothing_but_what_is_not_dfmcs(empty_world: World) -> None:
    world = empty_world
    # As if dfmc had made the namespaces: here an administrator did, with the roles.
    world.secrets.pop("KUBECONFIG")
    world.tools.kubectl("label", "namespaces", "cluster-a", "cluster-b", "app.kubernetes.io/managed-by=dfmc")
    world.tools.kubectl("-n", "cluster-a", "delete", "rolebindings,roles", "--all")
    world.tools.kubectl("-n", "cluster-b", "create", "configmap", "somebody-elses")
    ended = world.dfmc("down", str(world.topology), "--yes", "--delete-data")
    assert "namespace cluster-b stays: ConfigMap somebody-elses, Role" in ended.stdout
    assert namespaces(world) == {"cluster-b"}
    assert world.tools.objects("persistentvolumeclaims", "-A") == []


@scenario("P9", real=True)
def test_what_somebody_made_with_helm_is_adopted_only_when_told_to(empty_world: World) -> None:
    world = empty_world
    world.api = None
    world.tools.install("cluster-a", central_values({"cluster": "a"}))
    only_a = ("-c", "a", str(world.topology))
    mark = world.audit_mark()
    assert "--adopt" in world.dfmc("up", *only_a, code=7).stderr
    assert world.writes_since(mark) == []
    assert "owner: (not dfmc's) → topology guide" in world.dfmc("plan", "--adopt", *only_a).stdout
    world.dfmc("up", "--adopt", *only_a)
    assert world.credential("database-password") == "dragonfly"
    assert "nothing to do" in world.dfmc("up", *only_a).stdout
