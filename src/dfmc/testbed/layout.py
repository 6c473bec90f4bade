"""Where a bed keeps its files, what was asked for, and what stands."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dfmc.errors import PreflightError
from dfmc.testbed.plan import BedPlan, ClusterPlan

ChartChoice = Literal["stand-in", "official"] | Path
ClientChoice = Literal["auto", "real", "simulated"]

# The program behind clients and seed clients; a bed that runs them names it among its programs.
CLIENT_PROGRAM = "dfdaemon"

# The kernel's limit for a unix socket's path is 107 bytes.
_LONGEST_SOCKET_PATH = 107


def default_directory() -> Path:
    """Return ``dfmc/testbed/kwok`` under XDG_STATE_HOME (``~/.local/state``)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "dfmc" / "testbed" / "kwok"


@dataclass(frozen=True)
class BedRequest:
    """What `up` shall bring about.

    Attributes:
        topology: The file whose contexts the bed makes; None for one to begin with.
        clusters: Without a file: how many Kubernetes clusters that one has.
        chart: The bed's own stand-in chart, the official repository, or a chart on disk (directory or .tgz).
        directory: Where the bed keeps everything.
        helm: Which major version ``env`` names.
        cache: Where built programs lie; None for the default under XDG_CACHE_HOME.
        clients: Whether clients and seed clients run; ``auto`` means as the bed was made, and for a new one where
            their program is there.
    """

    topology: Path | None = None
    chart: ChartChoice = "stand-in"
    directory: Path = field(default_factory=default_directory)
    helm: Literal[3, 4] = 3
    cache: Path | None = None
    clients: ClientChoice = "auto"
    clusters: int = 1


@dataclass(frozen=True)
class BedLayout:
    """The bed's directory."""

    directory: Path

    @property
    def state(self) -> Path:
        """The plan and the choices of the last `up`."""
        return self.directory / "bed.json"

    @property
    def kubeconfig(self) -> Path:
        """One file with every context of the bed."""
        return self.directory / "kubeconfig"

    @property
    def topology(self) -> Path:
        """The copy of the topology file that points at the bed."""
        return self.directory / "topology.yaml"

    @property
    def bin(self) -> Path:
        """Links to the kubectl and helm of the bed, to put first on PATH."""
        return self.directory / "bin"

    @property
    def repository(self) -> Path:
        """Packaged charts and their index, served over HTTP."""
        return self.directory / "charts"

    @property
    def completed_chart(self) -> Path:
        """Copy of a given chart with the subcharts that it lacks."""
        return self.directory / "chart"

    @property
    def supervisor_pid(self) -> Path:
        """Process id of the supervisor."""
        return self.directory / "supervisor.pid"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor writes."""
        return self.directory / "supervisor.log"

    @property
    def origin_log(self) -> Path:
        """What was fetched from the bed's origin, one JSON object a line; see `dfmc.testbed.origin.read_log`."""
        return self.directory / "origin.log"

    @property
    def kwok(self) -> Path:
        """Kwokctl's own working directory."""
        return self.directory / "kwok"

    def cluster(self, name: str) -> ClusterLayout:
        """Return the files of one cluster."""
        return ClusterLayout(self, name)

    def check_socket_paths(self) -> None:
        """Refuse a directory too deep for unix sockets.

        Raises:
            PreflightError: Says how long the path may be.
        """
        longest = len(os.fsencode(self.cluster("c00").process_socket("0" * 8).absolute()))
        if longest > _LONGEST_SOCKET_PATH:
            raise PreflightError(
                "the bed's directory has too long a path for unix sockets",
                where=str(self.directory),
                why=f"{longest - _LONGEST_SOCKET_PATH} characters too long",
                next_step="choose a shorter one with --directory, or set XDG_STATE_HOME",
            )


@dataclass(frozen=True)
class ClusterLayout:
    """Files of one Kubernetes cluster of the bed."""

    bed: BedLayout
    name: str

    @property
    def directory(self) -> Path:
        """What the bed itself keeps of the cluster."""
        return self.bed.directory / "clusters" / self.name

    @property
    def egress_socket(self) -> Path:
        """Unix socket through which the API server reaches pods and nodes."""
        return self.directory / "egress.sock"

    @property
    def name_socket(self) -> Path:
        """Unix socket at which probes ask for names."""
        return self.directory / "names.sock"

    @property
    def probe_tools(self) -> Path:
        """``nc`` and ``nslookup`` for the scripts of probes."""
        return self.directory / "probe-tools"

    def process_socket(self, uid: str) -> Path:
        """Return where a pod's process has its unix socket; short, for the kernel's limit."""
        return self.directory / f"{uid[:8]}.sock"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that kwokctl writes."""
        return self.directory / "kubeconfig"

    @property
    def created(self) -> Path:
        """Exists once the cluster was created to the end."""
        return self.directory / "created"

    @property
    def pods(self) -> Path:
        """Working directories of the real pods' processes."""
        return self.directory / "pods"

    @property
    def volumes(self) -> Path:
        """Data of the persistent volumes."""
        return self.directory / "volumes"

    @property
    def kwok(self) -> Path:
        """Kwokctl's directory of this cluster."""
        return self.bed.kwok / "clusters" / self.name

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event a line, every write with its user agent."""
        return self.kwok / "logs" / "audit.log"


@dataclass(frozen=True)
class BedState:
    """A bed that stands.

    Attributes:
        directory: Where it keeps everything.
        kubeconfig: The file with its contexts.
        topology: The copy of the topology file to give to dfmc.
        plan: Clusters, nodes, addresses.
        cache: Where its programs lie.
        helm: Major version of the helm that ``env`` names.
        clients: Whether clients and seed clients run.
    """

    directory: Path
    kubeconfig: Path
    topology: Path
    plan: BedPlan
    cache: Path
    helm: Literal[3, 4]
    clients: bool

    @property
    def contexts(self) -> tuple[str, ...]:
        """Names of the kubeconfig contexts."""
        return tuple(cluster.context for cluster in self.plan.clusters)

    @property
    def repository_url(self) -> str:
        """URL of the bed's chart repository."""
        return f"http://127.0.0.1:{self.plan.repository_port}"

    @property
    def origin_url(self) -> str:
        """URL of the bed's origin of blobs, for processes of the bed and of this machine."""
        return f"http://127.0.0.1:{self.plan.origin_port}"

    @property
    def origin_log(self) -> Path:
        """What was fetched from the origin."""
        return BedLayout(self.directory).origin_log

    def audit_log(self, context: str) -> Path:
        """Return the audit log of the API server behind ``context``."""
        return self.cluster_layout(context).audit_log

    def cluster_layout(self, context: str) -> ClusterLayout:
        """Return the files of the cluster behind ``context``."""
        return BedLayout(self.directory).cluster(self.plan.cluster(context).name)


@dataclass(frozen=True)
class StoredBed:
    """What ``bed.json`` holds: enough to go on after a reboot, and for the supervisor to know its work."""

    plan: BedPlan
    cache: Path
    helm: Literal[3, 4]
    programs: Mapping[str, str]

    @property
    def clients(self) -> bool:
        """Whether clients and seed clients run: their program is among the bed's."""
        return CLIENT_PROGRAM in self.programs

    def write(self, layout: BedLayout) -> None:
        """Write the file at once or not at all; an unchanged file keeps its time."""
        data = {
            "plan": self.plan.to_json(),
            "cache": str(self.cache),
            "helm": self.helm,
            "programs": dict(self.programs),
        }
        write_if_changed(layout.state, json.dumps(data, indent=1) + "\n", mode=0o600)

    @classmethod
    def read(cls, layout: BedLayout) -> StoredBed | None:
        """Return what the file holds, or None where there is no bed."""
        try:
            data: dict[str, Any] = json.loads(layout.state.read_text())
        except FileNotFoundError:
            return None
        return cls(
            plan=BedPlan.from_json(data["plan"]),
            cache=Path(data["cache"]),
            helm=data["helm"],
            programs=data["programs"],
        )

    def state(self, layout: BedLayout) -> BedState:
        """Return the bed as callers see it."""
        return BedState(
            directory=layout.directory,
            kubeconfig=layout.kubeconfig,
            topology=layout.topology,
            plan=self.plan,
            cache=self.cache,
            helm=self.helm,
            clients=self.clients,
        )


def first_block(directory: Path) -> int:
    """Return where a bed starts to look for address blocks, so that beds rarely want the same ones."""
    return int.from_bytes(hashlib.sha256(os.fsencode(directory.absolute())).digest()[:4], "big")


def cluster_layouts(layout: BedLayout, plan: BedPlan) -> list[tuple[ClusterPlan, ClusterLayout]]:
    """Return each cluster with its files."""
    return [(cluster, layout.cluster(cluster.name)) for cluster in plan.clusters]


def write_if_changed(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file at once or not at all, unless it holds the text already. Return whether it was written."""
    try:
        if path.read_text() == text and (path.stat().st_mode & 0o777) == mode:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    partial.chmod(mode)
    partial.replace(path)
    return True
