"""Topology files as text, for tests that care about positions."""

from __future__ import annotations

import pytest

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
