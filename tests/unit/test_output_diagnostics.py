from dfmc.errors import Diagnostic
from dfmc.output.diagnostics import (
    count_sentence,
    diagnostic_lines,
    diagnostics_document,
    github_annotations,
)

ERROR = Diagnostic("t.yaml", 3, 5, "chart.version", "must be x.y.z, 100% of\nthe time", rule="chart-version")
WARNING = Diagnostic("a,b:c.yaml", 1, 1, "", "no effect", "warning")


def test_a_problem_is_one_line_with_its_place_first() -> None:
    assert [text.plain for text in diagnostic_lines([ERROR, WARNING])] == [
        "t.yaml:3:5: chart.version: must be x.y.z, 100% of the time [chart-version]",
        "a,b:c.yaml:1:1: warning: no effect",
    ]


def test_counts_are_words() -> None:
    assert count_sentence([ERROR, ERROR, WARNING]) == "2 errors, 1 warning"
    assert count_sentence([WARNING, WARNING]) == "2 warnings"
    assert count_sentence([]) == "no problems"


def test_github_gets_workflow_commands_with_its_own_escapes() -> None:
    assert github_annotations([ERROR, WARNING]) == [
        "::error file=t.yaml,line=3,col=5,title=chart-version::chart.version: must be x.y.z, 100%25 of%0Athe time",
        "::warning file=a%2Cb%3Ac.yaml,line=1,col=1,title=dfmc validate::no effect",
    ]


def test_json_says_whether_the_file_can_be_used() -> None:
    document = diagnostics_document("t.yaml", [ERROR, WARNING])
    assert {key: document[key] for key in ("apiVersion", "kind", "file", "valid", "errors", "warnings")} == {
        "apiVersion": "dfmc.io/v1alpha1",
        "kind": "ValidationReport",
        "file": "t.yaml",
        "valid": False,
        "errors": 1,
        "warnings": 1,
    }
    assert document["diagnostics"][0] == {
        "file": "t.yaml",
        "line": 3,
        "column": 5,
        "path": "chart.version",
        "severity": "error",
        "rule": "chart-version",
        "message": "must be x.y.z, 100% of\nthe time",
    }
    assert diagnostics_document("t.yaml", [WARNING])["valid"] is True
