"""A failure as people read it: what, where, why, what is left, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from dfmc.errors import DfmcError, FindingsError, InterruptedRunError, PartialError, TopologyError, UsageError
from dfmc.output.diagnostics import diagnostic_lines
from dfmc.output.text import clean, line, one_line


def error_lines(error: DfmcError, *, log: str = "") -> list[Text]:
    """Return the lines that tell an error.

    Args:
        error: Any of the tree.
        log: Path of the log file, shown when given.
    """
    if isinstance(error, TopologyError) and error.diagnostics:
        lines = [*diagnostic_lines(error.diagnostics), _head(error, error.what)]
        return [*lines, *_facts([("next", error.next_step), ("log", log)])]
    if isinstance(error, PartialError):
        lines = [part for cluster, failure in error.failures.items() for part in _failure(cluster, failure)]
        lines.append(_head(error, error.what))
        return [*lines, *_facts([("left", error.left), ("next", error.next_step), ("log", log)])]
    lines = [_head(error, error.what)]
    findings = error.findings if isinstance(error, FindingsError) else ()
    why = "" if findings else error.why
    lines += _facts([("why", why)])
    lines += [line(("  ✗ ", "red"), one_line(finding)) for finding in findings]
    return [*lines, *_facts([("left", left_sentence(error)), ("next", error.next_step), ("log", log)])]


def bug_lines(error: BaseException, log: str) -> list[Text]:
    """Return the lines for an exception that should not exist; its traceback is in the log file."""
    lines = [line(("✗ ", "bold red"), "a bug in dfmc: ", (f"{type(error).__name__}: {one_line(str(error))}", "bold"))]
    lines += _facts(
        [
            ("log", log),
            ("next", "run again; if it happens again, please report it with the log file"),
        ]
    )
    return lines


def _failure(cluster: str, error: DfmcError) -> Iterator[Text]:
    """One cluster's failure; its name comes first whatever the error itself calls ``where``."""
    yield _head(error, error.what, where=cluster)
    if isinstance(error, FindingsError) and error.findings:
        yield from (line(("  ✗ ", "red"), one_line(finding)) for finding in error.findings)
    else:
        yield from _facts([("why", error.why)])
    yield from _facts([("left", left_sentence(error)), ("next", error.next_step)])


def left_sentence(error: DfmcError) -> str:
    """Return what state is left; what failed before any step ran has left everything as it was."""
    silent = isinstance(error, FindingsError | InterruptedRunError | PartialError | UsageError)
    return error.left or ("" if error.step or silent else "nothing was changed")


def _head(error: DfmcError, what: str, *, where: str = "") -> Text:
    place = where or error.where
    step = error.step if error.step and not isinstance(error, PartialError) else ""
    pieces = [f"{piece}: " for piece in (place, step) if piece]
    return line(("✗ ", "bold red"), ("".join(pieces), "bold"), one_line(what))


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[Text]:
    for label, content in facts:
        if not content:
            continue
        first, *rest = clean(content).rstrip().splitlines() or [""]
        yield line((f"  {label:<5}", "dim"), first)
        yield from (line(" " * 7, more) for more in rest)
