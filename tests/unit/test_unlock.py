"""Who holds the lock, whether it lives, and taking it away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dfmc.engine.lock import Lock
from dfmc.engine.session import Session
from dfmc.engine.unlock import HeldLock, is_alive, look, take
from dfmc.errors import ConflictError, LockedError
from dfmc.redaction import Redactor
from dfmc.topology.load import load_file
from fakes import FakeKube

LOADED = load_file(Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml")
T = TypeVar("T")


class Factory:
    def __init__(self, kube: FakeKube) -> None:
        self._kube = kube

    def kube(self, cluster: object) -> FakeKube:
        return self._kube

    def manager(self, base_url: str) -> Any:
        raise AssertionError("nothing here asks the manager")


def run(kube: FakeKube, action: Callable[[Session], Awaitable[T]]) -> T:
    async def main() -> T:
        async with Session(LOADED, Factory(kube), Redactor()) as session:  # type: ignore[arg-type] # two of four
            return await action(session)

    return asyncio.run(asyncio.wait_for(main(), 30))


def held_by(kube: FakeKube, *, seconds: float = 0.2) -> Lock:
    lock = Lock(kube, LOADED.topology, "up")
    asyncio.run(lock.acquire(lambda text: None))
    kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["leaseDurationSeconds"] = seconds
    return lock


def renewed(kube: FakeKube) -> None:
    kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["renewTime"] = "later"


def holder(kube: FakeKube) -> str:
    return str(kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["holderIdentity"])


def seen(kube: FakeKube) -> HeldLock:
    found = run(kube, look)
    assert found is not None
    return found


def test_a_free_lock_and_one_that_was_given_back_have_no_holder() -> None:
    kube = FakeKube()
    assert run(kube, look) is None
    asyncio.run(held_by(kube).release())
    assert run(kube, look) is None


def test_the_holder_is_told_with_operation_and_time() -> None:
    kube = FakeKube()
    lock = held_by(kube)
    found = seen(kube)
    assert (found.holder, found.operation, found.lease) == (lock.holder, "up", "cluster-a/dfmc-guide")
    assert found.since.startswith("20")


def test_a_renewal_is_a_sign_of_life_and_silence_is_none() -> None:
    kube = FakeKube()
    held_by(kube)
    before = seen(kube)
    assert run(kube, lambda session: is_alive(session, before)) is False
    renewed(kube)
    assert run(kube, lambda session: is_alive(session, before)) is True


def test_the_lock_of_a_silent_holder_is_taken_and_its_run_notices() -> None:
    kube = FakeKube()
    lock = held_by(kube)
    before = seen(kube)
    run(kube, lambda session: take(session, before, force=False))
    assert holder(kube) == ""
    with pytest.raises(LockedError, match="the lock was lost"):
        asyncio.run(lock.verify())


def test_a_holder_that_has_renewed_keeps_it_unless_forced() -> None:
    kube = FakeKube()
    lock = held_by(kube)
    before = seen(kube)
    renewed(kube)
    with pytest.raises(LockedError, match="another run is at work"):
        run(kube, lambda session: take(session, before, force=False))
    assert holder(kube) == lock.holder
    run(kube, lambda session: take(session, before, force=True))
    assert holder(kube) == ""


def test_never_is_the_lock_taken_from_somebody_who_was_not_shown() -> None:
    kube = FakeKube()
    held_by(kube)
    before = seen(kube)
    kube.objects["Lease", "cluster-a", "dfmc-guide"]["spec"]["holderIdentity"] = "another@host:2:cd"
    with pytest.raises(LockedError):
        run(kube, lambda session: take(session, before, force=True))
    assert holder(kube) == "another@host:2:cd"


def test_a_lease_of_another_topology_is_left_alone() -> None:
    kube = FakeKube()
    held_by(kube)
    kube.objects["Lease", "cluster-a", "dfmc-guide"]["metadata"]["annotations"]["dfmc.io/topology"] = "other"
    with pytest.raises(ConflictError):
        run(kube, look)
