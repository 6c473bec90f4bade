"""Hostile input, rows I1 to I17 of the failure catalogue: refused or read literally, within limits that are counted.

Seconds and megabytes are measured by tests/bench/hostile.py, on the same files.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfmc.clients.kube.access import open_access
from dfmc.clients.kube.refusals import Place
from dfmc.engine.credentials import read_file
from dfmc.errors import PreflightError, TopologyError
from dfmc.linting.loading import load_from_text
from dfmc.output.values import values_yaml
from dfmc.planning.credentials import CredentialNeed, check_given
from dfmc.state import Registration
from dfmc.topology import parse as parser
from dfmc.topology.load import load_file
from dfmc.values.inputs import ValuesInputs
from dfmc.values.names import central_endpoint, central_redis
from dfmc.values.render import render_values
from hostile_texts import MEBIBYTE_FILES, MIB
from scenarios import scenario
from topology_texts import GOOD, HEAD, errors, load, refusal, warnings, with_b


def first(text: str) -> str:
    return errors(text)[0]


@scenario("I1", real=True)
def test_i1_duplicate_keys_name_both_places() -> None:
    assert errors(GOOD + "clusters: []\n") == [
        "t.yaml:13:1: clusters: the key is given twice; the first one is at line 6, column 1"
    ]
    assert errors(with_b("values: {a: {x: 1, x: 2}}")) == [
        "t.yaml:13:22: clusters[1].values.a.x: the key is given twice; the first one is at line 13, column 16"
    ]


@scenario("I2", real=True)
def test_i2_alias_bomb_is_measured_before_it_is_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    assert first(bomb) == "t.yaml:16:6: with its aliases written out this holds more than 100,000 values"


@scenario("I2", real=True)
def test_i2_merge_bomb_is_counted() -> None:
    bomb = "a: &a {" + ", ".join(f"k{i}: 1" for i in range(20_000)) + "}\nb:\n" + "- <<: *a\n" * 20_000
    assert first(bomb).endswith("the file holds more than 100,000 values")


@scenario("I2", real=True)
def test_i2_large_defaults_are_not_multiplied() -> None:
    selector = ", ".join(f"k{i}: x" for i in range(5000))
    entries = "".join(f"- {{name: c{i}, context: x, namespace: n{i}}}\n" for i in range(200))
    assert errors(f"{HEAD}defaults: {{nodeSelector: {{{selector}}}}}\nclusters:\n{entries}") == [
        "t.yaml:6:1: defaults: merged into every entry of clusters these make more than 500,000 values"
    ]


@scenario("I3", real=True)
def test_i3_alias_of_itself() -> None:
    assert errors(with_b("values: {x: &x [*x]}")) == [
        "t.yaml:13:19: clusters[1].values.x[0]: the alias *x stands inside what it names"
    ]


def test_unknown_alias() -> None:
    assert errors(with_b("scopes: {idc: *x}")) == [
        "t.yaml:13:17: clusters[1].scopes.idc: the alias *x names no anchor &x above it"
    ]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "{"])
@scenario("I4", real=True)
def test_i4_deep_nesting(opening: str) -> None:
    assert first(opening * 2000).endswith(": nested deeper than 64")


@scenario("I4", real=True)
def test_i4_depth_counts_through_aliases() -> None:
    text = "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40
    assert first(text) == "t.yaml:2:19: nested deeper than 64 with its aliases written out"


@pytest.mark.parametrize(
    ("scalar", "message"),
    [
        ("9" * 5000, "a number of 5000 digits; quote it if it is meant as text"),
        ("0x" + "f" * 70, "this number does not fit into 64 bits; quote it if it is meant as text"),
        ("9" * 20, "this number does not fit into 64 bits; quote it if it is meant as text"),
        ("1.0e+999", "1.0e+999 is no number that a chart's values can hold; quote it: '1.0e+999'"),
        (".inf", ".inf is no number that a chart's values can hold; quote it: '.inf'"),
        (".NaN", ".NaN is no number that a chart's values can hold; quote it: '.NaN'"),
        ("0b_", "0b_ is no whole number; quote it: '0b_'"),
        ("190:20:30.15", "this is read as a number in base 60; quote it: '190:20:30.15'"),
        ('"a\\0b"', "holds the control character U+0000"),
        ('"\\e[31m"', "holds the control character U+001B"),
    ],
)
@scenario("I5", real=True)
def test_i5_scalars_that_no_chart_can_hold(scalar: str, message: str) -> None:
    assert errors(with_b(f"values: {{x: {scalar}}}")) == [f"t.yaml:13:15: clusters[1].values.x: {message}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \x00", "t.yaml:2:4: the character U+0000 is not allowed in YAML"),
        (b"a: 1\nbc: \xff", "t.yaml:2:5: not UTF-8: the byte 0xFF cannot stand here"),
        ("a".encode("utf-16"), "t.yaml:1:1: not UTF-8: the byte 0xFF cannot stand here"),
        (b"\xed\xa0\x80", "t.yaml:1:1: not UTF-8: the byte 0xED cannot stand here"),
        (b"a: \x1b[31m", "t.yaml:1:4: the character U+001B is not allowed in YAML"),
    ],
)
@scenario("I5", real=True)
def test_i5_bytes_that_are_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_bytes(content)
    with pytest.raises(TopologyError) as caught:
        load_file("t.yaml")
    assert str(caught.value) == message


@scenario("I5", real=True)
def test_i5_lone_surrogate_in_text() -> None:
    assert errors("a: \ud800") == ["t.yaml:1:4: the character U+D800 is not allowed in YAML"]


@scenario("I6", real=True)
def test_i6_more_than_a_mebibyte_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    with file.open("wb") as written:
        written.truncate(1 << 40)  # a sparse terabyte: reading it all would take for ever
    with pytest.raises(TopologyError, match="the file is larger than 1 MiB"):
        load_file(file)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events of the YAML parser were looked at: what time and memory go with."""
    seen = [0]
    real: Any = yaml.parse

    def counted(*arguments: Any, **rest: Any) -> Iterator[yaml.Event]:
        for event in real(*arguments, **rest):
            seen[0] += 1
            yield event

    monkeypatch.setattr(yaml, "parse", counted)
    return seen


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", MEBIBYTE_FILES)
@scenario("I6", real=True)
def test_i6_a_hostile_mebibyte_is_answered_within_the_limits(name: str, events: list[int]) -> None:
    text = MEBIBYTE_FILES[name][:MIB]
    try:
        load(text)
    except TopologyError as error:
        told = error.diagnostics
    else:
        told = ()
    # One event for each value and at most one more for the end of each collection.
    assert events[0] <= 2 * parser.MAX_NODES + 10
    assert len(told) <= 201
    assert all(len(str(diagnostic)) < 1000 for diagnostic in told)


@scenario("I2", real=True)
def test_i2_a_bomb_is_given_up_after_few_events(events: list[int]) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 10_000))
    refusal(bomb)
    assert events[0] < 100


BOOLEANS = [form(word) for word in ("yes", "no", "true", "false", "on", "off") for form in (str, str.title, str.upper)]
OTHERS = ["010", "0755", "0x1F", "1_000", "12", "-3", "+5", "2.10", "1.", ".5", "6.02e+23", "0b101"]
NULLS = ["~", "null", "Null", "NULL"]
REFUSED_ANYWHERE = ["22:22", "2025-01-01", "2025-01-01T10:00:00Z", ".inf", "-.INF", ".nan", "=", "190:20:30"]


@pytest.mark.parametrize("word", [*BOOLEANS, *OTHERS, *REFUSED_ANYWHERE])
@scenario("I7", real=True)
def test_i7_unquoted_word_in_a_text_field_must_be_quoted(word: str) -> None:
    (told,) = errors(with_b(f"scopes: {{idc: {word}}}"))
    assert told.startswith("t.yaml:13:1")
    assert told.endswith(f"quote it: '{word}'")


@pytest.mark.parametrize("word", [*BOOLEANS, *OTHERS, *REFUSED_ANYWHERE, *NULLS, "y", "n", "1e10"])
def test_i7_quoted_word_is_text(word: str) -> None:
    scopes = load(with_b(f"scopes: {{idc: '{word}'}}")).topology.clusters[1].scopes
    assert scopes.idc == word


@pytest.mark.parametrize("word", NULLS)
def test_i7_null_is_a_setting_left_out(word: str) -> None:
    assert load(with_b(f"scopes: {{idc: {word}}}")).topology.clusters[1].scopes.idc is None


@pytest.mark.parametrize("word", REFUSED_ANYWHERE)
@scenario("I8", real=True)
def test_i8_words_without_a_sure_meaning_are_refused_in_values_too(word: str) -> None:
    (told,) = errors(with_b(f"values: {{x: {word}}}"))
    assert told.endswith(f"quote it: '{word}'")


@pytest.mark.parametrize("word", ["y", "Y", "n", "N", "1e10", "1E5", ".5e3", "0o17"])
@scenario("I8", real=True)
def test_i8_words_that_helm_reads_otherwise_are_warned_of(word: str) -> None:
    loaded = load(with_b(f"values: {{x: {word}}}"))
    assert loaded.topology.clusters[1].values == {"x": word}
    assert [(w.rule, w.path) for w in loaded.warnings] == [("DF017", "clusters[1].values.x")]
    assert load(with_b(f"values: {{x: '{word}'}}")).warnings == ()


STARTS = "a topology is a mapping: it starts with apiVersion: dfmc.io/v1alpha1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\t- b", "t.yaml:2:1: not YAML: found character that cannot start any token (while scanning for the next "
                      "token): a tab; YAML indents with spaces"),
        ("a: @b", "t.yaml:1:4: not YAML: found character that cannot start any token (while scanning for the next "
                  "token): quote text that starts with @"),
        ("a: b: c", "t.yaml:1:5: not YAML: mapping values are not allowed in this context: quote text that holds ': ', "
                    "or correct the indentation"),
        (" a: 1\nb: 2", "t.yaml:2:1: not YAML: did not find expected <document start>: correct the indentation of this "
                        "line"),
        ("---\na: 1\n---\nb: 2\n", "t.yaml:3:1: a second document starts here; one file holds one topology"),
        ("", f"t.yaml:1:1: the file is empty; {STARTS}"),
        ("# a\n", f"t.yaml:1:1: the file is empty; {STARTS}"),
        ("---\n", f"t.yaml:1:1: the file is empty; {STARTS}"),
        ("- a", f"t.yaml:1:1: the file is a list; {STARTS}"),
        ("abc", f"t.yaml:1:1: the file is a single value; {STARTS}"),
    ],
)  # fmt: skip
@scenario("I9", real=True)
def test_i9_not_a_single_mapping(text: str, message: str) -> None:
    assert errors(text) == [message]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("!!python/object/apply:os.system [id]", "the tag !!python/object/apply:os.system is not supported: remove it"),
        ("!!python/name:os.system ''", "the tag !!python/name:os.system is not supported: remove it"),
        ("!!binary aGk=", "the tag !!binary is not supported: remove it"),
        ("!!set {a}", "the tag !!set is not supported: remove it"),
        ("!env HOME", "the tag !env is not supported: remove it"),
        ("=", "= has a special meaning in YAML; quote it: '='"),
        ("{? [a]: b}", "a key must be text, not a list or mapping"),
        ("{1: b}", "a key must be text, not the number 1: quote it: '1'"),
        ("{no: b}", "a key must be text, not the boolean false: quote it: 'no'"),
        ("{~: b}", "a key must be text, not nothing: quote it: '~'"),
        ("{<<: b}", "<< takes a mapping or a list of mappings"),
    ],
)  # fmt: skip
@scenario("I9", real=True)
def test_i9_tags_and_keys(value: str, message: str) -> None:
    (told,) = errors(with_b(f"values: {{x: {value}}}"))
    assert told.endswith(f": {message}")


@scenario("I10", real=True)
def test_i10_a_misspelt_key_is_answered_with_the_right_one() -> None:
    assert errors(with_b("scpes: {idc: x}")) == ["t.yaml:13:3: clusters[1].scpes: unknown key: did you mean scopes?"]
    assert errors(GOOD.replace("clusters:", "cluser:")) == [
        "t.yaml:1:1: clusters: is missing",
        "t.yaml:6:1: cluser: unknown key: did you mean clusters?",
    ]
    assert errors(with_b("idc: x")) == ["t.yaml:13:3: clusters[1].idc: unknown key here: it belongs into scopes"]


@scenario("I11", real=True)
def test_i11_names_equal_but_for_case_or_blanks() -> None:
    told = errors(GOOD + "- name: B\n  context: x\n  namespace: x\n- name: 'b '\n  context: y\n  namespace: y\n")
    assert [line.split(": ")[2] for line in told if "already" in line] == [
        "there is a cluster 'b' already, on line 10",
        "there is a cluster 'b' already, on line 10",
    ]
    assert sum("must be lower-case" in line for line in told) == 2


@pytest.mark.parametrize("network", ["nonsense", "10.0.0.0/33", "10.0.0.1", "10.0.0.0/8 ", "::/129", "10.0.0/8"])
@scenario("I12", real=True)
def test_i12_what_is_no_network_is_refused(network: str) -> None:
    (told,) = errors(with_b(f"scopes: {{cidrs: ['{network}']}}"))
    assert told.startswith("t.yaml:13:20: clusters[1].scopes.cidrs[0]: ")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "2001:db8::/32", "::/0", "10.0.0.0/32"])
def test_i12_every_network_is_accepted(network: str) -> None:
    assert load(with_b(f"scopes: {{cidrs: ['{network}']}}")).warnings == ()


@scenario("I12", real=True)
def test_i12_a_scope_of_two_clusters_is_warned_of() -> None:
    text = GOOD.replace("- name: b\n", "  scopes: {idc: x, cidrs: [10.0.0.0/8]}\n- name: b\n")
    twice = text + "  scopes: {idc: X, cidrs: [10.0.0.0/8]}\n"
    assert [line.split(": ")[1] for line in warnings(twice)] == [
        "clusters[1].scopes.idc",
        "clusters[1].scopes.cidrs[0]",
    ]


@scenario("I13", real=True)
def test_i13_one_release_for_two_clusters_is_refused() -> None:
    (told,) = errors(GOOD.replace("context: two", "context: one"))
    assert told.endswith("the release dragonfly in namespace dragonfly of context one is that of a already")


KUBECONFIG = "contexts: [{name: there, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://x'}}]\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not found: "),
        (KUBECONFIG, "there"),
        ("contexts: [", "line 1, column 12"),
        ("users: [{name: u, user: {token: canary-pw}}]\ncontexts: 3\n", ""),
        ("[" * 3000, "nests deeper than any kubeconfig"),
    ],
)
@scenario("I14", real=True)
def test_i14_a_context_that_is_not_there_is_named_with_its_file(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PreflightError) as caught:
        open_access(Place("wanted", file))
    told = f"{caught.value} {caught.value.next_step}"
    assert str(file) in told
    assert words in told
    assert "canary-pw" not in told


@pytest.mark.parametrize(("mode", "is_told"), [(0o600, False), (0o640, True), (0o604, True)])
@scenario("I14", real=True)
def test_i14_a_kubeconfig_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, is_told: bool
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    file.chmod(mode)
    with caplog.at_level(logging.WARNING):
        open_access(Place("there", file)).close()
    assert ("others can read the kubeconfig" in caplog.text) is is_told


@pytest.mark.parametrize(
    "password", ["Ab #cd", 'p#w: "x', "1e10", "12345678", "true", "{{ x }}", "$(id)", "short", "x" * 21]
)
@scenario("I15", real=True)
def test_i15_a_password_that_the_chart_or_the_manager_cannot_take_is_refused_unseen(password: str) -> None:
    need = CredentialNeed("root-password", None, "manager.rootPassword")
    with pytest.raises(PreflightError) as caught:
        check_given(need, password)
    assert password not in str(caught.value)
    assert caught.value.why


@pytest.mark.timeout(30)
@scenario("I16", real=True)
def test_i16_fifo_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(TopologyError, match="not a regular file; for standard input give -"):
        load_file(fifo)


@scenario("I16", real=True)
def test_i16_standard_input_is_read_no_further_than_the_limit() -> None:
    program = "from dfmc.topology.load import load_file; load_file('-')"
    source = str(Path(__file__).resolve().parents[2] / "src")
    with Path("/dev/zero").open("rb") as endless:
        run = subprocess.run(
            [sys.executable, "-c", program],
            stdin=endless,
            env={**os.environ, "PYTHONPATH": source},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "<stdin>:1:1: the file is larger than 1 MiB" in run.stderr


def test_credentials_in_addresses_are_not_repeated() -> None:
    text = GOOD.replace("{version: 1.7.4}", "{version: 1.7.4, repository: 'https://me:canary-pw@h/'}").replace(
        "{cluster: a}", "{cluster: a, access: 'htp://me:canary-pw@h'}"
    )
    refused = refusal(text)
    assert [d.rule for d in refused.diagnostics] == ["DF016", "DF016"]
    assert "canary-pw" not in str(refused)


@pytest.mark.timeout(30)
@scenario("I16", real=True)
def test_i16_a_credential_comes_from_a_small_regular_file_alone(tmp_path: Path) -> None:
    need = CredentialNeed("redis-password", None, "manager.redisPassword")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * 5000)
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "real").write_text("Redis-pw_1\n")
    (tmp_path / "link").symlink_to("real")
    for name in ("fifo", "large", "binary", "missing", "."):
        with pytest.raises(PreflightError) as caught:
            read_file(need, tmp_path / name)
        assert caught.value.where == "manager.redisPassword"
    assert read_file(need, tmp_path / "link") == "Redis-pw_1"


LITERAL = ["$(id)", "${HOME}", "$HOME", "{{ .Release.Name }}", "{% raw %}", "`id`", "~/x", "%PATH%", "a\\nb"]


@pytest.mark.parametrize("text", LITERAL)
@scenario("I17", real=True)
def test_i17_text_that_looks_like_a_command_or_a_template_stays_text(text: str) -> None:
    loaded = load_from_text(with_b(f"values: {{client: {{podAnnotations: {{note: '{text}'}}}}}}"), "t.yaml")
    topology = loaded.topology
    member = topology.cluster("b")
    given = ValuesInputs(Registration(2, 2), central_endpoint(topology), central_redis(topology), frozenset())
    values = render_values(topology, member, given)
    assert values["client"]["podAnnotations"] == {"note": text}
    assert json.loads(json.dumps(values["client"]["podAnnotations"])) == {"note": text}
    assert yaml.safe_load(values_yaml(values["client"]))["podAnnotations"] == {"note": text}
