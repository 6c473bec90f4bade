"""Values that stand for something else until a step has run or a secret is looked up.

A plan is made before the manager has registered a member, so the member's ids do not exist yet; and a plan is shown,
saved and compared, so it must not hold a password. Both are leaves in an ordinary tree of values: ``Pending`` for what
a step will bring, ``SecretRef`` for what only the executor may look up. ``resolve`` replaces them at the last moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pending:
    """A value known after the step that makes it.

    Attributes:
        key: ``<step id>/<field>``, e.g. ``record:b/scheduler_cluster_id``.
    """

    key: str

    def __str__(self) -> str:
        return "(known after apply)"


@dataclass(frozen=True)
class SecretRef:
    """A credential of the topology, by the key it has in the Secret ``dfmc-<release>``.

    Attributes:
        key: ``redis-password``, ``database-password``, ``database-root-password``, ``jwt-key`` or ``root-password``.
    """

    key: str

    def __str__(self) -> str:
        return "(secret)"


Symbol = Pending | SecretRef


def resolve(tree: Any, lookup: Callable[[Symbol], Any]) -> Any:  # noqa: ANN401 - a JSON-like tree
    """Return a copy of ``tree`` in which every symbol is replaced by what ``lookup`` says.

    Args:
        tree: Nested dicts and lists with scalars and symbols as leaves; never changed.
        lookup: Returns the replacement; returning the symbol itself keeps it.
    """
    if isinstance(tree, Pending | SecretRef):
        return lookup(tree)
    if isinstance(tree, dict):
        return {key: resolve(value, lookup) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [resolve(value, lookup) for value in tree]
    return tree


def symbols_in(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Symbol]:  # noqa: ANN401
    """Return every symbol of ``tree`` by its path (list positions as decimal strings)."""
    if isinstance(tree, Pending | SecretRef):
        return {path: tree}
    if isinstance(tree, dict):
        items = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list | tuple):
        items = [(str(index), value) for index, value in enumerate(tree)]
    else:
        return {}
    found: dict[tuple[str, ...], Symbol] = {}
    for key, value in items:
        found |= symbols_in(value, (*path, key))
    return found
