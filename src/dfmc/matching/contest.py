"""Who wins a host among many clusters, without scoring every cluster for every host.

Only clusters that have something in common with a host can beat those that have nothing, so they are looked up by what
they claim; a thousand clusters with scopes of their own then cost a thousand look-ups, not a million scores. The
winner is the formula's own (a test compares it with ranking everybody).
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from dfmc.matching.folding import fold
from dfmc.matching.formula import MAX_LOCATION_ELEMENTS, Candidate, Host, Ranked, hostname_affinity, terms_of
from dfmc.matching.networks import Network, parse_address, parse_network
from dfmc.matching.versions import Generation

# Scores that one contest may compute: some seconds. Only files in which very many scopes overlap come near.
MAX_SCORES = 200_000

_Key = tuple[int, int, int]


class BudgetSpentError(Exception):
    """The clusters have so much in common that comparing them all would take too long."""


class Contest:
    """The clusters of one manager, indexed by what their scopes claim.

    Args:
        candidates: At least one; equal scores go to the lowest id.
        generation: The formula.
        most_scores: How many may be computed; None: MAX_SCORES.
    """

    def __init__(self, candidates: Sequence[Candidate], generation: Generation, most_scores: int | None = None) -> None:
        self.candidates = tuple(sorted(candidates, key=lambda one: one.id))
        self.generation = generation
        self.fold: Callable[[str], str] = fold if generation.ignores_case else str
        self._left = MAX_SCORES if most_scores is None else most_scores
        self._winners: dict[Host, Ranked] = {}
        self._by_idc: dict[str, list[int]] = {}
        self._by_network: dict[_Key, list[int]] = {}
        self._by_location: dict[str, int] = {}
        self._by_beginning: dict[tuple[str, ...], int] = {}
        self._with_hostnames: list[int] = []
        # The first one wins where nobody has anything; a default one has its hundredth for any host.
        self._always = {0, *(index for index, one in enumerate(self.candidates) if one.is_default)}
        for index, candidate in enumerate(self.candidates):
            self._add(index, candidate)
        self._prefix_lengths = sorted({(version, length) for version, length, _ in self._by_network})
        # Narrower networks directly follow the wider one that holds them.
        self._networks = sorted((version, number, length) for version, length, number in self._by_network)
        self.named = {candidate.name: candidate for candidate in reversed(self.candidates)}

    def _add(self, index: int, candidate: Candidate) -> None:
        scopes = candidate.scopes
        idc, location = self.fold(scopes.idc), self.fold(scopes.location)
        for claim in {idc, *idc.split("|")} - {""}:
            self._by_idc.setdefault(claim, []).append(index)
        for network in {parse_network(cidr) for cidr in scopes.cidrs}:
            if network is not None:
                self._by_network.setdefault(_key(network), []).append(index)
        if location:
            self._by_location.setdefault(location, index)
            elements = tuple(location.split("|"))[:MAX_LOCATION_ELEMENTS]
            for length in range(1, len(elements) + 1):
                self._by_beginning.setdefault(elements[:length], index)
        if scopes.hostnames and self.generation.hostname:
            self._with_hostnames.append(index)

    def winner(self, host: Host) -> Ranked:
        """Return the cluster that the host joins when every cluster has an active scheduler.

        Raises:
            BudgetSpentError: Too many scores have been computed already.
            PatternTooLargeError: A hostname pattern is too large to be evaluated.
        """
        if host not in self._winners:
            self._winners[host] = self.best(host, self._rivals(host))
        return self._winners[host]

    def best(self, host: Host, indexes: set[int]) -> Ranked:
        """Return the best of some candidates for a host; errors as winner."""
        self._spend(len(indexes))
        ranked = [self.scored(host, self.candidates[index]) for index in indexes]
        return min(ranked, key=lambda one: (-one.score, one.candidate.id))

    def scored(self, host: Host, candidate: Candidate) -> Ranked:
        """Return a candidate's score for a host."""
        terms = terms_of(host, candidate.scopes, is_default=candidate.is_default, generation=self.generation)
        return Ranked(candidate, terms)

    def _rivals(self, host: Host) -> set[int]:
        """Return candidates among which the winner is.

        Of those that share nothing but the location, the one with the longest common beginning and the lowest id.
        """
        found = set(self._always)
        found.update(self._by_idc.get(self.fold(host.idc), ()))
        found.update(*(self._by_network[key] for key in self.networks_around(host.ip)))
        if host.hostname:
            found.update(self._with_hostnames)
        location = self.fold(host.location)
        elements = tuple(location.split("|"))[:MAX_LOCATION_ELEMENTS]
        nearest = (self._by_beginning.get(elements[:length]) for length in range(len(elements), 0, -1))
        exact = self._by_location.get(location)
        found.update(index for index in (exact, next((n for n in nearest if n is not None), None)) if index is not None)
        return found

    def networks_around(self, ip: str) -> Iterator[_Key]:
        """Yield the keys of the claimed networks that hold an address, the widest first."""
        address = parse_address(ip)
        if address is not None:
            yield from self._around(address.version, int(address), address.max_prefixlen)

    def _around(self, version: int, number: int, longest: int) -> Iterator[_Key]:
        bits = 32 if version == 4 else 128
        for other, length in self._prefix_lengths:
            if other == version and length <= longest:
                rest = bits - length
                key = (version, length, number >> rest << rest)
                if key in self._by_network:
                    yield key

    def networks_inside(self, network: Network, most: int = 256) -> list[Network] | None:
        """Return the claimed networks that are narrower and lie in ``network``; None for more than ``most``."""
        version, last = network.version, int(network.broadcast_address)
        start = bisect_right(self._networks, (version, int(network.network_address), network.prefixlen))
        found: list[Network] = []
        for other, number, length in islice(self._networks, start, None):
            if other != version or number > last:
                break
            if len(found) == most:
                return None
            found.append(_network(version, number, length))
        return found

    def claimed_around(self, network: Network, candidate: Candidate) -> tuple[Candidate, Network] | None:
        """Return the narrowest wider network that another candidate claims, with the first who does."""
        wider = self._around(network.version, int(network.network_address), network.prefixlen - 1)
        for key in reversed(list(wider)):
            others = (self.candidates[index] for index in self._by_network[key])
            other = next((one for one in others if one != candidate), None)
            if other is not None:
                return other, _network(key[0], key[2], key[1])
        return None

    def first_with_hostname(self, name: str, candidate: Candidate) -> Candidate | None:
        """Return the first other candidate with a pattern that finds a name; errors as winner."""
        self._spend(len(self._with_hostnames))
        others = (self.candidates[index] for index in self._with_hostnames)
        found = (one for one in others if one != candidate and hostname_affinity(name, one.scopes.hostnames))
        return next(found, None)

    def _spend(self, scores: int) -> None:
        self._left -= scores
        if self._left < 0:
            raise BudgetSpentError("too many of them overlap")


def _network(version: int, number: int, length: int) -> Network:
    address = ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)
    return ipaddress.ip_network((address, length))


def _key(network: Network) -> _Key:
    return network.version, network.prefixlen, int(network.network_address)
