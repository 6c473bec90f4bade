"""The searcher's formula: how well a record's scopes fit a peer, and the order in which a peer is given clusters.

Source: manager/searcher/searcher.go and ListSchedulers in manager/rpcserver of Dragonfly 2.1 to 2.5. Every cluster
with an active scheduler is in the answer, however badly it fits; a cluster without one is passed over, so its peers go
to the next, silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from dfmc.matching.folding import fold
from dfmc.matching.hostnames import matches
from dfmc.matching.networks import parse_address, parse_network
from dfmc.matching.versions import NEWEST, Generation

MAX_LOCATION_ELEMENTS = 5


@dataclass(frozen=True)
class Host:
    """What a peer tells the manager of itself; empty where it says nothing.

    Attributes:
        ip: Its advertised address.
        hostname: Its name: the node's for clients in the host's network, the pod's for seed peers.
        idc: One idc; the manager does not split it.
        location: Elements separated by ``|``, the widest first.
    """

    ip: str = ""
    hostname: str = ""
    idc: str = ""
    location: str = ""


@dataclass(frozen=True)
class ClusterScopes:
    """Which peers a record serves, as the manager stores it."""

    idc: str = ""
    location: str = ""
    cidrs: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One record of the manager.

    Attributes:
        id: Of the scheduler cluster; the lower one comes first where scores are equal.
        name: What messages call it.
        is_default: The record's own flag; several may have it, or none.
        is_active: It has a scheduler that is alive.
    """

    id: int
    name: str
    scopes: ClusterScopes = field(default_factory=ClusterScopes)
    is_default: bool = False
    is_active: bool = True


@dataclass(frozen=True)
class Terms:
    """The parts of a score, weights multiplied in."""

    cidr: float
    hostname: float
    idc: float
    location: float
    default: float

    @property
    def score(self) -> float:
        """Their sum, added up in the manager's order, so that equal scores are equal in every bit."""
        return self.cidr + self.hostname + self.idc + self.location + self.default

    def as_dict(self) -> dict[str, float]:
        """Return the parts by name."""
        return asdict(self)


@dataclass(frozen=True)
class Ranked:
    """A candidate with its score for one host."""

    candidate: Candidate
    terms: Terms

    @property
    def score(self) -> float:
        """The sum of the terms."""
        return self.terms.score


def terms_of(host: Host, scopes: ClusterScopes, *, is_default: bool = False, generation: Generation = NEWEST) -> Terms:
    """Return the terms of one record's score for a host.

    Raises:
        PatternTooLargeError: A hostname pattern is too large to be evaluated.
    """
    hostname = hostname_affinity(host.hostname, scopes.hostnames) if generation.hostname else 0.0
    return Terms(
        cidr=generation.cidr * cidr_affinity(host.ip, scopes.cidrs),
        hostname=generation.hostname * hostname,
        idc=generation.idc * idc_affinity(host.idc, scopes.idc, ignores_case=generation.ignores_case),
        location=generation.location
        * location_affinity(host.location, scopes.location, ignores_case=generation.ignores_case),
        default=generation.default * float(is_default),
    )


def ranking(host: Host, candidates: Iterable[Candidate], generation: Generation = NEWEST) -> tuple[Ranked, ...]:
    """Return every candidate, active or not, best first; equal scores in the order of ids.

    The manager sorts in place: up to twelve candidates its sort keeps the order of equals, which is that of the ids.

    Raises:
        PatternTooLargeError: A hostname pattern is too large to be evaluated.
    """
    ranked = [
        Ranked(one, terms_of(host, one.scopes, is_default=one.is_default, generation=generation)) for one in candidates
    ]
    return tuple(sorted(ranked, key=lambda one: (-one.score, one.candidate.id)))


def order(host: Host, candidates: Iterable[Candidate], generation: Generation = NEWEST) -> tuple[Ranked, ...]:
    """Return what the manager answers: the ranking of the candidates that have an active scheduler."""
    return ranking(host, (one for one in candidates if one.is_active), generation)


def cidr_affinity(ip: str, cidrs: Iterable[str]) -> float:
    """Return 1 if the address is in one of the networks, else 0; what cannot be read counts for nothing."""
    address = parse_address(ip)
    if address is None:
        return 0.0
    networks = map(parse_network, cidrs)
    # An address of the other version is in no network.
    return float(any(network is not None and address in network for network in networks))


def hostname_affinity(hostname: str, patterns: Iterable[str]) -> float:
    """Return 1 if a pattern is found anywhere in the name, else 0."""
    return float(bool(hostname) and any(matches(pattern, hostname) for pattern in patterns))


def idc_affinity(said: str, scope: str, *, ignores_case: bool = True) -> float:
    """Return 1 if what the peer says is the scope or one of its elements, else 0; blanks count."""
    if not said or not scope:
        return 0.0
    if ignores_case:
        said, scope = fold(said), fold(scope)
    return float(said == scope or said in scope.split("|"))


def location_affinity(said: str, scope: str, *, ignores_case: bool = True) -> float:
    """Return 1 for equal texts, else a fifth for each equal element from the left, up to five."""
    if not said or not scope:
        return 0.0
    if ignores_case:
        said, scope = fold(said), fold(scope)
    if said == scope:
        return 1.0
    equal = 0
    for one, other in zip(
        said.split("|")[:MAX_LOCATION_ELEMENTS], scope.split("|")[:MAX_LOCATION_ELEMENTS], strict=False
    ):
        if one != other:
            break
        equal += 1
    return equal / MAX_LOCATION_ELEMENTS
