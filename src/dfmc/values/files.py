"""Values files: YAML as strict as a topology file's, with the place of every key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfmc.errors import Diagnostic, TopologyError
from dfmc.topology.load import read_text
from dfmc.topology.model import API_VERSION
from dfmc.topology.nodes import MappingNode, ScalarNode, format_path, nearest, plain
from dfmc.topology.parse import parse
from dfmc.values.key_facts import KeyPath

# Quoted text first, so that a # in it does not count.
_COMMENT = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|((?:^|(?<=\s))#)""", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class ValuesFile:
    """A values file as it stands.

    Attributes:
        file: Name as the user gave it; ``<stdin>`` for standard input.
        values: What it says.
        has_comments: Whether it holds comments, which no rewriting carries over.
    """

    file: str
    values: Mapping[str, Any]
    has_comments: bool
    _root: MappingNode | None

    def place(self, path: KeyPath) -> tuple[int, int, str]:
        """Return line and column (from 1) of a key, or of what it would be in, and the path that is in the file."""
        if self._root is None:
            return 1, 1, format_path(path)
        mark, found = nearest(self._root, path)
        return mark.line + 1, mark.column + 1, format_path(found or path)


def load_values_file(path: str | Path) -> ValuesFile:
    """Read a Helm values file; ``-`` reads standard input; an empty file holds no values.

    Raises:
        TopologyError: It cannot be read or is no values file; carries every problem found.
    """
    name, text = read_text(path)
    parsed = parse(text)
    found = [Diagnostic(name, p.line, p.column, format_path(p.path), p.message) for p in parsed.problems]
    root = parsed.root
    is_empty = root is None or (isinstance(root, ScalarNode) and root.value is None)
    if not is_empty and not isinstance(root, MappingNode):
        found.append(Diagnostic(name, 1, 1, "", "a values file is a mapping (key: value)"))
    if isinstance(root, MappingNode) and "apiVersion" in root.entries:
        message = f"this is no values file: values have no apiVersion ({API_VERSION} is that of a topology)"
        found.append(Diagnostic(name, 1, 1, "apiVersion", message))
    if found:
        raise TopologyError(f"{name} cannot be read as values", diagnostics=found, next_step=f"correct {name}")
    values = plain(root) if isinstance(root, MappingNode) else {}
    has_comments = any(match.group(1) for match in _COMMENT.finditer(text))
    return ValuesFile(name, values, has_comments, root if isinstance(root, MappingNode) else None)
