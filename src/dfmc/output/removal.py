"""The last words of ``remove-cluster``, and what is said of clusters that are not in the file any more."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.text import Text

from dfmc.engine.reports import DownCluster, DownReport
from dfmc.output.text import line, one_line


def removal_lines(report: DownReport, file: str) -> list[Text]:
    """Return what was done for the cluster, what stays, and whether it is gone."""
    lines = [remark for cluster in report.clusters for remark in _remarks(cluster)]
    gone = [cluster.name for cluster in report.clusters if not cluster.error]
    return [*lines, *(line(("✓ ", "green"), f"{name} is removed from {file}") for name in gone)]


def pruned_lines(pruned: Sequence[DownCluster]) -> list[Text]:
    """Return how each orphan of ``up --prune`` ended."""
    lines = []
    for cluster in pruned:
        lines += _remarks(cluster)
        if not cluster.error and not cluster.blocked_by:
            lines.append(line(("✓ ", "green"), (f"{cluster.name}: ", "bold"), "pruned"))
    return lines


def orphan_lines(orphans: Mapping[str, str], file: str) -> list[Text]:
    """Return one line for each orphan that nothing is done about, and what would."""
    lines = [
        line(("⚠ ", "yellow"), (f"{name}: ", "bold"), one_line(f"orphaned, not in {file}: {what}"))
        for name, what in orphans.items()
    ]
    if lines:
        again = f"dfmc up {shlex.quote(file)} --prune removes what is orphaned; its entry in the file keeps it"
        lines.append(line(("next     ", "dim"), again))
    return lines


def _remarks(cluster: DownCluster) -> list[Text]:
    name = (f"{cluster.name}: ", "bold")
    lines = [line(name, one_line(text)) for text in cluster.done]
    if cluster.blocked_by:
        lines.append(line(name, f"not done: it waits for {cluster.blocked_by}"))
    return [*lines, *(line(name, one_line(f"stays: {text}")) for text in cluster.kept)]
