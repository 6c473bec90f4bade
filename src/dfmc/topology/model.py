"""The topology file as frozen pydantic models: DESIGN's `apiVersion: dfmc.io/v1alpha1, kind: Topology`.

Field names are camelCase in the file and snake_case here. Strings are strict: YAML 1.1 reads ``no`` as false and
``22:22`` as a number, and a text field that got one of these says "quote it" instead of guessing.

A null stands for "left out": load.py removes it before validation, and in an entry it also removes the default.

What is not here: positions (load.py), rules across entries (check.py), anything that needs the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

API_VERSION = "dfmc.io/v1alpha1"
KIND = "Topology"
OFFICIAL_REPOSITORY = "https://dragonflyoss.github.io/helm-charts/"

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
VERSION_PATTERN = r"^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
REFERENCE_PATTERN = r"^[^/#]+/[^/#]+#[^/#]+$"

# Names end up in release labels, records, Secret keys and step ids; RFC 1123 labels fit all of them. 40 is the
# manager console's limit for a cluster's name.
Name = Annotated[str, StringConstraints(strict=True, pattern=NAME_PATTERN, max_length=40)]
Namespace = Annotated[str, StringConstraints(strict=True, pattern=NAME_PATTERN, max_length=63)]
# helm's own limit for a release name is 53.
ReleaseName = Annotated[str, StringConstraints(strict=True, pattern=NAME_PATTERN, max_length=53)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
ChartVersion = Annotated[str, StringConstraints(strict=True, pattern=VERSION_PATTERN)]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=SHA256_PATTERN)]
Flag = Annotated[bool, Field(strict=True)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
NodePort = Port
Count = Annotated[int, Field(strict=True, ge=0, le=100)]
StringMap = Mapping[Text, Annotated[str, StringConstraints(strict=True)]]


class Spec(BaseModel):
    """Base of every part of the file: camelCase, frozen, unknown keys refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_alias=True, validate_by_name=False, extra="forbid", frozen=True
    )


class SecretSource(Spec):
    """Where a credential comes from; exactly one of the three. The file itself never holds one."""

    env: Text | None = Field(default=None, description="name of an environment variable of dfmc's process")
    file: Text | None = Field(default=None, description="path of a file that holds nothing else")
    secret: Annotated[str, StringConstraints(strict=True, pattern=REFERENCE_PATTERN)] | None = Field(
        default=None, description="NAMESPACE/NAME#KEY in the manager's Kubernetes cluster"
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> SecretSource:
        if sum(x is not None for x in (self.env, self.file, self.secret)) != 1:
            raise ValueError("give exactly one of env, file, secret")
        return self


class Metadata(Spec):
    """Name of the topology: it owns releases, records and objects under this name."""

    name: Name


class ChartSpec(Spec):
    """The Dragonfly chart, one for all clusters; without repository and path it is the official repository's."""

    repository: Text | None = Field(default=None, description="URL of a chart repository")
    path: Text | None = Field(default=None, description="a .tgz or a chart directory, instead of repository")
    name: ReleaseName = "dragonfly"
    version: ChartVersion
    sha256: Sha256 | None = Field(default=None, description="digest of the chart's archive, checked before use")

    @model_validator(mode="before")
    @classmethod
    def _official_by_default(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        if isinstance(data, dict) and data.get("repository") is None and data.get("path") is None:
            return data | {"repository": OFFICIAL_REPOSITORY}
        return data

    @model_validator(mode="after")
    def _one_source(self) -> ChartSpec:
        if self.repository and self.path:
            raise ValueError("give repository or path, not both")
        return self


class ExposeSpec(Spec):
    """How members outside the manager's Kubernetes cluster reach the manager and Redis."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    rest_node_port: NodePort | None = None
    grpc_node_port: NodePort | None = None
    redis_node_port: NodePort | None = None
    annotations: StringMap = Field(default_factory=dict)

    @model_validator(mode="after")
    def _ports_need_node_port(self) -> ExposeSpec:
        ports = (self.rest_node_port, self.grpc_node_port, self.redis_node_port)
        if self.type == "ClusterIP" and any(ports):
            raise ValueError("node ports need type: NodePort or LoadBalancer")
        given = [p for p in ports if p is not None]
        if len(set(given)) != len(given):
            raise ValueError("the node ports must differ")
        return self


class DatabaseSpec(Spec):
    """An external MySQL-compatible database instead of the chart's own."""

    type: Literal["mysql"] = "mysql"
    host: Text
    port: Port = 3306
    name: Text = "manager"
    username: Text = "dragonfly"
    password: SecretSource


class RedisSpec(Spec):
    """An external Redis instead of the chart's own. Numbers are Redis database indexes."""

    type: Literal["external"] = "external"
    addresses: Annotated[tuple[Text, ...], Field(min_length=1)]
    master_name: Text | None = None
    username: Text | None = None
    password: SecretSource | None = None
    db: Annotated[int, Field(strict=True, ge=0)] = 0
    broker_db: Annotated[int, Field(strict=True, ge=0)] = Field(default=1, alias="brokerDB")
    backend_db: Annotated[int, Field(strict=True, ge=0)] = Field(default=2, alias="backendDB")


class IngressSpec(Spec):
    """An Ingress for the manager's REST API and console (the chart's own; gRPC never passes it)."""

    class_name: Text | None = None
    annotations: StringMap = Field(default_factory=dict)
    hosts: Annotated[tuple[Text, ...], Field(min_length=1)]
    path: Text = "/"
    path_type: Literal["ImplementationSpecific", "Prefix", "Exact"] = "ImplementationSpecific"
    tls: tuple[Mapping[str, Any], ...] = ()


class ManagerSpec(Spec):
    """The central manager."""

    cluster: Name = Field(description="name of the entry whose cluster runs the manager")
    expose: ExposeSpec = ExposeSpec()
    access: Text = Field(default="port-forward", description="how dfmc reaches REST: port-forward, or a URL")
    address: Text | None = Field(
        default=None,
        description="DNS name or IP address at which members elsewhere reach what expose opens; default with "
        "LoadBalancer: the load balancer's own",
    )
    root_password: SecretSource | None = None
    redis_password: SecretSource | None = None
    database_password: SecretSource | None = None
    jwt_key: SecretSource | None = None
    database: DatabaseSpec | None = None
    redis: RedisSpec | None = None
    ingress: IngressSpec | None = None


class Scopes(Spec):
    """Which peers the manager's record serves. Empty means: whoever says the id."""

    idc: Text | None = Field(default=None, description="one name, or several separated by |")
    location: Text | None = Field(
        default=None, description="up to five elements separated by |, from the widest to the narrowest"
    )
    cidrs: tuple[Text, ...] = Field(default=(), description="networks of the peers' advertised addresses")
    hostnames: tuple[Text, ...] = Field(
        default=(), description="Go RE2 patterns, unanchored (manager 2.1.33 and newer)"
    )


class HostSpec(Spec):
    """What the peers of a cluster say of themselves."""

    idc: Text | None = None
    location: Text | None = None


class RuntimeSpec(Spec):
    """Which container runtime the chart configures on the nodes to pull through Dragonfly."""

    type: Literal["auto", "containerd", "containerd-no-cri", "cri-o", "docker", "podman", "none"] = "auto"
    registries: tuple[Text, ...] = Field(default=(), description="URLs of the registries to pull through Dragonfly")
    inject_config_path: Flag | None = Field(
        default=None, description="let the chart add config_path to containerd's configuration"
    )
    restart: Flag | None = Field(default=None, description="let the chart restart the runtime; default: yes")


class ReplicasSpec(Spec):
    """How many pods of each component."""

    manager: Count | None = None
    scheduler: Count | None = None
    seed_peer: Count | None = None


class ImageSpec(Spec):
    """One component's image; parts left out stay the chart's."""

    repository: Text | None = None
    tag: Text | None = None
    digest: Text | None = None
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None


class ImagesSpec(Spec):
    """Images of the components, and a registry that replaces every image's own."""

    registry: Text | None = None
    pull_secrets: tuple[Text, ...] = ()
    manager: ImageSpec = ImageSpec()
    scheduler: ImageSpec = ImageSpec()
    client: ImageSpec = ImageSpec()
    seed_peer: ImageSpec = ImageSpec()
    dfinit: ImageSpec = ImageSpec()


class ResourcesSpec(Spec):
    """Kubernetes resource requests and limits per component, as in a pod's container."""

    manager: Mapping[str, Any] | None = None
    scheduler: Mapping[str, Any] | None = None
    seed_peer: Mapping[str, Any] | None = None
    client: Mapping[str, Any] | None = None


class TracingSpec(Spec):
    """Where traces go: the Jaeger that charts up to 1.1.65 bring, or an OTLP endpoint of your own."""

    # That otlp has an endpoint is check.py's rule, not the model's: ``defaults`` may hold the type alone.

    type: Literal["jaeger", "otlp"]
    protocol: Literal["grpc", "http", "https"] = "grpc"
    endpoint: Text | None = Field(default=None, description="otlp: host:port; jaeger: collector URL of your own")
    path: Text | None = None
    headers: StringMap = Field(default_factory=dict)


class VolumeSpec(Spec):
    """A claim's size and class; parts left out stay the chart's."""

    enabled: Flag | None = None
    size: Text | None = None
    storage_class: Text | None = None


class PersistenceSpec(Spec):
    """Volumes of what keeps data."""

    seed_peer: VolumeSpec = VolumeSpec()
    database: VolumeSpec = VolumeSpec()
    redis: VolumeSpec = VolumeSpec()


class ClusterSettings(Spec):
    """What an entry and defaults share; an entry's own setting wins, maps are merged key by key."""

    runtime: RuntimeSpec = RuntimeSpec()
    redis: Literal["shared", "none"] = Field(
        default="shared",
        description="the manager's Redis, or none: a member whose schedulers run without one has no preheating, no "
        "peer synchronization and no persistent cache tasks",
    )
    node_selector: StringMap = Field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    replicas: ReplicasSpec = ReplicasSpec()
    images: ImagesSpec = ImagesSpec()
    resources: ResourcesSpec = ResourcesSpec()
    persistence: PersistenceSpec = PersistenceSpec()
    tracing: TracingSpec | None = None
    metrics: Flag | None = None
    log_level: Literal["debug", "info", "warn", "error"] | None = None
    pprof_port: Annotated[int, Field(strict=True, ge=-1, le=65535)] | None = None
    labels: StringMap = Field(default_factory=dict)
    values: Mapping[str, Any] = Field(default_factory=dict, description="raw chart values, merged last")


class DefaultSettings(ClusterSettings):
    """Merged under every entry of clusters: all that an entry can say but its name."""

    context: Text | None = None
    kubeconfig: Text | None = None
    namespace: Namespace | None = None
    release: ReleaseName | None = None
    scopes: Scopes = Scopes()
    host: HostSpec = HostSpec()
    membership: Literal["id", "scopes"] | None = None


class ClusterSpec(ClusterSettings):
    """One cluster: where it is, what it serves and how its release is set up."""

    # ``defaults`` is merged in before the model sees an entry, so nothing here ever looks at it.
    name: Name
    context: Text = Field(description="context of the kubeconfig")
    kubeconfig: Text | None = Field(default=None, description="path of the kubeconfig; default: KUBECONFIG")
    namespace: Namespace
    release: ReleaseName = "dragonfly"
    scopes: Scopes = Scopes()
    host: HostSpec = HostSpec()
    membership: Literal["id", "scopes"] | None = Field(
        default=None, description="how peers find their cluster; default: id where the chart can, else scopes"
    )


class Topology(Spec):
    """The whole file."""

    api_version: Literal["dfmc.io/v1alpha1"]
    kind: Literal["Topology"]
    metadata: Metadata
    chart: ChartSpec
    manager: ManagerSpec
    defaults: DefaultSettings = DefaultSettings()
    clusters: Annotated[tuple[ClusterSpec, ...], Field(min_length=1, max_length=1000)]

    @property
    def central(self) -> ClusterSpec:
        """The entry that ``manager.cluster`` names; check.py has proven that it exists."""
        return self.cluster(self.manager.cluster)

    @property
    def members(self) -> tuple[ClusterSpec, ...]:
        """Every other entry, in the file's order."""
        return tuple(c for c in self.clusters if c.name != self.manager.cluster)

    def cluster(self, name: str) -> ClusterSpec:
        """Return the entry called ``name``.

        Raises:
            KeyError: There is none.
        """
        for entry in self.clusters:
            if entry.name == name:
                return entry
        raise KeyError(name)
