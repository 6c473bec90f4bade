"""Comments that ignore a warning: where they may stand, what they must say, what they cannot do."""

from __future__ import annotations

import pytest

from dfmc.errors import TopologyError
from dfmc.linting.loading import inspect_whole, load_from_text
from dfmc.linting.rules import rule_titles

TEXT = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: x}
chart: {version: 1.7.4}
manager: {cluster: a}
clusters:
- name: a
  context: one
  namespace: n
  images:
    ABOVE
    scheduler: {tag: latest} BESIDE
    client: {tag: latest}
"""
FOUND = ["12 DF209", "13 DF209"]


def told(above: str = "", beside: str = "", text: str = TEXT) -> list[str]:
    whole = text.replace("    ABOVE\n", above and f"    {above}\n").replace("BESIDE", beside)
    line = 0 if above else 1
    found = inspect_whole(whole, "t.yaml").inspection.problems
    return [f"{d.line + line} {d.rule}" + (f" {d.message}" if d.rule == "DF211" else "") for d in found]


def test_without_a_comment_both_are_found() -> None:
    assert told() == FOUND


@pytest.mark.parametrize(
    "comment",
    [
        "# dfmc: ignore DF209 thrown away tomorrow",
        "#dfmc:ignore DF209 x",
        "#  DFMC:  Ignore: df209: thrown away",
        "# TODO later # dfmc: ignore DF209 x",
        "# dfmc: ignore DF209 because # of this",
    ],
)
def test_comment_beside_or_above_is_heard(comment: str) -> None:
    assert told(beside=comment) == ["13 DF209"]
    assert told(above=comment) == ["13 DF209"]


def test_comment_above_passes_over_comments_and_empty_lines() -> None:
    assert told(above="# dfmc: ignore DF209 x\n    # the scheduler\n\n    # and so on") == ["16 DF209"]


def test_what_is_ignored_is_kept_with_its_reason() -> None:
    text = TEXT.replace("    ABOVE\n", "").replace("BESIDE", "# dfmc: ignore DF209  because I can ")
    (item,) = inspect_whole(text, "t.yaml").ignored
    assert (item.diagnostic.rule, item.diagnostic.line, item.reason) == ("DF209", 11, "because I can")


def test_comment_is_about_its_own_line_alone() -> None:
    assert told(above="context2: x # dfmc: ignore DF209 x".replace("context2: x", "manager: {}")) == [
        "11 DF211 DF209 finds nothing on line 11: remove the comment",
        *FOUND,
    ]


@pytest.mark.parametrize(
    ("comment", "complaint"),
    [
        ("# dfmc: ignore", "says not which rule to ignore: write `# dfmc: ignore DF012 why`"),
        ("# dfmc: ignore this please", "says not which rule to ignore: write `# dfmc: ignore DF012 why`"),
        ("# dfmc: ignore DF209", "gives no reason: write `# dfmc: ignore DF209 why`"),
        ("# dfmc: ignore DF209 :", "gives no reason: write `# dfmc: ignore DF209 why`"),
        ("# dfmc: ignore DF999 why", "there is no rule DF999; `dfmc explain` lists them"),
        ("# dfmc: ignore DF211 why", "DF211 is about comments like this one and cannot be ignored"),
        ("# dfmc: ignore DF012 why", "DF012 finds nothing on line 12: remove the comment"),
    ],
)
def test_comment_that_ignores_nothing_is_itself_found(comment: str, complaint: str) -> None:
    assert told(above=comment) == [f"11 DF211 {complaint}", *FOUND]


def test_several_rules_in_one_comment() -> None:
    assert told(above="# dfmc: ignore DF209, DF012 x") == [
        "11 DF211 DF012 finds nothing on line 12: remove the comment",
        "13 DF209",
    ]


def test_errors_cannot_be_ignored() -> None:
    text = TEXT.replace("context: one", "context: one\n  values: {bogus: 1} # dfmc: ignore DF102 my own chart")
    text = text.replace("    ABOVE\n", "").replace(" BESIDE", "")
    with pytest.raises(TopologyError) as refused:
        load_from_text(text, "t.yaml")
    rules = {(d.rule, d.severity) for d in refused.value.diagnostics}
    assert rules == {("DF102", "error"), ("DF211", "warning"), ("DF209", "warning")}
    assert "DF102 is an error here, and errors cannot be ignored" in str(refused.value)


@pytest.mark.parametrize(
    "holder",
    [
        'labels: {x: "# dfmc: ignore DF209 x"}',
        "labels: {x: '# dfmc: ignore DF209 x'}",
        "values: {manager: {podAnnotations: {x: |\n        # dfmc: ignore DF209 x\n      }}}",
        'labels: {"# dfmc: ignore DF209 x": y}',
        "labels: {x: a#dfmc:ignore}",
    ],
)
def test_text_that_looks_like_a_comment_is_text(holder: str) -> None:
    if "|" in holder:
        holder = "values:\n    manager:\n      podAnnotations:\n        x: |\n          # dfmc: ignore DF209 x\n"
    text = TEXT.replace("  images:", f"  {holder}\n  images:").replace("    ABOVE\n", "").replace(" BESIDE", "")
    assert [d.rule for d in inspect_whole(text, "t.yaml").inspection.problems] == ["DF209", "DF209"]


def test_comment_above_in_a_file_with_other_line_ends() -> None:
    text = TEXT.replace("ABOVE", "# dfmc: ignore DF209 x").replace(" BESIDE", "")
    for changed in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text):
        assert [d.line for d in inspect_whole(changed, "t.yaml").inspection.problems] == [13]


def test_what_entries_inherit_is_ignored_where_it_is_written() -> None:
    text = TEXT.replace("clusters:", "defaults:\n  images: {manager: {tag: latest}} # dfmc: ignore DF209 x\nclusters:")
    text = text.replace("    ABOVE\n", "").replace(" BESIDE", "")
    assert [d.line for d in inspect_whole(text, "t.yaml").inspection.problems] == [13, 14]


def test_every_problem_of_file_chart_and_lints_comes_at_once() -> None:
    text = TEXT.replace("namespace: n", "namespace: n\n  scopes: {cidrs: [bad]}\n  values: {bogus: 1}")
    text = text.replace("    ABOVE\n", "").replace(" BESIDE", "")
    found = {d.rule for d in inspect_whole(text, "t.yaml").inspection.problems}
    assert found == {"DF006", "DF102", "DF209"}
    assert found <= rule_titles().keys()
