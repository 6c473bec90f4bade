import io
import json
import sys
from pathlib import Path

import pytest

from command_line import GUIDE, Dfmc
from dfmc.errors import TopologyError
from dfmc.topology.schema import json_schema

BROKEN = GUIDE.replace("kind: Topology", "kind: Topologie").replace("context: kind-kind", "contxt: kind-kind", 1)
OWNED = GUIDE.replace("  scopes: {idc: cluster-2}", "  values: {manager: {enable: true}}")


def test_a_valid_file_is_one_line_and_0(dfmc: Dfmc) -> None:
    ended = dfmc("validate")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "✓ topology.yaml: valid (2 clusters, manager in a, chart dragonfly-1.7.4)\n"


def test_every_problem_is_told_at_once_with_its_place_and_3(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "wrong.yaml").write_text(BROKEN)
    ended = dfmc("validate", "wrong.yaml")
    assert ended.code == 3
    lines = ended.out.splitlines()
    assert lines[0].startswith("wrong.yaml:2:1: kind: ")
    assert any(line.startswith("wrong.yaml:16:3: clusters[0].contxt: ") for line in lines)
    assert ended.err.startswith("✗ wrong.yaml has ")
    assert ended.err.endswith("  next correct the file, then: dfmc validate wrong.yaml\n")


def test_what_the_chart_cannot_do_is_told_as_well(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(OWNED)
    ended = dfmc("validate")
    assert ended.code == 3
    assert "clusters[1].values.manager.enable: " in ended.out


def test_warnings_are_shown_and_stop_nothing(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(GUIDE.replace("  nodeSelector: {cluster: b}\n", ""))
    ended = dfmc("validate")
    assert ended.code == 0
    assert ": warning: clusters[1]" in ended.out
    assert "✓ topology.yaml: valid, 1 warning (" in ended.out


def test_the_file_comes_as_argument_option_variable_or_standard_input(
    dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "other.yaml").write_text(GUIDE)
    (workplace / "topology.yaml").unlink()
    assert dfmc("validate").code == 3
    assert dfmc("validate", "other.yaml").code == 0
    assert dfmc("validate", "-f", "other.yaml").code == 0
    monkeypatch.setenv("DFMC_FILE", "other.yaml")
    assert "other.yaml: valid" in dfmc("validate").out
    monkeypatch.setenv("DFMC_FILE", "missing.yaml")
    assert "other.yaml: valid" in dfmc("validate", "other.yaml").out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GUIDE.encode())))
    assert dfmc("validate", "-").code == 0


def test_json_has_every_problem_as_data(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "wrong.yaml").write_text(BROKEN)
    ended = dfmc("validate", "wrong.yaml", "-o", "json")
    document = json.loads(ended.out)
    assert (ended.code, ended.err) == (3, "")
    assert (document["kind"], document["file"], document["valid"]) == ("ValidationReport", "wrong.yaml", False)
    assert document["errors"] == len(document["diagnostics"]) > 1
    valid = dfmc("validate", "-o", "json")
    assert (valid.code, json.loads(valid.out)["valid"]) == (0, True)


def test_github_gets_annotations_beside_the_lines(dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "wrong.yaml").write_text(BROKEN)
    assert "::error" not in dfmc("validate", "wrong.yaml").out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ended = dfmc("validate", "wrong.yaml")
    assert ended.code == 3
    assert ended.out.startswith("::error file=wrong.yaml,line=2,col=1,title=")


def test_a_file_that_is_not_there_says_so(dfmc: Dfmc) -> None:
    ended = dfmc("validate", "missing.yaml")
    assert ended.code == 3
    assert ended.out.startswith("missing.yaml:1:1: ")


def test_a_refusal_without_a_position_is_no_valid_file(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise TopologyError("chart 9.9.9 is not known", next_step="set chart.version")

    monkeypatch.setattr("dfmc.linting.loading.inspect", refuse)
    document = json.loads(dfmc("validate", "-o", "json").out)
    assert (document["valid"], document["diagnostics"][0]["message"]) == (False, "chart 9.9.9 is not known")
    ended = dfmc("validate")
    assert ended.code == 3
    assert ended.out == "topology.yaml:1:1: chart 9.9.9 is not known\n"


def test_the_schema_is_printed_as_json(dfmc: Dfmc) -> None:
    ended = dfmc("schema")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == json_schema()


def test_version_as_json_has_what_a_bug_report_needs(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFMC_HELM", "no-such-helm")
    ended = dfmc("version", "-o", "json")
    document = json.loads(ended.out)
    assert (ended.code, document["kind"], document["helm"]) == (0, "Version", None)
    assert "no-such-helm" in document["helmError"]
    assert document["charts"] == "1.0.0 and newer (known up to 1.7.8)"
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))


LATEST = GUIDE.replace("runtime: {type: containerd}", "images: {scheduler: {tag: latest}} #COMMENT")


def test_warnings_fail_where_they_shall(dfmc: Dfmc, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "topology.yaml").write_text(LATEST)
    assert dfmc("validate").code == dfmc("validate", "--fail-on", "error").code == 0
    ended = dfmc("validate", "--fail-on", "warning")
    assert ended.code == 3
    assert ended.out == (
        "topology.yaml:13:24: warning: defaults.images.scheduler.tag: latest is another image every time a node pulls "
        "it: name a version, or a digest [DF209]\n"
    )
    assert ended.err == (
        "✗ topology.yaml: valid, 1 warning, and --fail-on warning (2 clusters, manager in a, chart dragonfly-1.7.4)\n"
        "  next dfmc explain DF209\n"
    )
    assert dfmc("validate", "--fail-on", "warning", "-o", "json").code == 3
    monkeypatch.setenv("DFMC_FAIL_ON", "warning")
    assert dfmc("validate", "-o", "sarif").code == 3
    (workplace / "topology.yaml").write_text(GUIDE)
    assert dfmc("validate").code == 0


def test_ignored_warnings_are_counted_and_fail_nothing(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "topology.yaml").write_text(LATEST.replace("#COMMENT", "# dfmc: ignore DF209 thrown away tomorrow"))
    ended = dfmc("validate", "--fail-on", "warning")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "✓ topology.yaml: valid, 1 ignored (2 clusters, manager in a, chart dragonfly-1.7.4)\n"
    document = json.loads(dfmc("validate", "-o", "json").out)
    assert document["diagnostics"] == []
    assert [(item["rule"], item["reason"]) for item in document["ignored"]] == [("DF209", "thrown away tomorrow")]
    assert dfmc("plan", "--help").code == 0


def test_sarif_has_rules_results_and_what_is_ignored(dfmc: Dfmc, workplace: Path) -> None:
    text = LATEST.replace("#COMMENT", "# dfmc: ignore DF209 thrown away").replace("kind: Topology", "kind: Topologie")
    (workplace / "my topology.yaml").write_text(text.replace("scopes: {idc", "nodeSelector2: {}\n  scopes: {idc"))
    ended = dfmc("validate", "my topology.yaml", "-o", "sarif")
    assert (ended.code, ended.err) == (3, "")
    (run,) = json.loads(ended.out)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {result["ruleId"] for result in run["results"]} == {"DF000"}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "my%20topology.yaml"
        assert place["region"]["startLine"] >= 1
    (workplace / "topology.yaml").write_text(LATEST.replace("#COMMENT", "# dfmc: ignore DF209 thrown away"))
    (result,) = json.loads(dfmc("validate", "-o", "sarif").out)["runs"][0]["results"]
    assert result["level"] == "warning"
    assert result["suppressions"] == [{"kind": "inSource", "justification": "thrown away"}]


def test_rules_are_explained(dfmc: Dfmc) -> None:
    listed = dfmc("explain")
    assert listed.code == 0
    assert any(line.startswith("DF012  warning") for line in listed.out.splitlines())
    one = dfmc("explain", "df012")
    assert one.out.startswith(
        "DF012 the node selectors of entries in one Kubernetes cluster exclude each other (warning)"
    )
    assert json.loads(dfmc("explain", "DF012", "DF209", "-o", "json").out)["rules"][1]["id"] == "DF209"
    wrong = dfmc("explain", "DF21")
    assert (wrong.code, wrong.out) == (64, "")
    assert "there is no rule DF21" in wrong.err
