"""The table of all rules: what each is, why it matters, how to put it right, with an example.

Titles stand beside the code that finds (topology/check.py, values/check.py, and here); the rest is data/rules.yaml.
``dfmc explain``, SARIF and docs/lints.md are made from this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from dfmc.topology import check as file_rules
from dfmc.values import check as chart_rules

Level = Literal["error", "warning"]

RULES: Mapping[str, str] = {
    "DF000": "the file has the form of a topology",
    "DF201": "no host has equal claims in two clusters",
    "DF202": "a cluster with scopes can win a host",
    "DF203": "a cluster keeps its own peers",
    "DF204": "addresses for members elsewhere resolve there",
    "DF205": "manager.address can be reached from another machine",
    "DF206": "members elsewhere have a way to the manager",
    "DF207": "passwords survive the chart's templates",
    "DF208": "no credential is the chart's public default",
    "DF209": "images are pinned",
    "DF210": "seed peers request what nodes have",
    "DF211": "comments that ignore a rule say which and why",
}
_DATA = Path(__file__).parent / "data" / "rules.yaml"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: Never changes its meaning.
        title: What holds where the rule finds nothing.
        levels: The severities it reports, the usual one first.
        why: What goes wrong otherwise.
        fix: What to do.
        wrong: An example in the file that it finds.
        right: The example put right.
    """

    id: str
    title: str
    levels: tuple[Level, ...]
    why: str
    fix: str
    wrong: str
    right: str


@cache
def rule_titles() -> Mapping[str, str]:
    """Return the title of every rule by its id."""
    return {**RULES, **file_rules.RULES, **chart_rules.RULES}


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return every rule by its id, in the order of ids."""
    titles = rule_titles()
    explained = yaml.load(_DATA.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return {
        rule: Rule(
            id=rule,
            title=titles[rule],
            levels=tuple(explained[rule]["levels"]),
            **{part: explained[rule][part].strip() for part in ("why", "fix", "wrong", "right")},
        )
        for rule in sorted(titles)
    }
