"""Scopes held against each other with the manager's own formula: who would be given whose peers.

Each finding comes with a host that shows it, and is true whatever the clusters' state: all are taken to have an active
scheduler. What cannot be decided, e.g. which names two patterns share, is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

from dfmc.errors import Diagnostic
from dfmc.linting.subject import Subject
from dfmc.matching.contest import BudgetSpentError, Contest
from dfmc.matching.examples import address_in, finds_everything, hostname_found_by
from dfmc.matching.formula import MAX_LOCATION_ELEMENTS, Candidate, Host, Ranked
from dfmc.matching.hostnames import PatternTooLargeError
from dfmc.matching.networks import parse_network
from dfmc.topology.model import ClusterSpec
from dfmc.topology.re2 import pattern_problem
from dfmc.topology.scalars import quoted
from dfmc.values.context import host_of

# Hosts tried for one entry; an entry with more ways to be matched is taken to win one of them.
_MOST_HOSTS = 64


def scope_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF202 and DF203, in the file's order."""
    try:
        for entry in subject.topology.clusters:
            yield from _loses_its_own(subject, entry) or _never_wins(subject, entry)
    except (BudgetSpentError, PatternTooLargeError) as error:
        yield _incomplete(subject, error)


def _loses_its_own(subject: Subject, entry: ClusterSpec) -> list[Diagnostic]:
    """DF203: what the entry's peers say of themselves leads them into another cluster."""
    if not subject.joins_by_scopes(entry):
        return []
    contest, candidate = subject.contest, _candidate(subject, entry)
    said = host_of(entry)
    # A peer's address is known as far as the file names networks, its host name as far as it names patterns.
    addresses, names = _addresses(contest, candidate), _hostnames(contest, candidate)
    for ip, name in islice(product(addresses or [], names or []), _MOST_HOSTS):
        host = Host(ip=ip, hostname=name, idc=said.idc or "", location=said.location or "")
        winner = contest.winner(host)
        if winner.candidate != candidate:
            message = (
                f"the peers of {entry.name} join by scopes, and {_described(host)} joins {winner.candidate.name} with "
                f"{_score(winner)}; here it scores {_score(contest.scored(host, candidate))}"
            )
            return [_told(subject, entry, message, "DF203")]
    return []


def _never_wins(subject: Subject, entry: ClusterSpec) -> list[Diagnostic]:
    """DF202: the host that suits the entry's scopes best still joins another cluster.

    Every claim that a host satisfies adds to the entry's score at least what it adds to anyone's, so only hosts that
    satisfy all of its scopes need be tried.
    """
    contest, candidate = subject.contest, _candidate(subject, entry)
    hosts = _best_hosts(contest, candidate)
    if not hosts or len(hosts) > _MOST_HOSTS:
        return []
    for host in hosts:
        winner = contest.winner(host)
        if winner.candidate == candidate or not _beats_for_any_name(contest, candidate, host, winner.candidate):
            return []
    host, winner = hosts[0], contest.winner(hosts[0])
    message = (
        f"no host joins {entry.name} by its scopes: even {_described(host)} joins {winner.candidate.name} with "
        f"{_score(winner)}; here it scores {_score(contest.scored(host, candidate))}"
    )
    if not subject.joins_by_scopes(entry):
        message += f". The peers that dfmc installs in {entry.name} say its id, so this is about others'"
    return [_told(subject, entry, message, "DF202")]


def _beats_for_any_name(contest: Contest, candidate: Candidate, host: Host, winner: Candidate) -> bool:
    """Tell whether ``winner`` beats the candidate for every name its patterns find, not for the example alone."""
    patterns, others = candidate.scopes.hostnames, winner.scopes.hostnames
    if not host.hostname or set(patterns) <= set(others) or any(map(finds_everything, others)):
        return True
    own = contest.scored(host, candidate)
    nameless = contest.scored(Host(ip=host.ip, idc=host.idc, location=host.location), winner)
    return (-nameless.score, winner.id) < (-own.score, candidate.id)


def _best_hosts(contest: Contest, candidate: Candidate) -> list[Host]:
    """Return hosts that satisfy one claim of each kind; none where the scopes claim nothing or it is not known what."""
    scopes = candidate.scopes
    addresses, names = _addresses(contest, candidate), _hostnames(contest, candidate)
    idcs = [element for element in dict.fromkeys(scopes.idc.split("|")) if element] or [""]
    if addresses is None or names is None:
        return []
    found = [
        Host(ip=ip, hostname=name, idc=idc, location=scopes.location)
        for ip, name, idc in islice(product(addresses, names, idcs), _MOST_HOSTS + 1)
    ]
    # A host that scores nothing here says nothing about the scopes: there are none, or other rules tell why.
    return [host for host in found if _claims(contest, candidate, host)]


def _claims(contest: Contest, candidate: Candidate, host: Host) -> bool:
    terms = contest.scored(host, candidate).terms
    return terms.score > terms.default


def _addresses(contest: Contest, candidate: Candidate) -> list[str] | None:
    """Return an address for each of the candidate's networks, where possible one that no narrower network holds.

    One empty address where it claims no network; None where the addresses cannot be told.
    """
    found: list[str] = []
    for network in dict.fromkeys(map(parse_network, candidate.scopes.cidrs)):
        if network is None:
            continue
        inside = contest.networks_inside(network)
        own = address_in(network, inside) if inside is not None else None
        if own is not None:
            found.append(own)
            continue
        # Narrower networks fill it, so each of its hosts is claimed by one of them as well.
        for other in inside or ():
            narrower = contest.networks_inside(other)
            address = address_in(other, narrower) if narrower is not None else None
            found += [address] if address is not None else []
        if not inside:
            return None
    return found or [""]


def _hostnames(contest: Contest, candidate: Candidate) -> list[str] | None:
    """Return a name for each of the candidate's patterns; one empty name for none, None where one has no example."""
    patterns = [pattern for pattern in candidate.scopes.hostnames if pattern_problem(pattern) is None]
    if not patterns or not contest.generation.hostname:
        return [""]
    examples = [hostname_found_by(pattern) for pattern in patterns]
    found = [example for example in examples if example is not None]
    return list(dict.fromkeys(found)) if len(found) == len(examples) else None


def overlap_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF201: claims of one kind that a host can satisfy in two clusters at once, so that age decides.

    Equal idcs and equal networks are rule DF011's.
    """
    try:
        yield from _nested_networks(subject)
        yield from _locations(subject)
        yield from _shared_hostnames(subject)
    except (BudgetSpentError, PatternTooLargeError) as error:
        yield _incomplete(subject, error)


def _incomplete(subject: Subject, error: Exception) -> Diagnostic:
    """Say that not everything was compared; the same words from each, so that they are told once."""
    message = f"not all scopes were compared with each other: {error}"
    return subject.document.diagnose(("clusters",), message, "warning", "DF201")


def _nested_networks(subject: Subject) -> Iterator[Diagnostic]:
    contest = subject.contest
    for entry in subject.topology.clusters:
        for index, written in enumerate(entry.scopes.cidrs):
            network = parse_network(written)
            if network is None:
                continue
            around = contest.claimed_around(network, _candidate(subject, entry))
            if around is None:
                continue
            other, wider = around
            inside = contest.networks_inside(network) or ()
            host = Host(ip=address_in(network, inside) or address_in(network) or "")
            message = (
                f"the network {network} lies in {other.name}'s {wider}: {_shared(subject, host, entry, other.name)}"
            )
            yield subject.document.diagnose(subject.path(entry, "scopes", "cidrs", index), message, "warning", "DF201")


def _locations(subject: Subject) -> Iterator[Diagnostic]:
    """Equal locations, and one that is the beginning of another: what lies in neither counts for both alike.

    Clusters in one place are the ordinary case; where idcs, networks or names tell them apart nothing is wrong.
    """
    contest = subject.contest
    seen: dict[tuple[str, ...], ClusterSpec] = {}
    entries = [entry for entry in subject.topology.clusters if entry.scopes.location]
    for entry in entries:
        seen.setdefault(tuple(contest.fold(entry.scopes.location or "").split("|")), entry)
    for entry in entries:
        location = entry.scopes.location or ""
        elements = tuple(contest.fold(location).split("|"))
        same = seen[elements]
        if same is not entry:
            if _told_apart(entry, same):
                continue
            host = Host(location=location)
            message = (
                f"the location {quoted(location)} is {same.name}'s as well: {_shared(subject, host, entry, same.name)}"
            )
        else:
            wider = next((seen[elements[:n]] for n in range(len(elements) - 1, 0, -1) if elements[:n] in seen), None)
            if wider is None or len(elements) > MAX_LOCATION_ELEMENTS or _told_apart(entry, wider):
                continue
            host = Host(location=f"{wider.scopes.location}|elsewhere")
            message = (
                f"the location lies in {wider.name}'s {quoted(wider.scopes.location or '')}, and the manager counts "
                f"equal levels, not whose they are: {_shared(subject, host, entry, wider.name)}"
            )
        yield subject.document.diagnose(subject.path(entry, "scopes", "location"), message, "warning", "DF201")


def _told_apart(entry: ClusterSpec, other: ClusterSpec) -> bool:
    """Tell whether both claim something of one kind beside the location."""
    one, two = entry.scopes, other.scopes
    return bool((one.idc and two.idc) or (one.cidrs and two.cidrs) or (one.hostnames and two.hostnames))


def _shared_hostnames(subject: Subject) -> Iterator[Diagnostic]:
    contest = subject.contest
    if not contest.generation.hostname:
        return
    told: set[frozenset[str]] = set()
    # From the end, so that of two entries the later one is told, as with other rules, where its example shows it.
    for entry in reversed(subject.topology.clusters):
        for index, pattern in enumerate(entry.scopes.hostnames):
            name = hostname_found_by(pattern)
            other = contest.first_with_hostname(name, _candidate(subject, entry)) if name is not None else None
            if name is None or other is None or frozenset({entry.name, other.name}) in told:
                continue
            told.add(frozenset({entry.name, other.name}))
            host = Host(hostname=name)
            message = f"{other.name} has a pattern for the same names: {_shared(subject, host, entry, other.name)}"
            yield subject.document.diagnose(
                subject.path(entry, "scopes", "hostnames", index), message, "warning", "DF201"
            )


def _shared(subject: Subject, host: Host, entry: ClusterSpec, other: str) -> str:
    """Say how a host fares in two clusters that both claim it, and where it goes."""
    contest = subject.contest
    here, there = (contest.scored(host, contest.named[name]) for name in (entry.name, other))
    winner = contest.winner(host)
    scores = f"{_score(here)} in both" if here.score == there.score else f"{_score(here)} here, {_score(there)} there"
    why = ""
    if winner.candidate.name not in (entry.name, other):
        why = f", which gives it {_score(winner)}"
    elif here.score == there.score:
        why = ", the older record"
    return f"{_described(host)} scores {scores}, and joins {winner.candidate.name}{why}"


def _candidate(subject: Subject, entry: ClusterSpec) -> Candidate:
    return subject.contest.named[entry.name]


def _told(subject: Subject, entry: ClusterSpec, message: str, rule: str) -> Diagnostic:
    path = subject.path(entry, "scopes") if entry.scopes.model_fields_set else subject.path(entry)
    return subject.document.diagnose(path, message, "warning", rule)


def _score(ranked: Ranked) -> str:
    return f"{round(ranked.score, 6):g}"


def _described(host: Host) -> str:
    said = [
        ("at", host.ip),
        ("named", host.hostname),
        ("of idc", quoted(host.idc) if host.idc else ""),
        ("in location", quoted(host.location) if host.location else ""),
    ]
    return "a peer " + (" ".join(f"{word} {value}" for word, value in said if value) or "that says nothing")
