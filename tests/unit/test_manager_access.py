import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from dfmc.engine import manager_access
from dfmc.engine.manager_access import ManagerAccess
from dfmc.errors import NotReadyError, RecoveryError
from dfmc.state import PodState
from fakes import FakeKube
from scenarios import scenario
from topologies import topology


class Manager:
    """Counts what is read of it; answers once it is set free."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_asked = asyncio.Event()
        self.is_free = asyncio.Event()

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        self.is_asked.set()
        await self.is_free.wait()
        return number

    async def close(self) -> None:
        """Nothing is open."""


def access(manager: Any) -> ManagerAccess:
    file = topology(manager={"cluster": "a", "access": "https://manager.example.com"})
    return ManagerAccess(file, FakeKube(), lambda url: manager)


def test_many_who_look_at_once_share_what_is_read_after_they_asked() -> None:
    async def main() -> None:
        manager = Manager()
        there = access(manager)

        async def look() -> int:
            return await there.look(lambda client: manager.read())

        first = asyncio.create_task(look())
        await manager.is_asked.wait()
        # That reading has begun before these ask: it may have missed what they wait for.
        late = [asyncio.create_task(look()) for _ in range(100)]
        await asyncio.sleep(0)
        manager.is_free.set()
        assert await first == 1
        assert set(await asyncio.gather(*late)) == {2}
        assert await look() == 3

    asyncio.run(main())


def test_a_failed_look_fails_for_all_who_asked_and_is_tried_again_by_the_next() -> None:
    async def main() -> None:
        manager = Manager()
        there = access(manager)

        async def broken() -> int:
            await manager.read()
            raise RecoveryError("no list")

        tasks = [asyncio.create_task(there.look(lambda client: broken())) for _ in range(20)]
        await manager.is_asked.wait()
        manager.is_free.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(error) for error in ended} == {RecoveryError}
        assert manager.reads == 2  # one for whoever came first, one for all the others
        with pytest.raises(RecoveryError):
            await there.look(lambda client: broken())
        assert manager.reads == 3

    asyncio.run(main())


# --- through a port-forward to a pod ----------------------------------------------------------------------------

POD = PodState("manager-1", "manager", "Running", True, "10.0.0.1", "node-1")


class Pods(FakeKube):
    """A cluster whose manager pods a test exchanges."""

    def __init__(self, *pods: PodState) -> None:
        super().__init__()
        self.there = list(pods)
        self.forwarded: list[str] = []

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        return list(self.there)

    def port_forward(self, namespace: str, pod: str, port: int) -> AbstractAsyncContextManager[int]:
        self.forwarded.append(pod)
        return self._forward()

    @asynccontextmanager
    async def _forward(self) -> AsyncIterator[int]:
        yield 1


def through_pods(manager: Any, kube: Any) -> ManagerAccess:
    return ManagerAccess(topology(), kube, lambda url: manager)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_access, "_POD_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(manager_access, "_NO_POD_POLL_SECONDS", 0.02)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("end", ["gone", "terminating"])
@scenario("W4", real="pods and a manager in memory")
def test_a_request_to_a_pod_that_is_gone_goes_on_with_the_next_pod(end: str) -> None:
    async def main() -> None:
        manager, kube = Manager(), Pods(POD)
        there = through_pods(manager, kube)
        asked = asyncio.create_task(there.call(lambda client: manager.read()))
        await manager.is_asked.wait()
        left = [] if end == "gone" else [replace(POD, terminating=True)]
        kube.there = left  # for a moment there is none that is ready
        await asyncio.sleep(0.1)
        assert not asked.done()
        manager.is_free.set()
        kube.there = [*left, replace(POD, name="manager-2")]
        assert await asyncio.wait_for(asked, 10) == 2
        assert kube.forwarded == ["manager-1", "manager-2"]
        await there.close()

    asyncio.run(main())


@pytest.mark.usefixtures("_soon")
def test_a_slow_answer_of_a_pod_that_is_there_is_waited_for() -> None:
    async def main() -> None:
        manager, kube = Manager(), Pods(POD)
        there = through_pods(manager, kube)
        asked = asyncio.create_task(there.call(lambda client: manager.read()))
        await manager.is_asked.wait()
        await asyncio.sleep(0.1)
        manager.is_free.set()
        assert await asked == 1
        assert kube.forwarded == ["manager-1"]
        await there.close()

    asyncio.run(main())


@pytest.mark.usefixtures("_soon")
def test_no_next_pod_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_access, "_NO_POD_SECONDS", 0.05)

    async def main() -> None:
        manager, kube = Manager(), Pods(POD)
        there = through_pods(manager, kube)
        asked = asyncio.create_task(there.call(lambda client: manager.read()))
        await manager.is_asked.wait()
        kube.there = []
        with pytest.raises(NotReadyError, match="no manager pod is ready"):
            await asyncio.wait_for(asked, 10)
        await there.close()

    asyncio.run(main())
