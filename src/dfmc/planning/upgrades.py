"""Which changes of a release's chart lose data, or cannot be made in place. Pure.

helm finds out object by object: it applies what it can, fails at the first object that may not change, and leaves a
release of both charts behind; and a database that a newer server has opened is never an older one's again. So what is
known beforehand is refused beforehand. Each risk has a name, by which it can be accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from dfmc.errors import PreflightError
from dfmc.planning.consent import Consent
from dfmc.planning.steps import Recreated
from dfmc.state import ReleaseState
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.values.layouts import Layout, layout_of, parse_version
from dfmc.values.names import component_name


class Risk(StrEnum):
    """What a change of charts can do, by the name that accepts it."""

    OTHER_CHART = "other-chart"
    DOWNGRADE = "downgrade"
    DATABASE_UPGRADE = "database-upgrade"
    RECREATE = "recreate"


@dataclass(frozen=True)
class Breakpoint:
    """A chart version from which on objects differ in a field that Kubernetes never changes.

    Attributes:
        version: The first chart of the new form.
        why: In words.
        objects: Kind and component's label of what must be made anew, by layout.
    """

    version: str
    why: str
    objects: Callable[[Layout], Iterator[tuple[str, str]]]


def _workloads(layout: Layout) -> Iterator[tuple[str, str]]:
    yield from ((component.kind, component.label) for component in layout.components.values())


def _seed_peers(layout: Layout) -> Iterator[tuple[str, str]]:
    yield layout.components["seed_peer"].kind, layout.components["seed_peer"].label


def _scheduler_service(layout: Layout) -> Iterator[tuple[str, str]]:
    yield "Service", layout.components["scheduler"].label


# dragonflyoss/helm-charts, charts/dragonfly at these tags.
_BREAKPOINTS = (
    Breakpoint("1.3.11", "chart 1.3.11 changed the size in the seed peers' volume claim template", _seed_peers),
    Breakpoint("1.4.3", "chart 1.4.3 changed the selectors of its workloads", _workloads),
    Breakpoint("1.7.5", "chart 1.7.5 made the scheduler's Service headless", _scheduler_service),
)
# The bundled MySQL of these charts opens an older one's files and changes them for good.
_DATABASE_VERSIONS = ("1.1.71", "1.6.18")


def recreated(topology: Topology, cluster: ClusterSpec, release: ReleaseState, wanted: str) -> tuple[Recreated, ...]:
    """Return the objects that a change to chart ``wanted`` must delete first; none where the chart stays."""
    found: dict[Recreated, None] = {}
    for point in _crossed_breakpoints(release, wanted):
        for kind, label in point.objects(layout_of(release.chart_version)):
            name = component_name(cluster.release, label, topology.chart.name)
            found[Recreated("v1" if kind == "Service" else "apps/v1", kind, name)] = None
    return tuple(found)


def upgrade_refusal(
    topology: Topology, cluster: ClusterSpec, release: ReleaseState, wanted: str, consent: Consent
) -> PreflightError | None:
    """Return why a release may not become one of another chart; None where nothing known is against it.

    Args:
        topology: The file.
        cluster: The entry.
        release: What is installed. One that is not deployed is let through: it may be on its way back.
        wanted: The chart's version in the file.
        consent: The risks that the user accepts.
    """
    if release.status != "deployed":
        return None
    risks = [risk for risk in _risks(topology, cluster, release, wanted) if risk[0].value not in consent.allow]
    if not risks:
        return None
    names = " ".join(f"--allow {risk}" for risk, _, _ in risks)
    return PreflightError(
        f"chart {release.chart_name} {release.chart_version} cannot be changed to {wanted} without --allow",
        where=cluster.name,
        why="\n".join(f"{risk}: {why}" for risk, why, _ in risks),
        left="nothing was changed",
        next_step="put the version back; or "
        + "; ".join(dict.fromkeys(way for _, _, way in risks))
        + f", with {names}",
    )


def _risks(
    topology: Topology, cluster: ClusterSpec, release: ReleaseState, wanted: str
) -> Iterator[tuple[Risk, str, str]]:
    """Every risk with its reason and the way to take it."""
    if release.chart_name != topology.chart.name:
        why = f"the release is of chart {release.chart_name}; its objects would be deleted"
        yield Risk.OTHER_CHART, why, "choose another namespace or release name, or let dfmc replace it"
        return
    present, target = parse_version(release.chart_version), parse_version(wanted)
    is_central = cluster.name == topology.manager.cluster
    if target < present:
        data = " and the manager's database has been migrated for it" if is_central else ""
        why = f"{release.chart_version} is newer than {wanted}{data}"
        yield Risk.DOWNGRADE, why, "let dfmc go back" + (" after restoring a dump of that time" if is_central else "")
    if is_central and topology.manager.database is None:
        for version in _DATABASE_VERSIONS:
            if present < parse_version(version) <= target:
                why = f"chart {version} brings another major version of MySQL, which changes its files for good"
                yield Risk.DATABASE_UPGRADE, why, "dump the manager's database first (mysqldump)"
    for point in _crossed_breakpoints(release, wanted):
        objects = ", ".join(str(one) for one in recreated(topology, cluster, release, wanted))
        why = f"{point.why}, which Kubernetes never changes in an existing object"
        yield Risk.RECREATE, why, f"let dfmc delete and make anew {objects} (volumes and credentials stay)"


def _crossed_breakpoints(release: ReleaseState, wanted: str) -> Iterator[Breakpoint]:
    present, target = parse_version(release.chart_version), parse_version(wanted)
    for point in _BREAKPOINTS:
        version = parse_version(point.version)
        if (present < version) != (target < version):
            yield point
