"""Every way dfmc can fail, with its exit code. Nothing else in the package ends the process.

    DfmcError                  1   a step failed; also the base of all others
    ├── FindingsError          1   status, doctor, verify: the world is not as the file says
    ├── TopologyError          3   the file must be edited; carries Diagnostics with file:line:column
    ├── PreflightError         4   this machine or the access must be put right first
    ├── UnreachableError       5   an API server, the manager or the chart repository does not answer
    ├── AuthError              6   it answers, and says no
    ├── ConflictError          7   something is there that is not ours
    ├── LockedError            8   another run holds the topology's lock
    ├── PartialError           9   some clusters are done, others failed; wraps one error per cluster
    ├── NotReadyError         10   applied, but not ready before the deadline
    ├── IntegrityError        11   a digest or certificate does not match
    ├── RecoveryError         12   a state that dfmc repairs only with --repair
    ├── UsageError            64   the command line
    └── InterruptedRunError  130   Ctrl-C; 143 on SIGTERM

Exit 0 is "done" or "nothing to do", 2 is "changes pending" (only with --detailed-exitcode), 70 is a bug in dfmc.

Each error answers five questions: *what* failed, *where* (a cluster, or file:line), *why* in the words of what
failed, what *state is left*, and what to type *next*. Clients raise these at their own edge, chained to the library's
error; no library's exception travels further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

EXIT_OK = 0
EXIT_CHANGES_PENDING = 2
EXIT_BUG = 70
EXIT_SIGTERM = 143


class DfmcError(Exception):
    """A failure the user should read.

    Args:
        what: One sentence, without a full stop: what failed.
        where: The cluster's name, or a file position; empty where neither applies.
        why: The cause in the words of what failed (a pod's reason, helm's stderr), secrets already masked.
        left: What state is left behind; empty means "nothing was changed".
        next_step: The command or edit that goes on from here.
        step: The plan step that failed, e.g. ``release:b``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        left: str = "",
        next_step: str = "",
        step: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.left = left
        self.next_step = next_step
        self.step = step

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}: {self.why}" if self.why else head


class FindingsError(DfmcError):
    """The world differs from the file, or a proof failed; ``findings`` holds one sentence each."""

    def __init__(self, what: str, *, findings: Sequence[str] = (), **rest: str) -> None:
        super().__init__(what, **rest)
        self.findings = tuple(findings)


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One problem of a file, ordered by position.

    Attributes:
        file: Name of the file as the user gave it; ``<stdin>`` for standard input.
        line: From 1.
        column: From 1.
        path: Where in the document, e.g. ``clusters[1].scopes.cidrs[0]``; empty for the document itself.
        message: What is wrong and, where known, what was probably meant.
        severity: Errors stop every command; warnings do not.
        rule: Stable identifier of the check, empty for plain schema errors.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    severity: Literal["error", "warning"] = "error"
    rule: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class TopologyError(DfmcError):
    """The topology file (or a values file it names) must be edited; nothing was contacted."""

    exit_code = 3

    def __init__(self, what: str, *, diagnostics: Sequence[Diagnostic] = (), **rest: str) -> None:
        super().__init__(what, **rest)
        self.diagnostics = tuple(sorted(diagnostics))

    def __str__(self) -> str:
        return "\n".join(str(d) for d in self.diagnostics) or super().__str__()


class PreflightError(DfmcError):
    """This machine, its tools or the given access must be put right first."""

    exit_code = 4


class UnreachableError(DfmcError):
    """Nothing answered within the deadline; trying again may work."""

    exit_code = 5


class AuthError(DfmcError):
    """It answered and refused us (401, 403)."""

    exit_code = 6


class ConflictError(DfmcError):
    """A release, record or object is there that this topology does not own."""

    exit_code = 7


class LockedError(DfmcError):
    """Another run holds the lock of this topology."""

    exit_code = 8


class PartialError(DfmcError):
    """Some clusters are done, others failed.

    Args:
        what: The summary sentence.
        failures: The error of each cluster that failed, by its name.
        rest: See DfmcError.
    """

    exit_code = 9

    def __init__(self, what: str, *, failures: Mapping[str, DfmcError], **rest: str) -> None:
        super().__init__(what, **rest)
        self.failures = dict(failures)


class NotReadyError(DfmcError):
    """Everything was applied, but it was not ready before the deadline."""

    exit_code = 10


class IntegrityError(DfmcError):
    """A digest, signature or certificate does not match."""

    exit_code = 11


class RecoveryError(DfmcError):
    """A stuck state that dfmc repairs only when told to."""

    exit_code = 12


class UsageError(DfmcError):
    """The command line is wrong."""

    exit_code = 64


class InterruptedRunError(DfmcError):
    """The user (SIGINT, 130) or the system (SIGTERM, 143) stopped the run."""

    exit_code = 130
