"""Content through a client's own proxy, asked for as containerd asks with the hosts.toml that dfinit writes.

That is: the path of the registry's URL at the proxy, and the registry itself in the header ``X-Dragonfly-Registry``
(crate dragonfly-client 1.4.0, ``src/proxy/mod.rs``, make_registry_mirror_request). Only paths that one of the proxy's
rules matches go through Dragonfly; the chart's own rule is ``blobs/sha256.*``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from dfmc import __version__
from dfmc.clients.foreign_text import readable
from dfmc.errors import DfmcError, UnreachableError, UsageError

_CONNECT_SECONDS = 10.0
_ASKING_SECONDS = 5.0
_MAX_BYTES = 4 << 30
_AT_FAULT = {"proxy": "the proxy", "dfdaemon": "the client", "backend": "the registry"}


class ProxyBlobs:
    """Implements ``clients.pull_protocols.BlobClient``.

    Args:
        mask: Replaces secrets in what others say.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask

    async def get(self, port: int, url: str, *, timeout: float) -> int:
        """Return how many bytes the proxy at this loopback port gives for a URL.

        Raises:
            UsageError: The URL is none of HTTP.
            UnreachableError: The proxy does not answer, or not to the end.
            DfmcError: It answers with an error; says whose.
        """
        import httpx2

        registry, path = split_url(url)
        headers = {"X-Dragonfly-Registry": registry, "User-Agent": f"dfmc/{__version__}", "Accept-Encoding": "identity"}
        limits = httpx2.Timeout(timeout, connect=_CONNECT_SECONDS)
        received = 0
        try:
            async with (
                asyncio.timeout(timeout),
                httpx2.AsyncClient(timeout=limits, trust_env=False, follow_redirects=False) as client,
                client.stream("GET", f"http://127.0.0.1:{port}{path}", headers=headers) as response,
            ):
                if response.status_code != 200:
                    raise _refused(response.status_code, response.headers.get("X-Dragonfly-Error-Type", ""), registry)
                async for piece in response.aiter_raw():
                    received += len(piece)
                    if received > _MAX_BYTES:
                        raise UsageError(f"{url} has more than {_MAX_BYTES >> 30} GiB", next_step="name a smaller blob")
                promised = response.headers.get("Content-Length", "")
        except TimeoutError:
            raise UnreachableError(
                "the client's proxy did not give the whole blob in time", why=f"{received} bytes after {timeout:.0f} s"
            ) from None
        except httpx2.HTTPError as error:
            why = readable(str(error).encode(), self._mask, 200) or type(error).__name__
            what = "did not give the whole blob" if received else "does not answer"
            raise UnreachableError(f"the client's proxy {what}", why=why) from error
        if promised.isdigit() and received < int(promised):
            raise UnreachableError(
                "the client's proxy did not give the whole blob", why=f"{received} of {promised} bytes"
            )
        return received

    async def is_answering(self, port: int) -> bool:
        """True when something speaks HTTP behind this loopback port.

        A proxy that waits for its upstream speaks it, too: only a connection that breaks or is refused says no.
        """
        import httpx2

        try:
            async with httpx2.AsyncClient(timeout=_ASKING_SECONDS, trust_env=False) as client:
                await client.get(f"http://127.0.0.1:{port}/", headers={"User-Agent": f"dfmc/{__version__}"})
        except httpx2.ReadTimeout:
            return True
        except httpx2.HTTPError:
            return False
        return True


def split_url(url: str) -> tuple[str, str]:
    """Return the registry (scheme and host) and the path with query of a URL.

    Raises:
        UsageError: It is no URL of HTTP, or carries a password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or any(sign <= " " for sign in url):
        raise UsageError(f"{url!r} is no URL of a blob", next_step="write it like http://HOST/v2/…")
    if parts.username or parts.password:
        raise UsageError("a URL of a blob must not carry a user or password")
    return f"{parts.scheme}://{parts.netloc}", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _refused(status: int, at_fault: str, registry: str) -> DfmcError:
    whose = _AT_FAULT.get(at_fault.lower(), "")
    return DfmcError(
        f"the client's proxy answers HTTP {status}",
        why=f"the error is one of {whose} (X-Dragonfly-Error-Type: {at_fault})" if whose else "",
        next_step=f"check that {registry} serves it to the node" if at_fault.lower() == "backend" else "",
    )
