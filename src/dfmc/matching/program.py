r"""Patterns of Go's RE2 as programs: steps with relative jumps, so that a part can be copied for ``{2,5}``.

Only patterns that topology/re2.py has accepted come here; what they mean follows Go's regexp/syntax with its Perl
flags: ``$`` is the very end, ``\d \s \w \b`` are ASCII, ``[^a]`` takes line breaks, and ``(?i)`` makes a class take
everything that is equal to one of its characters under simple case folding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from dfmc.matching.character_classes import POSIX, Predicate, folded, negated, one_of, perl_class, unicode_class
from dfmc.matching.folding import fold_char

Step = tuple[int, Any]
Program = list[Step]
# Read one character that the argument (a Predicate) accepts; go on behind it.
CHAR = 0
# Go on at the next step and at a distance, both.
SPLIT = 1
# Go on at a distance.
JUMP = 2
# Go on if the position is one of a kind.
ASSERT = 3

MAX_STEPS = 100_000
_REPEAT = re.compile(r"\{([0-9]+)(,?)([0-9]*)\}")
_FLAGS = re.compile(r"\?([imsU]*)(-[imsU]+)?([:)])")
_GROUP_NAME = re.compile(r"\?P?<[A-Za-z0-9_]+>")
_OCTAL = re.compile(r"0[0-7]{0,2}|[1-7][0-7]{1,2}")
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_ESCAPES = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_ASSERTED = {"A": "text begins", "z": "text ends", "b": "boundary", "B": "no boundary"}


class PatternTooLargeError(ValueError):
    """A pattern whose repetitions make it larger than dfmc evaluates."""


@dataclass
class _Group:
    """What an open parenthesis (or the whole pattern) holds so far.

    Attributes:
        flags: Those in force outside, to come back with the closing parenthesis.
        branches: Finished alternatives.
        steps: The alternative being read.
        operand: Where in ``steps`` that begins which a repetition would repeat.
    """

    flags: frozenset[str]
    branches: list[Program] = field(default_factory=list)
    steps: Program = field(default_factory=list)
    operand: int = 0


def compile_pattern(pattern: str) -> Program:
    """Return the program of a valid pattern; it ends where its last step is passed.

    Raises:
        PatternTooLargeError: It has more than 100,000 steps.
    """
    return _Compiler(pattern).compile()


class _Compiler:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._flags: frozenset[str] = frozenset()
        self._groups = [_Group(self._flags)]

    def compile(self) -> Program:
        while self._at < len(self._text):
            self._step(self._text[self._at])
        return self._closed(self._groups.pop())

    def _step(self, char: str) -> None:
        counted = _REPEAT.match(self._text, self._at) if char == "{" else None
        if char == "(":
            self._open()
        elif char == ")":
            self._at += 1
            group = self._groups.pop()
            self._flags = group.flags
            self._append(self._closed(group))
        elif char == "|":
            self._at += 1
            group = self._groups[-1]
            group.branches.append(group.steps)
            group.steps, group.operand = [], 0
        elif char in "*+?":
            self._at += 1
            self._repeat(1 if char == "+" else 0, 1 if char == "?" else None)
        elif counted:
            self._at = counted.end()
            least = int(counted[1])
            self._repeat(least, (int(counted[3]) if counted[3] else None) if counted[2] else least)
        elif char == "\\":
            self._escape()
        else:
            self._single(char)

    def _single(self, char: str) -> None:
        self._at += 1
        if char == "[":
            self._append([(CHAR, self._class())])
        elif char == ".":
            self._append([(CHAR, _anything if "s" in self._flags else _anything_in_line)])
        elif char in "^$":
            lines = "line" if "m" in self._flags else "text"
            self._append([(ASSERT, f"{lines} {'begins' if char == '^' else 'ends'}")])
        else:
            self._append([(CHAR, self._literal(char))])

    def _append(self, steps: Program) -> None:
        group = self._groups[-1]
        group.operand = len(group.steps)
        group.steps += steps
        _check_size(len(group.steps))

    def _open(self) -> None:
        self._at += 1
        outside = self._flags
        if self._text.startswith("?", self._at):
            named = _GROUP_NAME.match(self._text, self._at)
            flags = _FLAGS.match(self._text, self._at)
            if named:
                self._at = named.end()
            elif flags:
                self._at = flags.end()
                self._flags = (self._flags | set(flags[1])) - set(flags[2] or "")
                if flags[3] == ")":
                    return
        self._groups.append(_Group(outside))

    def _closed(self, group: _Group) -> Program:
        """Return the alternatives of a group as one program."""
        *first, last = [*group.branches, group.steps]
        steps: Program = []
        rest = sum(len(branch) + 2 for branch in first) + len(last)
        _check_size(rest)
        for branch in first:
            rest -= len(branch) + 2
            steps += [(SPLIT, len(branch) + 2), *branch, (JUMP, rest + 1)]
        return steps + last

    def _repeat(self, least: int, most: int | None) -> None:
        """Repeat the last operand; whether greedily or not decides nothing about being found."""
        if self._text.startswith("?", self._at):
            self._at += 1
        group = self._groups[-1]
        operand = group.steps[group.operand :]
        del group.steps[group.operand :]
        size = len(operand)
        _check_size(len(group.steps) + (size + 2) * max(least, most or 0, 1))
        group.steps += operand * least
        if most is None and least:
            group.steps.append((SPLIT, -size))
        elif most is None:
            group.steps += [(SPLIT, size + 2), *operand, (JUMP, -size - 1)]
        else:
            for left in range(most - least, 0, -1):
                group.steps += [(SPLIT, left * (size + 1)), *operand]

    def _escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "Q":
            end = self._text.find("\\E", self._at + 2)
            stop = len(self._text) if end < 0 else end
            for char in self._text[self._at + 2 : stop]:
                self._append([(CHAR, self._literal(char))])
            self._at = stop if end < 0 else end + 2
        elif following in _ASSERTED:
            self._at += 2
            self._append([(ASSERT, _ASSERTED[following])])
        else:
            predicate = self._class_escape()
            self._append([(CHAR, predicate or self._literal(self._escaped_char()))])

    def _class_escape(self) -> Predicate | None:
        """Read an escape that stands for several characters, folded as the flags say; None where it is none."""
        following = self._text[self._at + 1 : self._at + 2]
        if following and following in "dDsSwW":
            self._at += 2
            return self._folded(perl_class(following.lower()), is_negated=following.isupper())
        if following and following in "pP":
            start, braced = self._at + 2, self._text.startswith("{", self._at + 2)
            end = self._text.index("}", start) if braced else start
            name = self._text[start + 1 : end] if braced else self._text[start]
            self._at = end + 1
            is_negated = (following == "P") != name.startswith("^")
            return self._folded(unicode_class(name.removeprefix("^")), is_negated=is_negated)
        return None

    def _escaped_char(self) -> str:
        self._at += 1
        octal, hexadecimal = _OCTAL.match(self._text, self._at), _HEX.match(self._text, self._at)
        if octal:
            self._at = octal.end()
            return chr(int(octal[0], 8))
        if hexadecimal:
            self._at = hexadecimal.end()
            return chr(int(hexadecimal[1] or hexadecimal[2], 16))
        self._at += 1
        char = self._text[self._at - 1]
        return _ESCAPES.get(char, char)

    def _literal(self, char: str) -> Predicate:
        if "i" in self._flags:
            wanted = fold_char(char)
            return lambda read: fold_char(read) == wanted
        return lambda read: read == char

    def _folded(self, predicate: Predicate, *, is_negated: bool = False) -> Predicate:
        """Apply case folding to one item of a class, then its own negation, as Go does."""
        taken = folded(predicate) if "i" in self._flags else predicate
        return negated(taken) if is_negated else taken

    def _class(self) -> Predicate:
        is_negated = self._text.startswith("^", self._at)
        self._at += is_negated
        items: list[Predicate] = []
        while not items or not self._text.startswith("]", self._at):
            items.append(self._class_item())
        self._at += 1
        taken = one_of(items)
        return negated(taken) if is_negated else taken

    def _class_item(self) -> Predicate:
        if self._text.startswith("[:", self._at):
            end = self._text.find(":]", self._at + 2)
            if end >= 0:
                name = self._text[self._at + 2 : end]
                self._at = end + 2
                return self._folded(POSIX[name.removeprefix("^")], is_negated=name.startswith("^"))
        if self._text[self._at] == "\\":
            predicate = self._class_escape()
            if predicate is not None:
                return predicate
        low = high = self._class_char()
        if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._class_char()
        return self._folded(lambda read: low <= read <= high)

    def _class_char(self) -> str:
        if self._text[self._at] == "\\":
            return self._escaped_char()
        self._at += 1
        return self._text[self._at - 1]


def _anything(read: str) -> bool:
    return True


def _anything_in_line(read: str) -> bool:
    return read != "\n"


def _check_size(steps: int) -> None:
    if steps > MAX_STEPS:
        raise PatternTooLargeError(f"a hostname pattern has more than {MAX_STEPS:,} steps")
