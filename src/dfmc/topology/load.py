"""The way in: a file or text becomes a checked Topology, or every problem of it becomes one TopologyError.

Nothing but a DfmcError leaves this module, whatever the file holds. Reading is bounded, never blocks on a FIFO, and
expands nothing: ``$(…)``, ``${…}`` and ``{{ … }}`` are text.
"""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path as Path

from pydantic import ValidationError

from dfmc.errors import Diagnostic, TopologyError
from dfmc.topology.check import check_document
from dfmc.topology.document import Document, LoadedTopology
from dfmc.topology.merge import merged_document
from dfmc.topology.model import Topology
from dfmc.topology.nodes import MappingNode, ScalarNode, SequenceNode, format_path, plain
from dfmc.topology.parse import MAX_CHARACTERS, parse
from dfmc.topology.problems import model_problems

__all__ = [
    "MAX_BYTES", "STDIN_NAME", "Inspection", "LoadedTopology", "inspect_text", "load_file", "load_text", "read_text",
]  # fmt: skip

MAX_BYTES = MAX_CHARACTERS
STDIN_NAME = "<stdin>"
# 1,000 entries that inherit a large ``defaults`` must not grow a small file into gigabytes.
MAX_MERGED_NODES = 500_000
_MOST_DIAGNOSTICS = 200
_STARTS_LIKE = "it starts with apiVersion: dfmc.io/v1alpha1"


@dataclass(frozen=True, eq=False)
class Inspection:
    """A file that is a YAML mapping, and what was found in it so far.

    Attributes:
        document: Its text and nodes.
        topology: What it says, where the model accepts it.
        problems: Errors and warnings.
    """

    document: Document
    topology: Topology | None
    problems: tuple[Diagnostic, ...]

    def concluded(self, more: Collection[Diagnostic] = ()) -> LoadedTopology:
        """Return the topology with the warnings found, ``more`` being what others found in it.

        Raises:
            TopologyError: There is an error among them; carries all.
        """
        problems = [*self.problems, *more]
        if self.topology is None or any(problem.severity == "error" for problem in problems):
            raise _refusal(self.document.file, problems)
        return LoadedTopology(self.topology, self.document, tuple(sorted(set(problems))))


def inspect_text(text: str, file: str, *, owned_paths: Collection[str] = ()) -> Inspection:
    """Return everything that is wrong with a topology's text; arguments as for load_text.

    Raises:
        TopologyError: It is no YAML mapping, so there is nothing to look at.
    """
    document, problems = _read_document(text, file)
    topology = None
    try:
        topology = Topology.model_validate(document.data)
    except ValidationError as error:
        problems += model_problems(error, document)
    problems += check_document(document, owned_paths=owned_paths)
    return Inspection(document, topology, tuple(problems))


def load_text(text: str, file: str, *, owned_paths: Collection[str] = ()) -> LoadedTopology:
    """Read a topology from text.

    Args:
        text: The file's content, line ends as they are.
        file: The name that positions are given with.
        owned_paths: Dotted paths of chart values that ``values:`` may not set; see check.check_owned.

    Raises:
        TopologyError: Something is wrong with it; carries every error and warning found.
    """
    return inspect_text(text, file, owned_paths=owned_paths).concluded()


def load_file(path: str | Path, *, owned_paths: Collection[str] = ()) -> LoadedTopology:
    """Read a topology from a regular file, or from standard input where ``path`` is ``-``.

    Args:
        path: The file.
        owned_paths: See load_text.

    Raises:
        TopologyError: It cannot be read, is larger than 1 MiB or no UTF-8, or something in it is wrong.
    """
    other = "name another file: -f FILE, or DFMC_FILE"
    name, text = read_text(path, if_missing=f"dfmc init {shlex.quote(str(path))}; or {other}")
    return load_text(text, name, owned_paths=owned_paths)


def read_text(path: str | Path, *, if_missing: str = "") -> tuple[str, str]:
    """Return the name and the text of a regular file, or of standard input where ``path`` is ``-``.

    Args:
        path: The file.
        if_missing: The next step where there is no such file.

    Raises:
        TopologyError: It cannot be read, is larger than 1 MiB or no UTF-8.
    """
    name = STDIN_NAME if str(path) == "-" else str(path)
    data = _read_stdin() if name == STDIN_NAME else _read_regular(name, if_missing)
    if len(data) > MAX_BYTES:
        raise _refusal(name, [Diagnostic(name, 1, 1, "", "the file is larger than 1 MiB")])
    try:
        return name, data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = f"not UTF-8: the byte 0x{data[error.start]:02X} cannot stand here"
        raise _refusal(name, [Diagnostic(name, line, column, "", message)]) from None


def _read_document(text: str, file: str) -> tuple[Document, list[Diagnostic]]:
    parsed = parse(text)
    problems = [Diagnostic(file, p.line, p.column, format_path(p.path), p.message) for p in parsed.problems]
    root = parsed.root
    if root is None or (isinstance(root, ScalarNode) and root.value is None):
        if not problems:
            problems.append(Diagnostic(file, 1, 1, "", f"the file is empty; a topology is a mapping: {_STARTS_LIKE}"))
        raise _refusal(file, problems)
    if not isinstance(root, MappingNode):
        what = "a single value" if isinstance(root, ScalarNode) else "a list"
        message = f"the file is {what}; a topology is a mapping: {_STARTS_LIKE}"
        raise _refusal(file, [*problems, Diagnostic(file, root.start.line + 1, root.start.column + 1, "", message)])
    line, column = _too_large_defaults(root)
    if line:
        message = f"merged into every entry of clusters these make more than {MAX_MERGED_NODES:,} values"
        raise _refusal(file, [*problems, Diagnostic(file, line, column, "defaults", message)])
    merged = merged_document(root)
    return Document(file, text, root, merged, plain(merged)), problems


def _too_large_defaults(root: MappingNode) -> tuple[int, int]:
    """Return where ``defaults`` stands if merging it everywhere would grow beyond bounds, else (0, 0)."""
    defaults, clusters = root.entries.get("defaults"), root.entries.get("clusters")
    if defaults is None or clusters is None or not isinstance(clusters.value, SequenceNode):
        return 0, 0
    if defaults.value.size * len(clusters.value.items) <= MAX_MERGED_NODES:
        return 0, 0
    return defaults.start.line + 1, defaults.start.column + 1


def _read_regular(name: str, if_missing: str) -> bytes:
    """Read at most one byte more than allowed; O_NONBLOCK keeps a FIFO without a writer from blocking the open."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _unreadable(name, "there is no such file", if_missing) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(name, f"cannot be read: {reason}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "a pipe, socket or device"
            raise _unreadable(name, f"is {kind}, not a regular file; for standard input give -")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(name, f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise _unreadable(STDIN_NAME, "standard input is closed")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(STDIN_NAME, f"cannot be read: {error.strerror}") from error


def _unreadable(name: str, message: str, next_step: str = "") -> TopologyError:
    return TopologyError(
        f"cannot read {name}", diagnostics=[Diagnostic(name, 1, 1, "", message)], why=message, next_step=next_step
    )


def _refusal(file: str, problems: list[Diagnostic]) -> TopologyError:
    errors = sorted({problem for problem in problems if problem.severity == "error"})
    warnings = sorted({problem for problem in problems if problem.severity == "warning"})
    shown = (errors + warnings)[:_MOST_DIAGNOSTICS]
    if len(errors) > _MOST_DIAGNOSTICS:
        last, rest = shown[-1], len(errors) - _MOST_DIAGNOSTICS
        shown.append(Diagnostic(file, last.line, last.column + 1, "", f"and {rest} more errors below"))
    what = f"{file} has {len(errors)} error{'s' if len(errors) != 1 else ''}"
    again = f"dfmc validate {'-' if file == STDIN_NAME else shlex.quote(file)}"
    return TopologyError(what, diagnostics=shown, next_step=f"correct the file, then: {again}")
