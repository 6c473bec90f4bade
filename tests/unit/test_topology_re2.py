"""Hostname patterns: what Go's regexp compiles and what it refuses (answers taken from Go 1.26)."""

from __future__ import annotations

import pytest

from dfmc.topology.re2 import pattern_problem

GOOD = [
    "", "a", "^gpu-[0-9]+$", "a|b", "(a)(b)", "(?:a)", "(?i)a", "a(?i)b", "(?i-s:a)", "(?P<n>a)", "(?<n>a)", "a*?",
    "a{2}", "a{2,}?", "a{,3}", "a{01}", "a{", "{", "}", "]", "[]a]", "[^]a]", "[a-]", "[-a]", "[a-z-9]", "[[:alpha:]]",
    "[[:^digit:]]", "[[:a]", "[:alpha:]", r"\d\D\w\W\s\S\b\B\A\z", r"\x41", r"\x{41}", r"\x{10FFFF}", r"\0", r"\12",
    r"\.\-\_", r"\pL", r"\p{Greek}", r"\p{^Lu}", r"[\d\pL]", r"\Qa.b\E+", r"\Qa", "a{1000}", "(a{500}){2}", "é", "^*",
    "(|a)*", "(?)", "(?P<n>a)(?P<n>b)",
]  # fmt: skip
BAD = [
    ("(?=a)", "look-around (?=a…) does not exist in RE2"),
    ("(?<!a)", "look-around (?<!…) does not exist in RE2"),
    ("(?>a)", "the group (?>a… does not exist in RE2"),
    ("(?#a)", "the group (?#a… does not exist in RE2"),
    ("(?-)", "the group (?-)… does not exist in RE2"),
    (r"(a)\1", r"back-references (\1) do not exist in RE2"),
    (r"\Z", r"\Z does not exist in RE2"),
    (r"\u1234", r"\u does not exist in RE2"),
    (r"\é", r"\é does not exist in RE2"),
    (r"[\b]", r"\b does not exist in RE2"),
    (r"[a-\d]", r"\d does not exist in RE2"),
    (r"\x{110000}", r"\x does not exist in RE2"),
    (r"\pX", r"\p needs a Unicode class, like \pL or \p{Greek}"),
    ("a\\", "a backslash stands at the end"),
    ("(", "a parenthesis is not closed"),
    ("a)", "a closing parenthesis has no opening one"),
    ("[a", "a [ is not closed"),
    ("[]", "a [ is not closed"),
    ("[z-a]", "the range z-a runs backwards"),
    ("[[:foo:]]", "there is no class [:foo:]"),
    ("*", "* has nothing to repeat"),
    ("(+a)", "+ has nothing to repeat"),
    ("a|{2}", "{2} has nothing to repeat"),
    ("a**", "* follows another repetition"),
    ("a++", "+ follows another repetition"),
    ("a{1001}", "{1001} is no valid repetition (at most 1000)"),
    ("a{3,1}", "{3,1} is no valid repetition (at most 1000)"),
    ("a{" + "9" * 5000 + "}", "{999999999999999999… is no valid repetition (at most 1000)"),
    ("(a{500}){3}", "{3} multiplies the repetitions inside it to more than 1000"),
    ("(" * 1001 + ")" * 1001, "groups are nested too deeply"),
]


@pytest.mark.parametrize("pattern", GOOD)
def test_pattern_that_go_compiles(pattern: str) -> None:
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(("pattern", "problem"), BAD, ids=[problem[:40] for _, problem in BAD])
def test_pattern_that_go_refuses(pattern: str, problem: str) -> None:
    assert pattern_problem(pattern) == problem
