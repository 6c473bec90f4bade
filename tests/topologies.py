"""Topologies for tests, made from a few lines instead of a file each."""

from __future__ import annotations

from typing import Any

from dfmc.topology.model import Topology


def topology(**changes: Any) -> Topology:
    """Return the guide's two clusters; ``changes`` replace top-level parts."""
    document: dict[str, Any] = {
        "apiVersion": "dfmc.io/v1alpha1",
        "kind": "Topology",
        "metadata": {"name": "guide"},
        "chart": {"repository": "https://charts.example/", "version": "1.7.4"},
        "manager": {"cluster": "a"},
        "clusters": [entry("a"), entry("b", scopes={"idc": "cluster-2"})],
    }
    return Topology.model_validate(document | changes)


def entry(name: str, **more: Any) -> dict[str, Any]:
    """Return one entry of ``clusters``."""
    return {
        "name": name,
        "context": "kind-kind",
        "namespace": f"cluster-{name}",
        "nodeSelector": {"cluster": name},
        **more,
    }
