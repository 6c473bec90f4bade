"""Sets of characters that a pattern can name, as predicates.

Categories come from Python's Unicode data. Scripts are not in it: for ASCII, which is all that a Kubernetes node or
pod name can hold, they are exact (letters are Latin, the rest is Common); beyond, a character's name begins with that
of its script.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from dfmc.matching.folding import fold_char
from dfmc.topology.unicode_names import category_of

Predicate = Callable[[str], bool]

# Scripts whose characters' names begin with other words than the script's own name.
_NAME_STARTS: Mapping[str, tuple[str, ...]] = {
    "HAN": ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL", "KANGXI RADICAL"),
}
_POSIX_CHARACTERS = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\x00-\x7f",
    "blank": "\t ",
    "cntrl": "\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@[-`{-~",
    "space": "\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


def negated(predicate: Predicate) -> Predicate:
    """Return what ``predicate`` does not take."""
    return lambda char: not predicate(char)


def one_of(predicates: Sequence[Predicate]) -> Predicate:
    """Return what any of them takes."""
    return lambda char: any(predicate(char) for predicate in predicates)


def folded(predicate: Predicate) -> Predicate:
    """Return what equals something that ``predicate`` takes, case aside."""
    return lambda char: any(predicate(other) for other in _equals(char))


def perl_class(letter: str) -> Predicate:
    r"""Return ``\d``, ``\s`` or ``\w``, ASCII as in Go; its white space lacks the vertical tab."""
    return {"d": POSIX["digit"], "s": _spelled("\t\n\f\r "), "w": POSIX["word"]}[letter]


@cache
def unicode_class(name: str) -> Predicate:
    r"""Return what ``\p{name}`` stands for: a category, a script, or one of Go's own sets."""
    kind, value = category_of(name) or ("script", name)
    if kind == "any":
        return lambda char: True
    if kind == "ascii":
        return str.isascii
    if kind == "assigned":
        return lambda char: unicodedata.category(char) != "Cn"
    if kind == "category":
        wanted = ("Lu", "Ll", "Lt") if value == "LC" else (value,)
        return lambda char: unicodedata.category(char).startswith(wanted)
    return _script(value)


def _script(name: str) -> Predicate:
    words = name.replace("_", " ").upper()
    starts = _NAME_STARTS.get(words, (f"{words} ",))

    def is_of_script(char: str) -> bool:
        if char.isascii():
            return words == ("LATIN" if char.isalpha() else "COMMON")
        return unicodedata.name(char, "").startswith(starts)

    return is_of_script


def _spelled(characters: str) -> Predicate:
    return lambda char: char in characters


def _ranges(written: str) -> Predicate:
    pairs, rest = [], written
    while rest:
        if rest[1:2] == "-" and len(rest) > 2:
            pairs.append((rest[0], rest[2]))
            rest = rest[3:]
        else:
            pairs.append((rest[0], rest[0]))
            rest = rest[1:]
    return lambda char: any(low <= char <= high for low, high in pairs)


POSIX: Mapping[str, Predicate] = {name: _ranges(written) for name, written in _POSIX_CHARACTERS.items()}


@cache
def _all_equals() -> Mapping[str, tuple[str, ...]]:
    """Return the classes of characters that are equal but for case, by their representative."""
    found: dict[str, list[str]] = {}
    for number in (*range(0xD800), *range(0xE000, 0x20000)):
        char = chr(number)
        representative = fold_char(char)
        if representative != char:
            found.setdefault(representative, [representative]).append(char)
    return {representative: tuple(chars) for representative, chars in found.items()}


def _equals(char: str) -> tuple[str, ...]:
    representative = fold_char(char)
    return _all_equals().get(representative, (char,))
