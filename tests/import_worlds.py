"""What ``dfmc import`` finds: made from a topology that dfmc has brought up, or from values as somebody writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dfmc.linting.loading import load_from_text
from dfmc.planning.importing.found import Found, FoundRelease, Wishes
from dfmc.planning.importing.importer import Imported, import_topology
from dfmc.planning.plan import ChartIdentity, make_plan
from dfmc.planning.steps import Plan
from dfmc.state import (
    ClusterRecord,
    KubernetesFacts,
    Observed,
    ObservedCluster,
    ObservedManager,
    ReleaseState,
    ScopesRecord,
)
from dfmc.topology.model import Topology
from observed_worlds import FACTS, SECRETS, finished

REPOSITORY = "https://charts.example/"
WISHES = Wishes(repository=REPOSITORY)


def made_by_dfmc(file: Topology, world: Observed | None = None) -> Found:
    """What there is after ``up``; a world of one's own may have clusters elsewhere."""
    world = world or finished(file)
    releases = []
    for cluster in file.clusters:
        seen = world.clusters[cluster.name]
        assert seen.release is not None
        assert seen.facts is not None
        release = replace(seen.release, chart_version=file.chart.version)
        releases.append(FoundRelease(cluster.context, seen.facts, release, bridges=seen.bridges))
    assert world.manager is not None
    return Found(releases[0], tuple(releases[1:]), world.manager, tuple(world.services.values()), world.credentials)


def hand_made(
    namespace: str,
    values: Mapping[str, Any],
    *,
    version: str = "1.7.4",
    context: str = "kind-kind",
    name: str = "dragonfly",
    facts: KubernetesFacts = FACTS,
    manifest: str = "",
    **changes: Any,
) -> FoundRelease:
    """A release as helm has it."""
    release = ReleaseState(name, namespace, 1, "deployed", "dragonfly", version, "2.5.0", values, {}, manifest=manifest)
    return FoundRelease(context, facts, replace(release, **changes))


def record(number: int, name: str, *, scheduler_id: int = 0, **scopes: Any) -> ClusterRecord:
    """A row of the manager's."""
    ids = scheduler_id or number
    return ClusterRecord(number, name, "", ScopesRecord(**scopes), ids, ids, number == 1)


def found(central: FoundRelease, *others: FoundRelease, records: tuple[ClusterRecord, ...], **more: Any) -> Found:
    """Everything around a central release."""
    return Found(central, others, ObservedManager(records), **more)


def import_of(world: Found, wishes: Wishes = WISHES) -> tuple[Imported, Topology]:
    """Return the file, and what it says when it is loaded as any file is: it must be valid."""
    imported = import_topology(world, wishes)
    return imported, load_from_text(imported.text, "imported.yaml").topology


def plan_of(file: Topology, world: Found, *, adopt: bool = True) -> Plan:
    """Return the plan for the world as it was found, made without what import made for its comments."""
    from dfmc.planning.consent import Consent

    places = {(one.context, one.release.namespace): one for one in (world.central, *world.releases)}
    clusters = {}
    for cluster in file.clusters:
        one = places[cluster.context, cluster.namespace]
        clusters[cluster.name] = ObservedCluster(
            cluster.name,
            facts=one.kubernetes,
            namespace_exists=True,
            release=one.release,
            bridges=one.bridges,
        )
    services = {str(one["metadata"]["name"]): one for one in world.services}
    observed = Observed(clusters, credentials=world.stored, services=services, manager=world.manager)
    chart = ChartIdentity(file.chart.version, "ab" * 32)
    return make_plan(file, observed, chart=chart, given=SECRETS if not adopt else {}, consent=Consent(adopt=adopt))
