"""Examples of what a scope claims: a host name that a pattern finds, an address of a network."""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Collection, Iterable
from functools import lru_cache

from dfmc.matching.hostnames import matches
from dfmc.matching.networks import Network
from dfmc.matching.program import ASSERT, CHAR, JUMP, SPLIT, Program, compile_pattern
from dfmc.topology.re2 import pattern_problem

# What a host name consists of; a pattern's own of these are tried first, and what else it holds last.
_USUAL = "a0-" + string.ascii_lowercase + string.digits + "." + string.ascii_uppercase
_LONGEST = 63
_MOST_STEPS = 2_000


@lru_cache(maxsize=1024)
def hostname_found_by(pattern: str) -> str | None:
    """Return a host name that ``pattern`` finds, None where none is found out.

    Raises:
        PatternTooLargeError: The pattern is too large to be evaluated.
    """
    if pattern_problem(pattern) is not None:
        return None
    program = compile_pattern(pattern)
    if len(program) > _MOST_STEPS:
        return None
    own = [char for char in pattern if char in _USUAL]
    others = [char for char in pattern if char.isprintable()]
    found = _shortest(program, [*dict.fromkeys([*own, *_USUAL, *others])])
    # Positions (``^``, ``\b``) are not minded on the way, so what was found has to prove itself.
    padded = [] if found is None else [found or "node-1", f"{found}-1", f"node-{found}"]
    return next((name for name in padded if matches(pattern, name)), None)


def finds_everything(pattern: str) -> bool:
    """Tell whether ``pattern`` is sure to be found in every host name: it needs no character and minds no position."""
    if pattern_problem(pattern) is not None:
        return False
    program = compile_pattern(pattern)
    seen, waiting = set[int](), [0]
    while waiting:
        at = waiting.pop()
        if at == len(program):
            return True
        if at in seen:
            continue
        seen.add(at)
        kind, argument = program[at]
        if kind == JUMP:
            waiting.append(at + argument)
        elif kind == SPLIT:
            waiting += (at + 1, at + argument)
    return False


def _shortest(program: Program, characters: list[str]) -> str | None:
    """Return a shortest text on whose way through the program every step accepts its character."""
    seen = {0}
    waiting = deque([(0, "")])
    while waiting:
        at, text = waiting.popleft()
        if at == len(program):
            return text
        kind, argument = program[at]
        ways: list[tuple[int, str]] = []
        if kind == CHAR:
            char = next((char for char in characters if argument(char)), None)
            ways = [(at + 1, text + char)] if char is not None and len(text) < _LONGEST else []
        elif kind == ASSERT:
            ways = [(at + 1, text)]
        elif kind == JUMP:
            ways = [(at + argument, text)]
        else:
            ways = [(at + 1, text), (at + argument, text)]
        for following, grown in ways:
            if following not in seen:
                seen.add(following)
                # What costs no character goes first, so the text stays shortest.
                if grown == text:
                    waiting.appendleft((following, grown))
                else:
                    waiting.append((following, grown))
    return None


def address_in(network: Network, inside: Collection[Network] = ()) -> str | None:
    """Return an address of a network that is in none of the networks ``inside`` it; None where none is found.

    The second address where it can be: the first is the network's own name in many people's eyes.
    """
    first, last = int(network.network_address), int(network.broadcast_address)
    behind = (int(other.broadcast_address) + 1 for other in inside)
    for number in dict.fromkeys(_within([first + 1, first, last - 1, last, *behind], first, last)):
        address = network.network_address + (number - first)
        if not any(address in other for other in inside):
            return str(address)
    return None


def _within(numbers: Iterable[int], first: int, last: int) -> list[int]:
    return [number for number in numbers if first <= number <= last]
