"""What ``verify`` may ask of clients' proxies, nodes, registries and trace stores; rules as in `protocols`."""

from __future__ import annotations

from typing import Protocol

from dfmc.state import NodePull, PushedImage


class BlobClient(Protocol):
    """Asks a client's proxy for content, as a container runtime does."""

    async def get(self, port: int, url: str, *, timeout: float) -> int:
        """Return how many bytes the proxy at this loopback port gives for a URL of a registry or web server.

        Raises:
            UnreachableError: The proxy does not answer, or not to the end.
            DfmcError: It answers with an error; says whose.
        """
        ...

    async def is_answering(self, port: int) -> bool:
        """True when something speaks HTTP behind this loopback port."""
        ...


class TraceStore(Protocol):
    """Where clients send their traces."""

    async def hosts_with(self, target: str, since: float) -> frozenset[str]:
        """Return the addresses of hosts whose client has been asked for that target.

        Args:
            target: Path and query, as the client's proxy was asked.
            since: Seconds since 1970.

        Raises:
            UnreachableError: It does not answer, or is something else.
        """
        ...


class ImageRegistry(Protocol):
    """A registry that images may be pushed to without signing in."""

    async def push(self, repository: str, size: int) -> PushedImage:
        """Push an image that never was before, with a layer of about ``size`` bytes, under a tag of its own.

        Raises:
            UnreachableError: The registry does not answer.
            AuthError, DfmcError: It refuses.
        """
        ...

    async def delete(self, image: PushedImage) -> bool:
        """Delete what was pushed; False where the registry lets nobody delete.

        Raises:
            UnreachableError: The registry does not answer.
        """
        ...


class NodeAccess(Protocol):
    """The container runtimes of one Kubernetes cluster's nodes."""

    async def pull(self, *, namespace: str, client: str, node: str, image: str, tool: str, timeout: float) -> NodePull:
        """Pull an image on a node, as its kubelet would, and remove it again.

        Args:
            namespace: Where a short-lived pod may be made.
            client: The Dragonfly client's pod on that node: its own images are there already.
            node: Its name.
            image: The reference.
            tool: ``ctr`` where the runtime has no CRI, ``docker``, ``podman``; empty takes crictl, else ctr.
            timeout: Seconds.

        Raises:
            DfmcError: The pull failed, in the runtime's words.
            NotReadyError, AuthError: No pod could be run on the node.
        """
        ...
