"""The bed's kubeconfig: what kind wrote for each cluster, under the context names that the topology uses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from dfmc.testbed.kind.plan import KindCluster

CONTEXT_PREFIX = "kind-"


def merged_kubeconfig(written: Sequence[tuple[KindCluster, str]]) -> str:
    """Return one kubeconfig; clusters and users keep the names that kind gives them, the first context is current.

    Args:
        written: Each cluster with the text of the kubeconfig that kind wrote for it alone.
    """
    merged: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": written[0][0].context,
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for cluster, text in written:
        config = yaml.load(text, Loader=yaml.CSafeLoader)
        for part in ("clusters", "users"):
            merged[part] += config[part]
        own = f"{CONTEXT_PREFIX}{cluster.name}"
        context = next(entry["context"] for entry in config["contexts"] if entry["name"] == own)
        merged["contexts"].append({"name": cluster.context, "context": context})
    return yaml.dump(merged, Dumper=yaml.CSafeDumper, sort_keys=False)


def servers(kubeconfig: str) -> dict[str, str]:
    """Return the API server's URL of each context."""
    config = yaml.load(kubeconfig, Loader=yaml.CSafeLoader)
    urls = {entry["name"]: str(entry["cluster"]["server"]) for entry in config["clusters"]}
    return {entry["name"]: urls[entry["context"]["cluster"]] for entry in config["contexts"]}
