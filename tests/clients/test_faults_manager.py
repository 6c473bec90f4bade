"""The real client of the manager over real sockets, through everything that can go wrong on the way."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import pytest

from clients.fake_manager import FakeClock
from dfmc.clients.manager import RestManager
from dfmc.errors import UnreachableError
from dfmc.state import ScopesRecord
from dfmc.testbed.faults import Fault, HttpProxy, Kind
from dfmc.testbed.simulated_manager import SimulatedManager
from scenarios import scenario

T = TypeVar("T")

ROOT = "Root-Passw0rd"
SHORT = (2.0, 0.3)
CLUSTERS = "/api/v1/clusters"
SIMULATED = "simulated manager behind real sockets: proven by the recordings, and fast enough for every fault"


class Bench:
    """A simulated manager, a proxy before it and a client that goes through it."""

    def __init__(self, manager: SimulatedManager, proxy: HttpProxy, clock: FakeClock) -> None:
        self.manager = manager
        self.proxy = proxy
        self.clock = clock

    def client(self, timeout: tuple[float, float] = (30.0, 30.0)) -> RestManager:
        return RestManager(self.proxy.url, clock=self.clock, sleep=self.clock.sleep, timeout=timeout)

    def run(
        self, use: Callable[[RestManager], Coroutine[Any, Any, T]], timeout: tuple[float, float] = (30.0, 30.0)
    ) -> T:
        """Run ``use`` with a client that is root already."""

        async def main() -> T:
            client = self.client(timeout)
            try:
                await as_root(client)
                return await use(client)
            finally:
                await client.close()

        return asyncio.run(main())

    def arm(self, *faults: Fault) -> None:
        """Arm faults, also for a client that has a connection."""
        self.proxy.plan.arm(*faults)
        self.proxy.drop_connections()

    @property
    def names(self) -> list[str]:
        return [row["name"] for row in self.manager.database.scheduler_clusters.values()]

    def asked(self, method: str, path: str) -> int:
        return sum((one.method, one.path) == (method, path) for one in self.manager.requests)


@contextmanager
def bench(**options: Any) -> Iterator[Bench]:
    clock = FakeClock()
    with (
        SimulatedManager(clock=clock, **options) as manager,
        HttpProxy(("127.0.0.1", urlsplit(manager.url()).port or 0)) as proxy,
    ):
        yield Bench(manager, proxy, clock)


@pytest.fixture
def world() -> Iterator[Bench]:
    with bench() as made:
        yield made


def reads(method: str, path: str) -> bool:
    return method == "GET"


def creates(method: str, path: str) -> bool:
    return (method, path) == ("POST", CLUSTERS)


EVERY_FAULT = [
    Fault(Kind.REFUSE, times=None),
    Fault(Kind.SILENT, times=None),
    Fault(Kind.RESET, times=None, after_bytes=1),
    Fault(Kind.RESET, times=None, after_bytes=150),
    Fault(Kind.ANSWER, times=None, matches=reads, status=500),
    Fault(Kind.ANSWER, times=None, matches=reads, status=429, retry_after="1"),
    Fault(Kind.ANSWER, times=None, matches=reads, status=503),
    Fault(Kind.HANG, times=None, matches=reads),
    Fault(Kind.DROP_REQUEST, times=None, matches=reads),
    Fault(Kind.DROP_ANSWER, times=None, matches=reads),
    Fault(Kind.CUT, matches=reads),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status if fault.kind is Kind.ANSWER else fault.after_bytes}"


async def as_root(client: RestManager) -> None:
    """Become root; a busy machine may take longer than a test's deadline, so more than once."""
    for _ in range(50):
        try:
            assert await client.resume("ZHJhZ29uZmx5Cg==", "dragonfly")
        except UnreachableError:
            continue
        return
    raise AssertionError("the simulated manager does not answer")


@scenario("W2", "R5", real=SIMULATED)
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=named)
def test_a_read_through_a_lasting_fault_ends_in_bounded_time_and_says_what_to_do(fault: Fault, world: Bench) -> None:
    async def use(client: RestManager) -> None:
        world.arm(fault)
        await client.clusters()

    with pytest.raises(UnreachableError) as caught:
        world.run(use, SHORT)
    error = caught.value
    assert error.why
    assert error.next_step
    assert (world.proxy.address if fault.kind is not Kind.ANSWER else f"HTTP {fault.status}") in str(error)
    patience = 200 if fault.status == 429 else 35
    assert sum(world.clock.slept) <= patience + 5
    assert world.manager.mutations == []


@scenario("W2", "R5", real=SIMULATED)
@pytest.mark.parametrize("fault", EVERY_FAULT, ids=named)
def test_a_read_outlives_a_passing_fault(fault: Fault, world: Bench) -> None:
    attempts = 0

    async def mend(seconds: float) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            world.proxy.plan.clear()
        await world.clock.sleep(seconds)

    async def main() -> list[str]:
        client = RestManager(world.proxy.url, clock=world.clock, sleep=mend, timeout=SHORT)
        try:
            await as_root(client)
            world.arm(fault)
            return [record.name for record in await client.clusters()]
        finally:
            await client.close()

    assert asyncio.run(main()) == ["cluster-1"]
    assert attempts >= 2


def test_attempts_that_hang_use_up_the_patience_and_not_more() -> None:
    """Thirty seconds each would make more than a minute of the 35 that a manager gets to come back."""
    clock = FakeClock()
    started = clock.now

    def hang(request: httpx2.Request) -> httpx2.Response:
        clock.now += request.extensions["timeout"]["read"]
        raise httpx2.ReadTimeout("nothing came")

    client = RestManager("http://x", transport=httpx2.MockTransport(hang), clock=clock, sleep=clock.sleep)
    with pytest.raises(UnreachableError, match="no whole answer within"):
        asyncio.run(client.clusters())
    assert 35 <= clock.now - started <= 40


# --- registering a cluster ---------------------------------------------------------------------------------------

CREATING = [
    pytest.param(Fault(Kind.DROP_ANSWER, matches=creates), 1, marks=scenario("R2", real=SIMULATED), id="answer lost"),
    pytest.param(Fault(Kind.DROP_REQUEST, matches=creates), 2, marks=scenario("R2", real=SIMULATED), id="request lost"),
    pytest.param(Fault(Kind.HANG, matches=creates), 2, marks=scenario("R2", real=SIMULATED), id="no answer"),
    pytest.param(Fault(Kind.ANSWER, matches=creates, status=500), 2, marks=scenario("R5", real=SIMULATED), id="500"),
    pytest.param(Fault(Kind.ANSWER, matches=creates, status=503), 2, marks=scenario("R5", real=SIMULATED), id="503"),
    pytest.param(Fault(Kind.ANSWER, matches=creates, status=429), 2, id="429"),
]


@pytest.mark.parametrize(("fault", "sent"), CREATING)
def test_a_cluster_is_registered_once_whatever_becomes_of_the_request(fault: Fault, sent: int, world: Bench) -> None:
    async def use(client: RestManager) -> int:
        world.proxy.plan.arm(fault)
        made = await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord(idc="east"))
        assert (made.name, made.bio, made.scopes.idc) == ("b", "ours", "east")
        return made.id

    number = world.run(use, (2.0, 1.0) if fault.kind is Kind.HANG else (30.0, 30.0))
    assert world.names == ["cluster-1", "b"]
    assert world.manager.database.scheduler_clusters[number]["name"] == "b"
    assert len([one for one in world.proxy.plan.requests if creates(one.method, one.path)]) == sent
    assert world.asked("POST", CLUSTERS) == 1  # the manager itself never sees it twice


@scenario("R2", real=SIMULATED)
def test_a_lost_answer_is_looked_up_until_every_replica_must_show_the_record() -> None:
    """The replica that is asked has just listed, and remembers for 30 s that there is no such cluster."""
    with bench(replicas=2) as world:

        async def use(client: RestManager) -> int:
            assert await client.cluster_by_name("b") is None
            world.proxy.target = ("127.0.0.1", urlsplit(world.manager.url(1)).port or 0)
            world.arm()
            assert await client.cluster_by_name("b") is None
            world.proxy.plan.arm(Fault(Kind.DROP_ANSWER, matches=creates, then=back))
            return (await client.create_cluster(name="b", bio="", scopes=ScopesRecord())).id

        def back() -> None:
            world.proxy.target = ("127.0.0.1", urlsplit(world.manager.url(0)).port or 0)

        number = world.run(use)
        assert world.names == ["cluster-1", "b"]
        assert world.manager.database.scheduler_clusters[number]["name"] == "b"
        assert world.asked("POST", CLUSTERS) == 1


@scenario("R2", real=SIMULATED)
def test_when_every_answer_is_lost_it_says_that_the_record_may_be_there(world: Bench) -> None:
    async def use(client: RestManager) -> None:
        world.proxy.plan.arm(Fault(Kind.CUT, matches=creates))
        await client.create_cluster(name="b", bio="", scopes=ScopesRecord())

    with pytest.raises(UnreachableError) as caught:
        world.run(use)
    assert "may have been created" in caught.value.left
    assert world.proxy.address in str(caught.value)


@pytest.mark.parametrize("kind", [Kind.DROP_ANSWER, Kind.DROP_REQUEST, Kind.ANSWER])
@scenario("R5", "R8", real=SIMULATED)
def test_a_change_that_failed_is_made_again_and_keeps_the_default_flag(kind: Kind, world: Bench) -> None:
    def changes(method: str, path: str) -> bool:
        return method == "PATCH"

    async def use(client: RestManager) -> None:
        (record,) = await client.clusters()
        world.proxy.plan.arm(Fault(kind, matches=changes))
        scopes = ScopesRecord(cidrs=("10.0.0.0/8",))
        changed = await client.update_cluster(record, name="a", bio="ours", scopes=scopes)
        assert (changed.name, changed.bio, changed.scopes, changed.is_default) == ("a", "ours", scopes, True)

    world.run(use)
    (row,) = world.manager.database.scheduler_clusters.values()
    assert (row["name"], row["is_default"], row["scopes"]["cidrs"]) == ("a", True, ["10.0.0.0/8"])


# --- root's password ---------------------------------------------------------------------------------------------


@scenario("S5", real=SIMULATED)
@pytest.mark.parametrize(("kind", "stands"), [(Kind.DROP_ANSWER, ROOT), (Kind.DROP_REQUEST, "dragonfly")])
def test_a_lost_reset_leaves_one_of_two_passwords_and_says_so(kind: Kind, stands: str, world: Bench) -> None:
    async def reset() -> None:
        client = world.client()
        try:
            await client.reset_root_password("dragonfly", ROOT)
        finally:
            await client.close()

    world.proxy.plan.arm(Fault(kind))
    with pytest.raises(UnreachableError) as caught:
        asyncio.run(reset())
    assert "either the old or the new" in caught.value.left
    assert ROOT not in str(caught.value)
    assert world.manager.database.hashes == {1: stands}
    assert len(world.proxy.plan.mutations) == 1  # not sent again blindly

    async def sign_in() -> int:
        client = world.client()
        try:
            return await client.sign_in(ROOT, "dragonfly")
        finally:
            await client.close()

    assert asyncio.run(sign_in()) == [ROOT, "dragonfly"].index(stands)
