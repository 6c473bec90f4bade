"""The JSON forms of what dfmc answers. They are a contract: apiVersion, kind and field names stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from dfmc.engine.reports import ClusterReport, DownCluster, DownReport, StatusReport, UpReport
from dfmc.errors import DfmcError, FindingsError, PartialError
from dfmc.output.moves import moves_document
from dfmc.planning.steps import FieldChange, Plan, Step
from dfmc.state import Registration
from dfmc.symbols import Pending, resolve
from dfmc.topology.model import API_VERSION

Document = Mapping[str, Any]


def as_json(document: Document, mask: Callable[[str], str] = str) -> str:
    """Return a document as indented JSON; ``mask`` is laid over every text in it."""
    return json.dumps(_masked(document, mask), indent=2, ensure_ascii=False) + "\n"


def _masked(value: Any, mask: Callable[[str], str]) -> Any:  # noqa: ANN401 - a JSON-like tree
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(key)): _masked(item, mask) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, mask) for item in value]
    return value


def version_document(*, dfmc: str, python: str, helm: str | DfmcError, charts: str) -> Document:
    """Return what ``version -o json`` prints.

    Args:
        dfmc: Its version.
        python: Python's version.
        helm: helm's version, or why it is not known.
        charts: Chart versions that dfmc writes values for, in words.
    """
    known = isinstance(helm, str)
    return {
        "apiVersion": API_VERSION,
        "kind": "Version",
        "dfmc": dfmc,
        "python": python,
        "helm": helm if known else None,
        "helmError": None if known else str(helm),
        "charts": charts,
    }


def error_document(error: DfmcError) -> Document:
    """Return an error as data: the five answers, its exit code and, where it wraps others, those."""
    document: dict[str, Any] = {
        "type": type(error).__name__,
        "exitCode": error.exit_code,
        "what": error.what,
        "where": error.where,
        "step": error.step,
        "why": error.why,
        "left": error.left,
        "next": error.next_step,
    }
    if isinstance(error, FindingsError):
        document["findings"] = list(error.findings)
    if isinstance(error, PartialError):
        document["failures"] = {name: error_document(failure) for name, failure in error.failures.items()}
    return document


def plan_document(plan: Plan) -> Document:
    """Return the JSON form of a plan; secrets are masked in it already."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "topology": plan.topology,
        "chartVersion": plan.chart_version,
        "hasChanges": plan.has_changes,
        "steps": [_step_document(step) for step in plan.steps],
        "failures": {name: error_document(error) for name, error in plan.failures.items()},
        "orphans": [{"name": name, "what": what} for name, what in plan.orphans.items()],
        "foreignRecords": list(plan.foreign),
        "peers": moves_document(plan.moves),
    }


def _step_document(step: Step) -> Document:
    return {
        "id": step.id,
        "kind": step.kind.value,
        "cluster": step.cluster,
        "action": step.action.value,
        "needs": list(step.needs),
        "note": step.note,
        "conditional": step.conditional,
        "changes": [_change_document(change) for change in step.changes],
    }


def _change_document(change: FieldChange) -> Document:
    return {
        "path": change.path,
        "old": resolve(_plain(change.old), str),
        "new": resolve(_plain(change.new), str),
        "known": not isinstance(change.new, Pending),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any leaf of a values tree
    return list(value) if isinstance(value, tuple) else value


def up_document(report: UpReport, error: DfmcError | None) -> Document:
    """Return the JSON form of the end of ``up``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "UpReport",
        "topology": report.topology,
        "changed": report.changed,
        "declined": report.declined,
        "seconds": round(report.seconds, 3),
        "clusters": [cluster_document(cluster) for cluster in report.clusters],
        "orphans": [{"name": name, "what": what} for name, what in report.plan.orphans.items()],
        "peers": moves_document(report.plan.moves),
        "pruned": [_down_cluster(cluster) for cluster in report.pruned],
        "error": error_document(error) if error else None,
    }


def down_document(report: DownReport, error: DfmcError | None) -> Document:
    """Return the JSON form of the end of ``down``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "DownReport",
        "topology": report.topology,
        "declined": report.declined,
        "seconds": round(report.seconds, 3),
        "clusters": [_down_cluster(cluster) for cluster in report.clusters],
        "error": error_document(error) if error else None,
    }


def _down_cluster(cluster: DownCluster) -> Document:
    return {
        "name": cluster.name,
        "context": cluster.context,
        "namespace": cluster.namespace,
        "result": cluster.result,
        "done": list(cluster.done),
        "kept": list(cluster.kept),
        "blockedBy": cluster.blocked_by,
        "error": error_document(cluster.error) if cluster.error else None,
    }


def status_document(report: StatusReport) -> Document:
    """Return the JSON form of ``status``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Status",
        "topology": report.topology,
        "healthy": report.is_healthy,
        "clusters": [cluster_document(cluster) for cluster in report.clusters],
        "foreignRecords": list(report.foreign),
        "orphans": [{"name": name, "what": what} for name, what in report.orphans.items()],
        "unsearchedContexts": list(report.unsearched),
        "notCompared": error_document(report.unknown) if report.unknown else None,
    }


def cluster_document(cluster: ClusterReport) -> Document:
    """Return the JSON form of one cluster of a report."""
    return {
        "name": cluster.name,
        "role": cluster.role,
        "context": cluster.context,
        "namespace": cluster.namespace,
        "result": cluster.result,
        "schedulerClusterID": _known(cluster.registration, "scheduler_cluster_id"),
        "seedPeerClusterID": _known(cluster.registration, "seed_peer_cluster_id"),
        "changedID": _changed_id(cluster),
        "chart": cluster.chart,
        "revision": cluster.revision,
        "releaseStatus": cluster.release_status,
        "schedulers": {"active": cluster.schedulers[0], "expected": cluster.schedulers[1]},
        "pods": {"ready": cluster.pods[0], "total": cluster.pods[1]},
        "manager": cluster.manager,
        "redis": cluster.redis,
        "findings": [
            {"key": finding.key, "expected": finding.expected, "seen": finding.seen} for finding in cluster.findings
        ],
        "drift": list(cluster.drift),
        "seconds": round(cluster.seconds, 3),
        "blockedBy": cluster.blocked_by,
        "error": error_document(cluster.error) if cluster.error else None,
    }


def _changed_id(cluster: ClusterReport) -> Document | None:
    changed = cluster.changed_id
    return {"release": changed.old, "record": changed.new, "holder": changed.holder or None} if changed else None


def _known(registration: Registration | None, field: str) -> int | None:
    value = getattr(registration, field, None)
    return value if isinstance(value, int) else None
