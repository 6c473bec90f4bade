"""How much a run asks of the world: helm processes, API requests and manager requests, counted and exact."""

from __future__ import annotations

import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bed_world import Ended, World, through_a_proxy
from dfmc.testbed.faults import HttpProxy, is_mutation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SETTLED_SECONDS = 10.0  # the manager writes its audit a moment after it has answered


@dataclass
class Counted:
    """One run: how it ended, helm's command lines, and its requests to the API server and the manager."""

    ended: Ended
    helm: list[str]
    requests: list[tuple[str, str]]
    manager: list[tuple[str, str]]

    def by_place(self) -> dict[str, int]:
        """Return how many requests concerned each namespace, and how many the cluster as a whole."""
        places = (re.search(r"/namespaces/(cluster-\w+)", path) for _, path in self.requests)
        return dict(Counter(place[1] if place else "whole" for place in places))

    def by_kind(self) -> dict[str, int]:
        """Return how many requests of each kind the manager had."""
        return dict(Counter(f"{method} {path.rsplit('/v1/')[-1]}" for method, path in self.manager))


@dataclass
class Tally:
    """Runs dfmc with a proxy before the API server and a helm that notes its processes."""

    world: World
    proxy: HttpProxy
    environ: dict[str, str]
    notes: Path

    def run(self, *arguments: str) -> Counted:
        """Run dfmc on the world's topology; the lock's requests come by the clock and are not counted."""
        self.notes.write_text("")
        before, rest = len(self.proxy.plan.requests), len(self._settled())
        ended = self.world.dfmc(*arguments, str(self.world.topology), code=0, **self.environ)
        seen = [(one.method, one.path.partition("?")[0]) for one in self.proxy.plan.requests[before:]]
        requests = [(method, path) for method, path in seen if "/leases/" not in path]
        manager = [(method, path) for _, method, path in self._settled()[rest:]]
        return Counted(ended, self.notes.read_text().splitlines(), requests, manager)

    def _settled(self) -> list[tuple[str, str, str]]:
        """Return the manager's audit once nothing more comes."""
        known = self.world.manager_audit()
        for _ in range(20):
            time.sleep(SETTLED_SECONDS)
            now = self.world.manager_audit()
            if len(now) == len(known):
                break
            known = now
        return known


@pytest.fixture(scope="module")
def tally(up_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tally]:
    """The guide's two clusters, up."""
    directory = tmp_path_factory.mktemp("counted")
    helm, notes, real = directory / "helm", directory / "processes", up_world.environment["DFMC_HELM"]
    helm.write_text(f'#!/bin/sh\necho "$*" >> {shlex.quote(str(notes))}\nexec {shlex.quote(real)} "$@"\n')
    helm.chmod(0o755)
    with through_a_proxy(up_world, directory) as (proxy, kubeconfig):
        yield Tally(up_world, proxy, {"KUBECONFIG": kubeconfig, "DFMC_HELM": str(helm)}, notes)


def test_a_run_with_nothing_to_do_starts_no_helm_and_asks_the_same_each_time(tally: Tally) -> None:
    first, second = tally.run("up"), tally.run("up")
    assert "nothing to do" in first.ended.stdout
    assert (first.helm, second.helm) == ([], [])
    assert Counter(first.requests) == Counter(second.requests)
    assert not [path for method, path in first.requests if is_mutation(method, path)]
    assert first.by_place() == {"whole": 15, "cluster-a": 41, "cluster-b": 26}
    # Looked at for the plan, again under the lock, and for the proof.
    assert first.by_kind() == second.by_kind() == {"GET clusters": 5, "GET schedulers": 3, "GET seed-peers": 3}


def test_a_change_of_one_member_is_one_upgrade_and_nothing_elsewhere(tally: Tally) -> None:
    world = tally.world
    world.edit(lambda document: world.entry("b", document).update(logLevel="warn"))
    changed = tally.run("up", "--yes")
    assert [line.split()[0] for line in changed.helm] == ["version", "template", "upgrade"]
    written = [(method, path) for method, path in changed.requests if is_mutation(method, path)]
    assert [one for one in written if "/namespaces/cluster-b/" not in one[1]] == []
    # helm's: the new record, the old one superseded, the new one deployed, and the objects that hold the settings.
    assert Counter(method for method, _ in written) == {"POST": 1, "PUT": 2, "PATCH": 7}
    assert {kind for kind in changed.by_kind() if not kind.startswith("GET")} == set()
