"""SARIF 2.1.0: what the standard requires of the parts that dfmc writes."""

from __future__ import annotations

from typing import Any

import jsonschema

from dfmc.errors import Diagnostic
from dfmc.linting.ignores import Ignored
from dfmc.output.sarif import sarif_document

MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "properties": {"uri": {"type": "string", "pattern": r"^[!-~]+$"}, "index": {"const": 0}},
                },
                "region": {
                    "type": "object",
                    "required": ["startLine"],
                    "additionalProperties": False,
                    "properties": {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                    },
                },
            },
        },
        "logicalLocations": {"type": "array", "items": {"type": "object", "required": ["fullyQualifiedName"]}},
    },
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}, "additionalProperties": False},
    },
}
RESULT = {
    "type": "object",
    "required": ["message", "ruleId"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION},
        "suppressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"enum": ["inSource", "external"]}},
            },
        },
    },
}
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"rules": {"type": "array", "items": RULE, "uniqueItems": True}},
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "artifacts": {"type": "array", "items": {"type": "object"}},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}
ERROR = Diagnostic("dir/t.yaml", 3, 5, "chart.version", "must be x.y.z")
WARNING = Diagnostic("dir/t.yaml", 1, 1, "", "no effect", "warning", "DF105")


def test_document_has_the_form_of_the_standard() -> None:
    document = sarif_document("dir/t.yaml", [ERROR, WARNING], [Ignored(WARNING, "because")])
    jsonschema.Draft202012Validator(SARIF).validate(document)
    first, second, third = document["runs"][0]["results"]
    assert (first["ruleId"], first["level"], first["message"]["text"]) == (
        "DF000", "error", "chart.version: must be x.y.z",
    )  # fmt: skip
    assert (second["ruleId"], second["level"], "suppressions" in second) == ("DF105", "warning", False)
    assert third["suppressions"][0]["justification"] == "because"


def test_names_of_files_are_uris() -> None:
    def uri(file: str) -> str:
        document = sarif_document(file, [])
        return str(document["runs"][0]["artifacts"][0]["location"]["uri"])

    assert uri("a b/ü.yaml") == "a%20b/%C3%BC.yaml"
    assert uri("/x/t.yaml") == "file:///x/t.yaml"
    assert uri("<stdin>") == "%3Cstdin%3E"


def test_empty_report_is_a_run_without_results() -> None:
    document = sarif_document("t.yaml", [])
    jsonschema.Draft202012Validator(SARIF).validate(document)
    assert document["runs"][0]["results"] == []
