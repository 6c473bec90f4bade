"""What ``doctor`` knows of the world: gathered by engine/doctor.py, read by the checks. Nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dfmc.errors import DfmcError
from dfmc.planning.plan import ChartIdentity
from dfmc.planning.steps import Plan
from dfmc.state import Observed, ObservedCluster
from dfmc.topology.model import ClusterSpec, Topology

Object = Mapping[str, Any]


class Need(StrEnum):
    """Something that checks look at, and that may be out of reach; the value is what messages call it."""

    HELM = "helm"
    CHART = "the chart"
    GIVEN = "the credentials that the file refers to"
    PLAN = "the plan"
    CLUSTER = "the API server"
    RELEASE = "the release"
    INSTALLED = "an installed release"
    NODES = "nodes"
    PODS = "pods of all namespaces"
    SERVICES = "Services of all namespaces"
    STORAGE_CLASSES = "StorageClasses"
    CLAIMS = "volume claims"
    RIGHTS = "access reviews"
    MANIFEST = "the chart's objects"
    KINDS = "the kinds that the API server serves"
    OWNED_RELEASES = "releases of all namespaces"
    PROBES = "the probe pod"
    MANAGER = "the manager"
    MANAGER_CLOCK = "the manager's clock"
    LOGIN = "a sign-in with the public password"
    FORGERY = "a request with a token of the public key"
    LEASE = "the lock"
    COUNTERS = "counters of clients and schedulers"


PER_CLUSTER = frozenset(
    {
        Need.CLUSTER,
        Need.RELEASE,
        Need.INSTALLED,
        Need.NODES,
        Need.PODS,
        Need.SERVICES,
        Need.STORAGE_CLASSES,
        Need.CLAIMS,
        Need.RIGHTS,
        Need.MANIFEST,
        Need.KINDS,
        Need.OWNED_RELEASES,
        Need.PROBES,
        Need.COUNTERS,
    }
)
"""Needs that exist once for each cluster; the others once for the topology, under the cluster name ``""``."""


@dataclass(frozen=True)
class Right:
    """A right that an access review refused: in words, and the kubectl arguments that ask for it."""

    words: str
    can_i: str


@dataclass(frozen=True)
class Endpoint:
    """What pods of a cluster have to reach.

    Attributes:
        name: ``grpc``, ``rest``, ``redis`` or ``database``.
        is_needed: The chart's pods dial it; False: only people and later charts do.
        is_there: It should answer now; False before the central release that will answer there is installed.
    """

    name: str
    host: str
    port: int
    is_needed: bool = True
    is_there: bool = True

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Reached:
    """What a pod of the cluster said of one endpoint.

    Attributes:
        resolves: Its name has an address there; None for a bare IP, which needs none.
        connects: A TCP connection stood within seconds.
        said: The last words of whatever tried.
    """

    endpoint: Endpoint
    resolves: bool | None
    connects: bool
    said: str = ""


@dataclass(frozen=True)
class Counted:
    """What the processes of one cluster have counted since they started.

    Attributes:
        registered: Peers that its schedulers have registered for its clients' downloads.
        received: Bytes that its clients have fetched from peers and registries.
        clients: How many of them were asked.
        is_older: Every scheduler started before every client that was asked, so it has seen all of that.
    """

    registered: int
    received: int
    clients: int
    is_older: bool


@dataclass(frozen=True)
class ClusterFacts:
    """One cluster of the file, beside what ``Observed`` has of it.

    Attributes:
        nodes: Every Node of the Kubernetes cluster.
        pods: Every Pod, of all namespaces.
        services: Every Service, of all namespaces.
        storage_classes: Every StorageClass.
        claims: PersistentVolumeClaims of the cluster's namespace.
        denied: Rights that a run needs and has not.
        manifest: The objects of the release as the file wants it.
        unserved: ``apiVersion/kind`` that the manifest has and the API server does not know.
        owned_releases: ``(namespace, release)`` of all deployed releases that carry this topology's mark.
        reached: One for each endpoint.
    """

    nodes: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    storage_classes: tuple[Object, ...] = ()
    claims: tuple[Object, ...] = ()
    denied: tuple[Right, ...] = ()
    manifest: tuple[Object, ...] = ()
    unserved: tuple[str, ...] = ()
    owned_releases: tuple[tuple[str, str], ...] = ()
    reached: tuple[Reached, ...] = ()
    counted: Counted | None = None


@dataclass(frozen=True)
class Facts:
    """The world at one moment.

    Attributes:
        file: Name of the topology file, for commands.
        selected: Names of the clusters that are looked at, in the file's order.
        observed: A deep observation.
        now: Seconds since 1970 by this machine's clock.
        unread: Why something could not be read, by what and cluster (``""`` for what is no cluster's).
        absent: What is not there to be read, or was left out, and why; likewise.
        helm: helm's version.
        lease: The topology's Lease; None when there is none.
        manager_clock_ahead: Seconds; None where the manager's answers carry no date.
        takes_default_password: The manager signs root in with the chart's public password.
        takes_default_key: The manager takes a token signed with the chart's public key.
    """

    topology: Topology
    file: str
    selected: tuple[str, ...]
    observed: Observed
    now: float
    clusters: Mapping[str, ClusterFacts]
    unread: Mapping[tuple[Need, str], DfmcError] = field(default_factory=dict)
    absent: Mapping[tuple[Need, str], str] = field(default_factory=dict)
    helm: str = ""
    chart: ChartIdentity | None = None
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    plan: Plan | None = None
    lease: Object | None = None
    manager_clock_ahead: float | None = None
    takes_default_password: bool = False
    takes_default_key: bool = False

    @property
    def uid(self) -> str | None:
        """The topology's uid; None before its first run."""
        return self.observed.credentials.uid if self.observed.credentials else None

    @property
    def entries(self) -> tuple[ClusterSpec, ...]:
        """The selected entries of the file."""
        return tuple(cluster for cluster in self.topology.clusters if cluster.name in self.selected)

    def of(self, cluster: ClusterSpec) -> ClusterFacts:
        """Return what was gathered of an entry."""
        return self.clusters[cluster.name]

    def seen(self, cluster: ClusterSpec) -> ObservedCluster:
        """Return what was observed of an entry."""
        return self.observed.clusters[cluster.name]

    @property
    def is_installed(self) -> bool:
        """Whether the central release is there."""
        return self.observed.clusters[self.topology.manager.cluster].release is not None

    def lacks(self, need: Need, cluster: str) -> str | None:
        """Return why a check that needs this cannot run; None when it can.

        Nothing of a cluster whose API server does not answer can be looked at.
        """
        for one in (need, Need.CLUSTER) if need in PER_CLUSTER else (need,):
            key = (one, cluster if one in PER_CLUSTER else "")
            if key in self.absent:
                return self.absent[key]
            if key in self.unread:
                return f"{one} could not be read" if one is not Need.CLUSTER else "its API server could not be asked"
        return None
