"""Topology files as text, for tests that care about positions."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from dfmc.errors import TopologyError
from dfmc.topology.load import LoadedTopology, load_text

HEAD = """\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: guide}
chart: {version: 1.7.4}
manager: {cluster: a}
"""
CLUSTERS = """\
clusters:
- name: a
  context: one
  namespace: dragonfly
- name: b
  context: two
  namespace: dragonfly
"""
GOOD = HEAD + CLUSTERS


def with_b(*lines: str, head: str = HEAD) -> str:
    """The two clusters with more lines in b's entry."""
    return head + CLUSTERS + "".join(f"  {line}\n" for line in lines)


def load(text: str) -> LoadedTopology:
    return load_text(text, "t.yaml")


def refusal(text: str) -> TopologyError:
    with pytest.raises(TopologyError) as caught:
        load(text)
    return caught.value


def errors(text: str) -> list[str]:
    """What a refused file is told, one line each."""
    return [str(diagnostic) for diagnostic in refusal(text).diagnostics if diagnostic.severity == "error"]


def warnings(text: str) -> list[str]:
    """What an accepted file is told."""
    return [str(warning) for warning in load(text).warnings]


# --- generated files ------------------------------------------------------------------------------------------

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
comments = st.sampled_from(["", "  # a comment", " # - name: x", "\t# tab", "   "])
fillers = st.lists(st.sampled_from(["", "# top", "  # in", "      # deep", "   "]), max_size=3)


@st.composite
def flow_files(draw: st.DrawFn) -> str:
    """A topology whose entries are a flow list, on one line or many, with and without a comma at the end."""
    gap = draw(st.sampled_from(["", " ", "\n  ", "\n\n    ", "  # a comment\n   "]))
    entries = [f"{{name: {name}, context: 'x{name}', namespace: n{name}}}" for name in "abd"[: draw(st.integers(1, 3))]]
    if draw(st.booleans()):
        entries = [entry.replace("{", "{\n     ").replace(", ", ",\n     ") for entry in entries]
    comma = draw(st.sampled_from(["", ",", " ,", "\n  ,", ", # after"]))
    end = draw(st.sampled_from(["", " ", "\n ", " # last\n  "]))
    if comma.endswith("# after") and "\n" not in end:
        end = "\n "
    after = draw(st.sampled_from(["", "\n", " # end\n", "\ndefaults: {metrics: true}\n"]))
    text = HEAD + f"clusters:{gap or ' '}[{gap}" + f",{gap}".join(entries) + comma + end + "]" + after
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@st.composite
def block_files(draw: st.DrawFn) -> str:
    """A topology with odd indentation, comments, anchors, flow and block, and either kind of line ends."""
    dash, gap, step = draw(st.integers(0, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    lines = [*HEAD.splitlines(), "clusters:" + draw(st.sampled_from(["", " &all", " # here"]))]
    for index in range(draw(st.integers(1, 3))):
        name = "abd"[index]
        indent = " " * (dash + 1 + gap)
        anchored = draw(st.booleans()) and index == 0
        entry = [f"name: {name}", f"context: 'x{index}'", f"namespace: n{index}"]
        nested = draw(st.sampled_from(["none", "flow", "block", "list", "scalar", "empty"]))
        key = {
            "none": [],
            "flow": ["labels: {a: b, c: 'd'}"],
            "block": ["labels:" + (" &l" if anchored else ""), " " * step + "a: b"],
            "list": ["scopes:", " " * step + "hostnames:", " " * step + "- a", " " * step + "- 'b # c'"],
            "scalar": ["values:", " " * step + "x: |", " " * step + "   text", " " * step + "   # text"],
            "empty": ["scopes:"],
        }[nested]
        lines += draw(fillers) if index else []
        if draw(st.booleans()) and nested in ("none", "flow"):
            lines.append(" " * dash + "-" + " " * gap + "{" + ", ".join(entry) + "}")
        else:
            first, *rest = [*entry, *key]
            lines.append(" " * dash + "-" + " " * gap + first)
            lines += [indent + line for line in rest]
        if nested != "scalar":
            lines[-1] += draw(comments)
    lines += draw(fillers)
    if draw(st.booleans()):
        lines.append("defaults: {metrics: true}")
    if lines[-1].endswith("   # text"):
        lines.append("")  # a text block that ends with the file has no room for a line after it
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines)
    return draw(st.sampled_from(["", "\ufeff"])) + text + draw(st.sampled_from(["\n", "\r\n", ""]))


new_entries = st.fixed_dictionaries(
    {"name": names.map(lambda name: f"new-{name}"), "context": texts, "namespace": names},
    optional={
        "labels": st.dictionaries(texts, texts, max_size=3),
        "scopes": st.fixed_dictionaries({}, optional={"idc": texts, "cidrs": st.lists(texts, max_size=3)}),
        "values": st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**60), 2**60)
            | st.floats(allow_nan=False, allow_infinity=False)
            | texts,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
            max_leaves=6,
        ),
    },
)
