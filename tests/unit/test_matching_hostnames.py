"""Hostname patterns matched as Go's regexp does (answers taken from Go 1.26)."""

from __future__ import annotations

import time

import pytest

from dfmc.matching.hostnames import PatternTooLargeError, matches

FOUND = [
    ("", ""), ("", "a"), ("a", "xax"), ("^a", "ab"), ("b$", "ab"), ("^$", ""), ("a|b", "b"), ("a.c", "abc"),
    ("^node-[0-9]+$", "node-12"), ("(?i)NODE", "node"), ("(?i)k", "K"), ("(?i)[k]", "K"), ("(?i)ſ", "S"),
    ("a(?i)b", "aB"), ("(?i:a)b", "Ab"), ("(?i)(?-i)a|b", "b"), ("(?s).", "\n"), ("(?m)^b", "a\nb"),
    ("(?m)a$", "a\nb"), (r"\Aa", "ab"), (r"a\z", "ba"), (r"\bx\b", "a_-x"), (r"a\Bb", "ab"),
    (r"\d\D\w\W\s\S", "1ab-\tx"), ("[^a]", "\n"), ("[]a]", "]"), ("[^]a]", "b"), ("[a-]", "-"),
    ("[[:alpha:]-]", "-"), ("[[:^digit:]]", "a"), (r"[\d\pL]", "é"), (r"\pL", "é"), (r"\p{Lu}", "A"),
    (r"\P{Lu}", "a"), (r"\p{^Lu}", "a"), (r"\p{Latin}", "a"), (r"\p{Common}", "-"), (r"\p{Greek}", "α"),
    (r"\p{Han}", "杭"), (r"\p{letter}", "a"), (r"\p{Any}", "a"), (r"\p{ASCII}", "a"), (r"(?i)\p{Lu}", "a"),
    (r"(?i)\w", "K"), ("a{2}", "aa"), ("a{2,}", "aaa"), ("^a{1,2}$", "aa"), ("^a{0}$", ""), ("a{,2}", "a{,2}"),
    ("(|a)*b", "aab"), ("(a*)*b", "ab"), ("^(ab|cd){2}$", "abcd"), (r"\x41\x{42}\101", "ABA"),
    (r"\Qa.b\E+", "a.bb"), (r"\Q.", "."), ("(?P<n>a)(?P<n>b)", "ab"), ("a*?$", "b"), (r"\n", "\n"), ("x*", ""),
    ("[^\\P{L}]", "é"),
]  # fmt: skip
NOT_FOUND = [
    ("a", "A"), ("^ode", "node"), ("b$", "ab\n"), (".", "\n"), (r"\d", "٣"), (r"\s", "\v"), (r"\bé", "é"),
    ("(?i)ß", "ss"), ("(?i)i", "İ"), (r"(?i)\W", "K"), (r"\p{Lu}", "a"), (r"\p{Greek}", "a"),
    (r"\p{Latin}", "1"), ("a{2}", "a"), ("^(?:a|b)$", "ab"), ("(", "("), ("(?=a)", "a"), (r"\p{Foo}", "a"),
    ("[^a-z]", "q"), (r"\Qa.b\E", "axb"), ("(?i)(?-i:a)", "A"), ("(a(?i))b", "B"), (r"\p{Old_Italic}", "a"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), FOUND)
def test_pattern_is_found(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(("pattern", "text"), NOT_FOUND)
def test_pattern_is_not_found(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


def test_pattern_that_backtracking_never_finishes() -> None:
    """Python's re would need 2^253 steps; the generous limit only tells that from none."""
    started = time.monotonic()
    assert not matches("^(a+)+$", "a" * 252 + "b")
    assert time.monotonic() - started < 60


def test_deep_groups_need_no_deep_stack() -> None:
    assert matches("(" * 999 + "a" + ")" * 999, "xa")


def test_pattern_too_large_is_said() -> None:
    with pytest.raises(PatternTooLargeError):
        matches("(" + "a" * 2000 + "){1000}", "a")
    with pytest.raises(PatternTooLargeError):
        matches("a" * 100_001, "a")
