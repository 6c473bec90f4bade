"""What happens during a run, as data. The engine emits; output/ shows and logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dfmc.errors import DfmcError
from dfmc.planning.steps import Step

StepState = Literal["done", "unchanged", "failed", "blocked"]


@dataclass(frozen=True)
class StepStarted:
    """A step began."""

    step: Step


@dataclass(frozen=True)
class StepProgress:
    """A running step says what it does or waits for; sent when the words change, not at every poll."""

    step: Step
    text: str


@dataclass(frozen=True)
class StepEnded:
    """A step came to an end.

    Attributes:
        seconds: Wall clock.
        text: What was done, or why not.
        blocked_by: Id of the failed step that it needed.
    """

    step: Step
    state: StepState
    seconds: float
    text: str = ""
    error: DfmcError | None = None
    blocked_by: str = ""


@dataclass(frozen=True)
class Note:
    """A sentence about a cluster (or, with an empty name, the run) outside any step."""

    cluster: str
    text: str
    level: Literal["info", "warning"] = "info"


Event = StepStarted | StepProgress | StepEnded | Note
Observer = Callable[[Event], None]


def silent(event: Event) -> None:
    """An observer that does nothing."""
