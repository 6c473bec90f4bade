import json
import random
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dfmc.output.values import _dumped, documents_yaml, values_yaml
from helm_binary import helm_binary
from scenarios import scenario

# What at least one of YAML 1.1 (PyYAML), YAML 1.2 and Go's parsers takes for something other than text, or what
# breaks a plain scalar.
TRICKY = [
    *("y", "n", "Y", "N", "yes", "No", "on", "OFF", "true", "False", "null", "Null", "~", ""),
    *("0755", "012", "0o17", "0x1F", "0b11", "1e10", "1E+5", ".5e3", "5.", "1_000", "+1", "-0", "1.7.4", "22:22"),
    *(".inf", "-.Inf", ".nan", "NaN", "inf", "=", "<<", "2001-01-01", "2001-01-01T00:00:00Z", "12:30:45"),
    *("a: b", "a #b", "# a", "- a", "? a", "*a", "&a", "!a", "%a", "@a", "`a", "'a'", '"a"', "{a}", "[a]", "a,b"),
    *(" a", "a ", "a\tb", "a\nb", "a\n", "\na", "a\n\n b\n", "ü", "日本", "\x07", "a\\b", "|", ">", "---", "...", "a:"),
]
PLAIN = ["dragonfly", "cluster-a", "https://ghcr.io", "/etc/containerd/config.toml", "host.svc:6379", "v2.1.30"]


@pytest.mark.parametrize("text", TRICKY + PLAIN)
def test_text_is_read_back_as_that_text(text: str) -> None:
    assert yaml.safe_load(values_yaml({"key": text, text or "empty": [text]})) == {"key": text, text or "empty": [text]}


@pytest.mark.parametrize("text", ["no", "y", "1e10", "0755", "012", "22:22", "0o17", "null", "1.7.4", "+1", ""])
def test_text_that_some_yaml_takes_for_something_else_is_quoted(text: str) -> None:
    assert values_yaml({"key": text}) == f"key: '{text}'\n"


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_needs_no_quotes(text: str) -> None:
    assert values_yaml({"key": text}) == f"key: {text}\n"


def test_the_form_is_block_style_in_the_given_order_without_anchors() -> None:
    shared = {"cluster": "b"}
    tree = {"scheduler": {"nodeSelector": shared, "replicas": 3}, "client": {"nodeSelector": shared, "off": None}}
    assert values_yaml(tree | {"list": [1, 1.5, True, {"a": "b", "c": []}], "empty": {}}) == (
        "scheduler:\n  nodeSelector:\n    cluster: b\n  replicas: 3\n"
        "client:\n  nodeSelector:\n    cluster: b\n  'off': null\n"
        "list:\n  - 1\n  - 1.5\n  - true\n  - a: b\n    c: []\nempty: {}\n"
    )


def test_long_text_is_not_folded() -> None:
    assert values_yaml({"key": "word " * 100}) == f"key: '{'word ' * 100}'\n"


def test_several_clusters_are_documents_with_names() -> None:
    text = documents_yaml({"a": "x: 1\n", "b": "x: 2\n"})
    assert text == "---\n# cluster: a\nx: 1\n---\n# cluster: b\nx: 2\n"
    assert list(yaml.safe_load_all(text)) == [{"x": 1}, {"x": 2}]


def random_tree(source: random.Random, depth: int = 0) -> Any:
    kind = source.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return {random_text(source): random_tree(source, depth + 1) for _ in range(source.randrange(4))}
    if kind == 7:
        return [random_tree(source, depth + 1) for _ in range(source.randrange(4))]
    scalars: list[Any] = [
        random_text(source), source.choice(TRICKY), source.randrange(-99, 10**6), source.random(), True, None
    ]  # fmt: skip
    return scalars[kind]


def random_text(source: random.Random) -> str:
    alphabet = string.ascii_letters + string.digits + " .:-_#'\"{}[]&*!|>%@`,?~=+/\\\n\tüß"
    return "".join(source.choice(alphabet) for _ in range(source.randrange(8)))


def test_random_trees_are_read_back_unchanged() -> None:
    seed = random.randrange(10**6)  # noqa: S311
    source = random.Random(seed)  # noqa: S311
    for _ in range(300):
        tree = {"root": random_tree(source)}
        assert yaml.safe_load(values_yaml(tree)) == tree, f"seed {seed}"


@pytest.mark.helm
@scenario("I8", real=True)
def test_helm_reads_what_was_meant(tmp_path: Path) -> None:
    helm = helm_binary()
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: probe\nversion: 0.1.0\n")
    (chart / "templates" / "probe.yaml").write_text("probe: {{ .Values.root | toJson | quote }}\n")
    seed = random.randrange(10**6)  # noqa: S311
    tree = {
        "root": {"texts": [t for t in TRICKY + PLAIN if t.isprintable() or "\n" in t], "keys": dict.fromkeys(PLAIN, 1)}
    }
    source = random.Random(seed)  # noqa: S311
    tree["root"]["random"] = [random_text(source) for _ in range(300)]
    found = subprocess.run(
        [helm, "template", "probe", chart, "-f", "-"],
        input=values_yaml(tree),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(yaml.safe_load(found.stdout)["probe"]) == tree["root"], f"seed {seed}"


texts = st.text(max_size=12) | st.sampled_from([*TRICKY, *PLAIN, "a\n\n  b\n", "\n\n", "x" * 200])
scalars = texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=12
)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(st.dictionaries(texts, trees, max_size=4))
def test_what_is_written_is_what_pyyaml_would_write(tree: dict[str, Any]) -> None:
    assert values_yaml(tree) == _dumped(tree)
    assert yaml.safe_load(values_yaml(tree)) == tree
