"""Whose is it? The marks dfmc leaves, and what it concludes from their absence.

A release is ours when helm's own release Secret carries our two labels; an object when it carries the annotation; a
record when its ``bio`` names our uid. Nothing else counts: a release of the same name without the mark was made by
somebody, and taking it over silently is how two tools end up fighting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfmc.errors import ConflictError, DfmcError, RecoveryError
from dfmc.state import ClusterRecord, Observed, ReleaseState, StoredCredentials
from dfmc.topology.model import ClusterSpec, Topology

TOPOLOGY_LABEL = "dfmc.io/topology"
UID_LABEL = "dfmc.io/uid"
CHART_LABEL = "dfmc.io/chart-sha256"
RESTART_LABEL = "dfmc.io/restart-due"
"""While pods may still run with an edited configuration: since when, in seconds since 1970."""
# A label's value ends at 63 characters, a sha256 in hex has 64; half of it is plenty to notice a republished chart.
_CHART_LABEL_LENGTH = 32


def release_labels(topology: str, uid: str, chart_sha256: str) -> dict[str, str]:
    """Return the labels for helm's release Secret."""
    return {TOPOLOGY_LABEL: topology, UID_LABEL: uid, CHART_LABEL: chart_sha256[:_CHART_LABEL_LENGTH]}


def object_metadata(name: str, namespace: str, topology: str, uid: str) -> dict[str, Any]:
    """Return the metadata of an object that dfmc itself makes."""
    return {
        "name": name,
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": "dfmc"},
        "annotations": {TOPOLOGY_LABEL: topology, UID_LABEL: uid},
    }


def record_bio(topology: str, uid: str) -> str:
    """Return what stands in the ``bio`` of a record of ours (the manager keeps up to 1024 characters)."""
    return f"dfmc:{topology}:{uid}"


def is_ours(record: ClusterRecord, topology: str, uid: str) -> bool:
    """Whether this topology registered the record."""
    return record.bio == record_bio(topology, uid)


def place_conflict(topology: Topology, cluster: ClusterSpec, observed: Observed) -> ConflictError | None:
    """Return why an entry's place is another entry's, or None.

    Two contexts may lead to one Kubernetes cluster, which the file alone does not show: a member whose context is the
    central cluster's under another name would take the central release for its own.
    """
    facts = observed.clusters[cluster.name].facts
    for other in (topology.central, *topology.members):
        if other.name == cluster.name or facts is None:
            return None
        theirs = observed.clusters[other.name].facts if other.name in observed.clusters else None
        same_place = (other.namespace, other.release) == (cluster.namespace, cluster.release)
        if theirs is not None and theirs.uid == facts.uid and same_place:
            return ConflictError(
                f"the release is that of {other.name}",
                where=cluster.name,
                why=f"contexts {other.context} and {cluster.context} lead to the same Kubernetes cluster, and both "
                f"entries name release {cluster.release} in namespace {cluster.namespace}",
                next_step=f"put the context of {cluster.name} right, or give it a namespace of its own",
            )
    return None


def release_conflict(cluster: ClusterSpec, release: ReleaseState, topology: str, uid: str | None) -> DfmcError | None:
    """Return why the release may not be touched, or None when it is ours."""
    where = f"release {release.name} in namespace {release.namespace} of context {cluster.context}"
    uninstall = f"helm --kube-context {cluster.context} -n {release.namespace} uninstall {release.name}"
    owner, mark = release.labels.get(TOPOLOGY_LABEL), release.labels.get(UID_LABEL)
    if owner is None:
        return ConflictError(
            "a release of that name exists that dfmc did not make",
            where=cluster.name,
            why=f"{where} (chart {release.chart_name}-{release.chart_version}) has no label {TOPOLOGY_LABEL}",
            next_step=f"take it over: --adopt (dfmc plan --adopt shows what that changes); or choose another namespace "
            f"or release name for {cluster.name}, or uninstall it: {uninstall}",
        )
    if owner != topology:
        return ConflictError(
            "the release belongs to another topology",
            where=cluster.name,
            why=f"{where} is owned by topology {owner!r}, uid {mark!r}",
            next_step=f"choose another namespace or release name for {cluster.name}; where that topology has given "
            "it up: --adopt",
        )
    if uid is None:
        return RecoveryError(
            "the release is marked as this topology's, but its credentials' Secret is gone",
            where=cluster.name,
            why=f"{where} carries uid {mark!r}; without the Secret its passwords are unknown",
            next_step="restore the Secret from a backup; dfmc will not make new passwords for existing data. "
            f"Where the manager and its data are gone for good: {uninstall}",
        )
    if mark != uid:
        return ConflictError(
            "the release belongs to another installation of a topology of this name",
            where=cluster.name,
            why=f"{where} is owned by topology {owner!r}, uid {mark!r}; this one has uid {uid!r}",
            next_step=f"choose another namespace or release name for {cluster.name}; where that installation is gone "
            f"for good: {uninstall}",
        )
    return None


def object_conflict(cluster: str, live: Mapping[str, Any], topology: str, uid: str | None) -> ConflictError | None:
    """Return why an object dfmc wants to write may not be touched, or None when it is ours."""
    metadata = live.get("metadata", {})
    annotations = metadata.get("annotations") or {}
    if annotations.get(TOPOLOGY_LABEL) == topology and (uid is None or annotations.get(UID_LABEL) == uid):
        return None
    kind, name = live.get("kind", "object"), metadata.get("name", "?")
    return ConflictError(
        f"{kind} {name} exists and is not this topology's",
        where=cluster,
        why=f"its annotation {TOPOLOGY_LABEL} is {annotations.get(TOPOLOGY_LABEL)!r}",
        next_step=f"delete or rename {kind} {metadata.get('namespace', '')}/{name}, or take it over: --adopt; then run "
        "dfmc up again",
    )


def stored_conflict(topology: Topology, stored: StoredCredentials) -> ConflictError | None:
    """Return why the credentials' Secret may not be used: another topology owns the release it belongs to."""
    if stored.topology == topology.metadata.name:
        return None
    central = topology.central
    return ConflictError(
        f"release {central.release} in namespace {central.namespace} belongs to another topology",
        where=central.name,
        why=f"its credentials' Secret was written for {stored.topology!r}, this file is {topology.metadata.name!r}",
        next_step="give the file its old metadata.name back, or choose another namespace or release name",
    )


def record_conflict(cluster: str, record: ClusterRecord, topology: str, uid: str | None) -> ConflictError | None:
    """Return why a record of that name may not be adopted.

    A record that carries no mark was clicked into the console by somebody; one with another uid is another
    topology's.
    """
    if uid is not None and is_ours(record, topology, uid):
        return None
    return ConflictError(
        f"the manager has a cluster record {record.name!r} (id {record.id}) that this topology did not make",
        where=cluster,
        why=f"its bio is {record.bio!r}",
        next_step=f"take it over: --adopt; or rename the entry {cluster!r}, or delete that record in the console "
        "(dfmc console)",
    )
