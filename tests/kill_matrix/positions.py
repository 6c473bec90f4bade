"""Where a run can be struck: every change that it asks of an API server or of the manager, every helm that it starts.

A position has a name that is the same in every run (`POST cluster-b services/dragonfly-scheduler`), because a count
would not do: steps of several clusters run at once, and each run has its own order.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dfmc.testbed.faults import Fault, FaultPlan, Kind, is_mutation

HELM = "helm "
_MANAGER = re.compile(r"/api/v1/(users|clusters|schedulers|seed-peers)\b")
_KUBERNETES = re.compile(r"/(?:api/[^/]+|apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/(.+))?")
_RELEASE_SECRET = re.compile(rb"sh\.helm\.release\.v1\.[a-z0-9.-]+")


class Blow(StrEnum):
    """What happens at a position."""

    KILL_BEFORE = "kill-before"
    """dfmc is killed before the request is carried out, or right when helm starts."""
    KILL_AFTER = "kill-after"
    """dfmc is killed after the request was carried out and before it is answered, or right when helm has ended."""
    SERVER_ERROR = "500"
    TOO_MANY = "429"
    HANG = "hang"
    """The request is never answered, and never carried out."""
    DROP = "drop"
    """The request is carried out, and its answer lost."""


KILLS = (Blow.KILL_BEFORE, Blow.KILL_AFTER)
FAULTS = (Blow.SERVER_ERROR, Blow.TOO_MANY, Blow.HANG, Blow.DROP)


@dataclass(frozen=True)
class Case:
    """A blow at a position."""

    position: str
    blow: Blow

    @property
    def is_of_helm(self) -> bool:
        """Whether it is the start or the end of a helm process instead of a request."""
        return self.position.startswith(HELM)

    @property
    def is_of_member(self) -> bool:
        """Whether it is about a member, so that the central cluster may stand already."""
        return re.search(r"cluster-[bc]\b|api/v1/clusters [bc]\b", self.position) is not None

    def __str__(self) -> str:
        return f"{self.blow}: {self.position}"


def name_of(method: str, path: str, body: bytes) -> str:
    """Return the name of a change, without the number of its turn."""
    place = path.partition("?")[0]
    if _MANAGER.match(place):
        named = _content(body).get("name") if method == "POST" else None
        return f"{method} manager {place.removeprefix('/')}" + (f" {named}" if named else "")
    found = _KUBERNETES.fullmatch(place)
    if found is None:
        return f"{method} {place}"
    namespace, resource, name = found.groups()
    content = _content(body)
    if name is None:
        name = (content.get("metadata") or {}).get("name")
    if name is None and (secret := _RELEASE_SECRET.search(body)):
        name = secret.group().decode()
    if resource == "leases" and method == "PUT":
        # Renewals come by the clock; that a run gives its lock back is a step of its own.
        name = f"{name} {'taken or renewed' if (content.get('spec') or {}).get('holderIdentity') else 'given back'}"
    return " ".join(part for part in (method, namespace, f"{resource}/{name}" if name else resource) if part)


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:  # protobuf, or nothing
        return {}
    return content if isinstance(content, dict) else {}


def numbered(name: str, turn: int) -> str:
    """Return the name of the turn-th change of that name."""
    return name if turn == 1 else f"{name} #{turn}"


def is_by_the_clock(position: str) -> bool:
    """Tell whether a position is a later renewal of the lock: how many there are depends on the machine's load."""
    return "taken or renewed #" in position


class PositionPlan(FaultPlan):
    """Strikes at a position instead of a count, and remembers the positions of a run in their order.

    Args:
        manager_answers: Asked before a change of the manager counts: dfmc tries while the manager still starts, and
            what reaches nobody is no side effect.
    """

    def __init__(self, manager_answers: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._manager_answers = manager_answers
        self._turns: Counter[str] = Counter()
        self._positions: list[str] = []
        self._case: Case | None = None
        self._fault: Fault | None = None
        self._own_lock = threading.Lock()
        self.has_struck = False

    def begin(self, case: Case | None = None, kill: Callable[[], None] | None = None) -> None:
        """Forget the last run; strike in the next one as the case says.

        Args:
            case: None: nothing strikes. One of helm is not for this plan to strike.
            kill: Ends dfmc and returns when it has ended.
        """
        with self._own_lock:
            self._turns.clear()
            self._positions = []
            self.has_struck = False
            self._case = case
            self._fault = None if case is None or case.is_of_helm else _fault(case.blow, kill)
        self.clear()  # what hangs from the last run goes on, and to its end

    @property
    def positions(self) -> list[str]:
        """What the run has changed so far."""
        with self._own_lock:
            return list(self._positions)

    def request(self, method: str, path: str, body: bytes = b"") -> Fault | None:
        """As FaultPlan.request."""
        found = super().request(method, path, body)
        if not is_mutation(method, path):
            return found
        name = name_of(method, path, body)
        if " manager " in name and not self._manager_answers():
            return found
        with self._own_lock:
            self._turns[name] += 1
            position = numbered(name, self._turns[name])
            self._positions.append(position)
            if self._case is not None and self._fault is not None and position == self._case.position:
                self.has_struck = True
                return self._fault
        return found


def _fault(blow: Blow, kill: Callable[[], None] | None) -> Fault:
    match blow:
        case Blow.KILL_BEFORE:
            return Fault(Kind.DROP_REQUEST, then=kill)
        case Blow.KILL_AFTER:
            return Fault(Kind.DROP_ANSWER, then=kill)
        case Blow.SERVER_ERROR:
            return Fault(Kind.ANSWER, status=500)
        case Blow.TOO_MANY:
            return Fault(Kind.ANSWER, status=429, retry_after="1")
        case Blow.HANG:
            return Fault(Kind.HANG)
        case Blow.DROP:
            return Fault(Kind.DROP_ANSWER)
