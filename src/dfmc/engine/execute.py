"""Runs a plan: by dependency, bounded, every outcome recorded; one cluster's failure stops only what needs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from dfmc.engine.events import Observer, StepEnded, StepProgress, StepStarted, StepState
from dfmc.errors import DfmcError
from dfmc.planning.steps import Kind, Plan, Step

# These wait rather than work; they must not keep others from working.
_WAITING = frozenset({Kind.MANAGER, Kind.READY, Kind.PROOF, Kind.DEREGISTER, Kind.BRIDGE})


@dataclass(frozen=True)
class Done:
    """What an action says when it succeeded; ``changed`` False: it found everything as wanted."""

    text: str = ""
    changed: bool = True


Action = Callable[[Step, Callable[[str], None]], Awaitable[Done]]


@dataclass
class Outcomes:
    """The end of every step, by id."""

    ended: dict[str, StepEnded] = field(default_factory=dict)

    def of(self, cluster: str) -> list[StepEnded]:
        """Return the outcomes of one cluster."""
        return [end for end in self.ended.values() if end.step.cluster == cluster]

    def error_of(self, cluster: str) -> DfmcError | None:
        """Return what failed in a cluster itself."""
        return next((end.error for end in self.of(cluster) if end.state == "failed" and end.error), None)

    def blocked(self, cluster: str) -> StepEnded | None:
        """Return a step of the cluster that could not run because another failed."""
        return next((end for end in self.of(cluster) if end.state == "blocked"), None)


async def execute(plan: Plan, actions: Mapping[Kind, Action], observer: Observer, slots: asyncio.Semaphore) -> Outcomes:
    """Run every step of the plan as soon as its needs have succeeded.

    A DfmcError ends its own step and blocks what needs it. Any other exception is a bug: it cancels everything.
    """
    run = _Run(actions, observer, slots)
    async with asyncio.TaskGroup() as group:
        for step in plan.steps:
            needs = [run.finished[need] for need in step.needs]
            run.finished[step.id] = group.create_task(run.step(step, needs), name=step.id)
    return run.outcomes


class _Run:
    def __init__(self, actions: Mapping[Kind, Action], observer: Observer, slots: asyncio.Semaphore) -> None:
        self.actions = actions
        self.observer = observer
        self.slots = slots
        self.outcomes = Outcomes()
        self.finished: dict[str, asyncio.Task[StepState]] = {}

    async def step(self, step: Step, needs: list[asyncio.Task[StepState]]) -> StepState:
        for need in needs:
            if await asyncio.shield(need) in ("failed", "blocked"):
                first = self.outcomes.ended[need.get_name()]
                cause = first.blocked_by or first.step.id
                return self._end(StepEnded(step, "blocked", 0.0, f"needs {cause}", blocked_by=cause))
        if step.kind in _WAITING:
            return await self._act(step)
        async with self.slots:
            return await self._act(step)

    async def _act(self, step: Step) -> StepState:
        started = time.monotonic()
        self.observer(StepStarted(step))
        said = ""

        def say(text: str) -> None:
            nonlocal said
            if text != said:
                said = text
                self.observer(StepProgress(step, text))

        try:
            done = await self.actions[step.kind](step, say)
        except DfmcError as error:
            error.step, error.where = step.id, error.where or step.cluster
            return self._end(StepEnded(step, "failed", time.monotonic() - started, str(error), error))
        state: StepState = "done" if done.changed else "unchanged"
        return self._end(StepEnded(step, state, time.monotonic() - started, done.text))

    def _end(self, ended: StepEnded) -> StepState:
        self.outcomes.ended[ended.step.id] = ended
        self.observer(ended)
        return ended.state
