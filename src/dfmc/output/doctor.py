"""What ``doctor`` found: for people, as JSON, and the page docs/doctor.md."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from dfmc.engine.doctor import DoctorReport
from dfmc.output.documents import error_document
from dfmc.output.tables import Cell, aligned
from dfmc.output.text import Piece, line, one_line
from dfmc.planning.checks.facts import Endpoint, Reached
from dfmc.planning.checks.model import Check, Finding, Outcome
from dfmc.planning.checks.reachability import grid, is_refusal
from dfmc.topology.model import API_VERSION

Document = Mapping[str, Any]

_GLYPHS: Mapping[str, Piece] = {
    "ok": ("✓", "green"),
    "warning": ("⚠", "yellow"),
    "error": ("✗", "bold red"),
    "skipped": ("·", "dim"),
    "off": ("·", "dim"),
}
_INTRODUCTION = """\
# What `dfmc doctor` looks for

Made from the table of checks; do not edit by hand.

`dfmc doctor FILE` reads, in all clusters at once and before as well as after an installation, and changes nothing: its
only writes are access reviews, which are questions, and one short-lived pod a cluster, which is gone when it ends
(`--no-pods` leaves it out). The manager is asked once whether it takes the chart's public password, and once whether it
takes a token of the public key (`--skip DF381`, `--skip DF382`). Each finding says where, why, and what to type next.

| sign | meaning |
|---|---|
| ✓ | looked at, nothing found |
| ✗ | an error |
| ⚠ | a warning: works today, will not always, or is not as safe as it looks |
| · | skipped, with the reason: what it looks at is not there yet, or could not be read |

It ends with 0 when nothing is found, with 1 when something is; `--fail-on error` lets warnings pass. Where not one
cluster could be asked, it ends as every command does: 4, 5, 6 or 11 by the cause. `--skip ID` leaves a check out, with
everything that is read for it alone, and may be repeated. `-o json` is a contract: `kind: DoctorReport`, the same bytes
for the same world. `dfmc explain ID` says on a terminal what stands here.

"""


# --- for people ------------------------------------------------------------------------------------------------


def doctor_lines(report: DoctorReport, *, verbose: bool = False) -> list[Text]:
    """Return the answer: every check under its heading, what was found below each, the grid, the verdict.

    Args:
        report: What was found.
        verbose: Also why something was skipped of one cluster while others were looked at.
    """
    lines: list[Text] = []
    for group, outcomes in groupby(report.outcomes, key=lambda outcome: outcome.check.group):
        lines += [line("")] if lines else []
        lines.append(line((group, "bold")))
        for outcome in outcomes:
            lines += _outcome_lines(outcome, verbose=verbose)
        if group == "reachability":
            lines += _grid_lines(report)
    return [*lines, line(""), _verdict(report)]


def _outcome_lines(outcome: Outcome, *, verbose: bool) -> list[Text]:
    check = outcome.check
    glyph = _GLYPHS[outcome.result]
    if outcome.is_off:
        return [line(glyph, " ", (f"{check.id} {check.title} (left out)", "dim"))]
    lines = [line(glyph, " ", (check.id, "bold"), f" {check.title}")]
    for finding in outcome.findings:
        lines += _finding_lines(finding)
    if verbose or outcome.result == "skipped":
        reasons: dict[str, list[str]] = {}
        for skipped in outcome.skipped:
            reasons.setdefault(skipped.why, []).append(skipped.cluster)
        for why, clusters in reasons.items():
            names = ", ".join(name for name in clusters if name)
            lines.append(line("    ", ("skipped", "dim"), f" {names}: " if names else ": ", one_line(why)))
    return lines


def _finding_lines(finding: Finding) -> list[Text]:
    named: list[Piece] = [(f"{finding.cluster}: ", "bold")] if finding.cluster else []
    lines = [line("    ", _GLYPHS[finding.level], " ", *named, one_line(finding.what))]
    for head, text in (("at  ", finding.place), ("why ", finding.why), ("next", finding.next_step)):
        if text:
            lines.append(line("        ", (head, "dim"), f" {one_line(text)}"))
    return lines


def _grid_lines(report: DoctorReport) -> list[Text]:
    """Return who reaches what: a row a cluster, a column an endpoint; below, the addresses that were dialled."""
    rows = grid(report.facts)
    if not rows:
        return []
    columns = list(dict.fromkeys(reached.endpoint.name for found in rows.values() for reached in found))
    cells: list[list[Cell]] = []
    dialled: dict[tuple[str, str], list[str]] = {}
    for cluster, found in rows.items():
        by_name: dict[str, list[Reached]] = {}
        for reached in found:
            by_name.setdefault(reached.endpoint.name, []).append(reached)
            dialled.setdefault((reached.endpoint.name, reached.endpoint.address), []).append(cluster)
        cells.append([(cluster, "bold"), *(_cell(by_name.get(name, [])) for name in columns)])
    table = aligned(["FROM \\ TO", *columns], cells)
    addresses = [
        line((f"{name:<8} ", "dim"), f"{address}  ({', '.join(clusters)})")
        for (name, address), clusters in dialled.items()
    ]
    return [Text("    ") + row for row in (*table, *addresses)]


def _cell(found: Sequence[Reached]) -> Cell:
    if not found:
        return "-", "dim"
    worst = min(found, key=lambda reached: (reached.connects, bool(reached.resolves)))
    if worst.connects and worst.resolves is not False:
        return "✓", "green"
    return f"{_sign(worst, worst.endpoint)} {_how(worst)}", "red"


def _sign(reached: Reached, endpoint: Endpoint) -> str:
    if not endpoint.is_there and is_refusal(reached):
        return "·"
    return "✗" if endpoint.is_needed else "⚠"


def _how(reached: Reached) -> str:
    if reached.resolves is False:
        return "no such name"
    if is_refusal(reached):
        return "refused" if reached.endpoint.is_there else "not installed yet"
    return "no answer"


def _verdict(report: DoctorReport) -> Text:
    count = len(report.facts.selected)
    clusters = f"{count} cluster{'' if count == 1 else 's'}"
    errors, warnings = (counted(report, level) for level in ("error", "warning"))
    skipped = sum(outcome.result == "skipped" for outcome in report.outcomes)
    left = f", {skipped} skipped" if skipped else ""
    looked = sum(outcome.result not in ("skipped", "off") for outcome in report.outcomes)
    if not errors and not warnings:
        return line(("✓ ", "green"), f"{looked} checks over {clusters}: nothing found{left}")
    parts = [_plural(errors, "error"), _plural(warnings, "warning")]
    glyph = _GLYPHS["error" if errors else "warning"]
    return line(glyph, f" {looked} checks over {clusters}: {', '.join(part for part in parts if part)}{left}")


def counted(report: DoctorReport, level: str) -> int:
    """Return how many findings of a level there are."""
    return sum(finding.level == level for outcome in report.outcomes for finding in outcome.findings)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}" if count else ""


# --- for programs ----------------------------------------------------------------------------------------------


def doctor_document(report: DoctorReport) -> Document:
    """Return the JSON form; no time and nothing else in it differs between two looks at the same world."""
    facts = report.facts
    return {
        "apiVersion": API_VERSION,
        "kind": "DoctorReport",
        "topology": report.topology,
        "healthy": not counted(report, "error") and not counted(report, "warning"),
        "errors": counted(report, "error"),
        "warnings": counted(report, "warning"),
        "clusters": [
            {"name": name, "error": error_document(error) if error else None}
            for name, error in ((name, facts.observed.clusters[name].error) for name in facts.selected)
        ],
        "checks": [_check_document(outcome) for outcome in report.outcomes],
        "reachability": [
            {
                "cluster": cluster,
                "endpoint": reached.endpoint.name,
                "address": reached.endpoint.address,
                "needed": reached.endpoint.is_needed,
                "installed": reached.endpoint.is_there,
                "resolves": reached.resolves,
                "connects": reached.connects,
                "said": reached.said,
            }
            for cluster, found in grid(facts).items()
            for reached in found
        ],
    }


def _check_document(outcome: Outcome) -> Document:
    return {
        "id": outcome.check.id,
        "title": outcome.check.title,
        "group": outcome.check.group,
        "result": outcome.result,
        "findings": [
            {
                "cluster": finding.cluster,
                "level": finding.level,
                "place": finding.place,
                "what": finding.what,
                "why": finding.why,
                "next": finding.next_step,
            }
            for finding in outcome.findings
        ],
        "skipped": [{"cluster": one.cluster, "why": one.why} for one in outcome.skipped],
    }


def checks_document(checks: Sequence[Check]) -> Document:
    """Return the JSON form of some checks, for ``explain``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Checks",
        "checks": [
            {
                "id": c.id,
                "title": c.title,
                "group": c.group,
                "why": c.why,
                "fix": c.fix,
                "looksAt": [str(need) for need in (*c.needs, *c.uses, *c.answers_for)],
            }
            for c in checks
        ],
    }


def check_lines(checks: Sequence[Check]) -> list[Text]:
    """Return everything about some checks, an empty line between them."""
    lines: list[Text] = []
    for check in checks:
        lines += [line("")] if lines else []
        lines.append(line((check.id, "bold"), f" {check.title} ", (f"(dfmc doctor, {check.group})", "dim")))
        for head, text in (("why", check.why), ("fix", check.fix)):
            wrapped = textwrap.wrap(text, 100, break_long_words=False, break_on_hyphens=False)
            lines += [line((f"{head if not number else '':<5}", "dim"), part) for number, part in enumerate(wrapped)]
    return lines


def doctor_page(checks: Sequence[Check]) -> str:
    """Return docs/doctor.md."""
    table = ["| id | about | what holds where nothing is found |", "|---|---|---|"]
    table += [f"| [{check.id}](#{check.id.lower()}) | {check.group} | {check.title} |" for check in checks]
    sections = []
    for check in checks:
        looks = ", ".join(map(str, (*check.needs, *check.uses) or check.answers_for)) or "whatever the others look at"
        sections.append(
            f"## {check.id}\n\n**{check.title[0].upper()}{check.title[1:]}** ({check.group})\n\n"
            f"{_paragraph(check.why)}\n\n{_paragraph(check.fix)}\n\n{_paragraph(f'Looks at: {looks}.')}\n"
        )
    return _INTRODUCTION + "\n".join(table) + "\n\n" + "\n".join(sections)


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)
