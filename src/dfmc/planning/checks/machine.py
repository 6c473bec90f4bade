"""Checks of this machine: helm, the chart, and whose clock is right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dfmc.planning.checks.facts import Facts, Need
from dfmc.planning.checks.model import UNREAD, Check, Finding

GROUP = "this machine"
_SKEW_SECONDS = 60.0


def clocks(facts: Facts) -> Iterator[Finding]:
    """Compare this machine's clock with those of the API servers, the manager and whoever held the lock last."""
    told = [
        (cluster.name, f"API server of context {cluster.context}", seen.clock_ahead)
        for cluster in facts.entries
        if (seen := facts.seen(cluster).facts)
    ]
    told.append((facts.topology.manager.cluster, "manager", facts.manager_clock_ahead))
    for cluster, whose, ahead in told:
        if ahead is not None and abs(ahead) > _SKEW_SECONDS:
            yield Finding(
                cluster,
                f"the clocks of this machine and of the {whose} are {_words(abs(ahead))} apart",
                f"the other one is {'ahead' if ahead > 0 else 'behind'}; tokens and certificates have a beginning and "
                "an end",
                "timedatectl",
                whose,
                level="warning",
            )
    yield from _lease(facts)


def _lease(facts: Facts) -> Iterator[Finding]:
    spec = (facts.lease or {}).get("spec") or {}
    renewed = _time(spec.get("renewTime"))
    if renewed is None or renewed - facts.now <= _SKEW_SECONDS:
        return
    central = facts.topology.central
    name = str((facts.lease or {}).get("metadata", {}).get("name", ""))
    yield Finding(
        central.name,
        f"the lock was renewed {_words(renewed - facts.now)} in the future",
        f"the clock of whoever ran dfmc last is ahead: {spec.get('holderIdentity') or 'that run has ended'}",
        f"kubectl --context {central.context} -n {central.namespace} get lease {name} -o yaml",
        f"Lease {central.namespace}/{name}",
        level="warning",
    )


def _time(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).timestamp()
    except ValueError:
        return None


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


CHECKS = (
    Check(
        UNREAD,
        "everything the checks look at can be read",
        GROUP,
        "A check that cannot look finds nothing, which is not the same as nothing being there.",
        "Give the credentials the right that is named, or leave the check out with --skip.",
    ),
    Check(
        "DF301",
        "helm is there and of a version that dfmc works with",
        GROUP,
        "dfmc installs with helm; 3.18 and newer and 4.x are known to work.",
        "Install such a helm, or name it with DFMC_HELM.",
        answers_for=(Need.HELM,),
    ),
    Check(
        "DF302",
        "the chart can be had, and is the one that is known under its version",
        GROUP,
        "Without the chart no run of `up` can begin, and one whose digest has changed is not the one that was tested.",
        "Check `chart:` in the file; with no way to the repository, give `chart.path`.",
        answers_for=(Need.CHART,),
    ),
    Check(
        "DF303",
        "the clocks agree",
        GROUP,
        "A clock that is minutes off makes good certificates and tokens look expired or not yet valid, and logs hard "
        "to put together.",
        "Let the machine synchronize its clock (NTP).",
        uses=(Need.MANAGER_CLOCK, Need.LEASE),
        of_topology=clocks,
    ),
)
