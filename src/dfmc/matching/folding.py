"""Equality of texts without regard to case, as Go's ``strings.EqualFold`` decides it.

Go compares rune by rune under Unicode's *simple* case folding; Python's ``casefold`` is the full one, in which ``ß``
equals ``ss``. The difference would show as a scope that dfmc believes in and the manager does not.
"""

from __future__ import annotations


def fold_char(char: str) -> str:
    """Return the representative of all characters that equal ``char`` under simple case folding.

    Where full folding gives one character, it is the simple one; where it gives several, only a lower-case form of
    one character counts (``ẞ`` equals ``ß``), if there is any (checked against Go for every code point).
    """
    folded = char.casefold()
    if len(folded) == 1:
        return folded
    lower = char.lower()
    return lower if len(lower) == 1 else char


def fold(text: str) -> str:
    """Return a text that two others share exactly when Go's ``strings.EqualFold`` holds for them."""
    if text.isascii():
        return text.lower()
    return "".join(map(fold_char, text))
