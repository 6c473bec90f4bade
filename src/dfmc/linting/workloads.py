"""Images and resources: what starts today and something else tomorrow, or never starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.errors import Diagnostic
from dfmc.linting.subject import Subject
from dfmc.topology.model import ClusterSpec
from dfmc.topology.nodes import Path
from dfmc.values.layouts import parse_version

_COMPONENTS = {
    "manager": "manager",
    "scheduler": "scheduler",
    "client": "client",
    "seed_peer": "seedPeer",
    "dfinit": "dfinit",
}
# Default values of chart 1.7.8: seedClient.resources.requests {cpu: 8, memory: 16Gi}; none before.
_REQUESTS_SINCE = (1, 7, 8)
_SEED_PEERS = ("seedClient", "seedPeer")


def image_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF209 for every tag that says ``latest``."""
    message = "latest is another image every time a node pulls it: name a version, or a digest"
    for entry in subject.topology.clusters:
        for field, word in _COMPONENTS.items():
            spec = getattr(entry.images, field)
            if spec.tag == "latest" and not spec.digest:
                yield subject.document.diagnose(subject.path(entry, "images", word, "tag"), message, "warning", "DF209")
        for path in _latest(entry.values, ()):
            yield subject.document.diagnose(subject.path(entry, "values", *path), message, "warning", "DF209")


def _latest(tree: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401 - a JSON-like tree
    items: list[tuple[str | int, Any]] = []
    if isinstance(tree, Mapping):
        items = [] if tree.get("digest") else list(tree.items())
    elif isinstance(tree, list | tuple):
        items = list(enumerate(tree))
    for step, value in items:
        here = (*path, step)
        # ``image: busybox:latest`` is one text in old charts and in extra containers.
        is_image = isinstance(value, str) and step in ("image", "repository") and value.endswith(":latest")
        if is_image or (step == "tag" and value == "latest"):
            yield here
        elif isinstance(value, Mapping | list | tuple):
            yield from _latest(value, here)


def resource_findings(subject: Subject) -> Iterator[Diagnostic]:
    """Yield DF210 for every entry whose seed peers keep the chart's large requests."""
    version = subject.topology.chart.version
    if parse_version(version) < _REQUESTS_SINCE:
        return
    for entry in subject.topology.clusters:
        if entry.replicas.seed_peer == 0 or _asks_for_cpu(entry):
            continue
        message = (
            f"chart {version} lets each seed peer request 8 CPUs and 16Gi: on smaller nodes {entry.name}'s stay "
            "Pending; say with resources.seedPeer.requests what they get"
        )
        yield subject.document.diagnose(_nearest(subject, entry), message, "warning", "DF210")


def _asks_for_cpu(entry: ClusterSpec) -> bool:
    """Tell whether the file says how much CPU seed peers request, or that there are none; null drops the chart's."""
    given: list[Any] = [{"resources": entry.resources.seed_peer}]
    given += [entry.values.get(key) for key in _SEED_PEERS]
    for part in given:
        if not isinstance(part, Mapping):
            continue
        if part.get("enable") is False or part.get("replicas") == 0:
            return True
        if "resources" in part and _says_cpu(part["resources"], is_typed=part is given[0]):
            return True
    return False


def _says_cpu(resources: Any, *, is_typed: bool) -> bool:  # noqa: ANN401 - whatever the file holds
    if resources is None:
        return not is_typed
    if not isinstance(resources, Mapping) or "requests" not in resources:
        return False
    requests = resources["requests"]
    return requests is None or (isinstance(requests, Mapping) and "cpu" in requests)


def _nearest(subject: Subject, entry: ClusterSpec) -> Path:
    if entry.resources.seed_peer is not None:
        return subject.path(entry, "resources", "seedPeer")
    return subject.path(entry)
