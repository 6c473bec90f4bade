r"""Whether a hostname fits a scope's pattern, as Go's ``regexp.MatchString`` decides it.

Python's ``re`` means other things by the same text (``$``, ``\d``, case folding) and can take for ever; Go's RE2 takes
time in proportion to pattern and text. Here a pattern becomes a small program (program.py) that is run on all its
paths at once, so no pattern of a file can hang dfmc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from dfmc.matching.program import ASSERT, CHAR, JUMP, SPLIT, PatternTooLargeError, Program, compile_pattern
from dfmc.topology.re2 import pattern_problem

__all__ = ["PatternTooLargeError", "matches"]


def matches(pattern: str, text: str) -> bool:
    """Tell whether ``pattern`` is found anywhere in ``text``; one that Go refuses is found nowhere.

    Raises:
        PatternTooLargeError: The pattern has more steps than dfmc evaluates (100,000).
    """
    program = _compiled(pattern)
    return program is not None and _found(program, text)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Program | None:
    return None if pattern_problem(pattern) is not None else compile_pattern(pattern)


def _found(program: Program, text: str) -> bool:
    states: set[int] = set()
    is_anchored = program[:1] == [(ASSERT, "text begins")]
    for position in range(len(text) + 1):
        if is_anchored and position and not states:
            return False
        # A match may begin anywhere, so the start is added at every position.
        states = _closure(program, {0, *states}, text, position)
        if len(program) in states:
            return True
        if position < len(text):
            char = text[position]
            states = {at + 1 for at in states if _accepts(program, at, char)}
    return False


def _accepts(program: Program, at: int, char: str) -> bool:
    kind, argument = program[at]
    return kind == CHAR and argument(char)


def _closure(program: Program, states: Iterable[int], text: str, position: int) -> set[int]:
    """Return every state that can be reached without reading a character."""
    seen: set[int] = set()
    waiting = list(states)
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        if at == len(program):
            return seen
        kind, argument = program[at]
        if kind == JUMP:
            waiting.append(at + argument)
        elif kind == SPLIT:
            waiting += (at + 1, at + argument)
        elif kind == ASSERT and _ASSERTIONS[argument](text, position):
            waiting.append(at + 1)
    return seen


def _is_word(text: str, position: int) -> bool:
    char = text[position : position + 1] if position >= 0 else ""
    return char.isascii() and (char.isalnum() or char == "_")


def _at_boundary(text: str, position: int) -> bool:
    return _is_word(text, position - 1) != _is_word(text, position)


_ASSERTIONS: dict[str, Callable[[str, int], bool]] = {
    "text begins": lambda text, position: position == 0,
    "text ends": lambda text, position: position == len(text),
    "line begins": lambda text, position: position == 0 or text[position - 1] == "\n",
    "line ends": lambda text, position: position == len(text) or text[position] == "\n",
    "boundary": _at_boundary,
    "no boundary": lambda text, position: not _at_boundary(text, position),
}
