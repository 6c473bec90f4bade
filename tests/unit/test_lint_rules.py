"""The table of rules: complete, told truly by its examples, and the source of docs/lints.md."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from dfmc.errors import Diagnostic
from dfmc.linting.loading import inspect, inspect_whole
from dfmc.linting.rules import RULES, Rule, all_rules, rule_titles
from dfmc.output.rules import explanation_lines, rule_lines, rules_document, rules_page
from dfmc.topology import check as file_rules
from dfmc.values import check as chart_rules
from dfmc.values.layouts import unsupported
from lint_cases import whole_file

ROOT = Path(__file__).resolve().parents[2]


def found(text: str) -> tuple[Diagnostic, ...]:
    return inspect_whole(text, "t.yaml").inspection.problems


def ids(text: str) -> set[str]:
    return {diagnostic.rule or "DF000" for diagnostic in found(text)}


@pytest.mark.parametrize("rule", all_rules().values(), ids=lambda rule: rule.id)
def test_wrong_example_triggers_its_rule_and_the_right_one_does_not(rule: Rule) -> None:
    wrong, right = whole_file(rule.wrong), whole_file(rule.right)
    assert rule.id in ids(wrong), wrong
    levels = {d.severity for d in found(wrong) if (d.rule or "DF000") == rule.id}
    assert levels <= set(rule.levels)
    assert rule.id not in ids(right), found(right)
    version = yaml.safe_load(right)["chart"]["version"]
    errors = [d for d in found(right) if d.severity == "error"]
    assert errors == [] or unsupported(version) is not None


def test_ids_are_given_once() -> None:
    tables = (RULES, file_rules.RULES, chart_rules.RULES)
    assert sum(map(len, tables)) - len(rule_titles()) == 1, "DF014 alone has two finders"
    assert list(all_rules()) == sorted(rule_titles())


def test_every_rule_is_told_in_sentences() -> None:
    for rule in all_rules().values():
        assert rule.why.endswith(".")
        assert rule.fix.endswith(".")
        assert not rule.title.endswith(".")
        assert set(rule.levels) <= {"error", "warning"}
        assert yaml.safe_load(rule.wrong) is not None
        assert yaml.safe_load(rule.right) is not None


def test_page_is_the_table() -> None:
    page = ROOT / "docs" / "lints.md"
    wanted = rules_page(list(all_rules().values()))
    if os.environ.get("DFMC_UPDATE_GOLDEN") == "1":
        page.write_text(wanted)
    assert page.read_text() == wanted


def test_explanation_has_every_part() -> None:
    rule = all_rules()["DF012"]
    text = "\n".join(line.plain for line in explanation_lines([rule, all_rules()["DF209"]]))
    assert text.startswith(f"DF012 {rule.title} (warning)\nwhy  From chart 1.1.66 on the client binds ports")
    assert "\nfix  Give both entries a nodeSelector" in text
    assert "\nwrong\n     clusters:\n" in text
    assert "\n\nDF209 images are pinned (warning)\n" in text
    assert len(rule_lines(list(all_rules().values()))) == len(all_rules()) + 1
    assert rules_document([rule])["rules"][0]["id"] == "DF012"


@pytest.mark.parametrize("example", ["guide", "guide-legacy"])
def test_guides_examples_have_nothing_to_say(example: str) -> None:
    findings = inspect(ROOT / "examples" / example / "topology.yaml")
    assert findings.inspection.problems == ()
    assert {item.diagnostic.rule for item in findings.ignored} <= {"DF209"}


def test_guide_of_2023_follows_latest_and_says_so() -> None:
    text = (ROOT / "examples" / "guide-legacy" / "topology.yaml").read_text()
    ignored = inspect_whole(text, "t.yaml").ignored
    assert len(ignored) == 4
    without = "\n".join(line.partition("# dfmc: ignore")[0].rstrip() for line in text.splitlines()) + "\n"
    assert [d.rule for d in found(without)] == ["DF209"] * 4
