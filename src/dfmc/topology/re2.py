r"""The syntax of Go's regular expressions (RE2), checked without Go.

The manager compiles each hostname pattern with Go's ``regexp`` and, when that fails, only logs it: the scope then
never matches. Python's ``re`` accepts what Go refuses (look-around, back-references, possessive operators) and refuses
what Go accepts (``\z``, ``[[:alpha:]]``, flags in the middle), so the grammar of Go's regexp/syntax is walked here.
"""

from __future__ import annotations

import re

from dfmc.topology.nodes import shorten
from dfmc.topology.unicode_names import category_of

_POSIX = {
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
    "lower", "print", "punct", "space", "upper", "word", "xdigit",
}  # fmt: skip
_MAX_REPEAT = 1000
_MAX_NESTING = 1000
_REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_GROUP_NAME = re.compile(r"\?P?<[A-Za-z0-9_]+>")
_FLAGS = re.compile(r"\?([imsU]*)(?:-[imsU]+)?([:)])")
_PROPERTY = re.compile(r"[pP](?:\{\^?([^}]*)\}|([^{]))")
_ESCAPED = re.compile(r"[aftnrv]|0[0-7]{0,2}|[1-7][0-7]{1,2}|x[0-9A-Fa-f]{2}|x\{0*(10|[0-9A-Fa-f])?[0-9A-Fa-f]{1,4}\}")


class _SyntaxError(ValueError):
    pass


def pattern_problem(pattern: str) -> str | None:
    """Say what Go's regexp would refuse in ``pattern``; None where it compiles."""
    try:
        _Checker(pattern).check()
    except _SyntaxError as problem:
        return str(problem)
    return None


class _Checker:
    """Walks a pattern once; ``_open`` keeps, per open group, the largest repetition inside it."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._open: list[int] = [1]
        self._weight = 1
        self._has_operand = False

    def check(self) -> None:
        after_repeat = False
        while self._at < len(self._text):
            char = self._text[self._at]
            repeat = _REPEAT.match(self._text, self._at) if char == "{" else None
            if char in "*+?" or repeat:
                self._repeat(repeat, after_repeat)
                after_repeat = True
                continue
            after_repeat = False
            self._step(char)
        if len(self._open) > 1:
            raise _SyntaxError("a parenthesis is not closed")

    def _step(self, char: str) -> None:
        if char == "(":
            self._group()
        elif char == ")":
            if len(self._open) == 1:
                raise _SyntaxError("a closing parenthesis has no opening one")
            self._at += 1
            self._operand(max(self._open.pop(), self._weight))
        elif char == "|":
            self._at += 1
            self._open[-1] = max(self._open[-1], self._weight)
            self._has_operand = False
            self._weight = 1
        elif char == "[":
            self._class()
            self._operand()
        elif char == "\\":
            self._escape()
        else:
            self._at += 1
            self._operand()

    def _operand(self, weight: int = 1) -> None:
        """An operand ends here; ``weight`` is the largest repetition inside it."""
        self._open[-1] = max(self._open[-1], self._weight)
        self._weight = weight
        self._has_operand = True

    def _group(self) -> None:
        self._at += 1
        if self._text.startswith("?", self._at):
            named = _GROUP_NAME.match(self._text, self._at)
            flags = _FLAGS.match(self._text, self._at)
            if named:
                self._at = named.end()
            elif flags:
                self._at = flags.end()
                if flags[2] == ")":
                    return
            else:
                raise _SyntaxError(self._unsupported_group())
        self._open[-1] = max(self._open[-1], self._weight)
        self._open.append(1)
        if len(self._open) > _MAX_NESTING:
            raise _SyntaxError("groups are nested too deeply")
        self._weight = 1
        self._has_operand = False

    def _unsupported_group(self) -> str:
        start = self._text[self._at : self._at + 3]
        if start.startswith(("?=", "?!", "?<=", "?<!")):
            return f"look-around ({start.rstrip()}…) does not exist in RE2"
        return f"the group ({start}… does not exist in RE2"

    def _repeat(self, counted: re.Match[str] | None, after_repeat: bool) -> None:
        operator = counted[0] if counted else self._text[self._at]
        self._at += len(operator)
        operator = shorten(operator, 20)
        if self._text.startswith("?", self._at):
            self._at += 1
        if after_repeat:
            raise _SyntaxError(f"{operator} follows another repetition")
        if not self._has_operand:
            raise _SyntaxError(f"{operator} has nothing to repeat")
        if counted is None:
            return
        least = _bounded(counted[1])
        most = least if counted[2] is None else _bounded(counted[3]) if counted[3] else -1
        if least > _MAX_REPEAT or most > _MAX_REPEAT or 0 <= most < least:
            raise _SyntaxError(f"{operator} is no valid repetition (at most {_MAX_REPEAT})")
        self._weight *= max(1, least if most < 0 else most)
        if self._weight > _MAX_REPEAT:
            raise _SyntaxError(f"{operator} multiplies the repetitions inside it to more than {_MAX_REPEAT}")

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "Q":
            end = self._text.find("\\E", self._at + 2)
            stop = len(self._text) if end < 0 else end
            if stop > self._at + 2:
                self._operand()
            self._at = stop if end < 0 else end + 2
        elif following and following in "AbBzdDsSwW":
            self._at += 2
            self._operand()
        else:
            self._property_or_char()
            self._operand()

    def _property_or_char(self) -> None:
        """One escaped property or character; the position is at its backslash."""
        if self._text[self._at + 1 : self._at + 2] in ("p", "P"):
            found = _PROPERTY.match(self._text, self._at + 1)
            if not found or category_of(found[1] if found[1] is not None else found[2]) is None:
                raise _SyntaxError("\\p needs a Unicode class, like \\pL or \\p{Greek}")
            self._at = found.end()
        else:
            self._escaped_char()

    def _escaped_char(self) -> str:
        char = self._text[self._at + 1 : self._at + 2]
        if not char:
            raise _SyntaxError("a backslash stands at the end")
        found = _ESCAPED.match(self._text, self._at + 1)
        if found:
            self._at = found.end()
            return _character(found[0])
        if char in "123456789":
            raise _SyntaxError(f"back-references (\\{char}) do not exist in RE2")
        if char.isalnum() or not char.isascii():
            raise _SyntaxError(f"\\{char} does not exist in RE2")
        self._at += 2
        return char

    def _class(self) -> None:
        self._at += 1
        if self._text.startswith("^", self._at):
            self._at += 1
        is_first = True
        while is_first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise _SyntaxError("a [ is not closed")
            is_first = False
            self._class_item()
        self._at += 1

    def _class_item(self) -> None:
        if self._text.startswith("[:", self._at):
            end = self._text.find(":]", self._at + 2)
            if end >= 0:
                name = self._text[self._at + 2 : end]
                if name.removeprefix("^") not in _POSIX:
                    raise _SyntaxError(f"there is no class [:{shorten(name)}:]")
                self._at = end + 2
                return
        following = self._text[self._at + 1 : self._at + 2]
        if self._text[self._at] == "\\" and following and following in "dDsSwW":
            self._at += 2
        elif self._text[self._at] == "\\" and following in ("p", "P"):
            self._property_or_char()
        else:
            self._class_range()

    def _class_range(self) -> None:
        low = self._class_char()
        if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._class_char()
            if ord(high) < ord(low):
                raise _SyntaxError(f"the range {low}-{high} runs backwards")

    def _class_char(self) -> str:
        if self._text[self._at] == "\\":
            return self._escaped_char()
        self._at += 1
        return self._text[self._at - 1]


def _bounded(digits: str) -> int:
    """A repetition count; absurdly long ones only need to be too large."""
    return int(digits) if len(digits) < 8 else _MAX_REPEAT + 1


def _character(escape: str) -> str:
    if escape[0] == "x":
        return chr(int(escape[1:].strip("{}"), 16))
    if escape[0].isdigit():
        return chr(int(escape, 8))
    return {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}[escape]
