"""The steps that ask the manager, with its real client, against the simulated manager behind a proxy that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from clients.fake_manager import FakeClock
from dfmc.clients.manager import RestManager
from dfmc.clients.protocols import ChartArchive
from dfmc.engine import manager_actions
from dfmc.engine.actions import Actions
from dfmc.engine.credentials import read_stored, write
from dfmc.engine.lock import Lock
from dfmc.engine.run_state import RunState
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import ConflictError, DfmcError, LockedError
from dfmc.planning.credentials import plan_credentials
from dfmc.planning.steps import Action, Kind, Step
from dfmc.redaction import Redactor
from dfmc.state import Observed, StoredCredentials, WorkloadState
from dfmc.testbed.faults import Fault, HttpProxy
from dfmc.testbed.faults import Kind as FaultKind
from dfmc.testbed.simulated_manager import SimulatedManager
from fakes import FakeKube, NoPulls
from scenarios import scenario
from topologies import entry, topology

T = TypeVar("T")

CHART = ChartArchive(Path("/none.tgz"), "0" * 64, "dragonfly", "1.7.4", "2.5.1")
KEY = "the-key-that-dfmc-made"
HALF = "simulated manager and an API server in memory: the order of the two is what is tested"


class World:
    """Two clusters' worth of manager steps, again and again as runs of dfmc would take them."""

    def __init__(self, manager: SimulatedManager, proxy: HttpProxy, clock: FakeClock) -> None:
        self.manager = manager
        self.proxy = proxy
        self.clock = clock
        self.kube = FakeKube()
        self._pauses = 0
        self._back: Callable[[], None] = proxy.plan.clear
        clusters = [entry("a"), entry("b", scopes={"idc": "cluster-2"}), entry("c", scopes={"cidrs": ["10.3.0.0/16"]})]
        self.topology = topology(manager={"cluster": "a", "access": proxy.url}, clusters=clusters)

    def manager_client(self, base_url: str) -> RestManager:
        return RestManager(base_url, clock=self.clock, sleep=self._pause)

    def back_after(self, pauses: int, back: Callable[[], None]) -> None:
        """Call ``back`` at that pause of a client while connections are refused, and at every later one."""
        self._pauses, self._back = pauses, back

    async def _pause(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        if self._pauses and self.proxy.plan.refuses:
            self._pauses -= 1
            if not self._pauses:
                self._back()
                self._pauses = 1

    async def stored(self) -> StoredCredentials:
        """The credentials' Secret, written by the first run before anything uses it."""
        found = await read_stored(self.topology, self.kube, Redactor())
        if found is None:
            plan = plan_credentials(self.topology, None, {"jwt-key": KEY})
            found = await write(self.topology, self.kube, None, plan, Redactor())
        return found

    def run(self, use: Callable[[RunState], Coroutine[Any, Any, T]], timeout: float = 900.0) -> T:
        """One run of dfmc: it knows nothing but what the cluster and the manager tell it."""

        async def main() -> T:
            lock = Lock(self.kube, self.topology, "up")
            await lock.acquire(print)
            observed = Observed({}, await self.stored())
            loaded: Any = SimpleNamespace(topology=self.topology, file="topology.yaml")
            async with Session(loaded, Factory(self), Redactor(), RunOptions(timeout=timeout)) as session:
                try:
                    return await use(RunState(session, observed, CHART, lock))
                finally:
                    await lock.release()

        return asyncio.run(main())

    def up(self, timeout: float = 900.0) -> dict[str, tuple[int, int]]:
        """The manager's part of ``up``; returns the ids by cluster."""

        async def use(run: RunState) -> dict[str, tuple[int, int]]:
            actions = Actions(run).table()
            await actions[Kind.MANAGER](step(Kind.MANAGER, "a"), print)
            for cluster in self.topology.clusters:
                await actions[Kind.RECORD](step(Kind.RECORD, cluster.name), print)
            records = run.records
            return {name: (one.scheduler_cluster_id, one.seed_peer_cluster_id) for name, one in records.items()}

        return self.run(use, timeout)

    def check(self, ids: dict[str, tuple[int, int]]) -> None:
        """Everything is as the file says, once."""
        rows = self.manager.database.scheduler_clusters
        assert {row["name"]: number for number, row in rows.items()} == {name: one[0] for name, one in ids.items()}
        assert {number: links[0] for number, links in self.manager.database.links.items()} == dict(ids.values())
        assert [row["is_default"] for row in rows.values()] == [True, False, False]
        assert rows[ids["b"][0]]["scopes"]["idc"] == "cluster-2"
        assert rows[ids["c"][0]]["scopes"]["cidrs"] == ["10.3.0.0/16"]
        stored = asyncio.run(self.stored())
        assert stored.root_password_set
        assert self.manager.database.hashes == {1: stored.values["root-password"]}


class Factory(NoPulls):
    def __init__(self, world: World) -> None:
        self.world = world

    def kube(self, cluster: Any) -> FakeKube:
        return self.world.kube

    def manager(self, base_url: str) -> RestManager:
        return self.world.manager_client(base_url)

    def helm(self, cluster: Any) -> Any:
        raise AssertionError("no release is touched here")

    def chart_source(self) -> Any:
        raise AssertionError("no chart is needed here")


def step(kind: Kind, cluster: str) -> Step:
    return Step(kind, cluster, Action.CREATE)


VERSIONS = ["2.1.66", "2.5.1"]


@contextmanager
def make_bed(version: str) -> Iterator[World]:
    clock = FakeClock()
    with (
        SimulatedManager(version, clock=clock, jwt_key=KEY) as manager,
        HttpProxy(("127.0.0.1", urlsplit(manager.url()).port or 0)) as proxy,
    ):
        yield World(manager, proxy, clock)


@pytest.fixture(params=VERSIONS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with make_bed(request.param) as made:
        yield made


def sign_ins(world: World) -> int:
    return sum(one.path.endswith("/signin") for one in world.manager.requests)


@scenario("S4", "K11", real=HALF)
def test_a_first_run_registers_everything_and_a_second_one_changes_nothing(world: World) -> None:
    ids = world.up()
    world.check(ids)
    assert sign_ins(world) == 1
    asked = len(world.manager.mutations)
    assert world.up() == ids
    assert world.manager.mutations[asked:] == []
    assert sign_ins(world) == 1  # the second run shows a token of its own


FAULTS = [FaultKind.CUT, FaultKind.DROP_ANSWER, FaultKind.DROP_REQUEST, FaultKind.ANSWER]


@scenario("S5", "R1", "R2", "R5", real=HALF)
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_that_fails_at_any_change_is_finished_by_the_next(version: str, kind: FaultKind) -> None:
    """The fault strikes at the first change, then at the second, … until a run goes through without one."""
    failures: list[DfmcError] = []
    for at in range(1, 20):
        with make_bed(version) as world:
            world.proxy.plan.arm(Fault(kind, at=at))
            try:
                world.up(timeout=0)
            except DfmcError as error:
                failures.append(error)
            struck = world.proxy.plan.struck
            world.proxy.plan.clear()
            world.check(world.up())
        if not struck:
            break
    # The password, record 1, b and c: four changes at least, and each was failed once.
    assert 5 <= at < 19
    assert failures
    assert all(error.next_step for error in failures)


class Restarts(FakeKube):
    """A cluster in which whoever looks at the manager's pods finds it started again."""

    def __init__(self, back: Callable[[], None]) -> None:
        super().__init__()
        self.back = back

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        self.back()
        return []


@scenario("K9", "R5", real=HALF)
def test_a_manager_that_restarts_at_any_request_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is away from the first request on, then from the second, … and back after the client has paused twice."""
    monkeypatch.setattr(manager_actions, "_MANAGER_POLL_SECONDS", 0.01)
    for at in range(1, 60):
        with make_bed("2.5.1") as world:

            def back(world: World = world) -> None:
                for replica in world.manager.replicas:
                    replica.cache.written()  # a new process remembers nothing
                world.proxy.plan.clear()

            world.kube = Restarts(back)
            world.back_after(2, back)
            world.proxy.plan.arm(Fault(FaultKind.CUT, at=at, matches=lambda method, path: True))
            world.check(world.up())
            if not world.proxy.plan.struck:
                break
    assert 10 < at < 59


@scenario("S5", real=HALF)
@pytest.mark.parametrize("stored_is_set", [True, False])
def test_a_password_that_was_replaced_before_a_crash_is_found(stored_is_set: bool, world: World) -> None:
    """The Secret says that it is not known whether the manager has the new password; it has, or has not."""
    stored = asyncio.run(world.stored())
    assert not stored.root_password_set
    if stored_is_set:
        world.manager.database.hashes[1] = stored.values["root-password"]
    world.check(world.up())


@scenario("R3", "X2", real=HALF)
def test_a_record_of_somebody_else_is_a_conflict_and_stays_as_it_is(world: World) -> None:
    fields = {"name": "B", "bio": "theirs", "scopes": {"idc": "x", "location": "", "cidrs": None, "hostnames": None}}
    configs: dict[str, Any] = {"scheduler_cluster_config": {}, "seed_peer_cluster_config": {}}
    theirs = dict(world.manager.database.create_cluster({**fields, **configs, "peer_cluster_config": {}}))
    with pytest.raises(ConflictError) as caught:
        world.up()
    assert "'B'" in str(caught.value)
    assert world.manager.database.scheduler_clusters[theirs["id"]] == theirs


@scenario("R11", real=HALF)
def test_a_record_that_was_deleted_is_made_anew_with_new_ids(world: World) -> None:
    before = world.up()
    world.manager.database.delete_cluster(before["b"][0])
    for replica in world.manager.replicas:
        replica.cache.written()
    after = world.up()
    assert after["b"] > before["b"]
    assert (after["a"], after["c"]) == (before["a"], before["c"])


@scenario("X8", real=HALF)
def test_a_run_whose_lock_was_taken_registers_nothing(world: World) -> None:
    async def use(run: RunState) -> None:
        actions = Actions(run).table()
        await actions[Kind.MANAGER](step(Kind.MANAGER, "a"), print)
        lease = await world.kube.get("coordination.k8s.io/v1", "Lease", "dfmc-guide", "cluster-a")
        assert lease is not None
        await world.kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": "somebody else"}})
        asked = len(world.manager.mutations)
        with pytest.raises(LockedError):
            await actions[Kind.RECORD](step(Kind.RECORD, "b"), print)
        assert world.manager.mutations[asked:] == []

    world.run(use)
