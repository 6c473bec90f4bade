"""The bed's status as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from dfmc.output.tables import aligned
from dfmc.output.text import line
from dfmc.topology.model import API_VERSION


def testbed_document(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON form of what a provider's ``status`` found."""
    return {"apiVersion": API_VERSION, "kind": "TestbedStatus", **status}


def testbed_lines(status: Mapping[str, Any]) -> list[Text]:
    """Return a table of the bed's clusters, then its files and, where it has one, its supervisor."""
    rows = [
        [
            (cluster["context"], "bold"),
            ("ready", "green") if cluster["ready"] and not cluster["stopped"] else ("not ready", "red"),
            (cluster["server"] or "-", ""),
            (str(len(cluster["nodes"])), ""),
            (", ".join(cluster["stopped"]) or "-", ""),
        ]
        for cluster in status["clusters"]
    ]
    return [
        *aligned(["CONTEXT", "STATE", "SERVER", "NODES", "STOPPED"], rows),
        line(""),
        *_parts(status),
        line(("topology    ", "dim"), status["topology"]),
        line(("kubeconfig  ", "dim"), status["kubeconfig"]),
    ]


def _parts(status: Mapping[str, Any]) -> Iterator[Text]:
    """Yield what only one of the providers has."""
    if supervisor := status.get("supervisor"):
        pid = f"process {supervisor['pid']}" if supervisor["pid"] else "not running"
        yield line(("supervisor  ", "dim"), pid, "" if supervisor["ready"] else ", not ready")
    for key in ("repository", "clients", "network"):
        if key in status:
            yield line((f"{key:<12}", "dim"), status[key])
