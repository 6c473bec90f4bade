"""Checks of the way to each Kubernetes cluster: does it answer, and what may we do there."""

from __future__ import annotations

from collections.abc import Iterator

from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import Check, Finding
from dfmc.topology.model import ClusterSpec

GROUP = "access"
_SHOWN = 6


def rights(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Tell which rights of a run are missing."""
    denied = facts.of(cluster).denied
    if denied:
        shown = "; ".join(right.words for right in denied[:_SHOWN])
        more = f"; and {len(denied) - _SHOWN} more" if len(denied) > _SHOWN else ""
        yield Finding(
            cluster.name,
            f"{len(denied)} right{'s are' if len(denied) > 1 else ' is'} missing for a run of dfmc up",
            shown + more,
            f"kubectl --context {cluster.context} auth can-i {denied[0].can_i}",
            f"context {cluster.context}",
        )


def kinds(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Tell which kinds of the chart the API server does not know."""
    for kind in facts.of(cluster).unserved:
        version = seen.version if (seen := facts.seen(cluster).facts) else "?"
        yield Finding(
            cluster.name,
            f"the API server does not know {kind}",
            f"chart {facts.topology.chart.version} makes such an object; this is Kubernetes {version}",
            f"kubectl --context {cluster.context} api-resources",
            kind,
        )


CHECKS = (
    Check(
        "DF311",
        "every context leads to an API server that answers, is trusted and takes the credentials",
        GROUP,
        "Nothing can be done in a cluster that does not answer, shows another certificate than the kubeconfig's "
        "authority signed, or refuses the credentials.",
        "The message says which of these it is; `kubectl --context NAME version` sees the same.",
        answers_for=(Need.CLUSTER,),
    ),
    Check(
        "DF312",
        "the credentials have every right that a run needs",
        GROUP,
        "helm ends with success when it may create a release's objects but not update its Secret, and the release is "
        "stuck from then on. So every right is asked for by an access review, in each cluster.",
        "Give the user or service account the rights that are listed; `dfmc rbac` prints them all as roles.",
        needs=(Need.RIGHTS,),
        of_cluster=rights,
    ),
    Check(
        "DF313",
        "the API server knows every kind of object that the chart makes",
        GROUP,
        "helm stops at the first object of an unknown kind: a Kubernetes that is too old, or resources that another "
        "chart brings and nobody has installed yet.",
        "Install what brings the kind, or choose a chart version for this Kubernetes.",
        needs=(Need.KINDS, Need.MANIFEST),
        of_cluster=kinds,
    ),
)
