"""Everything a run holds open: the loaded file, one client per context, the manager, the secrets to mask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from dfmc.clients.protocols import ChartSource, HelmClient, KubeClient, ManagerClient
from dfmc.clients.pull_protocols import BlobClient, ImageRegistry, NodeAccess, TraceStore
from dfmc.engine.events import Observer, silent
from dfmc.engine.manager_access import ManagerAccess
from dfmc.errors import UsageError
from dfmc.planning.consent import NO_CONSENT, Consent
from dfmc.redaction import Redactor
from dfmc.state import LocalRegistry
from dfmc.topology.load import LoadedTopology
from dfmc.topology.model import ClusterSpec, Topology


class ClientFactory(Protocol):
    """Makes clients; tests give one that makes fakes."""

    def kube(self, cluster: ClusterSpec) -> KubeClient:
        """Return a client of the entry's context."""
        ...

    def helm(self, cluster: ClusterSpec) -> HelmClient:
        """Return a helm for the entry's context."""
        ...

    def manager(self, base_url: str) -> ManagerClient:
        """Return a client of the manager's REST API."""
        ...

    def chart_source(self) -> ChartSource:
        """Return what fetches charts."""
        ...

    def blobs(self) -> BlobClient:
        """Return what asks clients' proxies."""
        ...

    def nodes(self, kube: KubeClient) -> NodeAccess:
        """Return the way to the nodes of a Kubernetes cluster."""
        ...

    def registry(self, url: str) -> ImageRegistry:
        """Return what pushes to a registry."""
        ...

    def registry_beside(self, node: str) -> AbstractAsyncContextManager[LocalRegistry | None]:
        """Return a registry that runs on the network of a kind node; of None where that is no kind node here."""
        ...

    def traces(self, url: str) -> TraceStore:
        """Return what asks Jaeger."""
        ...


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about a run.

    Attributes:
        only: Names of clusters to act on; empty means all.
        timeout: Seconds that a cluster may take to become ready.
        concurrency: Steps that run at once.
        lock_timeout: Seconds to wait for another run that holds the topology's lock.
        consent: What may be done beyond the file.
    """

    only: tuple[str, ...] = ()
    timeout: float = 900.0
    concurrency: int = 8
    lock_timeout: float = 0.0
    consent: Consent = NO_CONSENT


@dataclass
class Session:
    """One run's world; ``async with`` closes every client."""

    loaded: LoadedTopology
    factory: ClientFactory
    redactor: Redactor
    options: RunOptions = RunOptions()
    observer: Observer = silent
    given: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._kubes: dict[tuple[str, str | None], KubeClient] = {}
        self._helms: dict[tuple[str, str | None], HelmClient] = {}
        self._stack = AsyncExitStack()
        self.manager = ManagerAccess(self.topology, self.kube_of(self.topology.central), self.factory.manager)
        self._stack.push_async_callback(self.manager.close)
        self.slots = asyncio.Semaphore(self.options.concurrency)

    @property
    def base(self) -> Path:
        """The directory that relative paths in the file start from: its own."""
        return Path(self.loaded.file).absolute().parent

    @property
    def topology(self) -> Topology:
        """The file's content."""
        return self.loaded.topology

    def selected(self) -> list[ClusterSpec]:
        """Return the clusters to act on, in the file's order.

        Raises:
            UsageError: The options name one that the file has not.
        """
        names = [cluster.name for cluster in self.topology.clusters]
        unknown = [name for name in self.options.only if name not in names]
        if unknown:
            raise UsageError(
                f"no cluster is called {', '.join(unknown)}",
                where=self.loaded.file,
                next_step=f"the clusters there are: {', '.join(names)}",
            )
        only = self.options.only
        return [cluster for cluster in self.topology.clusters if not only or cluster.name in only]

    def kube_of(self, cluster: ClusterSpec) -> KubeClient:
        """Return the client of the entry's context, one per context however many entries share it."""
        key = (cluster.context, cluster.kubeconfig)
        if key not in self._kubes:
            client = self.factory.kube(cluster)
            self._kubes[key] = client
            self._stack.push_async_callback(client.close)
        return self._kubes[key]

    def helm_of(self, cluster: ClusterSpec) -> HelmClient:
        """Return the helm of the entry's context."""
        key = (cluster.context, cluster.kubeconfig)
        if key not in self._helms:
            self._helms[key] = self.factory.helm(cluster)
        return self._helms[key]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
