"""Lines of styled text, made of pieces that can hold nothing but text.

Whatever a pod, helm or a file says goes through ``clean`` before it reaches a terminal: an escape sequence in an error
message could otherwise retitle the window, hide a line or forge one.
"""

from __future__ import annotations

import re

from rich.text import Text

Piece = str | tuple[str, str]

# CSI and OSC sequences first, so that their parameters go with them; then every other control character. Bidirectional
# overrides reorder what a reader sees, which is how a name is made to look like another one.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_ASCII = {"✗": "x", "✓": "ok", "⚠": "!", "·": "-", "→": "->", "…": "...", "—": "-"}


def clean(text: str) -> str:
    """Return text without terminal escapes and control characters; tabs become spaces, line breaks stay."""
    without = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return _CONTROLS.sub("", without).replace("\t", "    ")


def one_line(text: str) -> str:
    """Return text on one line: runs of white space become single spaces."""
    return " ".join(clean(text).split())


def line(*pieces: Piece) -> Text:
    """Return one line from plain strings and ``(string, style)`` pairs, each cleaned."""
    made = Text(no_wrap=True)
    for piece in pieces:
        content, style = piece if isinstance(piece, tuple) else (piece, "")
        made.append(clean(content), style)
    return made


def ascii_only(text: str) -> str:
    """Return text in which the symbols dfmc itself prints have their spelling in ASCII."""
    for symbol, spelling in _ASCII.items():
        text = text.replace(symbol, spelling)
    return text
