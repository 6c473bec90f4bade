"""Roles as YAML, one file's worth for each Kubernetes cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from dfmc.topology.model import ClusterSpec


def roles_yaml(objects: Sequence[tuple[ClusterSpec, Sequence[Mapping[str, Any]]]]) -> str:
    """Return all clusters' objects as one YAML stream; a comment before each says into which context it goes."""
    parts = []
    for cluster, of_cluster in objects:
        comment = f"# cluster {cluster.name}: kubectl --context {cluster.context} apply -f -\n"
        parts += [comment + yaml.safe_dump(dict(of_cluster[0]), sort_keys=False)]
        parts += [yaml.safe_dump(dict(one), sort_keys=False) for one in of_cluster[1:]]
    return "---\n".join(parts)
