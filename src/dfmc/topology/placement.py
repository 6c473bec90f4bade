"""Which entries could put their pods on one node, judged by their node selectors alone."""

from __future__ import annotations

from collections.abc import Iterator

from dfmc.topology.entries import EntryFacts

_Selector = tuple[tuple[str, str], ...]


def shared_nodes(entries: tuple[EntryFacts, ...]) -> Iterator[tuple[EntryFacts, EntryFacts]]:
    """Yield each entry that may share a node with an earlier one of its Kubernetes cluster, with the first such.

    Two selectors exclude each other only when they want different values of one label: a node may have any labels.
    """
    groups: dict[tuple[str | None, str], _Seen] = {}
    for entry in entries:
        if entry.context is not None:
            other = groups.setdefault((entry.kubeconfig, entry.context), _Seen()).meet(entry)
            if other is not None:
                yield entry, other


class _Seen:
    """Entries of one Kubernetes cluster, indexed so that a thousand of them need no thousand comparisons each.

    Entries with the same label keys are looked up by what two selectors have in common, not one by one.
    """

    def __init__(self) -> None:
        self._members: dict[frozenset[str], list[EntryFacts]] = {}
        self._first: dict[frozenset[str], dict[frozenset[str], dict[_Selector, EntryFacts]]] = {}

    def meet(self, entry: EntryFacts) -> EntryFacts | None:
        """Return the first earlier entry that may share a node with ``entry``, and remember ``entry``."""
        keys = frozenset(entry.node_selector)
        found = [self._lookup(known, keys & known, entry) for known in self._members]
        for common, first in self._first.get(keys, {}).items():
            first.setdefault(_common(entry, common), entry)
        self._members.setdefault(keys, []).append(entry)
        return min((other for other in found if other is not None), key=lambda other: other.index, default=None)

    def _lookup(self, known: frozenset[str], common: frozenset[str], entry: EntryFacts) -> EntryFacts | None:
        indexes = self._first.setdefault(known, {})
        if common not in indexes:
            first: dict[_Selector, EntryFacts] = {}
            for member in self._members[known]:
                first.setdefault(_common(member, common), member)
            indexes[common] = first
        return indexes[common].get(_common(entry, common))


def _common(entry: EntryFacts, keys: frozenset[str]) -> _Selector:
    return tuple((key, entry.node_selector[key]) for key in sorted(keys))
