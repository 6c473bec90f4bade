"""Which peers change cluster by a plan: lines for people, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.output.text import line, one_line
from dfmc.planning.moves import Expiry, Move, Moves

_NAMES = 6


def move_lines(moves: Moves | None) -> list[Text]:
    """Return who moves, when, and what is not known; nothing where a plan changes nothing that decides."""
    if moves is None:
        return []
    lines = [_line(move) for move in moves.moves]
    return [*lines, *(line(("· ", "dim"), one_line(text)) for text in _notes(moves))]


def move_warnings(moves: Moves | None) -> list[str]:
    """Return the same as sentences, where the plan itself is not shown: peers that leave, and when."""
    if moves is None:
        return []
    leaving = [move_text(move) for move in moves.moves if not move.is_home]
    return [*leaving, _when(moves.expiry)] if leaving else []


def move_markdown(moves: Moves | None) -> list[str]:
    """Return them as a list for a pull request's comment."""
    if moves is None or not (moves.moves or moves.unknown):
        return []
    found = [f"- {_sign(move)} {_escaped(move_text(move))}" for move in moves.moves]
    return ["**Peers that change cluster**", "", *found, *(f"- {_escaped(text)}" for text in _notes(moves)), ""]


def moves_document(moves: Moves | None) -> Mapping[str, Any] | None:
    """Return the JSON form."""
    if moves is None:
        return None
    expiry = moves.expiry
    return {
        "changed": list(moves.changed),
        "moves": [
            {
                "cluster": move.cluster,
                "from": move.source or None,
                "to": move.target or None,
                "home": move.is_home,
                "peers": list(move.peers),
                "examples": move.is_example,
                "why": move.why,
            }
            for move in moves.moves
        ],
        "expiry": {
            "managerRedis": expiry.redis,
            "managerLocal": expiry.local,
            "clients": expiry.client,
            "seedPeers": expiry.seed_peer,
            "longestSeconds": expiry.longest,
        },
        "notKnown": [{"cluster": name, "why": why} for name, why in moves.unknown],
        "byID": list(moves.by_id),
    }


def move_text(move: Move) -> str:
    """Return one move as a sentence: whose peers, how many, from where to where, and why."""
    shown = ", ".join(move.peers[:_NAMES])
    more = f" and {len(move.peers) - _NAMES} more" if len(move.peers) > _NAMES else ""
    is_one = len(move.peers) == 1
    verb = "would move" if move.is_example else ("moves" if is_one else "move")
    if not move.source and not move.is_home:
        way = f"{'joins' if is_one else 'join'} {_name(move.target)}, not {move.cluster}"
    else:
        way = f"{verb} {'home ' if move.is_home else ''}from {_name(move.source)} to {_name(move.target)}"
    count = "" if is_one else f"{len(move.peers)} peers: "
    return f"{move.cluster}: {count}{shown}{more} {way} ({move.why})"


def _line(move: Move) -> Text:
    style = "green" if move.is_home else "yellow"
    return line((f"{_sign(move)} ", style), one_line(move_text(move)))


def _sign(move: Move) -> str:
    return "→" if move.is_home else "⚠"


def _name(record: str) -> str:
    return record or "no cluster"


def _notes(moves: Moves) -> Iterator[str]:
    by_id = set(moves.by_id)
    for name, why in moves.unknown:
        yield f"{name}: which of its peers move is not known: {why}"
    if moves.by_id and by_id == set(moves.changed):
        yield f"the peers of {_listed(moves.by_id)} join by id: scopes decide nothing about them"
    if moves.moves:
        yield _when(moves.expiry)
    elif not moves.unknown and by_id != set(moves.changed):
        yield f"no peer changes cluster by what changes of {_listed(moves.changed)}"


def _when(expiry: Expiry) -> str:
    longest = expiry.longest
    after = f": up to {_minutes(longest)}" if longest is not None else ""
    return f"peers move only as what they were told expires{after}; {expiry}"


def _minutes(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes > 1 else f"{seconds:g} seconds"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _NAMES else f"{', '.join(names[:_NAMES])} and {len(names) - _NAMES} more"


def _escaped(text: str) -> str:
    return one_line(text).replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")
