"""``# dfmc: ignore DF012 because …``: a warning that somebody has looked at and means to live with.

A comment at the end of a line is about that line; one on a line of its own about the next line that is no comment. It
names one rule or several (``DF012,DF209``) and says why. Errors cannot be ignored: a run would fail on them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import yaml

from dfmc.errors import Diagnostic

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[ \t]*dfmc:[ \t]*ignore(?![\w-])[ \t]*:?[ \t]*(.*)$", re.IGNORECASE)
_IDS = re.compile(r"(DF\d+(?:[ \t]*,[ \t]*DF\d+)*)(?:[ \t:]+|$)(.*)", re.IGNORECASE)
_ONLY_COMMENT = re.compile(r"[ \t]*(#.*)?$")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
RULE = "DF211"

Place = tuple[int, int]


@dataclass(frozen=True)
class Ignored:
    """A warning that a comment answers.

    Attributes:
        diagnostic: What is ignored.
        reason: As the comment says it.
    """

    diagnostic: Diagnostic
    reason: str


@dataclass(frozen=True)
class _Comment:
    line: int
    column: int
    target: int
    ids: tuple[str, ...]
    reason: str


def apply_ignores(
    text: str, file: str, diagnostics: Collection[Diagnostic], known: Collection[str], *, is_complete: bool
) -> tuple[tuple[Diagnostic, ...], tuple[Ignored, ...]]:
    """Divide what was found into what stays and what comments in the file answer.

    Args:
        text: The whole file; it is YAML that can be read.
        file: Its name.
        diagnostics: What was found.
        known: Every rule's id.
        is_complete: Every rule has looked; else nothing is said of comments that seem to ignore nothing.

    Returns:
        What stays, with a DF211 for each comment that ignores nothing or does not say why; and what is ignored.
    """
    comments = list(_comments(text))
    by_place: dict[tuple[int, str], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        by_place.setdefault((diagnostic.line, diagnostic.rule), []).append(diagnostic)
    ignored: dict[Diagnostic, Ignored] = {}
    complaints: list[Diagnostic] = []
    for comment in comments:
        problems = _problems(comment, by_place, known, is_complete=is_complete)
        complaints += (
            Diagnostic(file, comment.line, comment.column, "", problem, "warning", RULE) for problem in problems
        )
        for rule in comment.ids if comment.reason else ():
            for diagnostic in by_place.get((comment.target, rule), ()):
                if diagnostic.severity == "warning":
                    ignored[diagnostic] = Ignored(diagnostic, comment.reason)
    stays = [diagnostic for diagnostic in diagnostics if diagnostic not in ignored]
    return tuple(sorted({*stays, *complaints})), tuple(ignored[diagnostic] for diagnostic in sorted(ignored))


def _problems(
    comment: _Comment,
    by_place: dict[tuple[int, str], list[Diagnostic]],
    known: Collection[str],
    *,
    is_complete: bool,
) -> Iterator[str]:
    if not comment.ids:
        yield "says not which rule to ignore: write `# dfmc: ignore DF012 why`"
    elif not comment.reason:
        yield f"gives no reason: write `# dfmc: ignore {','.join(comment.ids)} why`"
    for rule in comment.ids:
        found = by_place.get((comment.target, rule), [])
        if rule not in known:
            yield f"there is no rule {rule}; `dfmc explain` lists them"
        elif rule == RULE:
            yield f"{RULE} is about comments like this one and cannot be ignored"
        elif any(diagnostic.severity == "error" for diagnostic in found):
            yield f"{rule} is an error here, and errors cannot be ignored"
        elif not found and comment.reason and is_complete:
            yield f"{rule} finds nothing on line {comment.target}: remove the comment"


def _comments(text: str) -> Iterator[_Comment]:
    if "dfmc:" not in text.casefold():
        return
    # Lines as YAML counts them, so that they agree with the positions of everything else.
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
    scalars = _Scalars(text)
    for number, line in enumerate(lines):
        found = _COMMENT.search(line)
        if found is None or scalars.hold((number, found.start())):
            continue
        named = _IDS.match(found[1])
        ids = tuple(dict.fromkeys(re.split(r"[ \t]*,[ \t]*", named[1].upper()))) if named else ()
        reason = (named[2] if named else found[1]).strip()
        alone = _ONLY_COMMENT.match(line.removeprefix("\ufeff")) is not None
        target = next(_lines_of_content(lines, number + 1), number) if alone else number
        yield _Comment(number + 1, found.start() + 1, target + 1, ids, reason)


def _lines_of_content(lines: Sequence[str], start: int) -> Iterator[int]:
    return (number for number in range(start, len(lines)) if not _ONLY_COMMENT.match(lines[number]))


class _Scalars:
    """Where the texts of a YAML file stand: a ``#`` inside one begins no comment."""

    def __init__(self, text: str) -> None:
        tokens: Iterable[yaml.Token] = yaml.scan(text.removeprefix("\ufeff"), Loader=_LOADER)
        self._spans = [
            ((token.start_mark.line, token.start_mark.column), (token.end_mark.line, token.end_mark.column))
            for token in tokens
            if isinstance(token, yaml.ScalarToken)
        ]
        self._next = 0

    def hold(self, place: Place) -> bool:
        """Tell whether a text holds a place; to be asked in the file's order."""
        while self._next < len(self._spans) and self._spans[self._next][1] <= place:
            self._next += 1
        return self._next < len(self._spans) and self._spans[self._next][0] <= place
