"""One topology file as it was read: text, nodes, and the way from a path in it to file:line:column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dfmc.errors import Diagnostic
from dfmc.topology.model import Topology
from dfmc.topology.nodes import MappingNode, Path, find, format_path, nearest


@dataclass(frozen=True, eq=False)
class Document:
    """A file that is a YAML mapping; whether it is a topology is not decided yet.

    Attributes:
        file: Name as the user gave it; ``<stdin>`` for standard input.
        text: The whole text, a byte order mark included.
        raw: What the text says.
        merged: The same without nulls and with ``defaults`` under every entry.
        data: ``merged`` as plain dicts and lists; not to be changed.
    """

    file: str
    text: str
    raw: MappingNode
    merged: MappingNode
    data: Mapping[str, Any]

    def position(self, path: Path) -> tuple[int, int]:
        """Return line and column (from 1) of a key or item; of what holds it where there is no such thing.

        A path below ``clusters[i]`` that comes from ``defaults`` leads to where it is written.
        """
        mark, found = nearest(self.merged, path)
        if len(found) < len(path):
            in_text, written = nearest(self.raw, path)
            if len(written) > len(found):
                mark = in_text
        return mark.line + 1, mark.column + 1

    def origin(self, path: Path) -> Path:
        """Return the path under which something is written: ``defaults…`` where an entry only inherits it."""
        if len(path) < 3 or path[0] != "clusters":
            return path
        inherited: Path = ("defaults", *path[2:])
        node = find(self.merged, path)
        return inherited if node is not None and node is find(self.merged, inherited) else path

    def diagnose(
        self, path: Path, message: str, severity: Literal["error", "warning"] = "error", rule: str = ""
    ) -> Diagnostic:
        """Make a Diagnostic for what stands at ``path``."""
        line, column = self.position(path)
        return Diagnostic(self.file, line, column, format_path(self.origin(path)), message, severity, rule)


@dataclass(frozen=True, eq=False)
class LoadedTopology:
    """A topology with the text it came from.

    Attributes:
        topology: The file's content, defaults merged into every entry.
        document: Its text and nodes.
        warnings: What check.py found that stops no command.
    """

    topology: Topology
    document: Document
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def file(self) -> str:
        """The file's name as the user gave it; ``<stdin>`` for standard input."""
        return self.document.file

    @property
    def text(self) -> str:
        """The whole text, a byte order mark included."""
        return self.document.text

    def position(self, path: Path) -> tuple[int, int]:
        """Return line and column (from 1) of a key or item, or of what would hold it; see Document.position."""
        return self.document.position(path)

    def diagnose(
        self, path: Path, message: str, severity: Literal["error", "warning"] = "error", rule: str = ""
    ) -> Diagnostic:
        """Make a Diagnostic for what stands at ``path``, e.g. ``("clusters", 1, "values", "client")``."""
        return self.document.diagnose(path, message, severity, rule)
