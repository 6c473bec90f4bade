"""What a run ends with, as data; output/ makes tables and JSON of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dfmc.errors import DfmcError, PartialError
from dfmc.planning.made_anew import ChangedId
from dfmc.planning.proof import ProofFinding
from dfmc.planning.steps import Plan
from dfmc.state import Registration

ClusterResult = Literal["changed", "unchanged", "failed", "blocked"]


@dataclass(frozen=True)
class ClusterReport:
    """One cluster at the end of ``up``, or as ``status`` finds it.

    Attributes:
        role: ``manager`` for the central cluster, else ``member``.
        result: changed: something was written and proven; unchanged: proven as it was; failed: its own step failed;
            blocked: a step of another cluster failed that it needs (``blocked_by``; ``error`` is that one's).
        registration: The ids of its record; None while it has none.
        revision: Of its release; 0 while there is none.
        release_status: helm's word; empty while there is none.
        schedulers: Active rows of the manager under its id, and scheduler pods it should have.
        pods: Ready pods of its release, and all.
        manager: host:port of gRPC as its pods are told.
        redis: host:port likewise.
        findings: What its proof found wrong.
        drift: What ``up`` would change, one line each.
        changed_id: Its release and its record do not have one id, while both are there or were.
        seconds: From the start of its first step to the end of its last.
    """

    name: str
    role: Literal["manager", "member"]
    context: str
    namespace: str
    result: ClusterResult
    registration: Registration | None = None
    chart: str = ""
    revision: int = 0
    release_status: str = ""
    schedulers: tuple[int, int] = (0, 0)
    pods: tuple[int, int] = (0, 0)
    manager: str = ""
    redis: str = ""
    findings: tuple[ProofFinding, ...] = ()
    drift: tuple[str, ...] = ()
    changed_id: ChangedId | None = None
    seconds: float = 0.0
    error: DfmcError | None = None
    blocked_by: str = ""


DownResult = Literal["removed", "absent", "failed", "blocked"]


@dataclass(frozen=True)
class DownCluster:
    """One cluster at the end of ``down``.

    Attributes:
        result: removed; absent: there was nothing to do; failed; blocked: it waits for a member that failed.
        done: What was done, in words.
        kept: What stays on purpose.
    """

    name: str
    context: str
    namespace: str
    result: DownResult
    done: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    error: DfmcError | None = None
    blocked_by: str = ""


@dataclass(frozen=True)
class UpReport:
    """The end of ``up``.

    Attributes:
        changed: Something was written.
        declined: The user said no to the plan; nothing ran.
        pruned: How what was not in the file any more ended, where it was to be removed.
    """

    topology: str
    clusters: tuple[ClusterReport, ...]
    plan: Plan
    seconds: float
    changed: bool
    declined: bool = False
    pruned: tuple[DownCluster, ...] = ()


@dataclass(frozen=True)
class StatusReport:
    """What ``status`` found.

    Attributes:
        foreign: Records of the manager that no entry of the file stands for, as ``name (id N)``; orphans left out.
        orphans: What is left of clusters that are not in the file any more, in words, by their names.
        unsearched: Contexts in which not all namespaces could be searched for such.
        unknown: Why it is not known what ``up`` would change: no chart, no credentials to compare with.
    """

    topology: str
    clusters: tuple[ClusterReport, ...]
    foreign: tuple[str, ...] = ()
    unknown: DfmcError | None = None
    orphans: Mapping[str, str] = field(default_factory=dict)
    unsearched: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Every cluster is installed, proven and as the file says, and there is no other one."""
        return (
            not self.orphans
            and self.unknown is None
            and all(c.result == "unchanged" and not c.findings and not c.drift for c in self.clusters)
        )


def outcome_error(report: UpReport) -> DfmcError | None:
    """Return the error that decides the exit code of ``up``; None when everything is done.

    Some clusters done and others not is 9; none done is the code of the failure itself (DESIGN §3).
    """
    failures = {cluster.name: cluster.error for cluster in report.clusters if cluster.error and not cluster.blocked_by}
    failures |= {orphan.name: orphan.error for orphan in report.pruned if orphan.error}
    blocked = [cluster for cluster in report.clusters if cluster.result == "blocked"]
    if not failures:
        return next((cluster.error for cluster in blocked if cluster.error), None)
    done = [cluster.name for cluster in report.clusters if cluster.result in ("changed", "unchanged")]
    if not done:
        return next(iter(failures.values()))
    what = f"{len(done)} of {len(report.clusters)} clusters done; failed: {', '.join(failures)}"
    if blocked:
        what += f"; not started: {', '.join(cluster.name for cluster in blocked)}"
    return PartialError(what, failures=failures, next_step="put the causes right, then run dfmc up again")


@dataclass(frozen=True)
class DownReport:
    """The end of ``down``.

    Attributes:
        declined: The user said no; nothing ran.
    """

    topology: str
    clusters: tuple[DownCluster, ...]
    plan: Plan
    seconds: float
    declined: bool = False


def down_error(report: DownReport) -> DfmcError | None:
    """Return the error that decides the exit code of ``down``: 9 where some clusters are down and others are not."""
    failures = {cluster.name: cluster.error for cluster in report.clusters if cluster.error}
    if not failures:
        return None
    blocked = [cluster.name for cluster in report.clusters if cluster.result == "blocked"]
    gone = [cluster.name for cluster in report.clusters if cluster.result in ("removed", "absent")]
    if not gone:
        return next(iter(failures.values()))
    what = f"{len(gone)} of {len(report.clusters)} clusters down; failed: {', '.join(failures)}"
    if blocked:
        what += f"; kept: {', '.join(blocked)}"
    return PartialError(what, failures=failures, next_step="put the causes right, then run dfmc down again")
