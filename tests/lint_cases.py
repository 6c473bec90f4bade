"""The examples of `dfmc explain` as whole files: each rule's fixture that triggers it, and one that does not."""

from __future__ import annotations

import re

BASE = {
    "apiVersion": "apiVersion: dfmc.io/v1alpha1\n",
    "kind": "kind: Topology\n",
    "metadata": "metadata: {name: x}\n",
    "chart": "chart: {version: 1.7.4}\n",
    "manager": "manager: {cluster: a}\n",
    "defaults": "",
    "clusters": (
        "clusters:\n"
        "- {name: a, context: one, namespace: cluster-a, nodeSelector: {cluster: a}}\n"
        "- name: b\n"
        "  context: one\n"
        "  namespace: cluster-b\n"
        "  nodeSelector: {cluster: b}\n"
    ),
}


def whole_file(example: str) -> str:
    """A topology in which an example stands where it belongs: at the top, or in the entry b."""
    parts = dict(BASE)
    for part in re.findall(r"^[A-Za-z].*\n(?:[ -].*\n)*", example.rstrip("\n") + "\n", re.MULTILINE):
        key = part.partition(":")[0]
        if key in parts:
            parts[key] = part
        else:
            parts["clusters"] += re.sub(r"^", "  ", part, flags=re.MULTILINE).rstrip(" ")
    # An example that brings its clusters need not repeat who runs the manager.
    if parts["clusters"] != BASE["clusters"] and "name: a," not in parts["clusters"]:
        parts["clusters"] = parts["clusters"].replace(
            "clusters:\n", "clusters:\n- {name: a, context: kind-a, namespace: dragonfly}\n", 1
        )
    return "".join(parts.values())
