"""The difference between two versions of a file."""

from __future__ import annotations

import difflib

from rich.text import Text

from dfmc.output.text import line

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def diff_lines(name: str, before: str, after: str) -> list[Text]:
    """Return a unified diff with three lines around each change; empty for equal texts."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
    return [line((text, _STYLES.get(text[:1], ""))) for text in found]
