"""Makes the real clients of a run. The libraries behind them load when the first of their kind is made."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from dfmc.clients.protocols import ChartSource, HelmClient, KubeClient, ManagerClient
from dfmc.clients.pull_protocols import BlobClient, ImageRegistry, NodeAccess, TraceStore
from dfmc.redaction import Redactor
from dfmc.state import LocalRegistry
from dfmc.topology.model import ClusterSpec

if TYPE_CHECKING:
    from dfmc.clients.helm import PyHelm

HELM_VARIABLE = "DFMC_HELM"
HELM_SECONDS = 315.0
"""How long one call of helm may take before it is ended."""


class RealClients:
    """Implements engine.session.ClientFactory for the world outside.

    Args:
        redactor: Its ``mask`` goes into every client that repeats what others say.
        concurrency: Calls to API servers at once, over all clusters.
        base: Directory that relative ``kubeconfig:`` paths of the file start from.
        helm_seconds: How long one call of helm may take.
    """

    def __init__(
        self, redactor: Redactor, *, concurrency: int = 8, base: Path = Path(), helm_seconds: float = HELM_SECONDS
    ) -> None:
        self._redactor = redactor
        self._helm_seconds = helm_seconds
        self._base = base
        # One pool for all contexts: a thousand clusters must not mean a thousand threads.
        self._executor = ThreadPoolExecutor(max_workers=max(4, concurrency), thread_name_prefix="kube")

    def kube(self, cluster: ClusterSpec) -> KubeClient:
        """Return a client of the entry's context."""
        from dfmc.clients.kube import DynamicKube

        return DynamicKube(context=cluster.context, kubeconfig=self._kubeconfig(cluster), executor=self._executor)

    def helm(self, cluster: ClusterSpec) -> HelmClient:
        """Return a helm for the entry's context; DFMC_HELM names another binary than ``helm`` on PATH."""
        from dfmc.clients.helm import PyHelm

        return PyHelm(
            context=cluster.context,
            kubeconfig=self._kubeconfig(cluster),
            binary=os.environ.get(HELM_VARIABLE, "helm"),
            deadline=self._helm_seconds,
            mask=self._redactor.mask,
        )

    def manager(self, base_url: str) -> ManagerClient:
        """Return a client of the manager's REST API."""
        from dfmc.clients.manager import RestManager

        return RestManager(base_url, mask=self._redactor.mask)

    def chart_source(self) -> ChartSource:
        """Return what fetches charts."""
        from dfmc.clients.chart import ChartRepository

        return ChartRepository(pull_oci=self._offline_helm().pull)

    def blobs(self) -> BlobClient:
        """Return what asks clients' proxies."""
        from dfmc.clients.blobs import ProxyBlobs

        return ProxyBlobs(self._redactor.mask)

    def nodes(self, kube: KubeClient) -> NodeAccess:
        """Return the way to the nodes of a Kubernetes cluster."""
        from dfmc.clients.nodes import node_access

        return node_access(kube, self._redactor.mask)

    def registry(self, url: str) -> ImageRegistry:
        """Return what pushes to a registry."""
        from dfmc.clients.registry import OciRegistry

        return OciRegistry(url, self._redactor.mask)

    def registry_beside(self, node: str) -> AbstractAsyncContextManager[LocalRegistry | None]:
        """Return a registry that runs on the network of a kind node; of None where that is no kind node here."""
        from dfmc.clients.local_registry import registry_beside

        return registry_beside(node)

    def traces(self, url: str) -> TraceStore:
        """Return what asks Jaeger."""
        from dfmc.clients.traces import JaegerTraces

        return JaegerTraces(url, self._redactor.mask)

    def offline_helm(self) -> HelmClient:
        """Return a helm that contacts no cluster, for ``render --manifests``."""
        return self._offline_helm()

    def _offline_helm(self) -> PyHelm:
        from dfmc.clients.helm import PyHelm

        binary = os.environ.get(HELM_VARIABLE, "helm")
        return PyHelm(context=None, binary=binary, deadline=self._helm_seconds, mask=self._redactor.mask)

    def close(self) -> None:
        """End the threads that have nothing to do; every client has been closed by then.

        After an interruption one may still wait for an API server that hangs; cli.run does not wait for it.
        """
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _kubeconfig(self, cluster: ClusterSpec) -> Path | None:
        return self._base / Path(cluster.kubeconfig).expanduser() if cluster.kubeconfig else None
