"""Where a peer goes, and why: as text, and as JSON whose form is fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.matching.formula import Host, Ranked
from dfmc.matching.versions import Generation
from dfmc.output.tables import Cell, aligned
from dfmc.output.text import line

# Scores are sums of multiples of 0.002; more digits than this are noise of binary fractions.
_DIGITS = 6


def match_document(ranked: Sequence[Ranked]) -> Mapping[str, Any]:
    """Return the JSON form: the clusters that the manager answers with, best first, and the first of them."""
    order = [
        {
            "cluster": one.candidate.name,
            "score": round(one.score, _DIGITS),
            "terms": {name: round(value, _DIGITS) for name, value in one.terms.as_dict().items()},
        }
        for one in ranked
        if one.candidate.is_active
    ]
    return {"order": order, "winner": order[0]["cluster"] if order else None}


def match_lines(
    host: Host, ranked: Sequence[Ranked], generation: Generation, version: str | None, by_id: Sequence[str]
) -> list[Text]:
    """Return the ranking as text.

    Args:
        host: What the peer says.
        ranked: Every cluster, best first, those without an active scheduler among them.
        generation: The formula.
        version: The manager's; None where it is not known.
        by_id: Clusters whose own peers say its id, so that none of this is asked.
    """
    said = ", ".join(f"{name} {value}" for name, value in vars(host).items() if value) or "nothing"
    formula = f"that of manager {generation.versions}" + (f" (here {version})" if version else "")
    lines = [line(("peer     ", "dim"), f"says {said}"), line(("formula  ", "dim"), formula), line("")]
    lines += _table(ranked, generation)
    lines += [line(""), *_verdict([one for one in ranked if one.candidate.is_active])]
    if by_id:
        one = len(by_id) == 1
        lines.append(
            line(
                f"The peers that dfmc installs in {_listed(by_id)} say {'its' if one else 'their'} id and join by it "
                "(membership: id): scopes decide nothing for them."
            )
        )
    return lines


def _table(ranked: Sequence[Ranked], generation: Generation) -> list[Text]:
    names = [name for name in ("cidr", "hostname", "idc", "location", "default") if getattr(generation, name)]
    winner = next((one for one in ranked if one.candidate.is_active), None)
    rows: list[list[Cell]] = []
    for one in ranked:
        style = "bold" if one is winner else "" if one.candidate.is_active else "dim"
        terms = one.terms.as_dict()
        note = "" if one.candidate.is_active else "no active scheduler: passed over"
        cells = [one.candidate.name, *(_number(terms[name]) for name in names), _number(one.score)]
        rows.append([*((cell, style) for cell in cells), ("joins" if one is winner else note, style)])
    return aligned(["CLUSTER", *(name.upper() for name in names), "SCORE", ""], rows)


def _verdict(active: Sequence[Ranked]) -> list[Text]:
    if not active:
        return [line("No cluster has an active scheduler: the peer is given none, and asks again.")]
    winner, *rest = active
    lines = [line("The peer joins ", (winner.candidate.name, "bold"), ".")]
    if rest and round(rest[0].score, _DIGITS) == round(winner.score, _DIGITS):
        lines.append(
            line(f"{rest[0].candidate.name} scores the same: the lower id decides, which is the older record.")
        )
    if rest:
        following = rest[0]
        lines.append(
            line(
                f"While {winner.candidate.name} has no active scheduler, the peer goes to {following.candidate.name} "
                f"({_number(following.score)}), and nothing tells."
            )
        )
    else:
        lines.append(line(f"While {winner.candidate.name} has no active scheduler, the peer is given no cluster."))
    return lines


def _number(value: float) -> str:
    return f"{round(value, _DIGITS):g}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:5])
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
