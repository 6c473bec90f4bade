"""A draft as the text of a file, with comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dfmc.planning.importing.document import Draft, shared
from dfmc.planning.importing.explaining import Reasons
from dfmc.topology.emit import Style, block_lines
from dfmc.topology.schema import SCHEMA_ID

_WIDTH = 118
_HEAD = """\
# yaml-language-server: $schema={schema}
#
# Written by dfmc import from what is running. Nothing was changed yet; the first commands:
#
#   dfmc validate            # looks at this file alone
{commands}
#
# No password is in this file. {passwords}"""
_TO_ADOPT = """\
#   dfmc plan --adopt        # what taking over would change; the comments below explain every field of it
#   dfmc up --adopt          # takes it over; afterwards plain `dfmc up`"""
_OURS = """\
#   dfmc plan                # there is nothing to change: the releases are dfmc's, and as this file says"""
_PASSWORDS = (
    "They are in dfmc's Secret beside the manager.",
    "Those that dfmc needs are taken from the releases, or made anew where they are public.",
)
_CHART = (
    "One chart for all clusters. A release does not say which repository its chart came from: look at this line.",
    "One chart for all clusters, from the repository of the project.",
)
# Maps that are short in most files are written on one line.
_FLOW = ("metadata", "expose", "nodeSelector", "scopes", "host", "replicas", "tracing", "rootPassword", "redisPassword")
_FLOW_BELOW = ("runtime", "images", "resources", "persistence")


def text_of(made: Draft, explained: Mapping[str, Reasons], left_out: Sequence[str], *, is_official: bool) -> str:
    """Return the text.

    Args:
        made: What stands in it.
        explained: The fields that ``up --adopt`` changes, by entry and reason.
        left_out: What is not in it, in sentences.
        is_official: The chart's repository is the official one because nobody said otherwise.
    """
    adopts = bool(explained)
    head = _HEAD.format(schema=SCHEMA_ID, commands=_TO_ADOPT if adopts else _OURS, passwords=_PASSWORDS[adopts])
    lines = head.splitlines()
    lines += _block({key: made.head[key] for key in ("apiVersion", "kind", "metadata")})
    lines += ["", *_comment(_CHART[0 if is_official else 1]), *_block({"chart": made.head["chart"]})]
    lines += ["", *_comment("Where the manager runs, and how the others reach it.")]
    lines += ["manager:", *_indented(_block(made.manager))]
    if common := shared(made):
        lines += ["", *_comment("What all clusters below have alike."), "defaults:", *_indented(_block(common))]
    lines += ["", "clusters:"]
    for name, entry in made.entries.items():
        for note in made.notes.get(name, ()):
            lines += _comment(f"NOTE {note}")
        lines += _explanation(explained.get(name, {}))
        first, *rest = _block({key: value for key, value in entry.items() if key not in common})
        lines += [f"- {first}", *_indented(rest)]
    if left_out:
        lines += ["", *_comment("Not in this file:")]
        for sentence in left_out:
            lines += _comment(sentence, "# - ", "#   ")
    return "\n".join(lines) + "\n"


def _block(entry: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, value in entry.items():
        if key in _FLOW_BELOW and isinstance(value, Mapping):
            lines += [f"{key}:", *_indented(block_lines(value, Style(flow=True)))]
        else:
            lines += block_lines({key: value}, Style(flow_keys=dict.fromkeys(_FLOW, True), list_step=0))
    return lines


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


def _explanation(reasons: Reasons) -> Iterator[str]:
    if reasons:
        yield from _comment("What up --adopt changes here, and why:")
    for reason, fields in reasons.items():
        yield from _comment(f"{reason}: {', '.join(fields)}", "# - ", "#   ")


def _comment(text: str, first: str = "# ", rest: str = "# ") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
