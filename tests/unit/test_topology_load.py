"""Loading: what the words are, where they point, how defaults and aliases work."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from dfmc.errors import TopologyError
from dfmc.topology.load import load_file, load_text
from dfmc.topology.model import OFFICIAL_REPOSITORY
from scenarios import scenario
from topology_texts import CLUSTERS, GOOD, HEAD, errors, load, refusal, with_b


def test_good_file_loads_with_defaults_written_out() -> None:
    topology = load(GOOD).topology
    assert topology.chart.repository == OFFICIAL_REPOSITORY
    assert [c.name for c in topology.clusters] == ["a", "b"]
    assert topology.central.name == "a"
    assert [c.name for c in topology.members] == ["b"]
    assert topology.clusters[0].release == "dragonfly"


def test_chart_path_leaves_no_repository() -> None:
    chart = load(GOOD.replace("{version: 1.7.4}", "{version: 1.7.4, path: ./d.tgz}")).topology.chart
    assert (chart.path, chart.repository) == ("./d.tgz", None)


GOLDEN = [
    # unknown keys
    (with_b("contxt: x"), "t.yaml:13:3: clusters[1].contxt: unknown key: did you mean context?"),
    (with_b("node_selector: {}"), "t.yaml:13:3: clusters[1].node_selector: unknown key: did you mean nodeSelector?"),
    (with_b("idc: x"), "t.yaml:13:3: clusters[1].idc: unknown key here: it belongs into scopes"),
    (
        with_b("host: {zone: x}"),
        "t.yaml:13:10: clusters[1].host.zone: unknown key: known are idc, location",
    ),
    (GOOD + "cluser: 1\n", "t.yaml:13:1: cluser: unknown key: did you mean clusters?"),
    # text that YAML 1.1 takes for something else
    (
        with_b("scopes: {idc: no}"),
        "t.yaml:13:12: clusters[1].scopes.idc: must be text, but unquoted this is the boolean false: quote it: 'no'",
    ),
    (
        with_b("images: {client: {tag: 2.10}}"),
        "t.yaml:13:21: clusters[1].images.client.tag: must be text, but unquoted this is the number 2.1: "
        "quote it: '2.10'",
    ),
    (
        with_b("scopes: {idc: 0755}"),
        "t.yaml:13:12: clusters[1].scopes.idc: must be text, but unquoted this is the number 493: quote it: '0755'",
    ),
    (
        with_b("scopes: {idc: 22:22}"),
        "t.yaml:13:17: clusters[1].scopes.idc: this is read as a number in base 60; quote it: '22:22'",
    ),
    (
        with_b("scopes: {idc: 2025-01-01}"),
        "t.yaml:13:17: clusters[1].scopes.idc: this is read as a date; quote it: '2025-01-01'",
    ),
    (with_b("labels: {a: on}"),
     "t.yaml:13:12: clusters[1].labels.a: must be text, but unquoted this is the boolean true: quote it: 'on'"),
    # wrong types and ranges
    (with_b("scopes: {cidrs: 10.0.0.0/8}"),
     "t.yaml:13:12: clusters[1].scopes.cidrs: must be a list, not the text '10.0.0.0/8': write [10.0.0.0/8]"),
    (with_b("scopes: x"), "t.yaml:13:3: clusters[1].scopes: must be a mapping (key: value), not the text 'x'"),
    (with_b("scopes: [x]"), "t.yaml:13:3: clusters[1].scopes: must be a mapping (key: value), not a list"),
    (with_b("metrics: 'yes'"), "t.yaml:13:3: clusters[1].metrics: must be true or false, not the text 'yes'"),
    (with_b("replicas: {scheduler: '3'}"),
     "t.yaml:13:14: clusters[1].replicas.scheduler: must be a whole number, not the text '3': remove the quotes"),
    (with_b("replicas: {scheduler: 1.5}"),
     "t.yaml:13:14: clusters[1].replicas.scheduler: must be a whole number, not the number 1.5"),
    (with_b("replicas: {scheduler: -1}"),
     "t.yaml:13:14: clusters[1].replicas.scheduler: must be at least 0, not the number -1"),
    (with_b("pprofPort: 70000"), "t.yaml:13:3: clusters[1].pprofPort: must be at most 65535, not the number 70000"),
    (with_b("runtime: {type: crio}"),
     "t.yaml:13:13: clusters[1].runtime.type: must be one of auto, containerd, containerd-no-cri, cri-o, docker, "
     "podman, none, not the text 'crio': did you mean cri-o?"),
    (with_b("scopes: {idc: ''}"), "t.yaml:13:12: clusters[1].scopes.idc: must not be empty"),
    (GOOD.replace("version: 1.7.4", "version: 1.7"),
     "t.yaml:4:9: chart.version: must be text, but unquoted this is the number 1.7: quote it: '1.7'"),
    (GOOD.replace("version: 1.7.4", "version: v1.7.4"),
     "t.yaml:4:9: chart.version: must be a whole version like 1.7.4, not the text 'v1.7.4'"),
    (GOOD.replace("version: 1.7.4", "version: 1.7.4, path: x, repository: 'http://h/'"),
     "t.yaml:4:1: chart: give repository or path, not both"),
    (GOOD.replace("{cluster: a}", "{cluster: a, jwtKey: {env: A, file: b}}"),
     "t.yaml:5:23: manager.jwtKey: give exactly one of env, file, secret"),
    (GOOD.replace("{cluster: a}", "{cluster: a, jwtKey: {secret: x}}"),
     "t.yaml:5:32: manager.jwtKey.secret: must be NAMESPACE/NAME#KEY"),
    (GOOD.replace("{cluster: a}", "{cluster: a, expose: {restNodePort: 30950}}"),
     "t.yaml:5:23: manager.expose: node ports need type: NodePort or LoadBalancer"),
    (HEAD + "clusters: []\n", "t.yaml:6:1: clusters: must not be empty"),
    (HEAD, "t.yaml:1:1: clusters: is missing"),
    # names
    (GOOD.replace("name: b", "name: B"),
     "t.yaml:10:3: clusters[1].name: must be lower-case letters, digits and '-', with a letter or digit at both "
     "ends, not the text 'B'"),
    (GOOD.replace("name: b", f"name: {'b' * 41}"),
     "t.yaml:10:3: clusters[1].name: must be at most 40 characters long"),
    (GOOD.replace("  context: two\n", ""), "t.yaml:10:3: clusters[1].context: is missing"),
    (GOOD.replace("  context: two\n", "  context:\n"), "t.yaml:11:3: clusters[1].context: is empty: give it a value"),
    # what the file is at all
    (GOOD.replace("dfmc.io/v1alpha1", "dfmc.io/v1"),
     "t.yaml:1:1: apiVersion: 'dfmc.io/v1' is not supported: this dfmc reads dfmc.io/v1alpha1, or use a newer dfmc"),
    (GOOD.replace("dfmc.io/v1alpha1", "v1"),
     "t.yaml:1:1: apiVersion: 'v1' is not supported: this dfmc reads dfmc.io/v1alpha1"),
    (GOOD.replace("apiVersion: dfmc.io/v1alpha1\n", ""),
     "t.yaml:1:1: apiVersion: is missing: add apiVersion: dfmc.io/v1alpha1"),
    (GOOD.replace("kind: Topology", "kind: Service"), "t.yaml:2:1: kind: must be Topology, not the text 'Service'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), GOLDEN, ids=[message[7:60] for _, message in GOLDEN])
def test_mistake_is_told_with_its_place(text: str, message: str) -> None:
    assert errors(text) == [message]


@pytest.mark.parametrize("field", ["rootPassword", "jwtKey", "redisPassword", "databasePassword"])
@pytest.mark.parametrize("written", ["canary-7", "[canary-7]", "{secret: canary-7}", "{env: 12345678}"])
def test_a_credential_written_into_the_file_is_refused_without_being_repeated(field: str, written: str) -> None:
    found = errors(GOOD.replace("{cluster: a}", f"{{cluster: a, {field}: {written}}}"))
    assert len(found) == 1
    assert f"manager.{field}" in found[0]
    assert "canary" not in found[0]
    assert "12345678" not in found[0]


def test_every_problem_comes_at_once_in_the_files_order() -> None:
    text = with_b("contxt: x", "scopes: {idc: no, cidrs: [nonsense]}", "labels: {}", "labels: {}").replace(
        "cluster: a", "cluster: z"
    )
    assert errors(text) == [
        "t.yaml:5:11: manager.cluster: no entry of clusters is called 'z': there are a, b",
        "t.yaml:13:3: clusters[1].contxt: unknown key: did you mean context?",
        "t.yaml:14:12: clusters[1].scopes.idc: must be text, but unquoted this is the boolean false: quote it: 'no'",
        "t.yaml:14:29: clusters[1].scopes.cidrs[0]: 'nonsense' is no network like 10.0.0.0/8",
        "t.yaml:16:3: clusters[1].labels: the key is given twice; the first one is at line 15, column 3",
    ]


def test_refusal_says_how_many_and_what_to_type() -> None:
    refused = refusal(with_b("contxt: x", "nme: y"))
    assert refused.exit_code == 3
    assert refused.what == "t.yaml has 2 errors"
    assert refused.next_step == "correct the file, then: dfmc validate t.yaml"
    with pytest.raises(TopologyError) as caught:
        load_text("", "<stdin>")
    assert caught.value.next_step == "correct the file, then: dfmc validate -"


def test_warnings_come_with_the_errors() -> None:
    refused = refusal(with_b("scopes: {cidrs: [10.0.0.1/8, x]}"))
    assert [d.severity for d in refused.diagnostics] == ["warning", "error"]


def test_hundreds_of_errors_are_cut_short() -> None:
    shown = refusal(with_b(*(f"k{i}: 1" for i in range(300)))).diagnostics
    assert len(shown) == 201
    assert shown[-1].message == "and 100 more errors below"


DEFAULTS = """\
defaults:
  nodeSelector: {zone: z, disk: ssd}
  tolerations: [{key: a}]
  metrics: true
  values: {client: {x: 1, y: 2}}
"""


def test_defaults_lie_under_every_entry_by_helms_rules() -> None:
    text = with_b(
        "nodeSelector: {disk: hdd, zone: null}",
        "tolerations: []",
        "metrics:",
        "values: {client: {x: null}}",
        head=HEAD + DEFAULTS,
    )
    a, b = load(text).topology.clusters
    assert dict(a.node_selector) == {"zone": "z", "disk": "ssd"}
    assert a.tolerations == ({"key": "a"},)
    assert (a.metrics, b.metrics) == (True, None)
    assert dict(b.node_selector) == {"disk": "hdd"}
    assert b.tolerations == ()
    # Below values a null is the user's word to helm: it takes the chart's own default away.
    assert b.values == {"client": {"x": None, "y": 2}}


def test_entry_may_inherit_where_it_is() -> None:
    text = HEAD + "defaults: {context: kind-kind}\nclusters:\n- {name: a, namespace: x}\n- {name: b, namespace: y}\n"
    assert [c.context for c in load(text).topology.clusters] == ["kind-kind", "kind-kind"]


def test_mistake_in_defaults_is_told_once_and_there() -> None:
    text = HEAD + "defaults:\n  labels: {a: no}\n  runtim: {}\n  scopes: {idc: a b}\n" + CLUSTERS
    assert errors(text) == [
        "t.yaml:7:12: defaults.labels.a: must be text, but unquoted this is the boolean false: quote it: 'no'",
        "t.yaml:8:3: defaults.runtim: unknown key: did you mean runtime?",
        "t.yaml:9:12: defaults.scopes.idc: the element 'a b' holds a blank: the manager compares it as it stands, "
        "blanks and all",
    ]


def test_default_removed_by_a_null_is_not_checked_in_that_entry() -> None:
    defaults = "defaults: {tracing: {type: otlp}}\n"
    assert errors(HEAD + defaults + CLUSTERS + "  tracing: null\n") == [
        "t.yaml:6:12: defaults.tracing: type: otlp needs an endpoint (a has none)"
    ]


def test_empty_parts_are_left_out_parts() -> None:
    assert load(HEAD + "defaults:\n" + CLUSTERS + "  scopes:\n  values:\n").topology.clusters[1].values == {}


def test_positions_lead_to_keys_items_and_inherited_places() -> None:
    loaded = load(with_b("scopes: {cidrs: [10.0.0.0/8, 10.1.0.0/16]}", head=HEAD + DEFAULTS))
    assert loaded.position(()) == (1, 1)
    assert loaded.position(("clusters", 1)) == (15, 3)
    assert loaded.position(("clusters", 1, "scopes", "cidrs", 1)) == (18, 32)
    assert loaded.position(("clusters", 1, "values", "client", "y")) == (10, 27)
    assert loaded.position(("clusters", 1, "values", "nothing", "here")) == (10, 3)
    inherited = loaded.diagnose(("clusters", 1, "values", "client", "y"), "m", "warning", "DF999")
    assert str(inherited) == "t.yaml:10:27: defaults.values.client.y: m"
    assert (inherited.severity, inherited.rule) == ("warning", "DF999")


def test_odd_keys_are_quoted_in_paths() -> None:
    shown = load(with_b("values: {a.b/c: {d: 1}}")).diagnose(("clusters", 1, "values", "a.b/c", "d"), "m")
    assert shown.path == 'clusters[1].values["a.b/c"].d'


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = HEAD + (
        "clusters:\n"
        "- &a\n  name: a\n  context: one\n  namespace: &ns dragonfly\n  labels: &l {x: '1', y: '2'}\n"
        "- <<: *a\n  name: b\n  context: two\n  namespace: *ns\n  labels: {<<: [*l, {z: '9', x: '8'}], y: '3'}\n"
    )
    b = load(text).topology.clusters[1]
    assert (b.name, b.context, b.namespace) == ("b", "two", "dragonfly")
    assert dict(b.labels) == {"x": "1", "y": "3", "z": "9"}


def test_explicit_string_tag_is_as_good_as_quotes() -> None:
    assert load(with_b("scopes: {idc: !!str no}")).topology.clusters[1].scopes.idc == "no"


@scenario("I17", real=True)
def test_nothing_is_expanded() -> None:
    b = load(with_b("values: {a: '$(id)', b: '${HOME}', c: '{{ .Values.x }}', d: $HOME}")).topology.clusters[1]
    assert b.values == {"a": "$(id)", "b": "${HOME}", "c": "{{ .Values.x }}", "d": "$HOME"}


def test_line_ends_and_byte_order_mark_do_not_matter() -> None:
    plain = load(GOOD)
    for text in (GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD):
        loaded = load(text)
        assert loaded.topology == plain.topology
        assert loaded.text == text
        assert loaded.position(("clusters", 1, "context")) == (11, 3)


def test_json_is_a_topology_too() -> None:
    text = (
        '{"apiVersion": "dfmc.io/v1alpha1", "kind": "Topology", "metadata": {"name": "j"}, "chart": {"version": '
        '"1.7.4"}, "manager": {"cluster": "a"}, "clusters": [{"name": "a", "context": "x", "namespace": "n"}]}'
    )
    assert load(text).topology.metadata.name == "j"


def test_file_and_stdin_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.yaml"
    file.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert load_file(file).file == str(file)
    assert load_file(str(file)).text.count("\r\n") == GOOD.count("\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(GOOD.encode())))
    assert load_file("-").file == "<stdin>"


def test_symlink_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(GOOD)
    (tmp_path / "t.yaml").symlink_to("real.yaml")
    assert load_file(tmp_path / "t.yaml").topology.metadata.name == "guide"


def test_missing_file_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(TopologyError) as caught:
        load_file(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml:1:1: there is no such file"
    assert caught.value.next_step == f"dfmc init {tmp_path}/none.yaml; or name another file: -f FILE, or DFMC_FILE"


def test_unreadable_things_are_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    for path, message in [
        (str(tmp_path), "is a directory, not a regular file; for standard input give -"),
        (str(loop), "cannot be read: Too many levels of symbolic links"),
        ("a\0b", "cannot be read: embedded null byte"),
        (str(tmp_path / ("x" * 300)), "cannot be read: File name too long"),
        ("/dev/null", "is a pipe, socket or device, not a regular file; for standard input give -"),
    ]:
        with pytest.raises(TopologyError) as caught:
            load_file(path)
        assert caught.value.diagnostics[0].message == message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_without_permission_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(GOOD)
    file.chmod(0)
    with pytest.raises(TopologyError, match="Permission denied"):
        load_file(file)


@scenario("N11", real=True)
def test_owned_values_are_refused_while_loading() -> None:
    with pytest.raises(
        TopologyError, match=r"t\.yaml:13:22: clusters\[1\]\.values\.manager\.enable: dfmc sets this key"
    ):
        load_text(with_b("values: {manager: {enable: false}}"), "t.yaml", owned_paths=["manager.enable"])


def test_thousand_clusters_load_well_under_a_second() -> None:
    entries = "".join(
        f"- name: c{i}\n  context: kind-kind\n  namespace: n{i}\n  nodeSelector: {{cluster: c{i}}}\n"
        f"  scopes: {{idc: idc-{i}, cidrs: [10.{i // 256}.{i % 256}.0/24]}}\n"
        for i in range(1000)
    )
    text = HEAD.replace("cluster: a", "cluster: c0") + "clusters:\n" + entries
    started = time.process_time()
    assert len(load(text).topology.clusters) == 1000
    assert time.process_time() - started < 1.0
