"""The rules of ``validate``: explained on a terminal, as JSON, and as the page docs/lints.md."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.linting.rules import Rule
from dfmc.output.tables import aligned
from dfmc.output.text import line
from dfmc.topology.model import API_VERSION

_WIDTH = 100
_INTRODUCTION = """\
# What `dfmc validate` looks for

Made from the same table as `dfmc explain`; do not edit by hand.

Every finding carries a stable id. Errors stop every command; warnings stop none (`--fail-on warning` makes `validate`
end with 3). A warning that is meant so is ignored with a comment on its line, or on the line above, that says why:

    images: {scheduler: {tag: latest}}  # dfmc: ignore DF209 a bed that is thrown away

`-o json` and `-o sarif` print the findings for programs; in GitHub Actions they show up beside the lines of the file.
What concerns scopes is computed with the manager's own formula; `dfmc match` shows it for one host.

"""


def rule_lines(rules: Sequence[Rule]) -> list[Text]:
    """Return one line a rule: id, level, title."""
    rows = [[(rule.id, "bold"), ("/".join(rule.levels), ""), (rule.title, "")] for rule in rules]
    return aligned(["ID", "LEVEL", "HOLDS"], rows)


def explanation_lines(rules: Sequence[Rule]) -> list[Text]:
    """Return everything about some rules, an empty line between them."""
    lines: list[Text] = []
    for rule in rules:
        lines += [line("")] if lines else []
        lines.append(line((rule.id, "bold"), f" {rule.title} ", (f"({' or '.join(rule.levels)})", "dim")))
        for head, text in (("why", rule.why), ("fix", rule.fix)):
            wrapped = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
            lines += [line((f"{head if not number else '':<5}", "dim"), part) for number, part in enumerate(wrapped)]
        for head, text in (("wrong", rule.wrong), ("right", rule.right)):
            lines += [line((head, "dim")), *(line(f"     {part}") for part in text.splitlines())]
    return lines


def rules_document(rules: Sequence[Rule]) -> Mapping[str, Any]:
    """Return the JSON form of some rules."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Rules",
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "levels": list(rule.levels),
                "why": " ".join(rule.why.split()),
                "fix": " ".join(rule.fix.split()),
                "wrong": rule.wrong,
                "right": rule.right,
            }
            for rule in rules
        ],
    }


def rules_page(rules: Sequence[Rule]) -> str:
    """Return docs/lints.md."""
    table = ["| id | level | what holds where nothing is found |", "|---|---|---|"]
    table += [f"| [{rule.id}](#{rule.id.lower()}) | {', '.join(rule.levels)} | {_cell(rule.title)} |" for rule in rules]
    sections = [
        f"## {rule.id}\n\n**{rule.title[0].upper()}{rule.title[1:]}** ({' or '.join(rule.levels)})\n\n"
        f"{_paragraph(rule.why)}\n\n{_paragraph(rule.fix)}\n\n"
        f"```yaml\n# wrong\n{rule.wrong}\n\n# right\n{rule.right}\n```\n"
        for rule in rules
    ]
    return _INTRODUCTION + "\n".join(table) + "\n\n" + "\n".join(sections)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
