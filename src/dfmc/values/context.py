"""What every part of a cluster's values is rendered from."""

from __future__ import annotations

from dataclasses import dataclass

from dfmc.topology.model import ClusterSpec, HostSpec, Topology
from dfmc.values.inputs import ValuesInputs
from dfmc.values.layouts import Component, Layout, Role, layout_of


@dataclass(frozen=True)
class RenderContext:
    """One cluster of a topology, the chart's layout, and what only the world knows.

    Parts of values are functions from a context to key paths and their values (see merge.nest).
    """

    topology: Topology
    cluster: ClusterSpec
    inputs: ValuesInputs
    layout: Layout
    role: Role

    @property
    def is_central(self) -> bool:
        """Whether the manager runs in this cluster."""
        return self.role == "central"

    @property
    def components(self) -> tuple[Component, ...]:
        """The components that this cluster runs: all in the central one, all but the manager in members."""
        parts = self.layout.components.values()
        return tuple(part for part in parts if self.is_central or part.name != "manager")

    @property
    def bundled(self) -> tuple[str, ...]:
        """Which of the chart's databases this release brings: ``mysql``, ``redis``."""
        if not self.is_central:
            return ()
        manager = self.topology.manager
        given = {"mysql": manager.database, "redis": manager.redis}
        return tuple(name for name, external in given.items() if external is None)

    @property
    def has_redis(self) -> bool:
        """Whether the cluster's schedulers use the manager's Redis; the manager itself always does."""
        return self.is_central or self.cluster.redis == "shared"

    @property
    def membership(self) -> str:
        """How the cluster's peers find it: by ``id`` or by ``scopes``."""
        return membership_of(self.topology, self.cluster)

    @property
    def host(self) -> HostSpec:
        """What the cluster's peers say of themselves; see host_of."""
        return host_of(self.cluster)


def context_of(topology: Topology, cluster: ClusterSpec, inputs: ValuesInputs) -> RenderContext:
    """Return the context of one entry of the file.

    Raises:
        TopologyError: dfmc writes no values for the chart's version.
    """
    layout = layout_of(topology.chart.version)
    return RenderContext(topology, cluster, inputs, layout, role_of(topology, cluster))


def role_of(topology: Topology, cluster: ClusterSpec) -> Role:
    """Return whether the manager runs in this cluster."""
    return "central" if cluster.name == topology.manager.cluster else "member"


def membership_of(topology: Topology, cluster: ClusterSpec) -> str:
    """Return how a cluster's peers find it, by ``id`` or by ``scopes``: as the file says, else as the chart can.

    Raises:
        TopologyError: dfmc writes no values for the chart's version.
    """
    return cluster.membership or layout_of(topology.chart.version).membership[0]


def host_of(cluster: ClusterSpec) -> HostSpec:
    """Return the idc and location of the cluster's peers: what the entry says, else the scope where it is one value.

    A scope's idc may be several names separated by ``|``, of which a peer can say one; a location's ``|`` separates
    its levels, so it always is one value (the manager's searcher compares them so).
    """
    scope, host = cluster.scopes, cluster.host
    idc = host.idc or (scope.idc if scope.idc and "|" not in scope.idc else None)
    return HostSpec(idc=idc, location=host.location or scope.location)
