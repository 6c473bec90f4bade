"""What dfmc does with a manager, from the first sign-in on: the real client against the simulated one, over sockets."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from clients.fake_manager import FakeClock
from dfmc.clients.manager import RestManager
from dfmc.errors import AuthError, ConflictError, NotReadyError, PreflightError, RecoveryError
from dfmc.state import ScopesRecord
from dfmc.testbed.simulated_manager import SimulatedManager
from scenarios import scenario

T = TypeVar("T")

KEY = "a-key-of-our-own-for-tests"
ROOT = "Root-Passw0rd"
VERSIONS = ["2.1.66", "2.5.1"]
SIMULATED = "simulated manager, proven by the recordings of real ones"
Use = Callable[[RestManager], Coroutine[Any, Any, T]]


class World:
    def __init__(self, manager: SimulatedManager, clock: FakeClock) -> None:
        self.manager = manager
        self.clock = clock

    def run(self, use: "Use[T]", url: str = "") -> T:
        """Use a fresh client, as every command of dfmc has one."""

        async def main() -> T:
            client = RestManager(url or self.manager.url(), clock=self.clock, sleep=self.clock.sleep)
            try:
                return await use(client)
            finally:
                await client.close()

        return asyncio.run(main())

    def as_root(self, use: "Use[T]", url: str = "") -> T:
        async def main(client: RestManager) -> T:
            assert await client.resume(KEY, "dragonfly")
            return await use(client)

        return self.run(main, url)

    @property
    def sign_ins(self) -> list[int]:
        return [one.status for one in self.manager.requests if one.path.endswith("/signin")]


def make(version: str = "2.5.1", **options: Any) -> tuple[SimulatedManager, FakeClock]:
    clock = FakeClock()
    return SimulatedManager(version, clock=clock, jwt_key=KEY, **options), clock


@pytest.fixture(params=VERSIONS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    manager, clock = make(request.param)
    with manager:
        yield World(manager, clock)


@pytest.fixture
def newest() -> Iterator[World]:
    manager, clock = make()
    with manager:
        yield World(manager, clock)


# --- signing in --------------------------------------------------------------------------------------------------


def test_a_first_run_replaces_the_public_password_and_signs_in(world: World) -> None:
    async def use(client: RestManager) -> list[str]:
        await client.reset_root_password("dragonfly", ROOT)
        assert await client.sign_in(ROOT) == 0
        assert await client.is_answering()
        return [record.name for record in await client.clusters()]

    assert world.run(use) == ["cluster-1"]
    assert world.manager.database.hashes == {1: ROOT}


@scenario("S1", real=SIMULATED)
def test_a_command_right_after_another_signs_in_all_the_same(world: World) -> None:
    async def use(client: RestManager) -> int:
        return await client.sign_in("dragonfly")

    assert [world.run(use) for _ in range(3)] == [0, 0, 0]
    refused = world.sign_ins.count(401)
    assert (refused > 0) == (world.manager.replicas[0].habits.row_cache > 0)  # the cache of 2.2.0 and later
    assert len(world.sign_ins) <= 3 * 5


def test_the_managers_own_key_spares_the_sign_in(world: World) -> None:
    assert len(world.as_root(lambda client: client.clusters())) == 1
    assert world.sign_ins == []


@pytest.mark.parametrize("key", ["ZHJhZ29uZmx5Cg==", "another", ""])
def test_a_token_of_another_key_is_refused_and_costs_one_request(key: str, world: World) -> None:
    async def use(client: RestManager) -> int:
        assert not await client.resume(key, "dragonfly")
        return await client.sign_in("dragonfly")

    assert world.run(use) == 0
    assert [one.status for one in world.manager.requests] == [401, 200]


@scenario("S1", real=SIMULATED)
def test_a_wrong_password_is_told_after_few_tries_and_never_shown(newest: World) -> None:
    with pytest.raises(AuthError) as caught:
        newest.run(lambda client: client.sign_in("Wrong-Passw0rd", "Other-Passw0rd"))
    assert newest.sign_ins == [401] * len(newest.sign_ins)
    assert 2 <= len(newest.sign_ins) <= 5
    assert "Passw0rd" not in str(caught.value)


@scenario("S1", "W1", real=SIMULATED)
def test_a_database_that_is_down_is_no_wrong_password_for_good(newest: World) -> None:
    """Sign-in is 401 and the health route 200 while the database is down."""
    naps = 0

    async def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1
        newest.manager.database.is_up = naps >= 2
        await newest.clock.sleep(seconds)

    async def main() -> list[str]:
        client = RestManager(newest.manager.url(), clock=newest.clock, sleep=nap)
        newest.manager.database.is_up = False
        try:
            await client.sign_in("dragonfly")
            return [record.name for record in await client.clusters()]
        finally:
            await client.close()

    assert asyncio.run(main()) == ["cluster-1"]
    assert newest.sign_ins[0] == 401


@scenario("W1", real=SIMULATED)
def test_a_manager_without_its_database_is_not_answering_though_its_health_route_says_ok(newest: World) -> None:
    async def use(client: RestManager) -> tuple[bool, bool]:
        before = await client.is_answering()
        newest.manager.database.is_up = False
        return before, await client.is_answering()

    assert newest.as_root(use) == (True, False)


@scenario("S2", "N15", real=SIMULATED)
def test_a_replica_that_knows_no_roles_is_named(newest: World) -> None:
    manager, clock = make(replicas=3, powerless=(1,))
    with manager:
        world = World(manager, clock)

        async def use(client: RestManager) -> None:
            await client.sign_in("dragonfly")
            await client.clusters()

        with pytest.raises(NotReadyError) as caught:
            world.run(use, manager.url(1))
        assert manager.replicas[1].address in caught.value.what
        assert "rollout restart" in caught.value.next_step


@scenario("S3", real=SIMULATED)
def test_a_token_that_expires_in_the_middle_is_renewed_once(newest: World) -> None:
    manager, clock = make(jwt_lifetime=60)
    with manager:
        world = World(manager, clock)

        async def use(client: RestManager) -> None:
            await client.sign_in("dragonfly")
            clock.now += 61
            await asyncio.gather(*(client.cluster_by_name(f"c-{number}") for number in range(8)))

        world.run(use)
        assert world.sign_ins == [200, 200]


@scenario("S3", real=SIMULATED)
def test_a_key_that_was_replaced_in_the_middle_means_one_sign_in(newest: World) -> None:
    async def use(client: RestManager) -> int:
        newest.manager.replicas[0].jwt_key = "the-new-key-of-an-upgrade"
        return len(await client.clusters())

    assert newest.as_root(use) == 1
    assert newest.sign_ins == [200]


# --- root's password ---------------------------------------------------------------------------------------------


def test_a_reset_while_the_row_is_cached_is_made_again_when_the_cache_is_empty(world: World) -> None:
    """A sign-in by name does not disturb it; an authorised call, whose user is looked up by id, does."""

    async def use(client: RestManager) -> None:
        await client.clusters()
        await client.reset_root_password("dragonfly", ROOT)

    world.as_root(use)
    resets = [one.status for one in world.manager.requests if one.path.endswith("/reset_password")]
    assert resets == ([500, 200] if world.manager.replicas[0].habits.row_cache else [200])
    assert world.manager.database.hashes == {1: ROOT}


@pytest.mark.parametrize("new", ["short", "x" * 21])
@scenario("S6", real=SIMULATED)
def test_a_password_that_the_manager_does_not_take_is_refused(new: str, world: World) -> None:
    with pytest.raises(PreflightError, match="does not accept the new password") as caught:
        world.run(lambda client: client.reset_root_password("dragonfly", new))
    assert "8 to 20" in caught.value.next_step
    assert world.manager.database.hashes == {1: "dragonfly"}


# --- records -----------------------------------------------------------------------------------------------------


@scenario("R9", real=SIMULATED)
def test_ids_drift_apart_and_each_is_taken_from_its_own_field(world: World) -> None:
    database = world.manager.database

    async def use(client: RestManager) -> tuple[int, int, int]:
        await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord())
        await client._session.request("POST", "/api/v1/clusters", body=raw("b"), persistent=False)  # uses up one id
        made = await client.create_cluster(name="c", bio="ours", scopes=ScopesRecord())
        return made.id, made.scheduler_cluster_id, made.seed_peer_cluster_id

    assert world.as_root(use) == (4, 4, 3)
    assert database.links[4] == [3]


def raw(name: str) -> dict[str, Any]:
    configs: dict[str, Any] = {
        f"{what}_config": {} for what in ("scheduler_cluster", "seed_peer_cluster", "peer_cluster")
    }
    return {"name": name, **configs}


@scenario("R3", real=SIMULATED)
def test_many_who_register_the_same_name_at_once_get_one_record(world: World) -> None:
    async def one() -> int:
        client = RestManager(world.manager.url(), clock=world.clock, sleep=world.clock.sleep)
        try:
            assert await client.resume(KEY, "dragonfly")
            return (await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord(idc="x"))).id
        finally:
            await client.close()

    async def main() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(6)))

    ids = asyncio.run(main())
    assert len(set(ids)) == 1
    assert [row["name"] for row in world.manager.database.scheduler_clusters.values()] == ["cluster-1", "b"]


@scenario("R10", real=SIMULATED)
def test_success_with_an_empty_body_is_looked_up_and_made_once_more(world: World) -> None:
    """What a commit that failed answers."""
    world.manager.database.failing_commits = 1

    async def use(client: RestManager) -> str:
        return (await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord())).name

    assert world.as_root(use) == "b"
    assert [row["name"] for row in world.manager.database.scheduler_clusters.values()] == ["cluster-1", "b"]
    assert sum(one.method == "POST" for one in world.manager.requests) == 2


@scenario("R3", "I11", real=SIMULATED)
def test_a_name_that_differs_in_case_only_is_a_conflict_with_the_other_record(world: World) -> None:
    async def use(client: RestManager) -> None:
        await client.create_cluster(name="east", bio="theirs", scopes=ScopesRecord())
        await client.create_cluster(name="EAST", bio="ours", scopes=ScopesRecord())

    with pytest.raises(ConflictError, match="'east'"):
        world.as_root(use)


@scenario("R8", real=SIMULATED)
def test_a_change_keeps_the_default_flag_and_replaces_all_scopes(world: World) -> None:
    async def use(client: RestManager) -> None:
        (record,) = await client.clusters()
        first = ScopesRecord(idc="a", cidrs=("10.0.0.0/8", "fd00::/8"), hostnames=("node-.*",))
        record = await client.update_cluster(record, name="a", bio="ours", scopes=first)
        assert (record.name, record.bio, record.scopes, record.is_default) == ("a", "ours", first, True)
        second = ScopesRecord(location="eu|de")
        record = await client.update_cluster(record, name="a", bio="", scopes=second)
        assert (record.bio, record.scopes, record.is_default) == ("ours", second, True)
        sent = len(world.manager.mutations)
        assert await client.update_cluster(record, name="a", bio="ours", scopes=second) == record
        assert len(world.manager.mutations) == sent  # nothing differs, nothing is sent

    world.as_root(use)


@scenario("R8", real=SIMULATED)
def test_the_simulation_itself_drops_the_default_flag_when_it_is_left_out(world: World) -> None:
    """What the client guards against is really there."""

    async def use(client: RestManager) -> bool:
        await client._session.request("PATCH", "/api/v1/clusters/1", body={"bio": "x"}, persistent=False)
        return (await client.clusters())[0].is_default

    assert world.as_root(use) is False


@scenario("R11", real=SIMULATED)
def test_a_record_that_somebody_deleted_is_no_record_to_change(world: World) -> None:
    async def use(client: RestManager) -> None:
        made = await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord())
        await client._session.request("DELETE", f"/api/v1/clusters/{made.id}", persistent=False)
        await client.update_cluster(made, name="b", bio="ours", scopes=ScopesRecord(idc="x"))

    with pytest.raises(ConflictError, match="gone"):
        world.as_root(use)


@scenario("R7", real=SIMULATED)
@pytest.mark.parametrize("count", [0, 10, 999, 1000, 2001])
def test_all_records_are_read_however_many(count: int, newest: World) -> None:
    for number in range(count):
        newest.manager.database.create_cluster(raw(f"c-{number:04d}"))
    records = newest.as_root(lambda client: client.clusters())
    assert [record.id for record in records] == list(range(1, count + 2))


@scenario("R7", real=SIMULATED)
def test_an_empty_list_is_null_for_clusters_and_empty_for_the_others(world: World) -> None:
    async def use(client: RestManager) -> tuple[int, int, int]:
        return len(await client.clusters()), len(await client.schedulers()), len(await client.seed_peers())

    world.manager.database.delete_cluster(1)
    assert world.as_root(use) == (0, 0, 0)


@scenario("R6", real=SIMULATED)
def test_one_orphan_row_spoils_the_list_and_not_the_look_up_by_name(world: World) -> None:
    world.manager.database.meddle_scheduler_cluster("orphan")

    async def use(client: RestManager) -> None:
        found = await client.cluster_by_name("cluster-1")
        assert found is not None
        assert found.id == 1
        await client.clusters()

    with pytest.raises(RecoveryError, match="cannot list") as caught:
        world.as_root(use)
    assert "seed peer cluster" in caught.value.why
    assert sum(world.clock.slept) == 0  # waiting would not help


@scenario("R4", real=SIMULATED)
def test_a_name_without_room_is_refused_before_it_is_sent(world: World) -> None:
    async def use(client: RestManager) -> None:
        await client.create_cluster(name="n" * 257, bio="", scopes=ScopesRecord())

    with pytest.raises(PreflightError):
        world.as_root(use)
    assert world.manager.mutations == []


# --- several replicas --------------------------------------------------------------------------------------------


@scenario("R2", real=SIMULATED)
def test_another_replica_shows_a_change_late_and_is_waited_for() -> None:
    manager, clock = make(replicas=2)
    with manager:
        world = World(manager, clock)

        async def use(client: RestManager) -> None:
            for _ in range(2):  # both replicas remember what they see now
                assert await client.cluster_by_name("b") is None
            made = await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord(idc="one"))
            again = await client.create_cluster(name="b", bio="ours", scopes=ScopesRecord(idc="one"))
            assert made.id == again.id
            changed = await client.update_cluster(made, name="b", bio="ours", scopes=ScopesRecord(idc="two"))
            assert changed.scopes.idc == "two"

        world.as_root(use, manager.service_url)
        assert [row["name"] for row in manager.database.scheduler_clusters.values()] == ["cluster-1", "b"]


def test_the_simulation_shows_a_stale_list_until_the_cache_is_emptied() -> None:
    manager, clock = make(replicas=2)
    with manager:
        world = World(manager, clock)

        async def names(client: RestManager) -> list[str]:
            return [record.name for record in await client.clusters()]

        assert world.as_root(names, manager.url(1)) == ["cluster-1"]
        manager.database.create_cluster(raw("b"))
        assert world.as_root(names, manager.url(1)) == ["cluster-1"]
        assert world.as_root(names, manager.url(0)) == ["cluster-1", "b"]
        clock.now += 31
        assert world.as_root(names, manager.url(1)) == ["cluster-1", "b"]


# --- what is no manager ------------------------------------------------------------------------------------------


@scenario("W6", real=SIMULATED)
def test_an_address_that_leads_elsewhere_is_not_followed(world: World) -> None:
    with pytest.raises(ConflictError, match="not the REST API of a Dragonfly manager"):
        world.run(lambda client: client.resume(KEY, "dragonfly"), world.manager.url() + "/elsewhere")
    assert [one.status for one in world.manager.requests] == [301]


def test_schedulers_are_read_with_their_state(world: World) -> None:
    world.manager.register_scheduler(1, "s-1")
    world.manager.register_scheduler(77, "s-2", state="inactive")  # no such cluster: nobody checks

    async def use(client: RestManager) -> list[tuple[str, str, int]]:
        return [(one.host_name, one.state, one.scheduler_cluster_id) for one in await client.schedulers()]

    assert world.as_root(use) == [("s-1", "active", 1), ("s-2", "inactive", 77)]


def test_what_goes_wrong_inside_the_simulation_is_not_swallowed() -> None:
    def break_it() -> None:
        manager, clock = make()
        with manager:
            del manager.database.scheduler_clusters[1]["scopes"]
            assert not World(manager, clock).run(lambda client: client.resume(KEY, "dragonfly"))

    with pytest.raises(KeyError, match="scopes"):
        break_it()


# --- removing -----------------------------------------------------------------------------------------------------


def test_a_record_goes_only_after_its_schedulers_and_twice_is_no_error(world: World) -> None:
    async def use(client: RestManager) -> list[bool]:
        record = await client.create_cluster(name="b", bio="x", scopes=ScopesRecord())
        world.manager.register_scheduler(record.scheduler_cluster_id, "s-0", state="inactive")
        with pytest.raises(NotReadyError, match="still has schedulers"):
            await client.delete_cluster(record)
        assert [one.name for one in await client.clusters()] == ["cluster-1", "b"]
        (scheduler,) = await client.schedulers()
        done = [await client.delete_scheduler(scheduler), await client.delete_scheduler(scheduler)]
        return [*done, await client.delete_cluster(record), await client.delete_cluster(record)]

    started = world.clock()
    assert world.as_root(use) == [True, False, True, False]
    assert world.clock() == started  # a refusal that time does not change is not waited for
    assert world.manager.database.schedulers == {}
    assert list(world.manager.database.scheduler_clusters) == [1]


def test_a_seed_peers_row_is_deleted_by_itself(world: World) -> None:
    fields = {"type": "super", "host_name": "seed-0", "ip": "10.0.0.9", "port": 1, "download_port": 2}
    world.manager.database.create_seed_peer({**fields, "seed_peer_cluster_id": 1})

    async def use(client: RestManager) -> list[bool]:
        (seed,) = await client.seed_peers()
        return [await client.delete_seed_peer(seed), await client.delete_seed_peer(seed)]

    assert world.as_root(use) == [True, False]
    assert world.manager.database.seed_peers == {}
