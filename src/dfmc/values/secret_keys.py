"""Where credentials stand in a chart's values, whoever wrote them: by their keys, and in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.values.key_facts import KeyPath
from dfmc.values.passwords import PUBLIC_DEFAULTS

# ``key`` alone is also what a toleration has, and names of Secrets are no secrets.
_SECRET = re.compile(r"passw(or)?d|passphrase|(secret|access|private)_?key|token$|credentials?$", re.IGNORECASE)
_NO_SECRET = re.compile(r"(file|files|secret|name|path|enabled?|update|keys?name)$", re.IGNORECASE)
_SECRET_PATHS = ("manager.config.auth.jwt.key", "externalRedis.tls.key", "scheduler.config.database.redis.tls.key")
_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]+@")
_SHORTEST = 6


def is_secret_path(path: KeyPath) -> bool:
    """Whether a credential stands at this path of a chart's values."""
    if ".".join(path) in _SECRET_PATHS:
        return True
    return any(_SECRET.search(key) and not _NO_SECRET.search(key) for key in path)


def holds_secret(value: Any, known: frozenset[str] = frozenset()) -> bool:  # noqa: ANN401 - a JSON-like tree
    """Whether a value, which may be a list or a map of anything, holds a credential.

    Args:
        value: By itself; its own path is not looked at.
        known: Credentials that may stand inside of other texts.
    """
    if isinstance(value, Mapping):
        return (
            any(is_secret_path(path) or holds_secret(leaf, known) for path, leaf in leaves(value)) if value else False
        )
    if isinstance(value, list | tuple):
        return any(holds_secret(item, known) for item in value)
    if not isinstance(value, str):
        return False
    return bool(_IN_URL.search(value)) or any(len(one) >= _SHORTEST and one in value for one in known)


def secrets_in(values: Mapping[str, Any]) -> frozenset[str]:
    """Return every text in the values that stands where a credential does, but the chart's public ones."""
    found = {value for path, value in leaves(values) if isinstance(value, str) and is_secret_path(path)}
    return frozenset(found - PUBLIC_DEFAULTS - {""})


def leaves(tree: Any, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:  # noqa: ANN401
    """Yield every path of a tree that leads to no further map, with what is there."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*above, str(key)))
    else:
        yield above, tree
