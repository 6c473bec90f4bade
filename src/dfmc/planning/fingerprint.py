"""What a plan was made from, as facts that can be compared later. Pure.

Facts are words for people as well: a difference of two fingerprints says what was there and what is there now. None is
made from a password: versions of Secrets stand for their content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dfmc.planning.bridges import described
from dfmc.planning.exposure import is_elsewhere
from dfmc.planning.records import expected_record
from dfmc.state import Observed, ObservedCluster
from dfmc.topology.model import ClusterSpec, Topology

# The facts that are about the run and about no cluster.
RUN = ""
NAMESPACE = "namespace"
_ABSENT = "absent"


@dataclass(frozen=True)
class Fingerprint:
    """Facts by the cluster they are about (RUN for the run's own) and by what they say.

    Attributes:
        facts: For example ``{"b": {"release": "revision 3, deployed (version …)"}}``.
    """

    facts: Mapping[str, Mapping[str, str]]

    def without(self, cluster: str, fact: str) -> Fingerprint:
        """Return it without one fact, for what the run itself has changed meanwhile."""
        of_cluster = {key: value for key, value in self.facts.get(cluster, {}).items() if key != fact}
        return Fingerprint({**self.facts, cluster: of_cluster})

    def changes(self, now: Fingerprint) -> tuple[str, ...]:
        """Return what differs between this and a later one, one sentence each, the run's own facts first."""
        names = dict.fromkeys((*self.facts, *now.facts))
        return tuple(
            f"{name}: {sentence}" if name else sentence
            for name in names
            for sentence in _changed(self.facts.get(name, {}), now.facts.get(name, {}))
        )


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for fact in dict.fromkeys((*before, *now)):
        old, new = before.get(fact, _ABSENT), now.get(fact, _ABSENT)
        if old != new:
            yield f"{fact} was {old}, is {new}"


def fingerprint(
    topology: Topology, observed: Observed, *, selected: Iterable[str], run: Mapping[str, str]
) -> Fingerprint:
    """Return the facts that a plan follows from.

    Args:
        topology: The file.
        observed: What the plan was made from.
        selected: Names of the clusters that the plan is for; the central one always counts.
        run: Facts about the run: the file's digest, the chart's, dfmc's version.
    """
    facts: dict[str, Mapping[str, str]] = {RUN: dict(run)}
    for name in dict.fromkeys((topology.manager.cluster, *selected)):
        cluster = topology.cluster(name)
        facts[name] = dict(_facts(topology, cluster, observed))
    return Fingerprint(facts)


def text_digest(text: str) -> str:
    """Return the short sha256 of a text, enough to tell two versions of a file apart."""
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _facts(topology: Topology, cluster: ClusterSpec, observed: Observed) -> Iterator[tuple[str, str]]:
    seen = observed.clusters[cluster.name]
    if seen.error:
        yield "state", f"unknown: {seen.error.what}"
        return
    if seen.facts:
        yield "Kubernetes cluster", seen.facts.uid
        yield "container runtimes", ", ".join(sorted(seen.facts.runtimes)) or "none"
    yield NAMESPACE, "there" if seen.namespace_exists else _ABSENT
    yield "release", _release(seen)
    yield "deleted objects", ", ".join(seen.missing) or "none"
    yield "edited objects", ", ".join(map(str, seen.edited)) or "none"
    if is_elsewhere(topology, cluster):
        yield "bridges", described(topology, cluster, observed)
    if observed.manager is not None:
        yield "record", _record(topology, cluster, observed)
    if cluster.name == topology.manager.cluster:
        yield from _central_facts(observed)


def _release(seen: ObservedCluster) -> str:
    release = seen.release
    if release is None:
        return _ABSENT
    chart = f"{release.chart_name}-{release.chart_version}"
    return f"revision {release.revision} of {chart}, {release.status} (version {release.version})"


def _record(topology: Topology, cluster: ClusterSpec, observed: Observed) -> str:
    record = expected_record(topology, cluster, observed)
    if record is None:
        return _ABSENT
    scopes = {key: value for key, value in vars(record.scopes).items() if value}
    ids = f"{record.scheduler_cluster_id}/{record.seed_peer_cluster_id}"
    # The bio may be whatever somebody has written into it, passwords too: its digest tells as much.
    bio = text_digest(record.bio)
    return f"{record.name!r}, id {record.id}, {ids}, default {record.is_default}, {_as_text(scopes)}, bio {bio}"


def _central_facts(observed: Observed) -> Iterator[tuple[str, str]]:
    stored = observed.credentials
    yield "credentials' Secret", f"{stored.uid}, version {stored.resource_version}" if stored else _ABSENT
    for name, service in sorted(observed.services.items()):
        # Not its resourceVersion: a load balancer's status is written again and again.
        written = {"spec": service.get("spec"), "annotations": service["metadata"].get("annotations")}
        yield f"Service {name}", text_digest(_as_text(written))
    yield "manager", "answers" if observed.manager else "does not answer"


def _as_text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
