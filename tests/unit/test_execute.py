import asyncio
from collections.abc import Callable

import pytest

from dfmc.engine.events import Event, StepEnded, StepProgress
from dfmc.engine.execute import Done, Outcomes, execute
from dfmc.errors import UnreachableError
from dfmc.planning.steps import Action, Kind, Plan, Step, in_order

Say = Callable[[str], None]


def step(kind: Kind, cluster: str, *needs: str) -> Step:
    return Step(kind, cluster, Action.UPDATE, needs)


def run(steps: list[Step], action: object, *, slots: int = 8, events: list[Event] | None = None) -> Outcomes:
    plan = Plan("guide", "1.7.4", in_order(steps))
    seen: list[Event] = [] if events is None else events

    async def main() -> Outcomes:
        table = dict.fromkeys(Kind, action)
        return await execute(plan, table, seen.append, asyncio.Semaphore(slots))  # type: ignore[arg-type] # one for all

    return asyncio.run(main())


def test_a_step_runs_after_what_it_needs_and_beside_everything_else() -> None:
    order: list[str] = []

    async def act(step: Step, say: Say) -> Done:
        order.append(f"+{step.id}")
        await asyncio.sleep(0)
        order.append(f"-{step.id}")
        return Done()

    run([step(Kind.RELEASE, "a"), step(Kind.RECORD, "b", "release:a"), step(Kind.NAMESPACE, "b")], act)
    assert order.index("+record:b") > order.index("-release:a")
    assert order.index("+namespace:b") < order.index("-release:a")


def test_no_more_steps_at_once_than_slots() -> None:
    busy, most = 0, 0

    async def act(step: Step, say: Say) -> Done:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.001)
        busy -= 1
        return Done()

    run([step(Kind.RELEASE, str(n)) for n in range(20)], act, slots=3)
    assert most == 3


def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    async def act(step: Step, say: Say) -> Done:
        if step.id == "record:b":
            raise UnreachableError("no answer")
        return Done(changed=step.cluster == "c")

    outcomes = run(
        [
            step(Kind.RECORD, "b"),
            step(Kind.RELEASE, "b", "record:b"),
            step(Kind.PROOF, "b", "release:b"),
            step(Kind.RECORD, "c"),
            step(Kind.RECORD, "d"),
        ],
        act,
    )
    states = {step_id: ended.state for step_id, ended in outcomes.ended.items()}
    assert states == {
        "record:b": "failed",
        "release:b": "blocked",
        "proof:b": "blocked",
        "record:c": "done",
        "record:d": "unchanged",
    }
    assert outcomes.ended["proof:b"].blocked_by == "record:b"
    error = outcomes.error_of("b")
    assert error is not None
    assert (error.step, error.where) == ("record:b", "b")


def test_progress_is_told_when_the_words_change() -> None:
    async def act(step: Step, say: Say) -> Done:
        for text in ("waiting", "waiting", "nearly", "nearly"):
            say(text)
        return Done("ready")

    events: list[Event] = []
    run([step(Kind.READY, "a")], act, events=events)
    assert [event.text for event in events if isinstance(event, StepProgress)] == ["waiting", "nearly"]
    assert [event.text for event in events if isinstance(event, StepEnded)] == ["ready"]


def test_a_bug_in_an_action_is_not_swallowed() -> None:
    async def act(step: Step, say: Say) -> Done:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        run([step(Kind.READY, "a")], act)
