"""The topology file as the bed sees it: which contexts and nodes it needs, and the copy that points at the bed. Pure.

The file is read as plain YAML here, without the model: the bed serves files that the tool itself would refuse, too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dfmc.errors import Diagnostic, PreflightError, TopologyError
from dfmc.testbed.plan import ClusterNeed

DEFAULT_CONTEXT = "kind-kind"
DEFAULT_VERSION = "1.7.4"

GUIDE_TOPOLOGY: Mapping[str, Any] = {
    "apiVersion": "dfmc.io/v1alpha1",
    "kind": "Topology",
    "metadata": {"name": "guide"},
    "chart": {"name": "dragonfly", "version": DEFAULT_VERSION},
    "manager": {
        "cluster": "a",
        "expose": {"type": "NodePort", "restNodePort": 30950, "grpcNodePort": 30951, "redisNodePort": 30952},
        "access": "port-forward",
    },
    "clusters": [
        {
            "name": "a",
            "context": DEFAULT_CONTEXT,
            "namespace": "cluster-a",
            "nodeSelector": {"cluster": "a"},
        },
        {
            "name": "b",
            "context": DEFAULT_CONTEXT,
            "namespace": "cluster-b",
            "nodeSelector": {"cluster": "b"},
            "scopes": {"idc": "cluster-2"},
        },
    ],
}
"""The guide's two clusters in one Kubernetes cluster."""


@dataclass(frozen=True)
class ChartSource:
    """What the copy's ``chart`` says: a repository's URL, a path, or (both empty) what the file itself says."""

    repository: str = ""
    path: str = ""


def topology_source(file: Path | None, otherwise: Mapping[str, Any] = GUIDE_TOPOLOGY) -> tuple[str, str, Path]:
    """Return a topology file's text, its name for messages, and its directory.

    Args:
        file: None for the topology in ``otherwise``.
        otherwise: Which that is.

    Raises:
        PreflightError: It cannot be read.
    """
    if file is None:
        return dump_topology(otherwise), "<the bed's own topology>", Path.cwd()
    try:
        return file.read_text(), str(file), file.absolute().parent
    except OSError as error:
        raise PreflightError(
            "the topology file cannot be read", where=str(file), why=error.strerror or str(error)
        ) from error


def parse_topology(text: str, name: str) -> dict[str, Any]:
    """Read a topology file as far as the bed needs it.

    Args:
        text: The file.
        name: Its name for error messages.

    Raises:
        TopologyError: It is not YAML, or has no list of clusters.
    """
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _refused(name, line, column, "", f"not valid YAML: {error.problem}") from error
    if not isinstance(data, dict):
        raise _refused(name, 1, 1, "", "a topology file is a mapping with apiVersion, kind, chart, clusters")
    clusters = data.get("clusters")
    if not isinstance(clusters, list) or not clusters or not all(isinstance(c, dict) for c in clusters):
        raise _refused(name, 1, 1, "clusters", "must be a list of at least one cluster")
    return data


def localised(topology: Mapping[str, Any], source: ChartSource, directory: Path) -> dict[str, Any]:
    """Return a copy whose contexts are the bed's own and whose chart comes from the bed.

    Two entries that use one context name of two kubeconfig files are two Kubernetes clusters, so the second gets a
    context name of its own. Relative paths of credentials and of a chart stay right although the copy lies elsewhere.

    Args:
        topology: From `parse_topology`.
        source: What ``chart`` shall say; its version and name stay.
        directory: Directory of the original file.
    """
    result = copy.deepcopy(dict(topology))
    defaults = result.get("defaults") or {}
    default_kubeconfig = defaults.pop("kubeconfig", None) if isinstance(defaults, dict) else None
    names: dict[tuple[str, str], str] = {}
    for entry in result["clusters"]:
        context = str(entry.get("context") or DEFAULT_CONTEXT)
        key = (str(entry.pop("kubeconfig", None) or default_kubeconfig or ""), context)
        if key not in names:
            used = set(names.values())
            number = 2
            names[key] = context
            while names[key] in used:
                names[key] = f"{context}-{number}"
                number += 1
        entry["context"] = names[key]
    if source.repository or source.path:
        chart = {k: v for k, v in (result.get("chart") or {}).items() if k in ("name", "version")}
        chart["repository" if source.repository else "path"] = source.repository or source.path
        chart.setdefault("version", DEFAULT_VERSION)
        result["chart"] = chart
    elif isinstance(given := (result.get("chart") or {}).get("path"), str):
        result["chart"]["path"] = str((directory / given).resolve())
    _absolute_credential_files(result.get("manager"), directory)
    return result


def cluster_needs(topology: Mapping[str, Any]) -> tuple[ClusterNeed, ...]:
    """Return what a localised topology needs of each context, in the order of first mention."""
    defaults = topology.get("defaults") or {}
    shared = defaults.get("nodeSelector") or {}
    selectors: dict[str, list[dict[str, str]]] = {}
    for entry in topology["clusters"]:
        merged = {**shared, **(entry.get("nodeSelector") or {})}
        labels = {str(key): str(value) for key, value in merged.items()}
        selectors.setdefault(entry["context"], []).append(labels)
    return tuple(ClusterNeed(context, tuple(labels)) for context, labels in selectors.items())


def chart_version(topology: Mapping[str, Any]) -> str:
    """Return the chart version that the file names."""
    return str((topology.get("chart") or {}).get("version") or DEFAULT_VERSION)


def check_stand_in(version: str, available: tuple[str, ...]) -> None:
    """Refuse a chart version for which the bed has no stand-in.

    Raises:
        PreflightError: Names the versions there are.
    """
    if version not in available:
        raise PreflightError(
            f"the bed's stand-in chart has no version {version}",
            why=f"it has {', '.join(available)}",
            next_step="set chart.version to one of these, or give a real chart with --chart PATH",
        )


def dump_topology(topology: Mapping[str, Any]) -> str:
    """Return the copy's text."""
    head = "# Written by `dfmc testbed up`: a copy of the topology file that points at the test bed.\n"
    return head + yaml.dump(dict(topology), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)


def _absolute_credential_files(node: object, directory: Path) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "file" and isinstance(value, str) and not value.startswith(("/", "~")):
                node[key] = str((directory / value).resolve())
            else:
                _absolute_credential_files(value, directory)
    elif isinstance(node, list):
        for value in node:
            _absolute_credential_files(value, directory)


def _refused(name: str, line: int, column: int, path: str, message: str) -> TopologyError:
    return TopologyError(
        "the topology file must be edited", diagnostics=[Diagnostic(name, line, column, path, message)]
    )
