"""The bed's status as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from dfmc.output.tables import aligned
from dfmc.output.text import line
from dfmc.topology.model import API_VERSION


def testbed_document(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON form of what ``dfmc.testbed.bed.status`` found."""
    return {"apiVersion": API_VERSION, "kind": "TestbedStatus", **status}


def testbed_lines(status: Mapping[str, Any]) -> list[Text]:
    """Return a table of the bed's clusters, then its files and its supervisor."""
    rows = [
        [
            (cluster["context"], "bold"),
            ("ready", "green") if cluster["ready"] and not cluster["stopped"] else ("not ready", "red"),
            (cluster["server"], ""),
            (str(len(cluster["nodes"])), ""),
            (", ".join(cluster["stopped"]) or "-", ""),
        ]
        for cluster in status["clusters"]
    ]
    supervisor = status["supervisor"]
    pid = f"process {supervisor['pid']}" if supervisor["pid"] else "not running"
    return [
        *aligned(["CONTEXT", "STATE", "SERVER", "NODES", "STOPPED"], rows),
        line(""),
        line(("supervisor  ", "dim"), pid, "" if supervisor["ready"] else ", not ready"),
        line(("repository  ", "dim"), status["repository"]),
        *([line(("clients     ", "dim"), status["clients"])] if "clients" in status else []),
        line(("topology    ", "dim"), status["topology"]),
        line(("kubeconfig  ", "dim"), status["kubeconfig"]),
    ]
