from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from command_line import GUIDE, Dfmc
from dfmc.topology.load import load_file
from dfmc.topology.scaffold import DEFAULT_CHART_VERSION, cluster_names
from dfmc.topology.schema import SCHEMA_ID, json_schema
from terminals import FakeTerminal

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: us-1
contexts:
- {name: eu-1, context: {cluster: eu, user: eu}}
- {name: us-1, context: {cluster: us, user: us}}
- {name: kind-kind, context: {cluster: kind, user: kind}}
users:
- {name: eu, user: {token: canary-token}}
"""


@pytest.fixture
def kubeconfig(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (workplace / "topology.yaml").unlink()
    path = workplace / "kubeconfig"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str) -> FakeTerminal:
    """A terminal at which somebody types these lines."""
    screen = FakeTerminal()
    monkeypatch.setattr(sys, "stdin", FakeTerminal("".join(f"{answer}\n" for answer in answers)))
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_flags_make_a_file_that_validates(dfmc: Dfmc, workplace: Path) -> None:
    ended = dfmc("init", "new.yaml", "--context", "eu-1", "--context", "us-1", "--manager-context", "us-1", "-n", "p2p")
    assert ended.code == 0, ended.err
    assert ended.out == "new.yaml written: 2 clusters, manager in us-1\n"
    assert ended.err == "next  set manager.address in new.yaml, then: dfmc plan new.yaml\n"
    topology = load_file("new.yaml").topology
    assert [(c.name, c.context, c.namespace, c.scopes.idc) for c in topology.clusters] == [
        ("eu-1", "eu-1", "p2p", "eu-1"),
        ("us-1", "us-1", "p2p", None),
    ]
    assert (topology.central.name, topology.manager.expose.type) == ("us-1", "LoadBalancer")
    assert dfmc("validate", "new.yaml").out.startswith("✓ new.yaml: valid (2 clusters")


def test_the_file_names_its_schema_and_satisfies_it(dfmc: Dfmc) -> None:
    text = dfmc("init", "-", "--context", "a").out
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_ID}"
    document = json.loads(json.dumps(yaml.safe_load(text)))
    jsonschema.Draft202012Validator(json_schema()).validate(document)
    assert document["chart"]["version"] == DEFAULT_CHART_VERSION


def test_options_go_where_they_belong(dfmc: Dfmc) -> None:
    text = dfmc("init", "-", "--context", "a", "--name", "prod", "--chart-version", "1.1.1", "-n", "ns").out
    document = yaml.safe_load(text)
    assert (document["metadata"]["name"], document["chart"]["version"]) == ("prod", "1.1.1")
    assert document["defaults"]["namespace"] == "ns"
    assert "expose" not in document["manager"]


def test_a_manager_context_that_is_not_listed_is_a_cluster_too(dfmc: Dfmc) -> None:
    document = yaml.safe_load(dfmc("init", "-", "--context", "b", "--manager-context", "a").out)
    assert [cluster["context"] for cluster in document["clusters"]] == ["a", "b"]
    assert document["manager"]["cluster"] == "a"


def test_a_file_that_is_there_stays_unless_forced(dfmc: Dfmc, workplace: Path) -> None:
    ended = dfmc("init", "--context", "a")
    assert ended.code == 64
    assert ended.err.splitlines()[0] == "✗ topology.yaml is there already"
    assert (workplace / "topology.yaml").read_text() == GUIDE
    assert dfmc("init", "--context", "a", "--force").code == 0
    assert load_file("topology.yaml").topology.clusters[0].context == "a"


def test_what_an_option_cannot_say_is_a_usage_error_and_writes_nothing(dfmc: Dfmc, workplace: Path) -> None:
    (workplace / "topology.yaml").unlink()
    for arguments, words in (
        (("--chart-version", "1.7"), "chart.version: must be a whole version"),
        (("--chart-version", "0.1.0"), "dfmc cannot write values for it"),
        (("--name", "Prod"), "metadata.name: must be lower-case"),
        (("-n", "no_namespace"), "namespace: must be lower-case"),
        (("--context", "a"), "a is given twice"),
    ):
        ended = dfmc("init", "--context", "a", *arguments)
        assert ended.code == 64, arguments
        assert words in ended.err
    assert not (workplace / "topology.yaml").exists()


@pytest.mark.usefixtures("kubeconfig")
def test_without_a_terminal_the_contexts_are_listed(dfmc: Dfmc, workplace: Path) -> None:
    ended = dfmc("init")
    assert ended.code == 64
    assert ended.out == "eu-1\nus-1  (current)\nkind-kind\n"
    assert "next dfmc init topology.yaml --context eu-1 --context us-1" in ended.err
    assert not (workplace / "topology.yaml").exists()


@pytest.mark.usefixtures("kubeconfig")
@pytest.mark.parametrize(
    ("answer", "contexts"),
    [("", ["eu-1", "us-1", "kind-kind"]), ("2 1", ["us-1", "eu-1"]), ("kind-kind,1", ["kind-kind", "eu-1"])],
)
def test_on_a_terminal_they_are_offered_and_the_first_is_the_managers(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, answer: str, contexts: list[str]
) -> None:
    screen = answering(monkeypatch, answer)
    assert dfmc("init").code == 0
    assert "  2  us-1  (current)" in screen.getvalue()
    topology = load_file("topology.yaml").topology
    assert [cluster.context for cluster in topology.clusters] == contexts
    assert topology.central.context == contexts[0]


@pytest.mark.usefixtures("kubeconfig")
def test_a_wrong_answer_is_asked_again(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = answering(monkeypatch, "4", "eu-1 eu-1", "eu-1")
    assert dfmc("init").code == 0
    assert "4 is neither a context nor a number from 1 to 3" in screen.getvalue()
    assert [cluster.name for cluster in load_file("topology.yaml").topology.clusters] == ["eu-1"]


@pytest.mark.usefixtures("kubeconfig")
def test_the_end_of_input_writes_nothing(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    answering(monkeypatch)
    assert dfmc("init").code == 130
    assert not (workplace / "topology.yaml").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no kubeconfig context to begin with"),
        ("{}", "there is no kubeconfig context to begin with"),
        ("users: [{token: canary-token, x: [}", "line 1 is no YAML"),
        ("- a", "it is no mapping"),
        ("[" * 5000, "it is no YAML"),
    ],
)
def test_a_kubeconfig_that_offers_nothing_is_told(
    dfmc: Dfmc, kubeconfig: Path, content: str | None, words: str
) -> None:
    kubeconfig.unlink() if content is None else kubeconfig.write_text(content)
    ended = dfmc("init")
    assert ended.code == 4
    assert words in ended.err
    assert "canary-token" not in ended.err


def test_several_kubeconfig_files_count_as_one(
    dfmc: Dfmc, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    (workplace / "second").write_text("contexts: [{name: eu-1}, {name: extra}]\n")
    monkeypatch.setenv("KUBECONFIG", f"{kubeconfig}:{workplace / 'second'}:{workplace / 'missing'}")
    assert dfmc("init").out.split() == ["eu-1", "us-1", "(current)", "kind-kind", "extra"]


def test_an_existing_file_is_refused_before_any_question(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert "is there already" in dfmc("init").err


@pytest.mark.parametrize(
    ("contexts", "names"),
    [
        (["kind-kind"], ["kind"]),
        (["kind-a", "k3d-a"], ["a", "a-2"]),
        (["arn:aws:eks:eu-west-1:123456789012:cluster/Prod_EU"], ["prod-eu"]),
        (["gke_my-project_europe-west1_prod"], ["prod"]),
        (["admin@cluster.example", "@", "Ümlaut"], ["admin", "cluster", "mlaut"]),
        (["x" * 60, "x" * 61], ["x" * 40, "x" * 38 + "-2"]),
    ],
)
def test_clusters_are_named_after_their_contexts(contexts: list[str], names: list[str]) -> None:
    assert cluster_names(contexts) == names
