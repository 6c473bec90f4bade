"""Kubeconfigs whose contexts lead through proxies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml


def redirected(kubeconfig: Path, servers: Mapping[str, str], target: Path) -> Path:
    """Write a copy of a kubeconfig in which some contexts have another server, and return its path.

    Args:
        kubeconfig: The original; it stays as it is.
        servers: URL by context name. A context that shares its cluster entry gets one of its own.
        target: The copy, readable by the user alone.
    """
    document = yaml.safe_load(kubeconfig.read_text())
    clusters = {one["name"]: one["cluster"] for one in document["clusters"]}
    for context in document["contexts"]:
        url = servers.get(context["name"])
        if url is None:
            continue
        name = f"{context['name']}-through-a-proxy"
        cluster = {**clusters[context["context"]["cluster"]], "server": url}
        document["clusters"].append({"name": name, "cluster": cluster})
        context["context"] = {**context["context"], "cluster": name}
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(document, sort_keys=False))
    return target
