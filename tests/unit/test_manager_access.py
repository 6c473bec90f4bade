import asyncio
from typing import Any

import pytest

from dfmc.engine.manager_access import ManagerAccess
from dfmc.errors import RecoveryError
from fakes import FakeKube
from topologies import topology


class Manager:
    """Counts what is read of it."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self) -> int:
        self.reads += 1
        await asyncio.sleep(0.02)
        return self.reads

    async def close(self) -> None:
        """Nothing is open."""


def access(manager: Any) -> ManagerAccess:
    file = topology(manager={"cluster": "a", "access": "https://manager.example.com"})
    return ManagerAccess(file, FakeKube(), lambda url: manager)


def test_many_who_look_at_once_share_what_is_read_after_they_asked() -> None:
    manager = Manager()

    async def main() -> None:
        there = access(manager)
        first = asyncio.create_task(there.look(lambda client: manager.read()))
        await asyncio.sleep(0.01)
        # The first reading has begun before these asked: it may have missed what they wait for.
        late = await asyncio.gather(*(there.look(lambda client: manager.read()) for _ in range(100)))
        assert await first == 1
        assert set(late) == {2}
        assert await there.look(lambda client: manager.read()) == 3

    asyncio.run(main())
    assert manager.reads == 3


def test_a_failed_look_fails_for_all_who_asked_and_is_tried_again_by_the_next() -> None:
    manager = Manager()

    async def broken() -> int:
        manager.reads += 1
        await asyncio.sleep(0.01)
        raise RecoveryError("no list")

    async def main() -> None:
        there = access(manager)
        ended = await asyncio.gather(*(there.look(lambda client: broken()) for _ in range(20)), return_exceptions=True)
        assert {type(error) for error in ended} == {RecoveryError}
        assert manager.reads <= 2
        with pytest.raises(RecoveryError):
            await there.look(lambda client: broken())

    asyncio.run(main())
