"""Which release is the central one, which record stands for which other one, and how the entries are called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dfmc.errors import PreflightError, UsageError
from dfmc.planning.importing.found import Found, FoundRelease
from dfmc.planning.records import DEFAULT_RECORD_ID
from dfmc.state import ClusterRecord, SchedulerRecord
from dfmc.topology.model import NAME_PATTERN
from dfmc.values.layouts import unsupported
from dfmc.values.names import component_name

_LONGEST_NAME = 40
_RELEASE_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True)
class Member:
    """What becomes an entry of the file.

    Attributes:
        name: Of the entry.
        record: The manager's row that stands for it.
    """

    found: FoundRelease
    name: str
    record: ClusterRecord | None


@dataclass(frozen=True)
class World:
    """What becomes the file, the central entry first, then by record and place.

    Attributes:
        members: Every entry; the first one is the central one.
        left_out: What is not in the file, in sentences.
        doubts: What is in it and should be looked at, in sentences by the entry's name.
    """

    members: tuple[Member, ...]
    left_out: tuple[str, ...]
    doubts: tuple[tuple[str, str], ...]

    @property
    def central(self) -> Member:
        """The entry that runs the manager."""
        return self.members[0]


def choose_central(releases: Sequence[FoundRelease], wanted: str = "") -> FoundRelease:
    """Return the release whose manager the file is about.

    Args:
        releases: Of the Dragonfly chart, in every context.
        wanted: ``CONTEXT/NAMESPACE/RELEASE``; empty where there must be one only.

    Raises:
        PreflightError: None runs a manager; or dfmc knows no values for its chart.
        UsageError: Several do, or not the one that is wanted.
    """
    centrals = {one.place: one for one in releases if one.runs_manager}
    listed = ", ".join(sorted(centrals))
    if wanted and wanted not in centrals:
        there = f"those that do: {listed}" if centrals else "no release here does"
        raise UsageError(f"--manager: {wanted} is no release that runs a manager", next_step=there)
    if not centrals:
        seen = ", ".join(sorted(one.place for one in releases)) or "no release of the Dragonfly chart"
        raise PreflightError(
            "no release here runs a manager",
            why=f"found {seen}",
            next_step="name the context of the cluster that runs it with --context; for new clusters: dfmc init",
        )
    if not wanted and len(centrals) > 1:
        raise UsageError(
            "several releases run a manager, and a file is about one",
            why=listed,
            next_step=f"choose one: --manager {min(centrals)}",
        )
    central = centrals[wanted] if wanted else next(iter(centrals.values()))
    if refusal := unsupported(central.release.chart_version):
        raise PreflightError(
            f"{central.place} cannot be imported", why=refusal, next_step="upgrade it with helm first, then import it"
        )
    return central


def sort_out(found: Found) -> World:
    """Return the entries with their names and records, and what is to be said about them."""
    left_out: list[str] = []
    releases = list(_ours(found, left_out))
    rows = {row.id: row for row in found.manager.records}
    first = rows.get(DEFAULT_RECORD_ID)
    records = _records(releases, [row for row in found.manager.records if row.id != DEFAULT_RECORD_ID])
    ordered = sorted(releases, key=lambda one: (_rank(records.get(one.place)), one.place))
    names = _Names([row.name for row in found.manager.records])
    members = [Member(found.central, names.give(first, found.central), first)]
    members += [Member(one, names.give(records.get(one.place), one), records.get(one.place)) for one in ordered]
    known = {member.record.id for member in members if member.record}
    for row in sorted(found.manager.records, key=lambda row: row.id):
        if row.id not in known:
            active = [one.host_name for one in found.manager.schedulers if _is_active(one, row)]
            runs = f"; its schedulers {', '.join(active[:5])} are active, so it runs somewhere" if active else ""
            left_out.append(f"record {row.name} (id {row.id}) has no release in these contexts{runs}")
    doubts = [(member.name, doubt) for member in members for doubt in _doubts(member, member is members[0])]
    return World(tuple(members), tuple(left_out), tuple(doubts))


def _ours(found: Found, left_out: list[str]) -> Iterator[FoundRelease]:
    """Yield the releases that use the central manager and that a file can hold, in a fixed order."""
    central = found.central
    managers = [one for one in found.releases if one.runs_manager]
    places = sorted(one.place for one in managers)
    left_out += [f"release {place} runs a manager of its own: dfmc import --manager {place}" for place in places]
    taken = {(central.context, central.release.namespace): central.place}
    for one in sorted(found.releases, key=lambda one: one.place):
        if one.runs_manager:
            continue
        release, where = one.release, (one.context, one.release.namespace)
        if refusal := unsupported(release.chart_version):
            left_out.append(f"release {one.place}: {refusal}")
        elif not leads_to(one, central) and (its := next((m for m in managers if leads_to(one, m)), None)):
            left_out.append(f"release {one.place} uses the manager of {its.place}")
        elif not _RELEASE_NAME.fullmatch(release.name):
            left_out.append(f"release {one.place} has a name that a topology cannot hold")
        elif where in taken:
            left_out.append(f"release {one.place} is in one namespace with {taken[where]}, which mixes their pods")
        else:
            taken[where] = one.place
            yield one


def leads_to(release: FoundRelease, central: FoundRelease) -> bool:
    """Whether a release's schedulers look for the manager at the Service of a central release."""
    host = release.manager_address.rpartition(":")[0]
    service = component_name(central.release.name, "manager", central.release.chart_name)
    full = f"{service}.{central.release.namespace}"
    is_near = release.release.namespace == central.release.namespace and host == service
    is_named = host == full or host.startswith(f"{full}.")
    return release.kubernetes.uid == central.kubernetes.uid and (is_near or is_named)


def _records(releases: Sequence[FoundRelease], rows: Sequence[ClusterRecord]) -> dict[str, ClusterRecord]:
    """Return the record of each release by its place: by the id that its schedulers say, else by its peers' idc."""
    found: dict[str, ClusterRecord] = {}
    for row in rows:
        same = [one for one in releases if one.scheduler_cluster_id == row.scheduler_cluster_id]
        # Two that say one id: the one whose peers are in the record's scope has the better claim.
        same.sort(key=lambda one: (not _is_in_scope(one, row), one.place))
        if same:
            found[same[0].place] = row
    free = [row for row in rows if row.id not in {taken.id for taken in found.values()}]
    for one in releases:
        fitting = [row for row in free if _is_in_scope(one, row)]
        if one.place not in found and len(fitting) == 1:
            found[one.place] = fitting[0]
            free.remove(fitting[0])
    return found


def _is_in_scope(release: FoundRelease, row: ClusterRecord) -> bool:
    return bool(release.idcs & {part.strip().casefold() for part in row.scopes.idc.split("|") if part.strip()})


def _rank(record: ClusterRecord | None) -> tuple[bool, int]:
    return record is None, record.id if record else 0


def _is_active(scheduler: SchedulerRecord, row: ClusterRecord) -> bool:
    return scheduler.state == "active" and scheduler.scheduler_cluster_id == row.scheduler_cluster_id


class _Names:
    """Names of entries: each once, and none that is another record's."""

    def __init__(self, records: Sequence[str]) -> None:
        self._records = {name.casefold() for name in records}
        self._given: set[str] = set()

    def give(self, record: ClusterRecord | None, found: FoundRelease) -> str:
        """Return the record's name where a file can hold it, else one made from the record or from the place."""
        if record and is_entry_name(record.name) and record.name not in self._given:
            self._given.add(record.name)
            return record.name
        base = _slug(record.name if record else found.release.namespace)
        name, number = base, 1
        while name in self._given or name in self._records - {record.name.casefold() if record else ""}:
            number += 1
            suffix = f"-{number}"
            name = base[: _LONGEST_NAME - len(suffix)].rstrip("-") + suffix
        self._given.add(name)
        return name


def is_entry_name(text: str) -> bool:
    """Whether a file can hold this as the name of an entry."""
    return len(text) <= _LONGEST_NAME and _RELEASE_NAME.fullmatch(text) is not None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "cluster"


def _doubts(member: Member, is_central: bool) -> Iterator[str]:
    """What about a release does not fit its record, or will not stay as it is."""
    found, record = member.found, member.record
    said = found.scheduler_cluster_id
    if record is None and is_central:
        yield "the manager has no record 1, which it makes itself: restore its database, or bring up a new one"
    elif record is None:
        yield f"the manager has no record for it (its schedulers say id {said}): up registers it, with a new id"
    elif record.scheduler_cluster_id != said:
        yield f"its schedulers say id {said}, its record has {record.scheduler_cluster_id}: up puts that right"
    if record and not is_central and record.name != member.name:
        yield (
            f"a file cannot hold the record's name {record.name!r}: rename it to {member.name} in the console first; "
            "up would register a second one"
        )
    if record:
        for component, live in found.wiring.items():
            peers = live.get("peer_cluster_id")
            if peers is not None and peers != record.scheduler_cluster_id:
                label = found.layout.components[component].label
                yield f"{label} says id {peers}, the record has {record.scheduler_cluster_id}: up puts that right"
    if found.release.status != "deployed":
        yield f"revision {found.release.revision} of its release is {found.release.status}"
    for edited in found.edited:
        yield f"{edited} was edited by hand: up makes it as the chart has it"
    for gone in found.missing:
        yield f"{gone} was deleted by hand: up makes it again"
