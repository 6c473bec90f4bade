"""Whatever the text: a topology or a TopologyError with positions, soon. Never anything else.

    DFMC_FUZZ_EXAMPLES=100000 pytest -s tests/unit/test_topology_fuzz.py

runs that many inputs in all (``make fuzz``) and prints how many there were; the default is a sample. The runs are
derandomized, so a failure repeats; with DFMC_FUZZ_SEED they start from that seed instead.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from dfmc.cli import main
from dfmc.errors import TopologyError
from dfmc.topology.load import LoadedTopology, load_file, load_text
from scenarios import scenario

EXAMPLES = int(os.environ.get("DFMC_FUZZ_EXAMPLES", "900"))
SEED = os.environ.get("DFMC_FUZZ_SEED")
GUIDE = (Path(__file__).resolve().parents[2] / "examples" / "guide" / "topology.yaml").read_text()
LINES = GUIDE.splitlines(keepends=True)
TOKENS = [
    *"[]{}:,-?&*!|>'\"%@`#\\ \n\t\r", "- ", ": ", "\r\n", "&a ", "*a", "<<: *a", "!!str ", "!!int ", "!x ",
    "'no'", "no", "010", "22:22", "1e10", ".inf", "~", "=", "2025-01-01", "9" * 400,
    "\ufeff", "\x00", "\ud800", "\x85", "\u2028", "é",
    "---\n", "...\n", "%YAML 1.1\n", "clusters:\n", "  name: a\n", "defaults: ", "apiVersion: dfmc.io/v1alpha1\n",
]  # fmt: skip
# A long run takes longer than one test may; each input stays bounded by the loader's own limits.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 10_000 else 0)
done: Counter[str] = Counter()


def part(percent: int) -> settings:
    """This test's share of all inputs."""
    return settings(
        max_examples=max(1, EXAMPLES * percent // 100),
        derandomize=SEED is None,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


@pytest.fixture(scope="module", autouse=True)
def told() -> Iterator[None]:
    """Prints how many inputs there were; seen with ``-s``."""
    yield
    print(f"\n{done.total():,} inputs: " + ", ".join(f"{name} {count:,}" for name, count in done.items()))  # noqa: T201


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
@part(15)
@given(st.text())
@example("\ud800")
@example('a: "\\ud800"')
def test_any_text(text: str) -> None:
    done["text"] += 1
    expect_answer(text)


@seeded
@part(20)
@given(st.binary(max_size=400))
@example(b"\xff\xfea\x00")
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    done["bytes"] += 1
    file = tmp_path / "topology.yaml"
    file.write_bytes(content)
    given = answer(lambda: load_file(file))
    assert not isinstance(given, TopologyError) or given.diagnostics


@seeded
@part(20)
@given(st.lists(st.sampled_from(TOKENS), max_size=60).map("".join))
def test_any_mixture_of_yaml_tokens(text: str) -> None:
    done["tokens"] += 1
    expect_answer(text)


@seeded
@part(20)
@given(st.data())
def test_guide_with_lines_spoilt(data: st.DataObject) -> None:
    done["lines spoilt"] += 1
    expect_answer(spoilt(data))


def spoilt(data: st.DataObject) -> str:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = data.draw(st.integers(0, len(line)))
        kept = data.draw(st.integers(cut, len(line)))
        lines[at] = line[:cut] + "".join(data.draw(st.lists(st.sampled_from(TOKENS), max_size=3))) + line[kept:]
    return "".join(lines)


@seeded
@part(15)
@given(st.data())
@scenario("I5", real=True)
def test_validate_as_a_command_on_any_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """The command itself: 0 or 3, whatever the file holds, and never a traceback."""
    done["validate"] += 1
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    content = data.draw(st.binary(max_size=400)) if data.draw(st.booleans()) else spoilt_bytes(data)
    file = tmp_path / "topology.yaml"
    file.write_bytes(content)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["validate", str(file)])
    assert code in (0, 3), err.getvalue()
    assert "Traceback" not in out.getvalue() + err.getvalue()
    assert (code == 0) == ("✓" in out.getvalue())


def spoilt_bytes(data: st.DataObject) -> bytes:
    content = spoilt(data).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(0, len(content)))
    return content[:at] + data.draw(st.binary(max_size=8)) + content[at:]


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
@part(10)
@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    done["values misplaced"] += 1
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
