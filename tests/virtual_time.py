"""Runs coroutines in time that passes only while everybody sleeps: minutes of waiting take no time at all.

Only for what has no real input or output: no sockets, no threads, no processes.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")


class VirtualClock:
    """Seconds that only grow; ``clock()`` is monotonic time, ``wall()`` the time of day that goes with it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._offset = time.time() - self.now

    def __call__(self) -> float:
        self.now += 1e-6  # no two moments are the same, as with a real clock
        return self.now

    def wall(self) -> float:
        return self.now + self._offset

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def run(self, work: Coroutine[Any, Any, T], *, at_most: float = 7200.0) -> T:
        """Return what the coroutine returns; AssertionError where it would take longer than ``at_most`` seconds."""
        end = self.now + at_most
        runner = asyncio.Runner(loop_factory=lambda: _VirtualLoop(self, end))
        with mock.patch("time.monotonic", self), mock.patch("time.time", self.wall), runner:
            return runner.run(work)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock, end: float) -> None:
        self._virtual = clock
        super().__init__(_VirtualSelector(clock, end))

    def time(self) -> float:
        return self._virtual.now


class _VirtualSelector(selectors.DefaultSelector):
    def __init__(self, clock: VirtualClock, end: float) -> None:
        super().__init__()
        self._virtual, self._end = clock, end

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        assert timeout is not None, "everybody waits for somebody else"
        self._virtual.now += timeout
        assert self._virtual.now < self._end, "this does not end"
        return ready
