"""The entries of ``clusters`` as far as they can be read: what the rules look at.

The rules run even where the model refuses the file, so that a user sees a wrong CIDR and a misspelt key in one run.
Whatever has the wrong type is simply not there for them; the model reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.topology.nodes import Path


@dataclass(frozen=True)
class EntryFacts:
    """One entry of ``clusters`` with defaults merged in; None and empty where the file does not say (or says nonsense).

    ``index`` is its place in the list; ``scopes`` and ``host`` are the mappings as they stand.
    """

    index: int
    name: str | None
    context: str | None
    kubeconfig: str | None
    namespace: str | None
    release: str
    node_selector: Mapping[str, str]
    scopes: Mapping[str, Any]
    host: Mapping[str, Any]
    membership: str | None
    tracing: Mapping[str, Any]
    values: Mapping[str, Any]

    def path(self, *steps: str | int) -> Path:
        """Return the path of something in this entry."""
        return ("clusters", self.index, *steps)

    @property
    def title(self) -> str:
        """How messages call it."""
        return self.name or f"clusters[{self.index}]"


def read_entries(data: Mapping[str, Any]) -> tuple[EntryFacts, ...]:
    """Return the entries of a document's merged data; what is no mapping is left out."""
    clusters = data.get("clusters")
    if not isinstance(clusters, list):
        return ()
    return tuple(_read(index, entry) for index, entry in enumerate(clusters) if isinstance(entry, Mapping))


def text(holder: Mapping[str, Any], key: str) -> str | None:
    """Return a setting if it is a text that says something."""
    value = holder.get(key)
    return value if isinstance(value, str) and value else None


def mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a setting if it is a mapping, else an empty one."""
    value = holder.get(key)
    return value if isinstance(value, Mapping) else {}


def texts(holder: Mapping[str, Any], key: str) -> tuple[tuple[int, str], ...]:
    """Return the texts of a list with their places."""
    value = holder.get(key)
    if not isinstance(value, list):
        return ()
    return tuple((index, item) for index, item in enumerate(value) if isinstance(item, str) and item)


def _read(index: int, entry: Mapping[str, Any]) -> EntryFacts:
    selector = mapping(entry, "nodeSelector")
    return EntryFacts(
        index=index,
        name=text(entry, "name"),
        context=text(entry, "context"),
        kubeconfig=text(entry, "kubeconfig"),
        namespace=text(entry, "namespace"),
        release=text(entry, "release") or "dragonfly",
        node_selector={key: value for key, value in selector.items() if isinstance(value, str)},
        scopes=mapping(entry, "scopes"),
        host=mapping(entry, "host"),
        membership=text(entry, "membership"),
        tracing=mapping(entry, "tracing"),
        values=mapping(entry, "values"),
    )
