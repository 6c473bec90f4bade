"""What ``dfmc testbed`` asks of a bed, whatever its clusters are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.kind import bed as kind_bed
from dfmc.testbed.kind import layout as kind_layout
from dfmc.testbed.kind.layout import KindRequest
from dfmc.testbed.layout import BedRequest, ChartChoice, default_directory

Report = Callable[[str], None]
Name = Literal["kwok", "kind"]


@dataclass(frozen=True)
class UpRequest:
    """What `up` shall bring about; what a provider does not know of, it is not asked for.

    Attributes:
        topology: The file whose contexts the bed makes; None for the guide's topology.
        clusters: kwok: how many Kubernetes clusters a bed without a file has.
        chart: None for the provider's own choice.
        directory: Where the bed keeps everything.
        helm: kwok: which major version ``env`` names.
        clients: kwok: whether Dragonfly's clients run; auto: as the bed was made.
        node_image: kind: the image of its nodes; empty leaves the choice to kind; None: as the bed was made.
        console_port: kind: loopback port of the manager's console; 0 for none; None: as the bed was made.
    """

    topology: Path | None
    chart: ChartChoice | None
    directory: Path
    helm: Literal[3, 4] = 3
    clients: Literal["auto", "real", "simulated"] = "auto"
    node_image: str | None = None
    console_port: int | None = None
    clusters: int = 1


class Provider(Protocol):
    """One kind of bed."""

    def default_directory(self) -> Path:
        """Return where its bed lies when nobody says otherwise."""
        ...

    def up(self, request: UpRequest, report: Report) -> tuple[str, ...]:
        """Bring the bed up and return its contexts."""
        ...

    def down(self, directory: Path, report: Report) -> bool:
        """Take the bed down; return whether there was one."""
        ...

    def status(self, directory: Path) -> Mapping[str, Any]:
        """Return what runs, as plain data."""
        ...

    def env(self, directory: Path) -> Mapping[str, str] | None:
        """Return the variables with which dfmc, helm and kubectl work on the bed; None where there is none."""
        ...


class Kwok:
    """Real control planes, simulated nodes, real Dragonfly processes; no container engine."""

    def default_directory(self) -> Path:
        """See Provider."""
        return default_directory()

    def up(self, request: UpRequest, report: Report) -> tuple[str, ...]:
        """See Provider."""
        chart = request.chart or "stand-in"
        asked = BedRequest(
            topology=request.topology,
            clusters=request.clusters,
            chart=chart,
            directory=request.directory,
            helm=request.helm,
            clients=request.clients,
        )
        return tuple(kwok_bed.up(asked, report).contexts)

    def down(self, directory: Path, report: Report) -> bool:
        """See Provider."""
        return kwok_bed.down(directory, report)

    def status(self, directory: Path) -> Mapping[str, Any]:
        """See Provider."""
        return kwok_bed.status(directory)

    def env(self, directory: Path) -> Mapping[str, str] | None:
        """See Provider."""
        state = kwok_bed.find(directory)
        return kwok_bed.env(state) if state else None


class Kind:
    """The real kind CLI, real nodes in Docker containers."""

    def default_directory(self) -> Path:
        """See Provider."""
        return kind_layout.default_directory()

    def up(self, request: UpRequest, report: Report) -> tuple[str, ...]:
        """See Provider."""
        asked = KindRequest(
            topology=request.topology,
            chart=request.chart,
            directory=request.directory,
            node_image=request.node_image,
            console_port=request.console_port,
        )
        return kind_bed.up(asked, report).contexts

    def down(self, directory: Path, report: Report) -> bool:
        """See Provider."""
        return kind_bed.down(directory, report)

    def status(self, directory: Path) -> Mapping[str, Any]:
        """See Provider."""
        return kind_bed.status(directory)

    def env(self, directory: Path) -> Mapping[str, str] | None:
        """See Provider."""
        state = kind_bed.find(directory)
        return kind_bed.env(state) if state else None


PROVIDERS: Mapping[Name, Provider] = {"kwok": Kwok(), "kind": Kind()}
