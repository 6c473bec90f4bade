"""What ``validate`` finds as SARIF 2.1.0, the form that code scanning services read.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from dfmc import __version__
from dfmc.errors import Diagnostic
from dfmc.linting.ignores import Ignored
from dfmc.linting.rules import Rule, all_rules

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# Problems of the file's form carry no id of their own elsewhere; SARIF wants one for each result.
_FORM = "DF000"


def sarif_document(file: str, diagnostics: Sequence[Diagnostic], ignored: Sequence[Ignored] = ()) -> Mapping[str, Any]:
    """Return one run of the tool; what comments ignore is in it as suppressed, with the reason."""
    rules = list(all_rules().values())
    places = {rule.id: index for index, rule in enumerate(rules)}
    results = [_result(diagnostic, places) for diagnostic in diagnostics]
    results += [
        {
            **_result(item.diagnostic, places),
            "suppressions": [{"kind": "inSource", "justification": item.reason}],
        }
        for item in ignored
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "dfmc", "version": __version__, "rules": [_rule(rule) for rule in rules]}},
                "columnKind": "unicodeCodePoints",
                "artifacts": [{"location": {"uri": _uri(file)}}],
                "results": results,
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    why, fix = " ".join(rule.why.split()), " ".join(rule.fix.split())
    return {
        "id": rule.id,
        "shortDescription": {"text": f"{rule.title[0].upper()}{rule.title[1:]}"},
        "fullDescription": {"text": why},
        "help": {
            "text": f"{why}\n\n{fix}",
            "markdown": f"{why}\n\n{fix}\n\n```yaml\n# wrong\n{rule.wrong}\n\n# right\n{rule.right}\n```",
        },
        "defaultConfiguration": {"level": rule.levels[0]},
    }


def _result(diagnostic: Diagnostic, places: Mapping[str, int]) -> dict[str, Any]:
    rule = diagnostic.rule or _FORM
    region = {"startLine": diagnostic.line, "startColumn": diagnostic.column}
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(diagnostic.file), "index": 0}, "region": region}
    }
    if diagnostic.path:
        location["logicalLocations"] = [{"fullyQualifiedName": diagnostic.path}]
    return {
        "ruleId": rule,
        "ruleIndex": places[rule],
        "level": diagnostic.severity,
        "message": {"text": f"{diagnostic.path}: {diagnostic.message}" if diagnostic.path else diagnostic.message},
        "locations": [location],
    }


def _uri(file: str) -> str:
    """Return a file's name as a URI; a relative one stays relative, to the directory dfmc was started in."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
