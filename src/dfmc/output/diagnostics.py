"""What is wrong in a file: as text, as JSON, and as annotations that GitHub shows beside the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.errors import Diagnostic
from dfmc.linting.ignores import Ignored
from dfmc.output.text import line, one_line
from dfmc.topology.model import API_VERSION


def diagnostic_lines(diagnostics: Sequence[Diagnostic]) -> list[Text]:
    """Return one line a problem: ``file:line:column: [warning: ]path: message [rule]``."""
    lines = []
    for item in diagnostics:
        place = f"{item.file}:{item.line}:{item.column}: "
        severity = ("warning: ", "yellow") if item.severity == "warning" else ("", "")
        path = f"{item.path}: " if item.path else ""
        rule = (f" [{item.rule}]", "dim") if item.rule else ""
        lines.append(line((place, "bold"), severity, (path, "cyan"), one_line(item.message), rule))
    return lines


def counts(diagnostics: Sequence[Diagnostic]) -> tuple[int, int]:
    """Return the numbers of errors and of warnings."""
    errors = sum(item.severity == "error" for item in diagnostics)
    return errors, len(diagnostics) - errors


def count_sentence(diagnostics: Sequence[Diagnostic]) -> str:
    """Return e.g. ``2 errors, 1 warning``."""
    errors, warnings = counts(diagnostics)
    parts = [(errors, "error"), (warnings, "warning")]
    shown = [f"{number} {word}{'' if number == 1 else 's'}" for number, word in parts if number]
    return ", ".join(shown) or "no problems"


def diagnostics_document(
    file: str, diagnostics: Sequence[Diagnostic], ignored: Sequence[Ignored] = ()
) -> Mapping[str, Any]:
    """Return the JSON form of what ``validate`` found, and of what comments in the file answer."""
    errors, warnings = counts(diagnostics)
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidationReport",
        "file": file,
        "valid": errors == 0,
        "errors": errors,
        "warnings": warnings,
        "diagnostics": [_document(item) for item in diagnostics],
        "ignored": [{**_document(item.diagnostic), "reason": item.reason} for item in ignored],
    }


def _document(item: Diagnostic) -> dict[str, Any]:
    return {
        "file": item.file,
        "line": item.line,
        "column": item.column,
        "path": item.path,
        "severity": item.severity,
        "rule": item.rule,
        "message": item.message,
    }


def github_annotations(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """Return workflow commands, one a problem, as GitHub's runner reads them from a step's output."""
    return [
        f"::{item.severity} file={_property(item.file)},line={item.line},col={item.column},"
        f"title={_property(item.rule or 'dfmc validate')}::"
        + _escaped(f"{item.path}: {item.message}" if item.path else item.message)
        for item in diagnostics
    ]


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
