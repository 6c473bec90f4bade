"""What a check is, and how checks are run over gathered facts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dfmc.errors import AuthError, DfmcError
from dfmc.planning.checks.facts import PER_CLUSTER, Facts, Need
from dfmc.topology.model import ClusterSpec

Level = Literal["error", "warning"]
Result = Literal["ok", "warning", "error", "skipped", "off"]

UNREAD = "DF300"
"""The check that answers for everything which no other check answers for when it cannot be read."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        cluster: Of the file; empty for what concerns the topology or this machine.
        what: One sentence without a full stop.
        place: The object it is about, e.g. ``Service team-x/web``; empty where the sentence says it.
        why: The cause, in the words of what failed where something did.
        next_step: The command or edit that goes on from here.
    """

    cluster: str
    what: str
    why: str = ""
    next_step: str = ""
    place: str = ""
    level: Level = "error"


Find = Callable[[Facts, ClusterSpec], Iterable[Finding]]
FindAll = Callable[[Facts], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: Never changes its meaning.
        title: What holds where nothing is found.
        why: What goes wrong otherwise.
        fix: What to do.
        needs: What it looks at, and cannot do without.
        uses: What it looks at where that is there.
        of_cluster: Finds what is wrong with one cluster; or
        of_topology: finds what is wrong over all of them. Neither: being readable is all that is asked.
        answers_for: What this check reports when it cannot be read.
        group: Heading under which it is shown.
    """

    id: str
    title: str
    group: str
    why: str
    fix: str
    needs: tuple[Need, ...] = ()
    uses: tuple[Need, ...] = ()
    of_cluster: Find | None = None
    of_topology: FindAll | None = None
    answers_for: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A check that could not look at something: of one cluster, or (empty name) at all."""

    cluster: str
    why: str


@dataclass(frozen=True)
class Outcome:
    """What one check came to."""

    check: Check
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    looked: int = 0
    is_off: bool = False

    @property
    def result(self) -> Result:
        """The worst that was found; skipped when there was nothing to look at, off when the user said so."""
        if self.is_off:
            return "off"
        levels = {finding.level for finding in self.findings}
        if levels:
            return "error" if "error" in levels else "warning"
        return "skipped" if self.skipped and not self.looked else "ok"


def needed_by(checks: Iterable[Check], skip: Collection[str] = ()) -> frozenset[Need]:
    """Return everything that the checks which are not skipped look at."""
    return frozenset(
        need for check in checks if check.id not in skip for need in (*check.needs, *check.uses, *check.answers_for)
    )


def run_checks(checks: Sequence[Check], facts: Facts, skip: Collection[str] = ()) -> tuple[Outcome, ...]:
    """Return what every check came to, in their order.

    Args:
        checks: All of them.
        facts: What was gathered.
        skip: Ids of checks that the user does not want.
    """
    return tuple(Outcome(check, is_off=True) if check.id in skip else _run(check, checks, facts) for check in checks)


def _run(check: Check, checks: Sequence[Check], facts: Facts) -> Outcome:
    findings, skipped, looked = list(_unread(check, checks, facts)), [], 0
    if check.of_topology is not None:
        lack = next((why for need in check.needs if (why := _lack(facts, need))), None)
        if lack is None:
            looked += 1
            findings += check.of_topology(facts)
        else:
            skipped.append(Skipped("", lack))
    elif check.of_cluster is not None:
        for cluster in facts.entries:
            needs = (Need.CLUSTER, *check.needs)
            lack = next((why for need in needs if (why := facts.lacks(need, cluster.name))), None)
            if lack is None:
                looked += 1
                findings += check.of_cluster(facts, cluster)
            else:
                skipped.append(Skipped(cluster.name, lack))
    else:
        looked += 1
        skipped += [Skipped(cluster, why) for (need, cluster), why in facts.absent.items() if need in check.answers_for]
        looked -= bool(skipped)
    return Outcome(check, tuple(findings), tuple(skipped), looked)


def _lack(facts: Facts, need: Need) -> str | None:
    """Why a check over all clusters cannot look at something: it needs it of every selected one."""
    if need not in PER_CLUSTER:
        return facts.lacks(need, "")
    lacks = ((name, facts.lacks(need, name)) for name in facts.selected)
    return next((f"{name}: {why}" for name, why in lacks if why), None)


def _unread(check: Check, checks: Sequence[Check], facts: Facts) -> Iterator[Finding]:
    answered = {need for other in checks for need in other.answers_for}
    seen = set()
    for (need, cluster), error in facts.unread.items():
        mine = need in check.answers_for or (check.id == UNREAD and need not in answered)
        # One cause (a right that is missing) often keeps several things from being read.
        if mine and (cluster, str(error)) not in seen:
            seen.add((cluster, str(error)))
            is_rest = check.id == UNREAD
            place = f"{need} of {cluster}" if cluster and is_rest else ""
            # A run does without most of these; the credentials may be kept from them on purpose.
            level: Level = "warning" if is_rest and isinstance(error, AuthError) else "error"
            yield finding_of(error, cluster, place=place, level=level)


def finding_of(error: DfmcError, cluster: str, *, place: str = "", level: Level = "error") -> Finding:
    """Return an error as a finding."""
    where = error.where if error.where and error.where != cluster else ""
    return Finding(cluster, error.what, error.why, error.next_step, place or where, level)
