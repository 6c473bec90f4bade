"""Whatever the text: a topology or a TopologyError with positions, soon. Never anything else.

``DFMC_FUZZ_EXAMPLES=100000 pytest tests/unit/test_topology_fuzz.py`` runs as many inputs per test; the default is a
sample. The runs are derandomized, so a failure repeats; with DFMC_FUZZ_SEED they start from that seed instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from dfmc.errors import TopologyError
from dfmc.topology.load import LoadedTopology, load_file, load_text

EXAMPLES = int(os.environ.get("DFMC_FUZZ_EXAMPLES", "150"))
SEED = os.environ.get("DFMC_FUZZ_SEED")
GUIDE = (Path(__file__).resolve().parents[2] / "examples" / "guide" / "topology.yaml").read_text()
LINES = GUIDE.splitlines(keepends=True)
TOKENS = [
    *"[]{}:,-?&*!|>'\"%@`#\\ \n\t\r", "- ", ": ", "\r\n", "&a ", "*a", "<<: *a", "!!str ", "!!int ", "!x ",
    "'no'", "no", "010", "22:22", "1e10", ".inf", "~", "=", "2025-01-01", "9" * 400,
    "\ufeff", "\x00", "\ud800", "\x85", "\u2028", "é",
    "---\n", "...\n", "%YAML 1.1\n", "clusters:\n", "  name: a\n", "defaults: ", "apiVersion: dfmc.io/v1alpha1\n",
]  # fmt: skip
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=SEED is None,
    deadline=5000,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def seeded(test: Any) -> Any:
    return seed(int(SEED))(test) if SEED else test


def answer(load: Callable[[], LoadedTopology]) -> LoadedTopology | TopologyError:
    try:
        return load()
    except TopologyError as error:
        return error


def expect_answer(text: str) -> LoadedTopology | None:
    given = answer(lambda: load_text(text, "topology.yaml"))
    if not isinstance(given, TopologyError):
        return given
    assert given.diagnostics
    assert list(given.diagnostics) == sorted(given.diagnostics)
    for diagnostic in given.diagnostics:
        assert diagnostic.line >= 1
        assert diagnostic.column >= 1
        assert str(diagnostic).isprintable()
        assert len(str(diagnostic)) < 1000
    return None


@seeded
@bounded
@given(st.text())
@example("\ud800")
@example('a: "\\ud800"')
def test_any_text(text: str) -> None:
    expect_answer(text)


@seeded
@bounded
@given(st.binary(max_size=400))
@example(b"\xff\xfea\x00")
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(content)
    given = answer(lambda: load_file(file))
    assert not isinstance(given, TopologyError) or given.diagnostics


@seeded
@bounded
@given(st.lists(st.sampled_from(TOKENS), max_size=60).map("".join))
def test_any_mixture_of_yaml_tokens(text: str) -> None:
    expect_answer(text)


@seeded
@bounded
@given(st.data())
def test_guide_with_lines_spoilt(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = data.draw(st.integers(0, len(line)))
        kept = data.draw(st.integers(cut, len(line)))
        lines[at] = line[:cut] + "".join(data.draw(st.lists(st.sampled_from(TOKENS), max_size=3))) + line[kept:]
    expect_answer("".join(lines))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "a", "no", "10.0.0.0/8", "a|b", "{{x}}"])
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abxy"), inner, max_size=3)
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


FULL = yaml.safe_load(
    GUIDE
    + """\
  host: {idc: cluster-2, location: a|b}
  membership: id
  tolerations: [{key: a, operator: Exists}]
  resources: {client: {limits: {cpu: 1}}}
  images: {registry: r.example, client: {tag: v1}}
  persistence: {seedPeer: {size: 5Gi}}
  tracing: {type: otlp, endpoint: 'h:4317', headers: {a: b}}
  values: {client: {x: [1, {y: null}]}}
"""
)
FULL["manager"] |= {
    "database": {"host": "db", "password": {"env": "X"}},
    "redis": {"addresses": ["r:6379"]},
    "ingress": {"hosts": ["h"], "tls": [{"secretName": "s"}]},
}


def test_full_document_is_a_topology() -> None:
    assert expect_answer(yaml.safe_dump(FULL)) is not None


@seeded
@bounded
@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    document = yaml.safe_load(yaml.safe_dump(FULL))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(document)))
        holder = document
        for step in way:
            holder = holder[step]
        holder[last] = data.draw(trees)
    expect_answer(yaml.safe_dump(document))


def test_pure_loader_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = expect_answer(GUIDE)
    monkeypatch.setattr("dfmc.topology.parse._LOADER", yaml.SafeLoader)
    slow = expect_answer(GUIDE)
    assert fast is not None
    assert slow is not None
    assert slow.topology == fast.topology
    assert slow.position(("clusters", 1, "scopes", "idc")) == fast.position(("clusters", 1, "scopes", "idc"))
    for text in ('a: "\\UFFFFFFFF"', 'a: "\\ud800"', "a: [\t", "[" * 3000, "a: *b", "a: {b"):
        assert expect_answer(text) is None
