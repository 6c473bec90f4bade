"""What the lints look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dfmc.matching.contest import Contest
from dfmc.matching.records import candidates_of
from dfmc.matching.versions import generation_of
from dfmc.topology.document import Document
from dfmc.topology.model import ClusterSpec, Topology
from dfmc.topology.nodes import Path
from dfmc.values.context import membership_of
from dfmc.values.layouts import unsupported
from dfmc.values.manager_versions import manager_version


@dataclass(frozen=True, eq=False)
class Subject:
    """A topology that the model accepts and whose central cluster is one of its entries.

    Attributes:
        document: The file's text and nodes.
        topology: What it says.
    """

    document: Document
    topology: Topology

    @cached_property
    def contest(self) -> Contest:
        """The clusters as records of the manager that the chart installs, by the formula of its version."""
        return Contest(candidates_of(self.topology), generation_of(manager_version(self.topology)))

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """Place in the file's list by name; of two with one name the first."""
        return {entry.name: index for index, entry in reversed(list(enumerate(self.topology.clusters)))}

    def path(self, entry: ClusterSpec | str, *steps: str | int) -> Path:
        """Return the path of something in an entry, given it or its name."""
        name = entry if isinstance(entry, str) else entry.name
        return ("clusters", self.index_of[name], *steps)

    def joins_by_scopes(self, entry: ClusterSpec) -> bool:
        """Tell whether the entry's peers find their cluster by its scopes; False where the chart is not known."""
        if unsupported(self.topology.chart.version) is not None:
            return entry.membership == "scopes"
        return membership_of(self.topology, entry) == "scopes"

    @cached_property
    def elsewhere(self) -> tuple[ClusterSpec, ...]:
        """Members whose context is not the central cluster's: in another Kubernetes cluster, as far as a file tells."""
        central = self.topology.central
        here = (central.kubeconfig, central.context)
        return tuple(entry for entry in self.topology.members if (entry.kubeconfig, entry.context) != here)
