"""What goes wrong during and after a run, on the real parts: kills, signals, a second run, things deleted by hand."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bed_tools import ManagerRest, wait_until
from bed_world import World, through_a_proxy
from dfmc.testbed.faults import Fault, Kind, is_mutation
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def stopped_at(world: World, pattern: str, number: signal.Signals, *, after: float = 0.0) -> tuple[int, str]:
    """Run ``up``, send a signal when it says ``pattern``, and return its exit code and everything it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dfmc", "-v", "up", str(world.topology)],
        env=world.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if re.search(pattern, line):
                break
        else:
            raise AssertionError(f"it never said {pattern}: {''.join(said)}")
        time.sleep(after)
        process.send_signal(number)
        said.append(process.communicate(timeout=30)[1])
    finally:
        process.kill()
        process.wait()
    return process.returncode, "".join(said)


def helm_processes(world: World) -> list[str]:
    """Return the command lines of this bed's helms."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has ended meanwhile
                continue
            if "/helm" in line and "kind-kind" in line and str(world.bed.directory) in line:
                found.append(line)
    return found


def statuses(world: World, namespace: str) -> list[str]:
    """Return helm's words for the revisions of a release."""
    secrets = world.tools.objects("secrets", "-n", namespace, "-l", "owner=helm")
    return [item["metadata"]["labels"]["status"] for item in secrets]


def credentials(world: World) -> dict[str, str]:
    """Return what the credentials' Secret holds."""
    name = ("secret", "dfmc-dragonfly", "-o", "json")
    data: dict[str, str] = json.loads(world.tools.kubectl("-n", "cluster-a", "get", *name))["data"]
    return data


def lock_holder(world: World) -> str:
    """Return who holds the lock; empty when nobody does."""
    holder = "jsonpath={.spec.holderIdentity}"
    return world.tools.kubectl("-n", "cluster-a", "get", "lease", "dfmc-guide", "-o", holder, check=False)


def records(world: World) -> list[tuple[int, str]]:
    """Return ids and names of the manager's records."""
    return sorted((row["id"], row["name"]) for row in world.manager().get("/api/v1/clusters?per_page=100"))


def nothing_is_left_to_do(world: World) -> bool:
    """Whether the next run finds everything as wanted."""
    return "nothing to do" in world.dfmc("up", str(world.topology)).stdout


@scenario("K3", real=True)
def test_a_signal_in_the_middle_of_helm_leaves_no_helm_no_pending_release_and_no_lock(up_world: World) -> None:
    world = up_world
    before = records(world)
    world.tools.remove_namespaces("cluster-b")
    ended, said = stopped_at(world, "b: release: helm install", signal.SIGTERM, after=0.4)
    assert ended == 143
    assert "✗ interrupted" in said
    assert "cut short: " in said
    assert "dfmc up again" in said
    assert helm_processes(world) == []
    assert lock_holder(world) == ""
    assert not [status for status in statuses(world, "cluster-b") if status.startswith("pending")]
    world.dfmc("up", str(world.topology))
    assert statuses(world, "cluster-b").count("deployed") == 1
    assert records(world) == before
    assert nothing_is_left_to_do(world)


@pytest.mark.parametrize("moment", ["b: release: helm install", "b: release: done"])
@scenario("N2", "N3", "X4", "X7", real=True)
def test_a_kill_leaves_no_helm_and_the_next_run_takes_over(moment: str, up_world: World) -> None:
    world = up_world
    before, secrets = records(world), credentials(world)
    world.tools.remove_namespaces("cluster-b")
    ended, _ = stopped_at(world, moment, signal.SIGKILL, after=0.3)
    assert ended == -signal.SIGKILL
    wait_until("the end of helm", lambda: not helm_processes(world), 5)
    again = world.dfmc("up", str(world.topology))
    assert "took the lock over from" in again.stderr
    assert statuses(world, "cluster-b").count("deployed") == 1
    assert (records(world), credentials(world)) == (before, secrets)
    assert nothing_is_left_to_do(world)


@scenario("X1", real=True)
def test_the_second_of_two_runs_names_the_first_and_writes_nothing(up_world: World) -> None:
    world = up_world
    world.tools.remove_namespaces("cluster-b")
    world.tools.kubectl("cordon", "-l", "cluster=b")
    first = subprocess.Popen(
        [sys.executable, "-m", "dfmc", "up", str(world.topology)],
        env=world.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until("the first one's release", lambda: "deployed" in statuses(world, "cluster-b"), 60)
        mark = world.audit_mark()
        second = world.dfmc("up", str(world.topology), code=8)
        assert world.writes_since(mark) == []
        world.tools.kubectl("uncordon", "-l", "cluster=b")
        assert first.wait(120) == 0
    finally:
        world.tools.kubectl("uncordon", "-l", "cluster=b")
        first.kill()
        first.wait()
    assert f":{first.pid}:" in second.stderr
    assert "another run is at work" in second.stderr
    assert statuses(world, "cluster-b") == ["deployed"]


def of_member_b(method: str, path: str) -> bool:
    """Whether a request changes something in b's namespace; helm's record of the release is the first."""
    return is_mutation(method, path) and "/namespaces/cluster-b/" in path


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault(Kind.DROP_ANSWER, matches=of_member_b)], marks=scenario("N5", real=True), id="lost"),
        pytest.param(
            [
                Fault(Kind.ANSWER, times=2, matches=of_member_b, status=429, retry_after="1"),
                Fault(Kind.ANSWER, at=6, matches=of_member_b, status=500),
            ],
            marks=scenario("N6", real=True),
            id="429 and 500",
        ),
    ],
)
def test_what_fails_in_the_middle_of_an_installation_is_finished(
    faults: list[Fault], up_world: World, tmp_path: Path
) -> None:
    world = up_world
    before = records(world)
    world.tools.remove_namespaces("cluster-b")
    with through_a_proxy(world, tmp_path) as (proxy, kubeconfig):
        proxy.plan.arm(*faults)
        first = world.dfmc("up", str(world.topology), code=None, KUBECONFIG=kubeconfig)
        struck = [one for one in proxy.plan.requests if one.fault]
        assert len(struck) >= len(faults)
        assert "/secrets" in struck[0].path  # helm's record of the release comes first
        assert first.code in (0, 1, 5, 7, 9, 12), first.text
        assert first.code == 0 or "next" in first.stderr
        assert not [status for status in statuses(world, "cluster-b") if status.startswith("pending")]
        world.dfmc("up", str(world.topology), KUBECONFIG=kubeconfig)
    assert statuses(world, "cluster-b").count("deployed") == 1
    assert records(world) == before
    assert nothing_is_left_to_do(world)


@scenario("V4", real=True)
def test_what_somebody_deleted_is_shown_and_made_again(up_world: World) -> None:
    world = up_world
    world.tools.kubectl("-n", "cluster-b", "delete", "service", "dragonfly-scheduler")
    world.tools.kubectl("-n", "cluster-a", "delete", "deployment", "dragonfly-manager")
    planned = world.dfmc("plan", str(world.topology)).stdout
    assert "Deployment dragonfly-manager: (deleted)" in planned
    assert "Service dragonfly-scheduler: (deleted)" in planned
    world.dfmc("up", str(world.topology))
    assert world.tools.kubectl("-n", "cluster-b", "get", "service", "dragonfly-scheduler", "-o", "name")
    assert nothing_is_left_to_do(world)


def test_a_manager_that_is_away_is_no_reason_to_upgrade_a_member(up_world: World) -> None:
    world = up_world
    before = {name: world.revisions(f"cluster-{name}") for name in "ab"}
    scale = ("-n", "cluster-a", "scale", "deployment", "dragonfly-manager")
    world.tools.kubectl(*scale, "--replicas=0")
    pods = ("cluster-a", "component=manager")
    wait_until("the manager's end", lambda: not world.tools.pods(*pods))
    planned = world.dfmc("plan", str(world.topology)).stdout
    assert "→" not in planned
    assert "to look at again" in planned
    world.tools.kubectl(*scale, "--replicas=1")
    assert nothing_is_left_to_do(world)
    assert {name: world.revisions(f"cluster-{name}") for name in "ab"} == before


@scenario("W2", real=True)
def test_the_console_answers_at_the_same_address_after_its_pod_was_deleted(up_world: World) -> None:
    world = up_world
    command = [sys.executable, "-m", "dfmc", "console", str(world.topology)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=world.environment, text=True, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdout is not None
            console = ManagerRest(process.stdout.readline().strip())
            (pod,) = pods_of(world, "manager")
            assert answers(console)
            world.tools.kubectl("-n", "cluster-a", "delete", "pod", pod)
            wait_until("another manager pod", lambda: pods_of(world, "manager") not in ([], [pod]))
            wait_until("the console's answer", lambda: answers(console), 120)
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert f"pod {pod} does not serve any more" in said
    assert "serves now, at the same address" in said


def pods_of(world: World, component: str) -> list[str]:
    """Names of a's pods of a component that are not being deleted."""
    pods = world.tools.objects("pods", "-n", "cluster-a", "-l", f"component={component}")
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def answers(console: ManagerRest) -> bool:
    """Tell whether the manager itself says something at the address."""
    try:
        status, _ = console.request("GET", "/api/v1/clusters")
    except (OSError, http.client.HTTPException):  # closed, or no answer in time
        return False
    return status == 401


@scenario("N10", real=True)
def test_lost_credentials_are_never_made_up_again(up_world: World) -> None:
    world = up_world
    kept = json.loads(world.tools.kubectl("-n", "cluster-a", "get", "secret", "dfmc-dragonfly", "-o", "json"))
    kept["metadata"] = {key: kept["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    world.tools.kubectl("-n", "cluster-a", "delete", "secret", "dfmc-dragonfly")
    mark = world.audit_mark()
    ended = world.dfmc("up", str(world.topology), code=12)
    assert "restore the Secret from a backup" in ended.stderr
    assert world.writes_since(mark) == []
    without = {**kept, "data": {key: value for key, value in kept["data"].items() if key != "database-password"}}
    world.tools.apply(without)
    assert "has lost database-password" in world.dfmc("up", str(world.topology), code=12).stderr
    world.tools.apply(kept)
    assert nothing_is_left_to_do(world)


def mark_status(world: World, namespace: str, status: str) -> None:
    """Give a release's newest revision a status, as a helm that is killed there would."""
    (secret,) = world.tools.objects("secrets", "-n", namespace, "-l", "owner=helm,status=deployed")
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    payload: dict[str, Any] = json.loads(gzip.decompress(packed))
    payload["info"]["status"] = secret["metadata"]["labels"]["status"] = status
    packed = gzip.compress(json.dumps(payload).encode())
    secret["data"]["release"] = base64.b64encode(base64.b64encode(packed)).decode()
    world.tools.kubectl("replace", "-f", "-", stdin=json.dumps(secret))


@pytest.mark.parametrize("status", ["uninstalling", "pending-upgrade"])
@scenario("N2", "U3", real=True)
def test_a_release_that_somebody_left_half_done_is_finished(status: str, up_world: World) -> None:
    world = up_world
    before = records(world)
    mark_status(world, "cluster-b", status)
    world.dfmc("plan", "--detailed-exitcode", str(world.topology), code=2)
    world.dfmc("up", str(world.topology))
    assert statuses(world, "cluster-b").count("deployed") == 1
    assert records(world) == before
    assert nothing_is_left_to_do(world)
