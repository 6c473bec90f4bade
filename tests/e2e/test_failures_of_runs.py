"""Several runs at once, people who work beside them, clocks that differ, programs that stand still."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bed_world import QUIET_RESOURCES
from dfmc.testbed.faults import Fault, Kind, is_mutation
from kill_matrix.bed import MatrixBed
from kill_matrix.cases import prepare
from kill_matrix.oracles import converged, credentials, let_the_lock_lapse
from kill_matrix.positions import Blow, Case
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MUTATING = ("create", "update", "patch", "delete", "deletecollection")


def as_run(bed: MatrixBed, number: int) -> dict[str, str]:
    """Return an environment whose requests the audit log tells from those of other runs, and helm's with them."""
    document = yaml.safe_load(Path(bed.world.secrets["KUBECONFIG"]).read_text())
    for user in document["users"]:
        user["user"] |= {"as": f"run-{number}", "as-groups": ["system:masters"]}
    file = bed.world.state_home / f"kubeconfig-run-{number}"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document))
    return {**bed.world.environment, "KUBECONFIG": str(file)}


def changes_by_run(bed: MatrixBed, mark: int) -> list[tuple[str, str]]:
    """Return who changed what since, in the order of the API server: not the lock itself, nor questions."""
    time.sleep(0.5)
    found = []
    for event in bed.world.tools.writes()[mark:]:
        reference = event.get("objectRef", {})
        if event["verb"] not in MUTATING or reference.get("resource") in QUIET_RESOURCES:
            continue
        if reference.get("subresource") == "portforward" or not event.get("impersonatedUser"):
            continue
        if reference.get("resource") == "namespaces" and event["verb"] == "create":
            continue  # the lock lies in it: made before there can be one, and by one run alone
        if event.get("responseStatus", {}).get("code", 500) >= 400:
            continue
        who = event["impersonatedUser"]["username"]
        found.append((event["requestReceivedTimestamp"], who, f"{event['verb']} {reference.get('name')}"))
    return [(who, what) for _, who, what in sorted(found)]


def turns(changes: list[tuple[str, str]]) -> list[str]:
    """Return who had their turn, each as often as the turn passed to them."""
    found: list[str] = []
    for who, _ in changes:
        if not found or found[-1] != who:
            found.append(who)
    return found


@scenario("X1", "X9", "S7", real=True)
@pytest.mark.parametrize("runs", [2, 10])
def test_of_several_runs_one_writes_at_a_time_and_the_others_wait_or_say_8(struck: MatrixBed, runs: int) -> None:
    """From nothing for two, so that the credentials and root's password are made at once; half of them read the
    clusters in the opposite order, half of them wait.
    """
    bed, world = struck, struck.world
    if runs == 2:
        prepare(bed, Case("POST cluster-a secrets/dfmc-dragonfly", Blow.KILL_BEFORE))
    else:
        prepare(bed, Case("POST manager api/v1/clusters b", Blow.KILL_BEFORE))
    document = yaml.safe_load(world.topology.read_text())
    document["clusters"].reverse()
    backwards = world.state_home / "backwards.yaml"
    backwards.write_text(yaml.safe_dump(document, sort_keys=False))
    mark = world.audit_mark()
    registered = len(world.manager_audit()) if runs != 2 else 0
    bed.plan.begin()
    processes = []
    for number in range(runs):
        file = backwards if number % 2 else world.topology
        waits = ("--lock-timeout", "5m") if number % 4 < 2 and runs > 2 else ()
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dfmc", "up", *waits, str(file)],
                env=as_run(bed, number),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        said = [process.communicate(timeout=400)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    codes = [process.returncode for process in processes]
    assert 0 in codes, said
    assert set(codes) <= {0, 8}, list(zip(codes, said, strict=True))
    changes = changes_by_run(bed, mark)
    order = turns(changes)
    assert changes
    assert len(order) == len(set(order)), changes  # nobody's turn came twice: none wrote in the middle of another's
    losers = {f"run-{number}" for number, code in enumerate(codes) if code == 8}
    assert losers.isdisjoint(order)
    assert all("held by" in said[number] for number, code in enumerate(codes) if code == 8)
    assert not any("Traceback" in text for text in said)
    posts = [path for _, method, path in world.manager_audit()[registered:] if method == "POST" and "clusters" in path]
    assert len(posts) == 2  # b and c, once each
    # What the manager wrote down names no run, so its changes are held against the turns: as many as one run makes.
    resets = [path for _, _, path in world.manager_audit()[registered:] if path.endswith("reset_password")]
    assert len(resets) <= 1


def of_member_b(method: str, path: str) -> bool:
    """Whether a request changes something in b's namespace."""
    return is_mutation(method, path) and "/namespaces/cluster-b/" in path


@scenario("X3", "U4", real=True)
@pytest.mark.parametrize("by_hand", ["uninstall", "upgrade"])
def test_helm_by_hand_in_the_middle_of_a_run_is_noticed_and_the_next_run_converges(
    struck: MatrixBed, by_hand: str
) -> None:
    bed, world = struck, struck.world
    world.edit(lambda document: world.entry("b", document).update(pprofPort=18101))
    arguments = ("--namespace", "cluster-b", "dragonfly")

    def meddle() -> None:
        if by_hand == "uninstall":
            world.tools.helm("uninstall", *arguments)
            return
        chart = ("dragonfly", "--repo", world.bed.repository_url, "--version", "1.7.4", "--reuse-values")
        world.tools.helm("upgrade", *arguments, *chart)

    bed.plan.begin()
    # Before helm's own record of the new revision: that is helm's only lock.
    bed.plan.arm(Fault(Kind.DROP_REQUEST, matches=of_member_b, then=meddle))
    ended = world.dfmc("up", str(world.topology), code=None)
    assert bed.plan.struck
    assert ended.code in (0, 1, 5, 7, 9, 12), ended.text
    assert "Traceback" not in ended.text
    bed.plan.clear()
    again = world.dfmc("up", str(world.topology))
    assert "Traceback" not in again.text
    (status,) = [
        item["metadata"]["labels"]["status"]
        for item in world.tools.objects("secrets", "-n", "cluster-b", "-l", "owner=helm,status=deployed")
    ]
    assert status == "deployed"


def write_lease(bed: MatrixBed, **spec: Any) -> None:
    """Write the topology's Lease as another machine would."""
    patch = ("--type", "merge", "-p", json.dumps({"spec": spec}))
    bed.world.tools.kubectl("-n", "cluster-a", "patch", "lease", "dfmc-guide", *patch)


def at(hours: float) -> str:
    """Return now, by a clock that is so many hours ahead."""
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def renewing(bed: MatrixBed, hours: float) -> Iterator[None]:
    """A holder elsewhere who is alive and whose clock is off."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.is_set():
            write_lease(bed, holderIdentity="somebody@elsewhere:1:ab", leaseDurationSeconds=15, renewTime=at(hours))
            ended.wait(1)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)


@scenario("X4", "X5", "P15", real=True)
@pytest.mark.parametrize("hours", [-1.0, 1.0])
def test_a_clock_that_is_an_hour_off_neither_keeps_a_dead_holders_lock_nor_loses_a_live_ones(
    struck: MatrixBed, hours: float
) -> None:
    bed, world = struck, struck.world
    with renewing(bed, hours):
        time.sleep(1.5)
        assert "somebody@elsewhere" in world.dfmc("up", str(world.topology), code=8).stderr
        if hours > 0:
            assert "in the future" in world.dfmc("doctor", str(world.topology), code=None).text
    begun = time.monotonic()
    assert "took the lock over from somebody@elsewhere" in world.dfmc("up", str(world.topology)).stderr
    assert time.monotonic() - begun > 15  # seen to be dead for as long as the lease lasts


@scenario("K8", real=True)
def test_an_etcd_that_stands_still_for_twenty_seconds_is_survived_or_told(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    prepare(bed, Case("helm upgrade cluster-b", Blow.KILL_BEFORE))
    kept = credentials(bed)
    directory = str(world.bed.directory)
    etcd = [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and is_etcd_of(entry, directory)
    ]
    assert len(etcd) == 1
    wakers: list[threading.Timer] = []

    def stand_still() -> None:
        os.kill(etcd[0], signal.SIGSTOP)
        wakers.append(threading.Timer(20, lambda: os.kill(etcd[0], signal.SIGCONT)))
        wakers[0].start()

    bed.plan.begin()
    bed.plan.arm(Fault(Kind.DROP_REQUEST, at=5, matches=of_member_b, then=stand_still))
    try:
        first = world.dfmc("up", str(world.topology), code=None)
    finally:
        for waker in wakers:
            waker.join()
        os.kill(etcd[0], signal.SIGCONT)
    assert bed.plan.struck
    assert first.code in (0, 1, 5, 8, 9, 10, 12), first.text
    assert "Traceback" not in first.text
    bed.plan.clear()
    let_the_lock_lapse(bed)
    assert converged(bed, bed.dfmc("up", str(world.topology)), kept) == []


def is_etcd_of(process: Path, directory: str) -> bool:
    """Tell whether a process is the etcd of the bed in a directory."""
    try:
        line = (process / "cmdline").read_bytes().decode().split("\0")
    except OSError:  # it has ended meanwhile
        return False
    return line[0].endswith("etcd") and any(directory in word for word in line)


@scenario("U9", real=True)
def test_a_rollback_that_was_killed_is_unlocked_and_the_file_wins(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    world.edit(lambda document: world.entry("b", document).update(pprofPort=18102))
    world.dfmc("up", str(world.topology))
    bed.plan.begin()
    process = subprocess.Popen(
        [str(bed.helm_directory / "helm"), "rollback", "dragonfly", "--namespace", "cluster-b"],
        env=bed.world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process.wait(60)
    world.dfmc("up", str(world.topology))
    bed.plan.arm(Fault(Kind.DROP_ANSWER, at=2, matches=of_member_b, then=lambda: process.kill()))
    process = subprocess.Popen(
        [str(bed.helm_directory / "helm"), "rollback", "dragonfly", "--namespace", "cluster-b"],
        env=bed.world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    process.wait(60)
    bed.plan.clear()
    last = max(
        world.tools.objects("secrets", "-n", "cluster-b", "-l", "owner=helm"),
        key=lambda item: int(item["metadata"]["labels"]["version"]),
    )
    assert last["metadata"]["labels"]["status"] == "pending-rollback"
    ended = world.dfmc("up", str(world.topology))
    assert "pending-rollback" in ended.text
    text = world.config_map("cluster-b", "dragonfly-scheduler")["data"]["scheduler.yaml"]
    assert "18102" in text


@scenario("K10", real=True)
def test_after_any_sequence_of_mishaps_one_run_puts_everything_right(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    seed = int(os.environ.get("DFMC_SEQUENCE_SEED") or datetime.now(UTC).strftime("%Y%m%d"))
    sys.stderr.write(f"the sequence can be had again with DFMC_SEQUENCE_SEED={seed}\n")
    chance = random.Random(seed)  # noqa: S311 - it chooses mishaps
    positions = [f"{verb} cluster-{name} {what}" for verb, what in STRIKABLE for name in "bc"]

    def kill() -> str:
        case = Case(chance.choice(positions), chance.choice((Blow.KILL_BEFORE, Blow.KILL_AFTER)))
        bed.dfmc("up", str(world.topology), case=case)
        let_the_lock_lapse(bed)
        return str(case)

    def uninstall() -> str:
        name = chance.choice("bc")
        world.tools.helm("uninstall", "dragonfly", "--namespace", f"cluster-{name}", "--ignore-not-found")
        return f"uninstall {name}"

    def delete() -> str:
        name, what = chance.choice("abc"), chance.choice(DELETABLE)
        world.tools.kubectl("-n", f"cluster-{name}", "delete", what, "--ignore-not-found")
        return f"delete {what} of {name}"

    def edit() -> str:
        port = chance.randrange(18200, 18300)
        world.edit(lambda document: world.entry(chance.choice("bc"), document).update(pprofPort=port))
        return f"edit the file: {port}"

    def run() -> str:
        return f"up: {bed.dfmc('up', str(world.topology)).code}"

    mishaps = (kill, kill, uninstall, delete, edit, run)
    history = [chance.choice(mishaps)() for _ in range(chance.randrange(5, 9))]
    assert converged(bed, bed.dfmc("up", str(world.topology)), credentials(bed)) == [], history


STRIKABLE = (
    ("POST", "secrets/sh.helm.release.v1.dragonfly.v1"),
    ("POST", "secrets/sh.helm.release.v1.dragonfly.v2"),
    ("POST", "configmaps/dragonfly-scheduler"),
    ("PATCH", "configmaps/dragonfly-scheduler"),
    ("POST", "statefulsets/dragonfly-scheduler"),
    ("PUT", "secrets/sh.helm.release.v1.dragonfly.v1"),
    ("PUT", "secrets/sh.helm.release.v1.dragonfly.v2"),
)
DELETABLE = ("service/dragonfly-scheduler", "configmap/dragonfly-client", "statefulset/dragonfly-seed-client")


@scenario("U7", real=True)
def test_down_with_a_member_out_of_reach_keeps_the_central_cluster(struck: MatrixBed) -> None:
    bed, world = struck, struck.world
    document = yaml.safe_load(Path(world.secrets["KUBECONFIG"]).read_text())
    document["clusters"].append({"name": "elsewhere", "cluster": {"server": "https://127.0.0.1:1"}})
    user = document["contexts"][0]["context"]["user"]
    document["contexts"].append({"name": "elsewhere", "context": {"cluster": "elsewhere", "user": user}})
    file = world.state_home / "kubeconfig-elsewhere"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(document))
    world.edit(lambda content: world.entry("b", content).update(context="elsewhere"))
    before = world.revisions("cluster-a")
    ended = world.dfmc("down", "--yes", str(world.topology), code=9, KUBECONFIG=str(file))
    assert "elsewhere" in ended.text
    assert world.revisions("cluster-a") == before
    assert world.revisions("cluster-c") == []
    assert bed.processes() == []
