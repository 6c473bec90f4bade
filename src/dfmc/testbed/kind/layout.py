"""Where a kind bed keeps its files, what was asked for, and what stands."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfmc.testbed.kind.plan import KindCluster
from dfmc.testbed.layout import ChartChoice, write_if_changed

CONSOLE_PORT = 8080
"""Where the guide has the manager's console on the host."""


def default_directory() -> Path:
    """Return ``dfmc/testbed/kind`` under XDG_STATE_HOME (``~/.local/state``)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "dfmc" / "testbed" / "kind"


@dataclass(frozen=True)
class Choices:
    """What a bed was asked to be; kept, so that `up` without options goes on with it.

    Attributes:
        topology: The file whose contexts the bed makes; None for the guide's topology.
        chart: ``official`` for what the file says; the stand-in chart; or a chart on disk (directory or .tgz).
        node_image: Image of kind's nodes; empty leaves the choice to kind.
        console_port: Port of 127.0.0.1 that leads to the manager's REST node port; 0 for none.
    """

    topology: Path | None = None
    chart: ChartChoice = "official"
    node_image: str = ""
    console_port: int = CONSOLE_PORT

    def to_json(self) -> dict[str, Any]:
        """Return plain data that `from_json` reads back."""
        return {
            "topology": str(self.topology) if self.topology else None,
            "chart": str(self.chart),
            "nodeImage": self.node_image,
            "consolePort": self.console_port,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Choices:
        """Read what `to_json` wrote."""
        chart = data["chart"]
        return cls(
            topology=Path(data["topology"]) if data["topology"] else None,
            chart=chart if chart in ("official", "stand-in") else Path(chart),
            node_image=data["nodeImage"],
            console_port=data["consolePort"],
        )


@dataclass(frozen=True)
class KindRequest:
    """What `up` shall bring about; None means as the bed was asked to be before, and the default for a new one.

    Attributes:
        directory: Where the bed keeps everything.
        topology: See Choices; so are the others.
        chart: See Choices.
        node_image: See Choices.
        console_port: See Choices.
    """

    directory: Path = field(default_factory=default_directory)
    topology: Path | None = None
    chart: ChartChoice | None = None
    node_image: str | None = None
    console_port: int | None = None

    def choices(self, before: Choices | None) -> Choices:
        """Return the choices of this `up`, given those of the last one."""
        base = before or Choices()
        chart = self.chart or base.chart
        return Choices(
            topology=self.topology.absolute() if self.topology else base.topology,
            chart=chart.absolute() if isinstance(chart, Path) else chart,
            node_image=base.node_image if self.node_image is None else self.node_image,
            console_port=base.console_port if self.console_port is None else self.console_port,
        )


@dataclass(frozen=True)
class KindLayout:
    """The bed's directory."""

    directory: Path

    @property
    def state(self) -> Path:
        """What `up` made, or is making."""
        return self.directory / "kind.json"

    @property
    def kubeconfig(self) -> Path:
        """One file with every context of the bed."""
        return self.directory / "kubeconfig"

    @property
    def topology(self) -> Path:
        """The copy of the topology file that points at the bed."""
        return self.directory / "topology.yaml"

    @property
    def chart(self) -> Path:
        """Copy of a given chart with the subcharts that it lacks, or directory of the stand-in's package."""
        return self.directory / "chart"

    def config(self, cluster: str) -> Path:
        """Return the kind configuration of a cluster."""
        return self.directory / "clusters" / f"{cluster}.yaml"

    def cluster_kubeconfig(self, cluster: str) -> Path:
        """Return the kubeconfig that kind writes for a cluster."""
        return self.directory / "clusters" / f"{cluster}.kubeconfig"


@dataclass(frozen=True)
class StoredCluster:
    """A cluster of the bed; not ``made`` while kind is at work on it, and after an interruption."""

    plan: KindCluster
    made: bool


@dataclass(frozen=True)
class StoredKind:
    """What ``kind.json`` holds.

    Attributes:
        choices: What the bed was asked to be.
        network: The Docker network of the nodes.
        owns_network: Whether it was not there before this bed, so that `down` takes it away.
        clusters: In the order in which they were first asked for.
    """

    choices: Choices
    network: str
    owns_network: bool
    clusters: tuple[StoredCluster, ...] = ()

    @property
    def plans(self) -> tuple[KindCluster, ...]:
        """The clusters' plans."""
        return tuple(cluster.plan for cluster in self.clusters)

    def find(self, name: str) -> StoredCluster | None:
        """Return the cluster that kind calls so."""
        return next((cluster for cluster in self.clusters if cluster.plan.name == name), None)

    def with_cluster(self, plan: KindCluster, *, made: bool) -> StoredKind:
        """Return the same with a cluster added, or put in the place of its former self."""
        new = StoredCluster(plan, made)
        if self.find(plan.name) is None:
            return replace(self, clusters=(*self.clusters, new))
        kept = tuple(new if cluster.plan.name == plan.name else cluster for cluster in self.clusters)
        return replace(self, clusters=kept)

    def only(self, names: Set[str]) -> StoredKind:
        """Return the same without the clusters that have other names."""
        return replace(self, clusters=tuple(cluster for cluster in self.clusters if cluster.plan.name in names))

    def write(self, layout: KindLayout) -> None:
        """Write the file at once or not at all."""
        data = {
            "choices": self.choices.to_json(),
            "network": self.network,
            "ownsNetwork": self.owns_network,
            "clusters": [{"plan": each.plan.to_json(), "made": each.made} for each in self.clusters],
        }
        write_if_changed(layout.state, json.dumps(data, indent=1) + "\n", mode=0o600)

    @classmethod
    def read(cls, layout: KindLayout) -> StoredKind | None:
        """Return what the file holds, or None where there is no bed."""
        try:
            data: dict[str, Any] = json.loads(layout.state.read_text())
        except FileNotFoundError:
            return None
        clusters = (StoredCluster(KindCluster.from_json(each["plan"]), each["made"]) for each in data["clusters"])
        choices = Choices.from_json(data["choices"]) if "choices" in data else Choices()
        return cls(choices, data["network"], data["ownsNetwork"], tuple(clusters))
