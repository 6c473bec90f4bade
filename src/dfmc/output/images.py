"""The images of a topology as JSON, and what became of nodes that were given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.text import Text

from dfmc.output.tables import aligned
from dfmc.topology.model import API_VERSION


class LoadedNode(Protocol):
    """A node of a kind cluster, and what it got or had."""

    @property
    def cluster(self) -> str:
        """What kind calls its cluster."""
        ...

    @property
    def node(self) -> str:
        """Its name."""
        ...

    @property
    def loaded(self) -> tuple[str, ...]:
        """Images that it got."""
        ...

    @property
    def present(self) -> tuple[str, ...]:
        """Images that it had."""
        ...


def images_document(needed: Mapping[str, Sequence[str]], nodes: Sequence[LoadedNode] | None) -> Mapping[str, Any]:
    """Return the JSON form.

    Args:
        needed: The clusters that need each image.
        nodes: What became of each node; None where none was asked to be given images.
    """
    rows = [{"image": image, "clusters": list(clusters)} for image, clusters in needed.items()]
    document: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "Images", "images": rows}
    if nodes is not None:
        document["nodes"] = [
            {"kindCluster": each.cluster, "node": each.node, "loaded": list(each.loaded), "present": list(each.present)}
            for each in nodes
        ]
    return document


def loaded_lines(nodes: Sequence[LoadedNode]) -> list[Text]:
    """Return a table of nodes."""
    rows = [
        [
            (each.node, ""),
            (str(len(each.loaded)), "green" if each.loaded else ""),
            (str(len(each.present)), ""),
        ]
        for each in nodes
    ]
    return aligned(["NODE", "LOADED", "PRESENT"], rows)
