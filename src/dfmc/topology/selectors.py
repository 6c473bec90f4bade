"""Label selectors (``-l``): which entries of the file a command is for.

The grammar is kubectl's: requirements separated by commas, all of which must hold. ``key=value`` and ``key==value``;
``key!=value``; ``key in (one,other)``; ``key notin (one,other)``; ``key`` and ``!key`` for its presence and absence.
As in kubectl, ``!=`` and ``notin`` hold for an entry that has no such label. Source: the pages on labels and selectors
of Kubernetes' documentation, and k8s.io/apimachinery/pkg/labels/selector.go for what counts as a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dfmc.errors import UsageError
from dfmc.topology.model import ClusterSpec, Topology

Operator = Literal["in", "notin", "exists", "absent"]

_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+)")
_PUNCTUATION = frozenset({"==", "!=", "=", "!", ",", "(", ")", "<", ">"})
_FORMS = "forms: key=value, key!=value, key in (one,other), key notin (one,other), key, !key; joined by commas"
_SHOWN = 12


@dataclass(frozen=True)
class Requirement:
    """One condition on an entry's labels."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an entry with these labels meets it."""
        match self.operator:
            case "exists":
                return self.key in labels
            case "absent":
                return self.key not in labels
            case "in":
                return labels.get(self.key) in self.values
            case "notin":
                return self.key not in labels or labels[self.key] not in self.values


@dataclass(frozen=True)
class Selector:
    """Conditions that must all hold, and the text they were read from."""

    text: str
    requirements: tuple[Requirement, ...]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an entry with these labels is selected."""
        return all(requirement.holds(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read a selector.

    Raises:
        UsageError: It is none; says at which character.
    """
    reader = _Reader(text)
    requirements = [reader.requirement()]
    while not reader.is_done:
        reader.expect(",")
        requirements.append(reader.requirement())
    return Selector(text, tuple(requirements))


def selected_names(
    topology: Topology, file: str, names: Sequence[str] = (), selectors: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the names of the entries that ``-c`` and ``-l`` leave, in the file's order; empty stands for all.

    Each ``-l`` narrows what is left, and so does naming clusters: an entry is one of the named ones and meets them all.

    Args:
        topology: The file's content.
        file: Its name, for messages.
        names: What ``-c`` gave; empty for all.
        selectors: What ``-l`` gave.

    Raises:
        UsageError: A selector cannot be read, no entry meets them, or a name is no entry's.
    """
    if not selectors:
        return tuple(names)
    wanted = [parse_selector(text) for text in selectors]
    known = {cluster.name for cluster in topology.clusters}
    if unknown := [name for name in names if name not in known]:
        there = ", ".join(cluster.name for cluster in topology.clusters)
        raise UsageError(
            f"no cluster is called {', '.join(unknown)}", where=file, next_step=f"the clusters there are: {there}"
        )
    candidates = [cluster for cluster in topology.clusters if not names or cluster.name in names]
    found = [one.name for one in candidates if all(selector.holds(one.labels) for selector in wanted)]
    if not found:
        said = " -l ".join(selector.text for selector in wanted)
        among = f" of {', '.join(names)}" if names else ""
        raise UsageError(f"no cluster{among} matches -l {said}", where=file, next_step=_labels_there(candidates))
    return tuple(found)


def _labels_there(entries: Sequence[ClusterSpec]) -> str:
    """Return the labels of entries in words, the most frequent first."""
    count: dict[str, int] = {}
    for entry in entries:
        for key, value in entry.labels.items():
            pair = f"{key}={value}" if value else key
            count[pair] = count.get(pair, 0) + 1
    if not count:
        return "no cluster has labels: give them some (labels: {region: eu}), or name clusters with -c"
    ranked = sorted(count, key=lambda pair: (-count[pair], pair))
    more = f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else ""
    return f"the labels there are: {', '.join(ranked[:_SHOWN])}{more}"


class _Reader:
    """Reads a selector from left to right; every refusal names the character it stands at, from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def is_done(self) -> bool:
        return not self._text[self._at :].strip()

    def _peek(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return found[1] if found else ""

    def _take(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[1]

    def _refusal(self, wanted: str) -> UsageError:
        rest = self._text[self._at :]
        column = self._at + len(rest) - len(rest.lstrip()) + 1
        seen = self._peek()
        what = f"there is {seen!r}" if seen else "it ends"
        return UsageError(
            f"-l {self._text!r}, character {column}: {wanted} is wanted, and {what}", next_step=f"the {_FORMS}"
        )

    def expect(self, token: str) -> None:
        if self._peek() != token:
            raise self._refusal(repr(token))
        self._take()

    def requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return Requirement(self._word("a label's key"), "absent")
        key = self._word("a label's key")
        following = self._peek()
        if following in ("=", "=="):
            self._take()
            return Requirement(key, "in", frozenset({self._value()}))
        if following == "!=":
            self._take()
            return Requirement(key, "notin", frozenset({self._value()}))
        if following == "in":
            self._take()
            return Requirement(key, "in", self._values())
        if following == "notin":
            self._take()
            return Requirement(key, "notin", self._values())
        if following in ("", ","):
            return Requirement(key, "exists")
        raise self._refusal("one of =, ==, !=, in, notin or a comma")

    def _word(self, wanted: str) -> str:
        token = self._peek()
        if not token or token in _PUNCTUATION:
            raise self._refusal(wanted)
        return self._take()

    def _value(self) -> str:
        """Read a value; nothing stands for the empty one, as in kubectl."""
        return "" if self._peek() in ("", ",", ")") else self._word("a value")

    def _values(self) -> frozenset[str]:
        self.expect("(")
        found = {self._value()}
        while self._peek() == ",":
            self._take()
            found.add(self._value())
        self.expect(")")
        return frozenset(found)
