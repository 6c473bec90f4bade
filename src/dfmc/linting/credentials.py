"""Credentials written into ``values``: what the chart's templates would change, and what everybody knows.

The file's own fields name an environment variable, a file or a Secret, so their values are not there to be looked at;
those are checked when a run reads them (planning/credentials.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.errors import Diagnostic
from dfmc.linting.subject import Subject
from dfmc.topology.nodes import Path
from dfmc.values.passwords import PUBLIC_DEFAULTS, unsafe_because

_PASSWORD = re.compile(r"password|passwd|passphrase", re.IGNORECASE)
# ``auth.jwt.key`` is a secret by its place alone: ``key`` is also what a toleration has.
_KEYS_BELOW = re.compile(r"jwt", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(file|files|key|secret|name|path|enabled?|update)$", re.IGNORECASE)


def credential_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF207 and DF208, never with a value."""
    for entry in subject.topology.clusters:
        for path, value in _secrets(entry.values, ()):
            here = subject.path(entry, "values", *path)
            if value in PUBLIC_DEFAULTS:
                message = "this is the chart's public default: everybody can read it there; choose another"
                yield subject.document.diagnose(here, message, "warning", "DF208")
            elif reason := unsafe_because(value):
                yield subject.document.diagnose(here, f"choose another: {reason}", "warning", "DF207")


def _secrets(tree: Any, path: Path) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - a JSON-like tree
    items: list[tuple[str | int, Any]] = []
    if isinstance(tree, Mapping):
        items = list(tree.items())
    elif isinstance(tree, list | tuple):
        items = list(enumerate(tree))
    for step, value in items:
        here = (*path, step)
        if isinstance(value, Mapping | list | tuple):
            yield from _secrets(value, here)
        elif value not in (None, "") and not isinstance(value, bool) and _is_secret(here):
            yield here, str(value)


def _is_secret(path: Path) -> bool:
    last = str(path[-1])
    if last.lower() == "key" and any(_KEYS_BELOW.search(str(step)) for step in path[:-1]):
        return True
    return bool(_PASSWORD.search(last)) and not _NOT_SECRET.search(last)
