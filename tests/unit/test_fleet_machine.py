"""Random lives of a fleet: whatever was done to it, and wherever dfmc was stopped, one `up` puts it right.

    DFMC_FLEET_SEQUENCES=500 pytest -s tests/unit/test_fleet_machine.py

runs that many sequences (``make fleet``) and prints how many operations there were; the default is a sample. The
sequences are the same each time, so a failure repeats; with DFMC_FLEET_SEED they start from that seed instead. The
sequence that failed is printed as a program; DFMC_FLEET_SHRINK=1 looks for the shortest one, which takes minutes.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from dfmc.engine import credentials
from dfmc.errors import PartialError
from dfmc.planning.consent import Consent
from dfmc.planning.ownership import record_bio
from fleet_order import disorder, live_ids, releases_of, scheduler_cluster_id
from fleet_world import CONTEXTS, EVERYTHING, Charts, Ended, Fleet
from helm_binary import helm_binary
from scenarios import scenario

SEQUENCES = int(os.environ.get("DFMC_FLEET_SEQUENCES", "20"))
SEED = os.environ.get("DFMC_FLEET_SEED")
pytestmark = [pytest.mark.helm, pytest.mark.timeout(600 if SEQUENCES <= 40 else 0)]

done: Counter[str] = Counter()
MEMBERS = ("b", "c", "d", "cluster-1")  # the last one is what a manager calls its own record
IDCS = ("", "x", "y", "x|y")
picks = st.integers(0, 20)
# How a run ends: nowhere, or at its how-manieth moment, by SIGKILL or by Ctrl-C.
ends = st.one_of(st.just((0, True)), st.tuples(st.integers(1, 40), st.booleans()))
consents = st.builds(
    Consent,
    adopt=st.booleans(),
    allow=st.sampled_from([frozenset(), EVERYTHING.allow]),
    prune=st.booleans(),
)


class FleetMachine(RuleBasedStateMachine):
    """What people, machines and dfmc do to a fleet."""

    charts: ClassVar[Charts]

    @initialize(is_up=st.booleans(), members=st.lists(st.sampled_from("bc"), unique=True))
    def begin(self, is_up: bool, members: list[str]) -> None:
        self.fleet = Fleet(self.charts)
        for name in members:
            self._insert(name, "two", {"idc": name})
        if is_up:
            self._converge()

    def _insert(self, name: str, context: str, scopes: dict[str, str]) -> None:
        new = {"name": name, "context": context, "namespace": f"cluster-{name}", "scopes": scopes}
        self.fleet.edit(lambda document: document["clusters"].append(new))

    # --- runs of dfmc ------------------------------------------------------------------------------------------

    @rule(consent=consents, end=ends)
    def up(self, consent: Consent, end: tuple[int, bool]) -> None:
        expected = self._expected_failures(consent)
        prune = consent.prune and self._manager_can_be_asked()
        ended = self.fleet.up(consent=consent, stop_at=end[0], kill=end[1])
        self._judge_up(ended, expected, prune=prune)

    @rule(stop_at=st.integers(1, 20), kill=st.booleans())
    def up_again_after_a_stop(self, stop_at: int, kill: bool) -> None:
        ended = self.fleet.up(consent=EVERYTHING, stop_at=stop_at, kill=kill)
        done["cut off"] += ended.is_cut_off
        self._converge()

    @rule(pick=picks, context=st.sampled_from(CONTEXTS), idc=st.sampled_from(IDCS), end=ends)
    def add_cluster(self, pick: int, context: str, idc: str, end: tuple[int, bool]) -> None:
        known = {name.lower() for name in self.fleet.names}
        free = [name for name in MEMBERS if name.lower() not in known]
        if not free:
            return
        name = free[pick % len(free)]
        scopes = {"scopes": {"idc": idc}} if idc else {}
        expected = self._expected_failures(Consent(), adding=(name, context))
        entry = {"name": name, "context": context, "namespace": f"cluster-{name}", **scopes}
        ended = self.fleet.add(entry, stop_at=end[0], kill=end[1])
        done["add-cluster"] += 1
        self._judge_up(ended, expected, only=[name])

    @rule(pick=picks, force=st.booleans(), data=st.booleans(), end=ends)
    def remove_cluster(self, pick: int, force: bool, data: bool, end: tuple[int, bool]) -> None:
        if not (name := self._member(pick)):
            return
        cluster = self.fleet.loaded.topology.cluster(name)
        kube = self.fleet.of[cluster.context]
        record = self.fleet.record(name)
        place = (cluster.context, cluster.namespace, cluster.release)
        may_fail = not self._manager_can_be_asked() or self._runs_elsewhere_too(name, place, prune=False)
        ended = self.fleet.remove(name, force=force, data=data, stop_at=end[0], kill=end[1])
        done["remove-cluster"] += 1
        if ended.is_cut_off:
            done["cut off"] += 1
            return
        if ended.failures:
            assert name in self.fleet.names, f"the entry is gone although {ended.failures}"
            assert may_fail or kube.is_down or kube.is_gone, ended.failures
            return
        assert name not in self.fleet.names
        if record and record["bio"] == record_bio("fleet", self.fleet.uid) and self.fleet.manager_runs:
            assert self.fleet.record(name) is None
            rows = self.fleet.manager_rows.database.schedulers.values()
            assert record["id"] not in {row["scheduler_cluster_id"] for row in rows}
        if not kube.is_down and not kube.is_gone:
            self._nothing_left(cluster.context, cluster.namespace, data=data)

    def _nothing_left(self, context: str, namespace: str, *, data: bool) -> None:
        left = {(kind, name) for kind, place, name in self.fleet.of[context].objects if place == namespace}
        claims = {one for one in left if one[0] == "PersistentVolumeClaim"}
        assert left <= claims, f"left in {namespace}: {left - claims}"
        assert not (data and left), left

    # --- the file, edited by hand ------------------------------------------------------------------------------

    @rule(pick=picks, idc=st.sampled_from(IDCS), cidrs=st.sampled_from([[], ["10.0.0.0/8"]]))
    def change_scopes(self, pick: int, idc: str, cidrs: list[str]) -> None:
        scopes = {key: value for key, value in (("idc", idc), ("cidrs", cidrs)) if value}
        self._change(pick, "scopes", scopes, central=False)

    @rule(pick=picks, scheduler=st.integers(1, 4), manager=st.sampled_from([1, 3]))
    def change_replicas(self, pick: int, scheduler: int, manager: int) -> None:
        self._change(pick, "replicas", {"scheduler": scheduler, "manager": manager})

    @rule(pick=picks, level=st.sampled_from(["info", "debug"]))
    def change_values(self, pick: int, level: str) -> None:
        self._change(pick, "values", {"scheduler": {"config": {"server": {"logLevel": level}}}})

    @rule(version=st.sampled_from(["1.7.4", "1.7.8"]))
    def change_chart(self, version: str) -> None:
        done["edit"] += 1
        self.fleet.edit(lambda document: document["chart"].update(version=version))

    @rule(pick=picks)
    def delete_entry(self, pick: int) -> None:
        if name := self._member(pick):
            done["edit"] += 1
            self.fleet.edit(lambda file: file["clusters"].remove(_entry(file, name)))

    @rule(pick=picks, context=st.sampled_from(CONTEXTS), suffix=st.sampled_from(["", "-new"]))
    def move_entry(self, pick: int, context: str, suffix: str) -> None:
        if name := self._member(pick):
            done["edit"] += 1
            place = {"context": context, "namespace": f"cluster-{name}{suffix}"}
            self.fleet.edit(lambda file: _entry(file, name).update(place))

    def _change(self, pick: int, key: str, value: Any, *, central: bool = True) -> None:
        names = [name for name in self.fleet.names if central or name != "a"]
        if names:
            done["edit"] += 1
            name = names[pick % len(names)]
            self.fleet.edit(lambda file: _entry(file, name).update({key: value}))

    # --- the world, changed by others --------------------------------------------------------------------------

    @precondition(lambda self: self.fleet.manager_runs)
    @rule(pick=picks, again=st.sampled_from(["", "ours", "theirs"]))
    def delete_record(self, pick: int, again: str) -> None:
        """In the console; and made anew there, or by whoever restored a backup."""
        rows = self.fleet.manager_rows.database.scheduler_clusters
        names = [row["name"] for row in rows.values() if row["id"] != 1]
        if not names:
            return
        done["by hand"] += 1
        name = names[pick % len(names)]
        self.fleet.delete_record(name)
        if again:
            self.fleet.create_record(name, record_bio("fleet", self.fleet.uid) if again == "ours" else "")

    @rule(pick=picks, where=picks)
    def edit_config_map(self, pick: int, where: int) -> None:
        """The id in a ConfigMap, as somebody with kubectl would."""
        place = self._place(pick)
        maps = sorted(live_ids(self.fleet, *place))
        if not maps:
            return
        done["by hand"] += 1
        name = maps[where % len(maps)]
        other = lambda text: text.replace("schedulerClusterID: ", "schedulerClusterID: 9", 1)  # noqa: E731
        self.fleet.of[place[0]].edit_config_map(place[1], name, other)

    @rule(pick=picks, which=picks)
    def delete_object(self, pick: int, which: int) -> None:
        context, namespace = self._place(pick)
        kube = self.fleet.of[context]
        kinds = ("ConfigMap", "Service", "StatefulSet", "DaemonSet", "Deployment")
        keys = sorted(key for key in kube.objects if key[1] == namespace and key[0] in kinds)
        if keys:
            done["by hand"] += 1
            del kube.objects[keys[which % len(keys)]]
            kube.settle()

    @rule(pick=picks)
    def restart_schedulers(self, pick: int) -> None:
        """Their pods are evicted, and come back with whatever the ConfigMap says now."""
        context, namespace = self._place(pick)
        kube = self.fleet.of[context]
        for key in [key for key, pod in kube.running.items() if key[0] == namespace and pod.component == "scheduler"]:
            del kube.running[key]
        kube.settle()
        self.fleet.settle()

    @rule(pick=picks)
    def uninstall(self, pick: int) -> None:
        name = self.fleet.names[pick % len(self.fleet.names)]
        if not self._is_away(name):
            done["by hand"] += 1
            self.fleet.uninstall(name)

    @rule(context=st.sampled_from(CONTEXTS[1:]), how=st.sampled_from(["back", "down", "gone"]))
    def lose_context(self, context: str, how: str) -> None:
        """An API server out of reach; or the whole cluster, with its schedulers."""
        kube = self.fleet.of[context]
        kube.is_down, kube.is_gone = how == "down", how == "gone"
        self.fleet.settle()

    # --- what must hold ----------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if hasattr(self, "fleet"):
            for kube in self.fleet.of.values():
                kube.is_down = kube.is_gone = False
            self.fleet.settle()
            self._converge()
        done["sequences"] += 1

    def _converge(self) -> None:
        """One `up` with every consent does what there is to do, but for what is out of reach; a second one nothing."""
        # Nothing is pruned while there is no manager to be asked: the next run does that.
        for _ in range(1 if self._manager_can_be_asked() else 2):
            expected, prune = self._expected_failures(EVERYTHING), self._manager_can_be_asked()
            self._judge_up(self.fleet.up(consent=EVERYTHING), expected, prune=prune)

    def _judge_up(
        self, ended: Ended, expected: set[str], *, prune: bool = False, only: list[str] | None = None
    ) -> None:
        done["up"] += 1
        if ended.is_cut_off:
            done["cut off"] += 1
            return
        if ended.error and not isinstance(ended.error, PartialError):
            assert "a" in expected, f"{ended.error!r}: {ended.error.why}"
            return
        wrong = {name: f"{error!r}: {error.why}" for name, error in ended.failures.items() if name not in expected}
        assert not wrong, wrong
        failures = set(ended.failures)
        fine = [name for name in (only or self.fleet.names) if name not in failures]
        is_whole = not failures and only is None
        wrongs = disorder(self.fleet, pruned=prune and is_whole, whole=is_whole, among=fine)
        assert not wrongs, wrongs
        if is_whole:
            plan = self.fleet.plan(replace(EVERYTHING, prune=prune))
            assert not plan.has_changes, [(step.id, [str(one) for one in step.changes]) for step in plan.mutations]
            assert not prune or not plan.orphans

    def _expected_failures(self, consent: Consent, adding: tuple[str, str] | None = None) -> set[str]:
        """Return the clusters (and orphans) that a run may leave alone: out of reach, refused by name, or another's."""
        topology, may_fail = self.fleet.loaded.topology, set[str]()
        wanted = topology.chart.version
        for cluster in topology.clusters:
            if self._is_away(cluster.name):
                may_fail.add(cluster.name)
                continue
            live = self.fleet.of[cluster.context].live(cluster.release, cluster.namespace)
            if live and live.status == "deployed" and live.chart_version != wanted and not consent.allow:
                may_fail.add(cluster.name)
            if self._is_theirs(cluster.name) and not consent.adopt:
                may_fail.add(cluster.name)
            place = (cluster.context, cluster.namespace, cluster.release)
            if self._runs_elsewhere_too(cluster.name, place, prune=consent.prune):
                may_fail.add(cluster.name)
        if adding:
            name, context = adding
            away = self.fleet.of[context].is_down or self.fleet.of[context].is_gone
            is_elsewhere = self._runs_elsewhere_too(name, (context, f"cluster-{name}", "dragonfly"), prune=False)
            live = self.fleet.of[context].live("dragonfly", f"cluster-{name}")  # of an entry that was cut out
            is_older = live is not None and live.chart_version != wanted
            may_fail |= {name} if away or self._is_theirs(name) or is_elsewhere or is_older else set()
        if consent.prune:
            may_fail |= self._orphans_out_of_sight()
        return may_fail

    def _runs_elsewhere_too(self, name: str, own: tuple[str, str, str], *, prune: bool) -> bool:
        """Whether a release at another place has the entry's id: its old one, after the entry was moved by hand."""
        record, in_sight = self.fleet.record(name), self._in_sight()
        is_pruned = prune and self._manager_can_be_asked()
        return record is not None and any(
            place != own and scheduler_cluster_id(release) == record["id"] and not (is_pruned and place[0] in in_sight)
            for place, release in releases_of(self.fleet).items()
        )

    def _in_sight(self) -> set[str]:
        return {one.context for one in self.fleet.loaded.topology.clusters if not self._is_away(one.name)}

    def _orphans_out_of_sight(self) -> set[str]:
        in_sight, releases = self._in_sight(), releases_of(self.fleet)
        if not self._manager_can_be_asked():
            return {"/".join(place) for place in releases}
        seen = {scheduler_cluster_id(release) for (context, _, _), release in releases.items() if context in in_sight}
        rows = self.fleet.manager_rows.database.scheduler_clusters.values()
        return {row["name"] for row in rows if row["id"] not in seen}

    def _is_theirs(self, name: str) -> bool:
        rows = self.fleet.manager_rows.database.scheduler_clusters.values()
        own = [row for row in rows if row["name"].lower() == name.lower() and row["id"] != 1]
        return any(row["bio"] != record_bio("fleet", self.fleet.uid) for row in own)

    def _is_away(self, name: str) -> bool:
        kube = self.fleet.of[self.fleet.loaded.topology.cluster(name).context]
        return kube.is_down or kube.is_gone

    def _manager_can_be_asked(self) -> bool:
        return self.fleet.manager_runs and self.fleet.root_password_is_set

    def _member(self, pick: int) -> str:
        members = [name for name in self.fleet.names if name != "a"]
        return members[pick % len(members)] if members else ""

    def _place(self, pick: int) -> tuple[str, str]:
        cluster = self.fleet.loaded.topology.clusters[pick % len(self.fleet.names)]
        return cluster.context, cluster.namespace


def _entry(file: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in file["clusters"] if one["name"] == name)
    return found


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    return Charts(helm_binary(), tmp_path_factory.mktemp("charts"))


@pytest.fixture(autouse=True)
def same_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones for each fleet, so that a chart is rendered once with the same values."""
    monkeypatch.setattr(credentials, "generate", lambda key: f"made4{key.replace('-', '')}"[:20])


@pytest.fixture(autouse=True, scope="module")
def counted() -> Iterator[None]:
    yield
    sys.stdout.write(f"\nseed {SEED or 'fixed'}: {dict(done)}\n")


@scenario(
    "N1", "N2", "N3", "M3", "U3", real="clusters in memory, the simulated manager; the chart's objects are helm's"
)
def test_whatever_happens_to_a_fleet_one_up_puts_it_right(charts: Charts) -> None:
    FleetMachine.charts = charts
    chosen = settings(
        max_examples=SEQUENCES,
        stateful_step_count=12,
        derandomize=SEED is None,
        database=None,
        deadline=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink) if os.environ.get("DFMC_FLEET_SHRINK") == "1" else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    machine: type[RuleBasedStateMachine] = seed(int(SEED))(FleetMachine) if SEED else FleetMachine
    run_state_machine_as_test(machine, settings=chosen)
