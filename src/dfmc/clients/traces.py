"""Which Dragonfly clients have a trace of a URL, by Jaeger's HTTP API.

The Rust client reports as service ``dfdaemon-<host ip>``, and its proxy's span has the request's target in the tag
``url`` (crate dragonfly-client 1.4.0, ``src/tracing/mod.rs`` and ``src/proxy/mod.rs``); the tag's match is exact.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from dfmc import __version__
from dfmc.clients.foreign_text import readable
from dfmc.errors import UnreachableError, UsageError

_TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
_SERVICE = "dfdaemon-"
_MAX_BODY = 16 << 20


class JaegerTraces:
    """Implements ``clients.pull_protocols.TraceStore``.

    Args:
        url: Of Jaeger's query service, from here, such as ``http://127.0.0.1:16686``.
        mask: Replaces secrets in what it says.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, url: str, mask: Callable[[str], str] = str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise UsageError("the address of Jaeger is none", next_step="write it like http://127.0.0.1:16686")
        self._url = url.rstrip("/")
        self._mask = mask

    async def hosts_with(self, target: str, since: float) -> frozenset[str]:
        """Return the addresses of hosts whose client has a span of that target; see TraceStore."""
        headers = {"User-Agent": f"dfmc/{__version__}", "Accept": "application/json"}
        async with httpx2.AsyncClient(timeout=_TIMEOUT, headers=headers) as client:
            services = await self._get(client, "/api/services", {})
            found = set()
            for service in sorted({str(one) for one in services}):
                if service.startswith(_SERVICE):
                    query = {
                        "service": service,
                        "tags": json.dumps({"url": target}),
                        "start": str(round(since * 1e6)),
                        "limit": "1",
                    }
                    if await self._get(client, "/api/traces", query):
                        found.add(service.removeprefix(_SERVICE))
        return frozenset(found)

    async def _get(self, client: httpx2.AsyncClient, path: str, query: dict[str, str]) -> list[Any]:
        try:
            answer = await client.get(self._url + path, params=query)
        except httpx2.HTTPError as error:
            why = readable(str(error).encode(), self._mask, 200) or type(error).__name__
            raise UnreachableError("Jaeger does not answer", why=why) from error
        parsed: Any = None
        if answer.status_code == 200 and len(answer.content) <= _MAX_BODY:
            with contextlib.suppress(ValueError):
                parsed = answer.json()
        found = parsed.get("data", ()) if isinstance(parsed, dict) else ()
        if found is None:  # a Jaeger that nobody has told anything yet
            return []
        if not isinstance(found, list):
            raise UnreachableError(
                "what answers at Jaeger's address is not its query service",
                why=f"HTTP {answer.status_code} at {path}",
                next_step="give the address of the query service, which has Jaeger's page too",
            )
        return found
