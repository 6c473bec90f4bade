"""Changes of the chart over fields that Kubernetes never changes: refused with the way out, or done; never half.

The stand-in charts have the selectors, claim templates and Services of the published ones (tests/golden), and behind
them are a real API server that refuses what may not change, a real helm, and a real manager on its database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Literal

import pytest

from bed_world import World
from scenarios import scenario

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PATHS = {
    "1.7.4-1.7.8": ("1.7.4", "1.7.8", ("recreate",)),
    "1.4.2-1.7.4": ("1.4.2", "1.7.4", ("database-upgrade", "recreate")),
}
"""Of the published charts both cross a breakpoint; the older one three of them."""


THIRD = {"name": "c", "context": "kind-kind", "namespace": "cluster-c"}


class Change:
    """A bed that runs the older chart, and the way to the newer one."""

    def __init__(self, world: World, older: str, newer: str, risks: tuple[str, ...]) -> None:
        self.world, self.older, self.newer, self.risks = world, older, newer, risks
        self.allowed = [word for risk in risks for word in ("--allow", risk)]
        self.use(older)
        text = world.topology.read_text()
        world.edit(lambda document: document["clusters"].append({**THIRD, "nodeSelector": {"cluster": "c"}}))
        world.grow()
        world.topology.write_text(text)
        world.dfmc("up", str(world.topology))
        self.touched = self.add_third()
        self.ids = self.registered()

    def add_third(self) -> set[str]:
        """Run ``add-cluster`` for c; return the namespaces that were written to."""
        place = ("--context", THIRD["context"], "--namespace", THIRD["namespace"], "--node-selector", "cluster=c")
        return self.writes(
            lambda: self.world.dfmc("add-cluster", "c", "--idc", "cluster-3", *place, "-f", str(self.world.topology))
        )

    def writes(self, run: Callable[[], object]) -> set[str]:
        """Return the namespaces that a run wrote to, by the audit log."""
        mark = self.world.audit_mark()
        run()
        self.world.audit_mark()
        events = self.world.writes_since(mark)
        return {event["objectRef"].get("namespace") or event["objectRef"]["name"] for event in events}

    def use(self, version: str) -> None:
        """Write the version into the file."""
        self.world.edit(lambda document: document["chart"].update(version=version))

    def registered(self) -> dict[str, tuple[int, int]]:
        """Return both ids of each record, by name."""
        rows = self.world.manager().get("/api/v1/clusters?per_page=100")
        return {row["name"]: (row["scheduler_cluster_id"], row["seed_peer_cluster_id"]) for row in rows}

    def revisions(self) -> dict[str, list[tuple[int, str, str]]]:
        """Return each revision's number and status by namespace, oldest first; and its chart's version."""
        found = {}
        for namespace in ("cluster-a", "cluster-b", "cluster-c"):
            releases = self.world.tools.helm("history", "dragonfly", "-n", namespace, "-o", "json")
            found[namespace] = [
                (int(one["revision"]), str(one["status"]), str(one["chart"]).removeprefix("dragonfly-"))
                for one in json.loads(releases)
            ]
        return found

    def up(self, *arguments: str, code: int | None = 0) -> str:
        return self.world.dfmc("up", str(self.world.topology), *arguments, code=code).text

    def killed_up(self, when: Callable[[], bool]) -> None:
        """Run ``up`` with every consent, and kill it and its helm as soon as ``when`` says so."""
        process = subprocess.Popen(
            [sys.executable, "-m", "dfmc", "up", str(self.world.topology), *self.allowed],
            env=self.world.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        try:
            while not when() and process.poll() is None:
                assert time.monotonic() < deadline, "the moment to kill it never came"
                time.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def is_whole(self) -> None:
        """The newer chart everywhere, nothing pending, the ids as they were; and a second run finds nothing to do."""
        for namespace, revisions in self.revisions().items():
            assert revisions[-1][1:] == ("deployed", self.newer), (namespace, revisions)
            assert [status for _, status, _ in revisions].count("deployed") == 1
            assert not [status for _, status, _ in revisions if status.startswith("pending")]
        assert self.registered() == self.ids
        mark = self.world.audit_mark()
        self.up()
        self.world.audit_mark()
        assert self.world.writes_since(mark) == []


@pytest.fixture(scope="module", params=list(PATHS))
def change(
    request: pytest.FixtureRequest, make_bed: Callable[[str, Literal[3, 4]], AbstractContextManager[World]]
) -> Iterator[Change]:
    with make_bed("guide", 3) as world:
        yield Change(world, *PATHS[request.param])


@scenario("U10", real=True)
def test_without_consent_it_is_refused_and_nothing_is_touched(change: Change) -> None:
    change.use(change.newer)
    before, mark = change.revisions(), change.world.audit_mark()
    text = change.up(code=4)
    change.world.audit_mark()
    for risk in change.risks:
        assert f"--allow {risk}" in text
    assert "nothing was changed" in text
    assert change.world.writes_since(mark) == []
    assert change.revisions() == before
    change.use(change.older)
    assert "nothing to do" in change.up()


@scenario("U10", "N2", real=True)
def test_killed_between_deletion_and_upgrade_it_is_finished_by_the_next_run(change: Change) -> None:
    """The central cluster's objects that are made anew are gone by then, and helm may or may not have begun."""
    change.use(change.newer)
    service = ("-n", "cluster-a", "get", "service", "dragonfly-scheduler")
    old = change.world.tools.kubectl(*service, "-o", "jsonpath={.metadata.uid}")
    kinds = ("-n", "cluster-a", "get", "statefulset", "dragonfly-scheduler")
    old_set = change.world.tools.kubectl(*kinds, "-o", "jsonpath={.metadata.uid}")

    def is_on_its_way() -> bool:
        path = ("-o", "jsonpath={.metadata.uid}", "--ignore-not-found")
        return (
            change.world.tools.kubectl(*service, *path) != old or change.world.tools.kubectl(*kinds, *path) != old_set
        )

    change.killed_up(is_on_its_way)
    for member in ("cluster-b", "cluster-c"):
        assert change.revisions()[member][-1][2] == change.older, "a member was begun before the central cluster"
    mark = change.world.audit_mark()
    change.up(*change.allowed)
    change.world.audit_mark()
    change.is_whole()
    central_first(change, mark)


def central_first(change: Change, mark: int) -> None:
    """helm's record of the member's new revision comes after the central cluster's workloads were written."""
    order = [
        event["objectRef"]["namespace"]
        for event in change.world.writes_since(mark)
        if event["verb"] == "create" and str(event["objectRef"].get("name", "")).startswith("sh.helm.release")
    ]
    assert {"cluster-b", "cluster-c"} <= set(order)
    assert order[: order.count("cluster-a")] == ["cluster-a"] * order.count("cluster-a")


def test_a_member_is_added_changed_removed_and_added_again_and_no_other_is_touched(change: Change) -> None:
    """It was added when the older chart was the file's, and has changed charts since."""
    world = change.world
    assert change.touched == {"cluster-c"}
    change.use(change.newer)
    change.up(*change.allowed)
    old = change.registered()
    entry = world.entry

    world.edit(lambda document: entry("c", document).update(scopes={"idc": "cluster-3|cluster-4"}))
    assert change.writes(change.up) == {"cluster-c"}, "its peers say its IDC"
    rows = {row["name"]: row for row in world.manager().get("/api/v1/clusters?per_page=100")}
    assert rows["c"]["scopes"]["idc"] == "cluster-3|cluster-4"
    assert change.registered() == old

    world.edit(lambda document: entry("c", document).update(replicas={"scheduler": 2}))
    assert change.writes(change.up) == {"cluster-c"}

    remove = ("remove-cluster", "c", str(world.topology), "--yes", "--delete-data")
    assert change.writes(lambda: world.dfmc(*remove)) == {"cluster-c"}
    assert "c" not in change.registered()
    assert world.tools.kubectl("get", "namespace", "cluster-c", "--ignore-not-found", "-o", "name") == ""
    everywhere = world.tools.objects("secrets", "--all-namespaces", "-l", "owner=helm")
    assert {item["metadata"]["namespace"] for item in everywhere} == {"cluster-a", "cluster-b"}

    assert change.add_third() == {"cluster-c"}
    new = change.registered()
    assert {name: new[name] for name in "ab"} == {name: old[name] for name in "ab"}
    assert new["c"][0] > old["c"][0]
    assert "nothing to do" in change.up()
