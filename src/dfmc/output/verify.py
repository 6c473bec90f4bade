"""The answer of ``verify``: a table as in the guide's last chapter, JSON, and JUnit for CI."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from xml.etree import ElementTree

from rich.text import Text

from dfmc.engine.verify_report import VerifiedCluster, VerifiedPull, VerifyReport
from dfmc.errors import DfmcError
from dfmc.output.documents import Document, error_document
from dfmc.output.progress import duration
from dfmc.output.tables import Cell, aligned
from dfmc.output.text import clean, line, one_line
from dfmc.planning.verdicts import Cause, Source
from dfmc.topology.model import API_VERSION

_SOURCES: dict[Source, Cell] = {
    "seed": ("its seed, from the registry", "green"),
    "peers": ("peers", "green"),
    "disk": ("its own cache", "yellow"),
    "registry": ("the registry, by itself", "bold red"),
    "other-cluster": ("another cluster", "bold red"),
    "none": ("not Dragonfly", "bold red"),
    "unknown": ("unknown", "bold red"),
}
_HEADS = ("CLUSTER", "NODE", "SOURCE", "RECEIVED", "FROM REGISTRY", "ACROSS", "TIME", "RESULT")
_UNITS = ("KiB", "MiB", "GiB", "TiB")
# What XML 1.0 cannot hold, however it is escaped: a parser refuses the whole file.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def size(count: int) -> str:
    """Return bytes as people read them: ``0``, ``512 B``, ``64.0 MiB``."""
    if count < 1024:
        return f"{count} B" if count else "0"
    value = float(count)
    for unit in _UNITS:
        value /= 1024
        if value < 1024 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


# --- table -----------------------------------------------------------------------------------------------------


def verify_lines(report: VerifyReport) -> list[Text]:
    """Return the table of the pulls, then every cause with the next command."""
    pulls = [(cluster, pull) for cluster in report.clusters for pull in cluster.pulls]
    lines = aligned(_HEADS, [_row(cluster.name, pull) for cluster, pull in pulls]) if pulls else []
    remarks = [remark for cluster in report.clusters for remark in _remarks(cluster)]
    lines += [*([line("")] if lines and remarks else []), *remarks]
    if report.is_proven:
        crossed = size(sum(pull.verdict.crossed for _, pull in pulls))
        count = f"{len(report.clusters)} cluster{'' if len(report.clusters) == 1 else 's'}"
        words = f"{count} proven in {duration(report.seconds)}; bytes across clusters: {crossed}"
        lines += [line(""), line(("✓ ", "green"), words)]
    return lines


def _row(cluster: str, one: VerifiedPull) -> Sequence[Cell]:
    verdict = one.verdict
    return (
        (cluster, "bold"),
        (one.pull.node, ""),
        _SOURCES[verdict.source],
        (size(verdict.received), ""),
        (size(verdict.fetched), ""),
        (size(verdict.crossed), "bold red" if verdict.crossed else ""),
        (duration(one.seconds), ""),
        ("failed", "bold red") if verdict.causes else ("ok", "green"),
    )


def _remarks(cluster: VerifiedCluster) -> Iterable[Text]:
    name = (f"{cluster.name}: ", "bold")
    if cluster.error:
        yield line(("✗ ", "red"), name, one_line(f"{cluster.error.what}: {cluster.error.why}".rstrip(": ")))
        if cluster.error.next_step:
            yield line(("  next ", "dim"), one_line(cluster.error.next_step))
    for cause in cluster.all_causes():
        yield line(("✗ ", "red"), name, one_line(cause.sentence))
        if cause.next_step:
            yield line(("  next ", "dim"), one_line(cause.next_step))
    notes = [*(note for pull in cluster.pulls for note in pull.verdict.notes), *cluster.notes]
    notes += [f"Jaeger has no trace of the pull on {one.pull.node}" for one in cluster.pulls if one.is_traced is False]
    yield from (line(("⚠ ", "yellow"), name, one_line(note)) for note in dict.fromkeys(notes))


# --- JSON ------------------------------------------------------------------------------------------------------


def verify_document(report: VerifyReport) -> Document:
    """Return the JSON form of ``verify``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VerifyReport",
        "topology": report.topology,
        "proven": report.is_proven,
        "method": report.content.method,
        "content": report.content.name,
        "fresh": report.content.is_fresh,
        "bytesAcrossClusters": sum(pull.verdict.crossed for one in report.clusters for pull in one.pulls),
        "seconds": round(report.seconds, 3),
        "clusters": [_cluster_document(cluster) for cluster in report.clusters],
    }


def _cluster_document(cluster: VerifiedCluster) -> Document:
    return {
        "name": cluster.name,
        "proven": cluster.is_proven,
        "pulls": [_pull_document(pull) for pull in cluster.pulls],
        "causes": [_cause_document(cause) for cause in cluster.causes],
        "notes": list(cluster.notes),
        "error": error_document(cluster.error) if cluster.error else None,
    }


def _pull_document(one: VerifiedPull) -> Document:
    verdict = one.verdict
    return {
        "node": one.pull.node,
        "client": one.pull.pod,
        "first": one.pull.is_first,
        "source": verdict.source,
        "bytesReceived": verdict.received,
        "bytesFromRegistry": verdict.fetched,
        "bytesAcrossClusters": verdict.crossed,
        "seconds": round(one.seconds, 3),
        "traced": one.is_traced,
        "causes": [_cause_document(cause) for cause in verdict.causes],
        "notes": list(verdict.notes),
    }


def _cause_document(cause: Cause) -> Document:
    return {"id": cause.id, "what": cause.sentence, "next": cause.next_step}


# --- JUnit -----------------------------------------------------------------------------------------------------


def junit(report: VerifyReport, mask: Callable[[str], str] = str) -> str:
    """Return the report as JUnit XML: a suite for each cluster; its wiring and each pull are a test case.

    Args:
        report: The end of ``verify``.
        mask: Laid over every text.
    """

    def fit(text: str) -> str:
        return _NOT_XML.sub("", clean(mask(text)))

    root = ElementTree.Element("testsuites", name="dfmc verify", time=f"{report.seconds:.3f}")
    for cluster in report.clusters:
        suite = ElementTree.SubElement(root, "testsuite", name=fit(cluster.name))
        _case(suite, cluster, "wiring", 0.0, cluster.causes, fit, cluster.error)
        for number, one in enumerate(cluster.pulls, start=1):
            name = f"pull {number} on {one.pull.node}"
            _case(suite, cluster, name, one.seconds, one.verdict.causes, fit)
        if not cluster.pulls and cluster.error is None:
            _case(suite, cluster, "pull", 0.0, (Cause("no-pull", "nothing could be pulled"),), fit)
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("errors", str(len(suite.findall("testcase/error"))))
        suite.set("time", f"{sum(one.seconds for one in cluster.pulls):.3f}")
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(
    suite: ElementTree.Element,
    cluster: VerifiedCluster,
    name: str,
    seconds: float,
    causes: Sequence[Cause],
    fit: Callable[[str], str],
    error: DfmcError | None = None,
) -> None:
    attributes: dict[str, Any] = {"name": fit(name), "classname": fit(f"dfmc.verify.{cluster.name}")}
    case = ElementTree.SubElement(suite, "testcase", attributes, time=f"{seconds:.3f}")
    if error is not None:
        failed = ElementTree.SubElement(case, "error", type=type(error).__name__, message=fit(str(error)))
        failed.text = fit(error.next_step)
    elif causes:  # one element a case is what every reader of JUnit takes
        failed = ElementTree.SubElement(case, "failure", type=causes[0].id, message=fit(causes[0].sentence))
        failed.text = fit("\n".join(_words(cause) for cause in causes))


def _words(cause: Cause) -> str:
    return f"{cause.id}: {cause.sentence}" + (f"\n  next: {cause.next_step}" if cause.next_step else "")
