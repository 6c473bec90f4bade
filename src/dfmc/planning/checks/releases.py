"""Checks of what is installed: the credentials, whose the releases are, their objects, and what the file says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from dfmc.errors import DfmcError
from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import Check, Finding, finding_of
from dfmc.planning.credentials import needed_credentials, secret_name
from dfmc.planning.ownership import record_conflict, release_conflict, stored_conflict
from dfmc.planning.proof import workload_findings
from dfmc.planning.records import expected_record
from dfmc.planning.steps import Kind, Step
from dfmc.topology.model import ClusterSpec
from dfmc.values.layouts import layout_of
from dfmc.values.merge import get_path

GROUP = "releases"
_SHOWN = 3
_DELETED = "(deleted)"
REPLICATED: tuple[Literal["manager", "scheduler", "seed_peer"], ...] = ("manager", "scheduler", "seed_peer")


def credentials(facts: Facts) -> Iterator[Finding]:
    """Find a credentials' Secret that is another topology's, or that lacks something."""
    topology, stored = facts.topology, facts.observed.credentials
    if stored is None:
        return
    place = f"Secret {topology.central.namespace}/{secret_name(topology)}"
    if conflict := stored_conflict(topology, stored):
        yield finding_of(conflict, topology.central.name, place=place)
        return
    missing = [
        need.key for need in needed_credentials(topology) if not need.optional and not stored.values.get(need.key)
    ]
    if missing and facts.is_installed:
        what = f"the credentials' Secret lacks {', '.join(missing)}"
        why = "somebody has edited it; what runs still has the old values"
        next_step = f"put the values back from the release: helm -n {topology.central.namespace} get values "
        yield Finding(topology.central.name, what, why, next_step + topology.central.release, place)


def ownership(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find a release that is not ours, is stuck or has failed, and ours that the file knows nothing of."""
    release = facts.seen(cluster).release
    place = f"release {cluster.namespace}/{cluster.release}"
    if release is not None:
        if conflict := release_conflict(cluster, release, facts.topology.metadata.name, facts.uid):
            yield finding_of(conflict, cluster.name, place=place)
        elif release.status != "deployed":
            is_stuck = release.is_pending or release.status == "uninstalling"
            what = f"revision {release.revision} is {release.status}"
            why = "a helm was interrupted; no plain helm touches it any more" if is_stuck else release.description
            yield Finding(cluster.name, what, why, f"dfmc up {facts.file} -c {cluster.name}", place)
    if not _is_first_of_its_context(facts, cluster):
        return
    known = {(entry.namespace, entry.release) for entry in facts.topology.clusters}
    for namespace, name in facts.of(cluster).owned_releases:
        if (namespace, name) not in known:
            yield Finding(
                cluster.name,
                f"release {name} in namespace {namespace} is this topology's, and no entry of the file has it",
                "its entry was removed from the file, or its namespace or release name changed",
                f"helm --kube-context {cluster.context} -n {namespace} uninstall {name}",
                f"release {namespace}/{name}",
            )


def _is_first_of_its_context(facts: Facts, cluster: ClusterSpec) -> bool:
    """What concerns a whole Kubernetes cluster is told once, whatever number of entries lead there."""
    uid = seen.uid if (seen := facts.seen(cluster).facts) else ""
    for entry in facts.entries:
        there = facts.seen(entry).facts
        if there is not None and there.uid == uid:
            return entry.name == cluster.name
    return True


def objects(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find objects of the release that are gone, and workloads that are not ready."""
    seen = facts.seen(cluster)
    if seen.release is None:
        return
    up = f"dfmc up {facts.file} -c {cluster.name}"
    for name in seen.missing:
        kind, _, rest = name.partition(" ")
        yield Finding(
            cluster.name, f"{name} has been deleted", "the release has it", up, f"{kind} {cluster.namespace}/{rest}"
        )
    gone = {name.partition(" ")[2] for name in seen.missing}
    get = f"kubectl --context {cluster.context} -n {cluster.namespace} get pods"
    for finding in workload_findings(facts.topology, cluster, seen):
        is_absent = finding.key.startswith("component ")
        if is_absent and any(name.endswith(f"-{finding.key.removeprefix('component ')}") for name in gone):
            continue  # its workload was deleted, which has just been said
        what = f"{finding.key}: {finding.expected} expected, {finding.seen.partition(': ')[0]} seen"
        yield Finding(cluster.name, what, finding.seen.partition(": ")[2], up if is_absent else get, finding.key)
    yield from _scaled_away(facts, cluster)


def _scaled_away(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find workloads that somebody has scaled to nothing: Kubernetes calls those ready."""
    layout = layout_of(facts.topology.chart.version)
    wanted_none = set()
    for name in REPLICATED:
        component = layout.components[name]
        in_values = get_path(cluster.values, f"{component.key}.replicas")
        if 0 in (getattr(cluster.replicas, name), in_values):
            wanted_none.add(component.label)
    for workload in facts.seen(cluster).workloads:
        is_none = workload.desired == 0 and workload.observed and workload.kind != "DaemonSet"
        if is_none and workload.component not in wanted_none:
            place = f"{workload.kind} {workload.name}"
            scale = f"kubectl --context {cluster.context} -n {cluster.namespace} scale {workload.kind.lower()}"
            yield Finding(
                cluster.name,
                f"{place} is scaled to 0",
                "neither the file nor helm wants that",
                f"{scale} {workload.name} --replicas=1",
                place,
            )


def as_the_file_says(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find what ``up`` would refuse to plan for, and what it would change in what is installed."""
    plan, seen = facts.plan, facts.seen(cluster)
    if plan is None:
        return
    failure = plan.failures.get(cluster.name)
    if failure is not None and not _is_told_elsewhere(facts, cluster, failure):
        yield finding_of(failure, cluster.name)
    if seen.release is None or seen.release.status != "deployed":
        return
    for step in plan.of(cluster.name):
        lines = _differences(step)
        if lines:
            shown = "; ".join(lines[:_SHOWN]) + (f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")
            what = f"{_SUBJECTS[step.kind]} {'differ' if step.kind is Kind.EXPOSE else 'differs'} from the file"
            yield Finding(cluster.name, what, shown, f"dfmc plan {facts.file} -c {cluster.name}", step.id)


_SUBJECTS = {
    Kind.RELEASE: "the release",
    Kind.EXPOSE: "the manager's Services",
    Kind.CREDENTIALS: "the credentials' Secret",
}


def _differences(step: Step) -> list[str]:
    if not step.mutates or step.conditional or step.kind not in _SUBJECTS:
        return []
    return [str(change) for change in step.changes if change.old != _DELETED]


def _is_told_elsewhere(facts: Facts, cluster: ClusterSpec, failure: DfmcError) -> bool:
    """Another check looks at unreachable clusters, at releases and at records that are not ours, by the same rules."""
    seen, name = facts.seen(cluster), facts.topology.metadata.name
    told: list[DfmcError | None] = [seen.error]
    if seen.release is not None:
        told.append(release_conflict(cluster, seen.release, name, facts.uid))
    if record := expected_record(facts.topology, cluster, facts.observed):
        told.append(record_conflict(cluster.name, record, name, facts.uid))
    return str(failure) in {str(error) for error in told if error is not None}


CHECKS = (
    Check(
        "DF351",
        "the credentials are this topology's, and complete",
        GROUP,
        "dfmc keeps passwords and the JWT key in one Secret of the central namespace. Without it, or with another "
        "topology's, nothing that runs can be changed safely.",
        "Restore the Secret; or give the file back the metadata.name it had.",
        of_topology=credentials,
        answers_for=(Need.GIVEN,),
    ),
    Check(
        "DF352",
        "every release is this topology's, and no helm was cut short",
        GROUP,
        "dfmc touches nothing that it did not make; and helm refuses a release that an interrupted helm left pending.",
        "`dfmc up` recovers what is stuck. What is somebody else's needs another namespace or release name.",
        needs=(Need.RELEASE, Need.OWNED_RELEASES),
        of_cluster=ownership,
    ),
    Check(
        "DF353",
        "all objects of a release are there, and its pods are ready",
        GROUP,
        "helm calls a release deployed whatever has become of its objects since, and Kubernetes calls a workload ready "
        "that somebody has scaled to 0.",
        "`dfmc up` makes again what was deleted; a pod's own reason says what holds it up.",
        needs=(Need.RELEASE, Need.INSTALLED),
        of_cluster=objects,
    ),
    Check(
        "DF354",
        "what is installed is what the file says",
        GROUP,
        "A file that was edited and not applied, or a release that somebody upgraded by hand.",
        "`dfmc plan` shows every difference, `dfmc up` puts it right.",
        needs=(Need.RELEASE, Need.PLAN),
        of_cluster=as_the_file_says,
        answers_for=(Need.PLAN,),
    ),
)
