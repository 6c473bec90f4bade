"""What became of a values file, line by line, and the comment that a rewritten file ends with."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from dfmc.output.text import line, one_line
from dfmc.values.files import ValuesFile
from dfmc.values.migrate import Migration
from dfmc.values.rewriting import Note

_WORDS = {"moved": "moved", "added": "added", "dropped": "left out without loss", "lost": "not carried over"}


def note_lines(file: ValuesFile, notes: Sequence[Note]) -> list[Text]:
    """Return a line for each note, in the order of the file; what was added comes last."""
    placed = sorted((_place(file, note), note.message, note) for note in notes)
    lines = []
    for (_, row, column, path), message, note in placed:
        place = file.file if note.kind == "added" else f"{file.file}:{row}:{column}"
        severity = ("warning: ", "yellow") if note.is_warning else ("", "")
        lines.append(line((f"{place}: ", "bold"), severity, (f"{path}: ", "cyan"), one_line(message)))
    return lines


def _place(file: ValuesFile, note: Note) -> tuple[bool, int, int, str]:
    is_added = note.kind == "added"
    row, column, path = file.place(note.path)
    return is_added, row, column, ".".join(note.path) if is_added else path


def summary(migration: Migration) -> str:
    """Return e.g. ``chart 1.1.1 to 1.7.4: 20 moved, 1 added, 1 not carried over``."""
    counts = [(sum(note.kind == kind for note in migration.notes), words) for kind, words in _WORDS.items()]
    said = ", ".join(f"{count} {words}" for count, words in counts if count)
    return f"chart {migration.source} to {migration.target}: {said or 'nothing to change'}"


def closing_comment(file: ValuesFile, migration: Migration) -> str:
    """Return comment lines that name what the file says no more, or says with a doubt; empty when there is nothing."""
    open_ends = [note for note in migration.notes if note.is_warning]
    if not open_ends:
        return ""
    lines = [f"# Rewritten from chart {migration.source} to {migration.target}; look at:"]
    for _, message, note in sorted((_place(file, note), note.message, note) for note in open_ends):
        lines.append(f"# - {_place(file, note)[3]}: {one_line(message)}")
    return "\n".join(lines) + "\n"
