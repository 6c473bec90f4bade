import asyncio
from typing import Any

import pytest

from dfmc.engine import lock as lock_module
from dfmc.engine.lock import Lock, locked
from dfmc.errors import LockedError, UnreachableError
from fakes import FakeKube
from scenarios import scenario
from topologies import topology


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(lock_module, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(lock_module, "_RENEW_SECONDS", 0.03)


def quiet(text: str) -> None:
    """Say nothing."""


def lease(kube: FakeKube) -> dict[str, Any]:
    return kube.objects["Lease", "cluster-a", "dfmc-guide"]


def test_a_free_lock_costs_two_writes_and_is_given_back() -> None:
    kube = FakeKube()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            assert lease(kube)["spec"]["holderIdentity"] == held.holder
            await held.verify()

    asyncio.run(main())
    assert lease(kube)["spec"]["holderIdentity"] == ""
    assert kube.mutations == ["create Lease dfmc-guide", "replace Lease dfmc-guide"]


def test_a_live_holder_is_named_and_left_alone() -> None:
    kube = FakeKube()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            with pytest.raises(LockedError) as caught:
                await Lock(kube, topology(), "up").acquire(quiet)
            assert held.holder in caught.value.why
            assert "up since" in caught.value.why
            await held.verify()

    asyncio.run(main())
    assert LockedError.exit_code == 8


@scenario("X4", real="an API server in memory")
def test_a_dead_holders_lock_is_taken_over_after_its_duration() -> None:
    kube = FakeKube()
    said: list[str] = []

    async def main() -> None:
        dead = Lock(kube, topology(), "up")
        await dead.acquire(quiet)
        heir = Lock(kube, topology(), "up")
        await heir.acquire(said.append)
        await heir.verify()
        with pytest.raises(LockedError, match="the lock was lost"):
            await dead.verify()
        assert lease(kube)["spec"]["leaseTransitions"] == 1

    asyncio.run(main())
    assert "watching" in said[0]
    assert "took the lock over" in said[-1]


@scenario("X1", real="an API server in memory")
def test_of_many_at_once_one_holds_it() -> None:
    kube = FakeKube()
    holding, most = 0, 0

    async def worker() -> None:
        nonlocal holding, most
        for _ in range(50):
            try:
                async with locked(kube, topology(), "up", quiet):
                    holding += 1
                    most = max(most, holding)
                    await asyncio.sleep(0.005)
                    holding -= 1
                return
            except LockedError:
                await asyncio.sleep(0.01)
        raise AssertionError("never got the lock")

    async def main() -> None:
        await asyncio.gather(*(worker() for _ in range(6)))

    asyncio.run(main())
    assert most == 1


def test_giving_back_never_takes_the_next_holders_lock_away() -> None:
    kube = FakeKube()

    async def main() -> None:
        first, second = Lock(kube, topology(), "up"), Lock(kube, topology(), "up")
        await first.acquire(quiet)
        await second.acquire(quiet)
        await first.release()
        await second.verify()

    asyncio.run(main())


@scenario("X8", real="an API server in memory")
def test_an_unreachable_server_while_renewing_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "LEASE_SECONDS", 60)
    kube = FakeKube()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            kube.fail["replace Lease dfmc-guide"] = UnreachableError("no answer")
            await asyncio.sleep(0.1)
            await held.verify()

    asyncio.run(main())


def test_a_renewal_whose_answer_was_lost_does_not_end_the_renewing() -> None:
    kube = FakeKube()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            # Somebody else's write to the same Lease looks like our own whose answer never came.
            touched = lease(kube)
            touched["metadata"]["annotations"]["note"] = "looked at by hand"
            await kube.replace(touched)
            before = lease(kube)["spec"]["renewTime"]
            await asyncio.sleep(0.2)
            assert lease(kube)["spec"]["renewTime"] > before
            await held.verify()

    asyncio.run(main())
    assert lease(kube)["spec"]["holderIdentity"] == ""
    assert lease(kube)["metadata"]["annotations"]["note"] == "looked at by hand"


def test_an_api_server_that_hangs_does_not_keep_whoever_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "_RELEASE_SECONDS", 0.05)

    class Hanging(FakeKube):
        is_hanging = False

        async def replace(self, obj: dict[str, Any]) -> dict[str, Any] | None:
            if self.is_hanging:
                await asyncio.sleep(30)
            return await super().replace(obj)

    kube = Hanging()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet):
            kube.is_hanging = True

    asyncio.run(asyncio.wait_for(main(), 5))


@pytest.fixture
def _longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough that a busy machine loses no lock by itself."""
    monkeypatch.setattr(lock_module, "LEASE_SECONDS", 3)


async def renewals(kube: FakeKube, since: str) -> None:
    """Return after some renewals."""
    for _ in range(5):
        while lease(kube)["spec"]["renewTime"] == since:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.005)
        since = lease(kube)["spec"]["renewTime"]


def at_work(kube: FakeKube, loses: Any) -> tuple[LockedError, list[str]]:
    """Lose the lock in the middle of work; return the error, and what the work said."""
    said: list[str] = []

    async def work() -> None:
        try:
            said.append("began")
            await asyncio.sleep(60)
        finally:
            said.append("ended")

    async def main() -> LockedError:
        async with locked(kube, topology(), "up", quiet) as held:
            losing = asyncio.create_task(loses(held))
            with pytest.raises(LockedError) as caught:
                await held.while_held(work())
            await losing
            return caught.value

    return asyncio.run(asyncio.wait_for(main(), 20)), said


@pytest.mark.usefixtures("_longer")
def test_who_loses_the_lock_stops_at_once_and_names_the_next_holder() -> None:
    kube = FakeKube()

    async def taken(held: Lock) -> None:
        found = lease(kube)
        found["spec"]["holderIdentity"] = "somebody@elsewhere:1:ab"
        await kube.replace(found)

    error, said = at_work(kube, taken)
    assert said == ["began", "ended"]
    assert "somebody@elsewhere:1:ab" in error.why
    assert lease(kube)["spec"]["holderIdentity"] == "somebody@elsewhere:1:ab"


@pytest.mark.usefixtures("_longer")
def test_a_deleted_lease_stops_the_run() -> None:
    kube = FakeKube()

    async def deleted(held: Lock) -> None:
        await kube.delete("coordination.k8s.io/v1", "Lease", "dfmc-guide", "cluster-a")

    error, said = at_work(kube, deleted)
    assert (said[-1], error.why) == ("ended", "its Lease was deleted")


@pytest.mark.usefixtures("_longer")
def test_who_cannot_renew_stops_before_anybody_may_take_over() -> None:
    kube = FakeKube()

    async def cut_off(held: Lock) -> None:
        kube.fail["replace Lease dfmc-guide"] = UnreachableError("connection refused")

    error, said = at_work(kube, cut_off)
    assert said[-1] == "ended"
    assert error.why.startswith("it could not be renewed for ")
    assert error.why.endswith("connection refused")


@pytest.mark.usefixtures("_longer")
def test_what_the_work_returns_or_raises_comes_out_while_the_lock_is_held() -> None:
    async def main() -> None:
        async with locked(FakeKube(), topology(), "up", quiet) as held:
            assert await held.while_held(asyncio.sleep(0, "done")) == "done"
            with pytest.raises(ZeroDivisionError):
                await held.while_held(failing())

    async def failing() -> None:
        raise ZeroDivisionError

    asyncio.run(main())


@pytest.mark.usefixtures("_longer")
def test_a_step_that_finds_the_lock_lost_stops_everything() -> None:
    kube = FakeKube()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            kube.objects.clear()
            with pytest.raises(LockedError, match="the lock was lost"):
                await held.verify()
            with pytest.raises(LockedError, match="the lock was lost"):
                await held.while_held(asyncio.sleep(60))

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.usefixtures("_longer")
def test_patience_waits_for_a_holder_that_is_alive_and_says_so_once() -> None:
    kube = FakeKube()
    said: list[str] = []
    waits = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if "waiting for the lock" in text:
            waits.set()

    async def main() -> None:
        async with locked(kube, topology(), "up", quiet) as held:
            waiting = asyncio.create_task(Lock(kube, topology(), "up").acquire(say, patience=60))
            await waits.wait()
            renewed = lease(kube)["spec"]["renewTime"]
            await held.while_held(renewals(kube, renewed))
            assert not waiting.done()
            assert sum("waiting for the lock" in text for text in said) == 1
            assert any(held.holder in text for text in said)
        await waiting

    asyncio.run(asyncio.wait_for(main(), 30))
