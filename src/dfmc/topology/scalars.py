"""What an unquoted word of YAML 1.1 stands for, and which words are refused because readers disagree about them.

PyYAML and helm read the same text differently (``22:22`` is 1342 here and text there; ``1e10`` is text here and a
number there), and ``no`` is false for both. Nothing is guessed: a word that has no sure meaning must be quoted.
"""

from __future__ import annotations

import math
import re

import yaml

from dfmc.topology.nodes import ScalarValue, shorten

_TAG = "tag:yaml.org,2002:"
_IMPLICIT = yaml.SafeLoader.yaml_implicit_resolvers
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
# helm (YAML 1.1 as Go reads it) takes these as a boolean or a number; here they are text.
_DISPUTED = re.compile(r"[yYnN]|[-+]?(\d[\d_]*|\d*\.\d+|\d+\.)[eE][-+]?\d+|[-+]?0o[0-7_]+")
# Tab and line breaks are the only control characters that a setting may carry.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LARGEST = 2**63
MERGE = _TAG + "merge"


class ScalarError(ValueError):
    """A word that must be quoted or changed; the text of the exception is the message."""


def quoted(text: str) -> str:
    """Return ``text`` as a single-quoted YAML scalar, shortened for a message."""
    return "'" + shorten(text).replace("'", "''") + "'"


def implicit_tag(text: str) -> str:
    """Return the tag that YAML 1.1 gives an unquoted ``text``."""
    for tag, pattern in (*_IMPLICIT.get(text[:1], ()), *_IMPLICIT.get(None, ())):
        if pattern.match(text):
            return str(tag)
    return _TAG + "str"


def read_scalar(text: str, tag: str | None, *, is_plain: bool) -> ScalarValue:
    """Return what a scalar stands for.

    Args:
        text: Its text, quotes and escapes resolved.
        tag: The explicit tag, None where there is none.
        is_plain: It is written without quotes.

    Raises:
        ScalarError: It stands for nothing that a topology can hold.
    """
    found = _CONTROL.search(text)
    if found:
        raise ScalarError(f"holds the control character U+{ord(found.group()):04X}")
    if tag == "!" or (tag is None and not is_plain):
        return text
    if tag is not None and not tag.startswith(_TAG):
        raise ScalarError(unsupported_tag(tag))
    kind = (tag or implicit_tag(text)).removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool" and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if kind == "int":
        return _integer(text)
    if kind == "float":
        return _float(text)
    if tag is None and kind == "timestamp":
        raise ScalarError(f"this is read as a date; quote it: {quoted(text)}")
    if tag is None:
        raise ScalarError(f"{shorten(text)} has a special meaning in YAML; quote it: {quoted(text)}")
    raise ScalarError(unsupported_tag(tag))


def unsupported_tag(tag: str) -> str:
    """Say that a tag is refused, in the form it is written in."""
    written = f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
    return f"the tag {shorten(written)} is not supported: remove it"


def is_disputed(text: str) -> bool:
    """Tell whether helm would read the unquoted ``text`` as something else than the text it is here."""
    return _DISPUTED.fullmatch(text) is not None


def describe(value: object) -> str:
    """Name a value of the wrong type for a message: ``the number 8080``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "the boolean true" if value else "the boolean false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    if ":" in digits:
        raise ScalarError(f"this is read as a number in base 60; quote it: {quoted(text)}")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > 80:
        raise ScalarError(f"a number of {len(digits)} digits; quote it if it is meant as text")
    try:
        if digits[:2] in ("0b", "0x"):
            number = int(digits[2:], 2 if digits[1] == "b" else 16)
        else:
            number = int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    except ValueError:
        raise ScalarError(f"{shorten(text)} is no whole number; quote it: {quoted(text)}") from None
    if number >= _LARGEST:
        raise ScalarError("this number does not fit into 64 bits; quote it if it is meant as text")
    return sign * number


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    if ":" in digits:
        raise ScalarError(f"this is read as a number in base 60; quote it: {quoted(text)}")
    try:
        number = float(digits)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ScalarError(f"{shorten(text)} is no number that a chart's values can hold; quote it: {quoted(text)}")
    return number
