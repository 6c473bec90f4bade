"""Which fault comes when: armed by a test, asked by a proxy for every connection and request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_READING = ("GET", "HEAD", "OPTIONS")
# They change nothing that outlives them: a review is an answer, a forward a connection, a sign-in a token.
_NO_MUTATIONS = (
    *("/selfsubjectaccessreviews", "/selfsubjectrulesreviews", "/selfsubjectreviews"),
    *("/portforward", "/users/signin"),
)


class Kind(StrEnum):
    """What goes wrong.

    The first four are about connections, the others about requests, which only a proxy that speaks HTTP can tell
    apart.
    """

    REFUSE = "refuse"
    """Nothing listens, as when the process is gone."""
    SILENT = "silent"
    """The connection is accepted and nothing is ever said, not even a TLS handshake."""
    SILENT_AFTER_TLS = "silent-after-tls"
    """The TLS handshake succeeds and nothing is said afterwards; helm has no deadline for that."""
    RESET = "reset"
    """The connection is reset after some bytes of what the server says."""
    ANSWER = "answer"
    """The proxy answers itself, with an error; the server never sees the request."""
    HANG = "hang"
    """The request is read and never answered; the server never sees it."""
    DROP_REQUEST = "drop-request"
    """The connection is closed instead of carrying the request on."""
    DROP_ANSWER = "drop-answer"
    """The server carries the request out, and its answer is thrown away with the connection."""
    CUT = "cut"
    """Before this request every connection ends, and from then on all are refused until the plan is cleared."""


CONNECTION_KINDS = frozenset({Kind.REFUSE, Kind.SILENT, Kind.SILENT_AFTER_TLS, Kind.RESET})


def is_mutation(method: str, path: str) -> bool:
    """Tell whether a request changes something that a later run would find."""
    return method not in _READING and not path.partition("?")[0].endswith(_NO_MUTATIONS)


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        kind: What goes wrong.
        at: The connection, or the request of those that match, with which it begins; from 1.
        times: How often; None: until the plan is cleared.
        matches: Which requests count, by method and path with its query.
        status: Of an answer.
        retry_after: Value of that header; empty: none.
        after_bytes: Of the server's bytes that still pass before a reset.
        then: Called when it strikes, after the server's answer and before the client learns anything: a test kills a
            process here.
    """

    kind: Kind
    at: int = 1
    times: int | None = 1
    matches: Callable[[str, str], bool] = is_mutation
    status: int = 500
    retry_after: str = ""
    after_bytes: int = 0
    then: Callable[[], None] | None = None


@dataclass(frozen=True)
class Seen:
    """One request that came through.

    Attributes:
        method: Upper case.
        path: With its query.
        fault: What was done to it; None: nothing.
    """

    method: str
    path: str
    fault: Kind | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class FaultPlan:
    """The faults of one proxy, and what it has seen. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._faults: list[tuple[Fault, int]] = []
        self._seen: list[Seen] = []
        self._connections = 0
        self._struck = 0
        self._watchers: list[Callable[[], None]] = []

    def arm(self, *faults: Fault) -> None:
        """Put these faults in the place of those armed before; they count connections and requests from now on."""
        with self._lock:
            self._faults = [(fault, 0) for fault in faults]
        self._changed()

    def clear(self) -> None:
        """Disarm everything: hanging connections end, refused ports listen again."""
        self.arm()

    @property
    def refuses(self) -> bool:
        """Whether connections are to be refused now; counts nothing."""
        with self._lock:
            return any(fault.kind is Kind.REFUSE or self._is_cut(fault, count) for fault, count in self._faults)

    def connection(self) -> Fault | None:
        """Count a connection and return the fault that it is to have."""
        with self._lock:
            self._connections += 1
            return self._struck_by(lambda fault: fault.kind in CONNECTION_KINDS)

    def request(self, method: str, path: str, body: bytes = b"") -> Fault | None:
        """Count a request and return the fault that it is to have.

        Args:
            method: Upper case.
            path: With its query.
            body: Of no interest here and kept nowhere, it may hold secrets; a plan of another kind tells by it what
                is being made.
        """
        with self._lock:
            found = self._struck_by(
                lambda fault: fault.kind not in CONNECTION_KINDS and fault.matches(method, path),
            )
            self._seen.append(Seen(method, path, found.kind if found else None))
        if found is not None and found.kind is Kind.CUT:
            self._changed()
        return found

    @property
    def connections(self) -> int:
        """How many were accepted."""
        with self._lock:
            return self._connections

    @property
    def struck(self) -> int:
        """How often a fault struck."""
        with self._lock:
            return self._struck

    @property
    def requests(self) -> list[Seen]:
        """Every request so far, oldest first."""
        with self._lock:
            return list(self._seen)

    @property
    def mutations(self) -> list[Seen]:
        """Those that change something, struck or not."""
        return [one for one in self.requests if is_mutation(one.method, one.path)]

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a proxy called whenever faults were armed, cleared or began to cut."""
        self._watchers.append(changed)

    def _changed(self) -> None:
        for changed in self._watchers:
            changed()

    def _struck_by(self, concerns: Callable[[Fault], bool]) -> Fault | None:
        """Count for every fault that this is about; return the first whose turn it is."""
        found: Fault | None = None
        for index, (fault, count) in enumerate(self._faults):
            if not concerns(fault):
                continue
            count += 1
            self._faults[index] = (fault, count)
            last = None if fault.times is None else fault.at + fault.times - 1
            if found is None and count >= fault.at and (last is None or count <= last):
                found = fault
        self._struck += found is not None
        return found

    @staticmethod
    def _is_cut(fault: Fault, count: int) -> bool:
        return fault.kind is Kind.CUT and count >= fault.at
