"""What clients return and planning reads: plain frozen facts, no behaviour beyond derived properties.

The words: a *record* is the manager's row of a Dragonfly cluster, a *release* is helm's, a *cluster* is an entry of
the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from dfmc.errors import DfmcError
from dfmc.symbols import Pending

# How kind names its nodes of docker in ``spec.providerID``.
KIND_PROVIDER = "kind://docker/"
PENDING_STATUSES = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})

_POD_DOMAIN = re.compile(r"(.+)\.[^.]+\.[^.]+\.svc(?:\..+)?")


@dataclass(frozen=True)
class Registration:
    """The two ids a member's values need. They may differ: each comes from its own field of the record."""

    scheduler_cluster_id: int | Pending
    seed_peer_cluster_id: int | Pending


@dataclass(frozen=True)
class ScopesRecord:
    """The scopes of a record as the manager returns them; absent ones are empty."""

    idc: str = ""
    location: str = ""
    cidrs: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClusterRecord:
    """A row of the manager's /clusters."""

    id: int
    name: str
    bio: str
    scopes: ScopesRecord
    scheduler_cluster_id: int
    seed_peer_cluster_id: int
    is_default: bool

    @property
    def registration(self) -> Registration:
        """The ids for values."""
        return Registration(self.scheduler_cluster_id, self.seed_peer_cluster_id)


@dataclass(frozen=True)
class SchedulerRecord:
    """A row of the manager's /schedulers.

    Attributes:
        last_keep_alive: Seconds since 1970 by the manager's clock; None before Dragonfly 2.3.1, which does not say.
    """

    id: int
    host_name: str
    ip: str
    port: int
    state: Literal["active", "inactive"]
    scheduler_cluster_id: int
    features: tuple[str, ...] = ()
    idc: str = ""
    location: str = ""
    last_keep_alive: float | None = None

    @property
    def pod_name(self) -> str:
        """Name of the pod behind the row.

        A scheduler registers under its full domain name. On real nodes the kubelet writes that of a StatefulSet's pod
        into its hosts file (``POD.SERVICE.NAMESPACE.svc.ZONE``, seen with kind); elsewhere it is the pod's bare name.
        """
        full = _POD_DOMAIN.fullmatch(self.host_name)
        return full[1] if full else self.host_name


@dataclass(frozen=True)
class SeedPeerRecord:
    """A row of the manager's /seed-peers (only clients before chart 1.4.5 register there)."""

    id: int
    host_name: str
    ip: str
    state: str
    seed_peer_cluster_id: int


@dataclass(frozen=True)
class ReleaseState:
    """The last revision of a helm release, read from its Secret.

    Attributes:
        status: helm's word: deployed, failed, superseded, uninstalling, pending-install, ...
        values: What the user (here: dfmc) gave, without the chart's defaults. Holds credentials in clear.
        labels: Labels of the release Secret that are not helm's own; dfmc's ownership mark among them.
        manifest: The rendered objects as one YAML text.
        version: The Secret's uid and resourceVersion: another one after whatever write.
    """

    name: str
    namespace: str
    revision: int
    status: str
    chart_name: str
    chart_version: str
    app_version: str
    values: Mapping[str, Any] = field(repr=False)
    labels: Mapping[str, str]
    description: str = ""
    manifest: str = field(default="", repr=False)
    version: str = ""

    @property
    def is_pending(self) -> bool:
        """Helm refuses every plain run while this holds."""
        return self.status in PENDING_STATUSES

    @property
    def record(self) -> str:
        """Name of the Secret in which helm keeps this revision."""
        return f"sh.helm.release.v1.{self.name}.v{self.revision}"


@dataclass(frozen=True)
class ContainerState:
    """Why a container is not ready, in the kubelet's words."""

    name: str
    ready: bool
    init: bool
    restarts: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class PodState:
    """One pod of a release.

    Attributes:
        revision: Of the StatefulSet's or DaemonSet's template that it was made from; empty for other pods.
        started: When the newest of its containers did, in seconds since 1970; None while none runs.
    """

    name: str
    component: str
    phase: str
    ready: bool
    ip: str
    node: str
    containers: tuple[ContainerState, ...] = ()
    reason: str = ""
    message: str = ""
    terminating: bool = False
    revision: str = ""
    uid: str = ""
    started: float | None = None


@dataclass(frozen=True)
class EditedField:
    """One setting in a configuration file of a ConfigMap that somebody has changed.

    Attributes:
        path: File and setting, e.g. ``scheduler.yaml: manager.schedulerClusterID``.
        seen: What stands there, in one line; None where nothing does. Secrets are masked already.
        wanted: What the release's manifest says, likewise.
    """

    path: str
    seen: str | None
    wanted: str | None


@dataclass(frozen=True)
class EditedConfigMap:
    """A ConfigMap of a release that does not say what the release's manifest says.

    Attributes:
        keys: Its keys that differ.
        since: When somebody else than helm wrote it last, in seconds since 1970; None where nobody noted that.
        fields: The settings that differ; of a key whose text cannot be read as settings there are none.
    """

    name: str
    keys: tuple[str, ...]
    since: float | None = None
    fields: tuple[EditedField, ...] = ()

    def __str__(self) -> str:
        return f"ConfigMap {self.name}"


@dataclass(frozen=True)
class PodRun:
    """A short-lived pod that has ended.

    Attributes:
        exit_code: Of its only container.
        output: What it wrote to both streams, its last part where it is long; may hold anything.
        node: Where it ran.
        reason: The kubelet's word for the end: ``Completed``, ``Error``, ``OOMKilled``, ...
    """

    exit_code: int
    output: str = field(repr=False)
    node: str
    reason: str


@dataclass(frozen=True)
class PushedImage:
    """A fresh image in a registry.

    Attributes:
        repository: Without the registry.
        tag: Of its own.
        layer: Digest of its only layer, which is nearly all of it.
        manifests: Digests of everything that has to be deleted as a manifest, the index first.
        blobs: Digests of its layer and configurations.
    """

    repository: str
    tag: str
    layer: str
    manifests: tuple[str, ...]
    blobs: tuple[str, ...]


@dataclass(frozen=True)
class LocalRegistry:
    """A registry that runs beside kind's nodes.

    Attributes:
        host: host:port by its name on the nodes' network.
        address: Likewise by its IP address.
        url: From this machine.
    """

    host: str
    address: str
    url: str


@dataclass(frozen=True)
class NodePull:
    """How a node's container runtime pulled an image.

    Attributes:
        seconds: Measured on the node where it can.
        was_present: The node had the image, so that nothing was pulled.
        is_kept: The image could not be removed again.
    """

    seconds: float
    was_present: bool = False
    is_kept: bool = False


@dataclass(frozen=True)
class PeerCounters:
    """What a client or seed client has counted since it started; bytes unless said otherwise.

    Attributes:
        from_source: Fetched from the registry (``BACK_TO_SOURCE``).
        from_peers: Fetched from other peers, seeds among them (``REMOTE_PEER``).
        from_disk: Served from what it had already (``LOCAL_PEER``).
        uploaded: Sent to other peers.
        requests: That its proxy was asked, in number.
        requests_p2p: Those of them that a rule sent through Dragonfly, in number.
    """

    from_source: int = 0
    from_peers: int = 0
    from_disk: int = 0
    uploaded: int = 0
    requests: int = 0
    requests_p2p: int = 0

    @property
    def received(self) -> int:
        """Bytes that it gave to whoever asked it, wherever they came from."""
        return self.from_source + self.from_peers + self.from_disk

    def since(self, before: PeerCounters) -> PeerCounters:
        """Return what moved; negative where the process has started anew meanwhile."""
        return PeerCounters(
            *(getattr(self, one.name) - getattr(before, one.name) for one in fields(self))  # in their order
        )


@dataclass(frozen=True)
class SchedulerCounters:
    """How often peers have registered with a scheduler since it started: one for each content and peer.

    Attributes:
        clients: Peers of host type ``normal``.
        seeds: Peers of host type ``super``.
    """

    clients: int = 0
    seeds: int = 0

    def since(self, before: SchedulerCounters) -> SchedulerCounters:
        """Return what moved; negative where the process has started anew meanwhile."""
        return SchedulerCounters(self.clients - before.clients, self.seeds - before.seeds)


@dataclass(frozen=True)
class WorkloadState:
    """A Deployment, StatefulSet or DaemonSet of a release: wanted, up to date and ready pod counts.

    Attributes:
        message: Why its controller cannot make pods at all (a quota, a policy), in the API server's words.
        revision: Of the newest template, for a StatefulSet that replaces its pods one after the other by itself.
    """

    kind: str
    name: str
    component: str
    desired: int
    updated: int
    ready: int
    observed: bool
    message: str = ""
    revision: str = ""

    @property
    def is_ready(self) -> bool:
        """The controller has seen the newest spec and every wanted pod is new and ready."""
        return self.observed and self.updated >= self.desired and self.ready >= self.desired


@dataclass(frozen=True)
class KubernetesFacts:
    """What one context answers about the Kubernetes cluster behind it.

    Attributes:
        uid: UID of the namespace kube-system: equal for two contexts that lead to one Kubernetes cluster.
        runtimes: Names of the container runtimes that the nodes matching the entry's nodeSelector report, such as
            ``containerd``; empty when no node matches or nodes may not be read.
        node_addresses: Addresses at which NodePorts answer: ExternalIPs if any node has one, else InternalIPs.
        clock_ahead: Seconds by which the API server's clock is ahead of this machine's, as the Date of an answer says,
            which counts whole ones; None where an answer has none.
    """

    uid: str
    version: str
    runtimes: frozenset[str] = frozenset()
    node_addresses: tuple[str, ...] = ()
    clock_ahead: float | None = None


@dataclass(frozen=True)
class StoredCredentials:
    """The Secret ``dfmc-<release>`` of the central namespace: the one thing dfmc itself keeps.

    Attributes:
        topology: Name of the topology that owns the release.
        uid: Made once, marks everything of this topology.
        values: Credentials by key (``redis-password``, ...), in clear.
        root_password_set: The manager's root user has ``root-password``; False means it still may have an older one.
        resource_version: For replacing the Secret only if nobody else did meanwhile.
    """

    topology: str
    uid: str
    values: Mapping[str, str] = field(repr=False)
    root_password_set: bool = False
    resource_version: str = ""


@dataclass(frozen=True)
class BridgeObjects:
    """Objects under the names of a member's bridges, as the API returns them (planning/bridges.py).

    Attributes:
        services: By name.
        slices: EndpointSlices of these Services.
    """

    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slices: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ObservedCluster:
    """One entry of the file as its Kubernetes cluster has it.

    Attributes:
        error: Why nothing could be read; every other field is then empty.
        missing: Objects of a deployed release that somebody has deleted, e.g. ``Service dragonfly-manager``.
        edited: ConfigMaps of a deployed release that somebody has edited.
        config_maps: Live ConfigMaps of the release's components, as the API returns them.
        bridges: dfmc's own objects that lead to the central cluster.
    """

    name: str
    facts: KubernetesFacts | None = None
    namespace_exists: bool = False
    release: ReleaseState | None = None
    missing: tuple[str, ...] = ()
    edited: tuple[EditedConfigMap, ...] = ()
    workloads: tuple[WorkloadState, ...] = ()
    pods: tuple[PodState, ...] = ()
    config_maps: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    bridges: BridgeObjects = field(default=BridgeObjects(), repr=False)
    error: DfmcError | None = None


@dataclass(frozen=True)
class ObservedManager:
    """What the manager's REST API says."""

    records: tuple[ClusterRecord, ...] = ()
    schedulers: tuple[SchedulerRecord, ...] = ()
    seed_peers: tuple[SeedPeerRecord, ...] = ()

    def record(self, name: str) -> ClusterRecord | None:
        """Return the record of that name as the manager compares names: case does not count."""
        return next((r for r in self.records if r.name.casefold() == name.casefold()), None)


@dataclass(frozen=True)
class StrayRelease:
    """A release of this topology's at a place where the file has no entry.

    Attributes:
        context: Of the kubeconfig.
        kubeconfig: As the entries of that context have it.
        release: As it is.
        claims: Its volume claims, where it is to be pruned.
        bridges: Names of dfmc's Services that lead to the central cluster, likewise.
        namespace_object: Its Namespace, where it is to be pruned.
    """

    context: str
    kubeconfig: str | None
    release: ReleaseState
    claims: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    namespace_object: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Observed:
    """The world before a run.

    Attributes:
        credentials: None until the first run has written them.
        services: dfmc's own Services in the central namespace, by name.
        manager: None while the manager is not there or does not answer.
        manager_error: Why the manager, though installed, could not be asked.
        strays: Releases of this topology's without an entry, where they were looked for.
        unsearched: Contexts in which only the entries' namespaces could be searched for them.
    """

    clusters: Mapping[str, ObservedCluster]
    credentials: StoredCredentials | None = None
    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    manager: ObservedManager | None = None
    manager_error: DfmcError | None = None
    strays: tuple[StrayRelease, ...] = ()
    unsearched: tuple[str, ...] = ()


@dataclass(frozen=True)
class AccessNeed:
    """A permission that a run needs in a namespace (None: cluster-wide); of one object where a name is given."""

    verb: str
    group: str
    resource: str
    namespace: str | None = None
    name: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f" {self.name}" if self.name else ""
        place = f" in namespace {self.namespace}" if self.namespace and self.namespace != self.name else ""
        return f"{self.verb} {kind}{named}{place}"
