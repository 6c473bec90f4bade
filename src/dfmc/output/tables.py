"""The last words of ``up`` and the answer of ``status``: tables that also grep well."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.text import Text

from dfmc.engine.reports import ClusterReport, DownReport, StatusReport, UpReport
from dfmc.engine.unlock import HeldLock
from dfmc.output.progress import duration
from dfmc.output.removal import orphan_lines
from dfmc.output.text import clean, line, one_line
from dfmc.planning.credentials import ROOT_PASSWORD, secret_name
from dfmc.topology.load import STDIN_NAME
from dfmc.topology.model import Topology

Cell = tuple[str, str]
Column = tuple[str, Callable[[ClusterReport], Cell]]

_RESULT_STYLES = {"changed": "green", "unchanged": "green", "failed": "bold red", "blocked": "yellow"}


def aligned(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[Text]:
    """Return rows in columns two spaces apart, never folded or cut; nothing trails the last cell."""
    cells = [[(clean(text), style) for text, style in row] for row in [[(head, "bold") for head in heads], *rows]]
    widths = [max(cell_len(row[index][0]) for row in cells) for index in range(len(heads))]
    lines = []
    for row in cells:
        padded = [
            (text + " " * (width - cell_len(text) + 2), style) for (text, style), width in zip(row, widths, strict=True)
        ]
        padded[-1] = row[-1]
        lines.append(line(*padded))
    return lines


# --- columns ---------------------------------------------------------------------------------------------------


def _plain(text: str) -> Cell:
    return text or "-", ""


def _result(cluster: ClusterReport) -> Cell:
    return cluster.result, _RESULT_STYLES[cluster.result]


def _state(cluster: ClusterReport) -> Cell:
    """What ``status`` says of a cluster in one word."""
    if cluster.error:
        return "failed", "bold red"
    if not cluster.revision:
        return "absent", "yellow"
    if cluster.findings:
        return "wrong", "bold red"
    return ("drift", "yellow") if cluster.drift else ("ok", "green")


def _ids(cluster: ClusterReport) -> Cell:
    ids = cluster.registration
    return _plain(f"{ids.scheduler_cluster_id}/{ids.seed_peer_cluster_id}" if ids else "")


def _release(cluster: ClusterReport) -> Cell:
    if not cluster.revision:
        return _plain("")
    status = "" if cluster.release_status == "deployed" else f", {cluster.release_status}"
    return f"{cluster.chart} (r{cluster.revision}{status})", "red" if status else ""


def _counted(pair: tuple[int, int], cluster: ClusterReport) -> Cell:
    have, wanted = pair
    if not cluster.revision:
        return _plain("")
    return f"{have}/{wanted}", "" if have == wanted and wanted else "yellow"


_NAME: Column = ("CLUSTER", lambda c: (c.name, "bold"))
_COMMON: tuple[Column, ...] = (
    ("IDS", _ids),
    ("RELEASE", _release),
    ("SCHEDULERS", lambda c: _counted(c.schedulers, c)),
    ("PODS", lambda c: _counted(c.pods, c)),
)
_PLACE: tuple[Column, ...] = (
    ("CONTEXT", lambda c: _plain(c.context)),
    ("NAMESPACE", lambda c: _plain(c.namespace)),
    ("MANAGER", lambda c: _plain(c.manager)),
    ("REDIS", lambda c: _plain(c.redis)),
)


def _table(columns: Sequence[Column], clusters: Sequence[ClusterReport]) -> list[Text]:
    return aligned([head for head, _ in columns], [[cell(cluster) for _, cell in columns] for cluster in clusters])


def _addresses(clusters: Sequence[ClusterReport]) -> list[Text]:
    """Return the addresses that pods are told, one line each with the clusters that use it."""
    lines = []
    for label in ("manager", "redis"):
        users: dict[str, list[str]] = {}
        for cluster in clusters:
            if address := cluster.manager if label == "manager" else cluster.redis:
                users.setdefault(address, []).append(cluster.name)
        lines += [line((f"{label:<8} ", "dim"), f"{address}  ({_some(names)})") for address, names in users.items()]
    return lines


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:5])} and {len(names) - 5} more"


# --- up --------------------------------------------------------------------------------------------------------


def up_lines(report: UpReport, topology: Topology, file: str) -> list[Text]:
    """Return the end of ``up``: the table, the addresses, how to sign in, what to type next.

    Args:
        report: What the run ended with.
        topology: The file's content.
        file: Its name, for the sentences.
    """
    proven = [cluster for cluster in report.clusters if cluster.result in ("changed", "unchanged")]
    if not report.changed and len(proven) == len(report.clusters):
        count = f"{len(proven)} cluster{' is' if len(proven) == 1 else 's are'}"
        return [line(("✓ ", "green"), f"nothing to do: {count} as {file} says (proven)")]
    columns = (_NAME, ("RESULT", _result), *_COMMON, ("TIME", lambda c: (duration(c.seconds), "")))
    lines = _table(columns, report.clusters)
    blocked = [cluster for cluster in report.clusters if cluster.blocked_by]
    lines += [line((f"{c.name}: ", "bold"), f"not started: it needs {c.blocked_by}") for c in blocked]
    lines += [line(""), *_addresses(report.clusters)]
    if any(cluster.role == "manager" and cluster.result in ("changed", "unchanged") for cluster in report.clusters):
        lines += sign_in_lines(topology, file)
    if len(proven) == len(report.clusters):
        count = f"{len(proven)} cluster{'' if len(proven) == 1 else 's'}"
        lines += [
            line(""),
            line(("✓ ", "green"), f"{count} up and proven in {duration(report.seconds)}"),
            line(("next     ", "dim"), f"dfmc status {_typed(file)}"),
        ]
    return lines


def _typed(file: str) -> str:
    """Return a file's name as one types it in a command."""
    return "-" if file == STDIN_NAME else shlex.quote(file)


def sign_in_lines(topology: Topology, file: str) -> list[Text]:
    """Return how to reach the manager's console and where root's password is; the password itself is never shown."""
    central = topology.central
    at = f"kubectl {_kubeconfig(topology)}--context {central.context} -n {central.namespace}"
    secret = f"{at} get secret {secret_name(topology)} -o jsonpath='{{.data.{ROOT_PASSWORD}}}' | base64 -d"
    return [
        line(""),
        line(("sign in  ", "dim"), f"dfmc console {_typed(file)} shows the address; the user is root"),
        line(("password ", "dim"), secret),
    ]


def _kubeconfig(topology: Topology) -> str:
    kubeconfig = topology.central.kubeconfig
    return f"--kubeconfig {kubeconfig} " if kubeconfig else ""


# --- down ------------------------------------------------------------------------------------------------------

_DOWN_STYLES = {"removed": "green", "absent": "green", "failed": "bold red", "blocked": "yellow"}


def down_lines(report: DownReport, file: str) -> list[Text]:
    """Return the end of ``down``: the clusters, what was done in each, what stays on purpose, what to type next."""
    rows = [
        [(c.name, "bold"), (c.result, _DOWN_STYLES[c.result]), _plain(c.context), _plain(c.namespace)]
        for c in report.clusters
    ]
    lines = aligned(("CLUSTER", "RESULT", "CONTEXT", "NAMESPACE"), rows)
    remarks = []
    for cluster in report.clusters:
        name = (f"{cluster.name}: ", "bold")
        remarks += [line(name, one_line(text)) for text in cluster.done]
        if cluster.blocked_by:
            remarks.append(line(name, f"kept: it waits for {cluster.blocked_by}"))
        remarks += [line(name, f"stays: {text}") for text in cluster.kept]
    if remarks:
        lines += [line(""), *remarks]
    if not any(cluster.error or cluster.blocked_by for cluster in report.clusters):
        lines += [line(""), line(("✓ ", "green"), f"{file} is down")]
        if any(cluster.kept for cluster in report.clusters):
            again = f"dfmc up {_typed(file)} goes on with what stays; dfmc down {_typed(file)} --delete-data deletes it"
            lines.append(line(("next     ", "dim"), again))
    return lines


# --- unlock ----------------------------------------------------------------------------------------------------


def lock_lines(held: HeldLock) -> list[Text]:
    """Return who holds the topology's lock, for what, since when and until when."""
    facts = (
        ("lock", f"Lease {held.lease}"),
        ("holder", held.holder),
        ("doing", f"dfmc {held.operation}"),
        ("since", held.since),
        ("renewed", f"{held.renewed}; it lapses {held.duration:g} s after the last renewal"),
    )
    return [line((f"{label:<9}", "dim"), text) for label, text in facts]


# --- status ----------------------------------------------------------------------------------------------------


def status_lines(report: StatusReport, file: str, *, wide: bool = False) -> list[Text]:
    """Return the answer of ``status``: the table, then everything that is not as it should be."""
    columns = (_NAME, ("STATE", _state), *_COMMON, *(_PLACE if wide else ()))
    lines = _table(columns, report.clusters)
    if not wide:
        lines += [line(""), *_addresses(report.clusters)]
    remarks = [remark for cluster in report.clusters for remark in _remarks(cluster)]
    if report.foreign:
        remarks.append(
            line(("⚠ ", "yellow"), f"records of the manager that {file} does not know: {', '.join(report.foreign)}")
        )
    remarks += orphan_lines(report.orphans, file)
    if report.unsearched:
        where = ", ".join(dict.fromkeys(report.unsearched))
        remarks.append(line(("⚠ ", "yellow"), f"not all namespaces could be searched for what is orphaned: {where}"))
    if report.unknown:
        text = f"not compared with what {file} wants: {report.unknown}"
        remarks.append(line(("✗ ", "red"), one_line(text)))
    if remarks:
        lines += [line(""), *remarks]
    lines.append(line(""))
    if report.is_healthy:
        lines.append(line(("✓ ", "green"), f"every cluster is as {file} says"))
    elif any(cluster.drift or not cluster.revision for cluster in report.clusters):
        lines.append(
            line(
                ("next     ", "dim"),
                f"dfmc plan {_typed(file)} shows what would change, dfmc up {_typed(file)} does it",
            )
        )
    return lines


def _remarks(cluster: ClusterReport) -> list[Text]:
    name = (f"{cluster.name}: ", "bold")
    lines = []
    if cluster.error:
        lines.append(line(("✗ ", "red"), name, one_line(f"{cluster.error.what}: {cluster.error.why}".rstrip(": "))))
        if cluster.error.next_step:
            lines.append(line(("  next ", "dim"), one_line(cluster.error.next_step)))
    elif not cluster.revision:
        lines.append(line(("⚠ ", "yellow"), name, f"no release in namespace {cluster.namespace}"))
    if cluster.changed_id:
        heals = "; dfmc up registers it where it must and gives its release the record's id"
        what = f"its record is another one: {cluster.changed_id}{heals if cluster.role == 'member' else ''}"
        lines.append(line(("⚠ ", "yellow"), name, one_line(what)))
    wrong = [f"{f.key}: expected {f.expected}, seen {f.seen}" for f in cluster.findings]
    lines += [line(("✗ ", "red"), name, one_line(text)) for text in wrong]
    if cluster.revision:
        lines += [line(("~ ", "yellow"), name, one_line(f"drift: {drift}")) for drift in cluster.drift]
    elif cluster.drift:
        lines.append(line(("~ ", "yellow"), name, f"dfmc up would make {len(cluster.drift)} changes"))
    return lines
