"""Downloads from a chart repository: bounded in size, time and redirects, http(s) only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import httpx2

from dfmc import __version__
from dfmc.clients.chart_archive import MAX_ARCHIVE
from dfmc.clients.chart_index import refuse_url
from dfmc.errors import AuthError, DfmcError, IntegrityError, PreflightError, UnreachableError

MAX_REDIRECTS = 5
TOTAL_TIME = 120.0
"""Seconds for one download, redirects included, however slowly it trickles."""

_ATTEMPTS = 3
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)


class Downloads:
    """GET requests without credentials; an async context manager.

    Args:
        transport: Replaces the network, in tests; None also means that the environment's proxies are used.
        sleep: Waits between attempts.
        total_time: Seconds for one attempt.

    Raises:
        PreflightError: The environment's proxy or certificate settings cannot be used.
    """

    def __init__(
        self,
        *,
        transport: httpx2.AsyncBaseTransport | None,
        sleep: Callable[[float], Awaitable[None]],
        total_time: float,
    ) -> None:
        self._sleep = sleep
        self._total_time = total_time
        try:
            self._client = httpx2.AsyncClient(
                transport=transport,
                timeout=_TIMEOUT,
                follow_redirects=False,
                # No compression on the way: some servers call an archive "gzip-encoded"; the digest is of its bytes.
                headers={"User-Agent": f"dfmc/{__version__}", "Accept-Encoding": "identity"},
            )
        except (ImportError, ValueError, ssl.SSLError, OSError) as error:
            raise PreflightError(
                "the proxy or certificate settings of the environment cannot be used",
                why=str(error),
                next_step="check HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE",
            ) from error

    async def __aenter__(self) -> Downloads:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def first_that_answers(self, urls: tuple[str, ...]) -> bytes:
        """Return the body of the first address that gives one; see ``get``."""
        for url in urls[:-1]:
            try:
                return (await self.get(url))[0]
            except UnreachableError:
                continue  # the same archive at the next address; the last one's failure is the one told
        return (await self.get(urls[-1]))[0]

    async def get(self, url: str) -> tuple[bytes, str]:
        """Return the body and the address it came from in the end; tries again what may pass.

        Raises:
            UnreachableError: No whole answer, after several attempts.
            IntegrityError: The server's certificate cannot be trusted.
            AuthError: It wants credentials.
            PreflightError: There is no such file, or it is not to be fetched: see refuse_url, size, redirects.
        """
        for attempt in range(1, _ATTEMPTS):
            try:
                return await self._once(url)
            except UnreachableError:
                await self._sleep(float(attempt))
        return await self._once(url)

    async def _once(self, url: str) -> tuple[bytes, str]:
        try:
            async with asyncio.timeout(self._total_time):
                return await _get(self._client, url)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise _unreachable(url, f"no full answer within {self._total_time:g} s") from error
        except httpx2.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise IntegrityError(
                    f"the certificate of {_host(url)} cannot be trusted",
                    why=str(error),
                    next_step="add its certificate authority to the system's, or name it in SSL_CERT_FILE",
                ) from error
            raise _unreachable(url, str(error) or type(error).__name__) from error
        except (httpx2.InvalidURL, httpx2.HTTPError) as error:
            raise refused(url, str(error)) from error


async def _get(client: httpx2.AsyncClient, url: str) -> tuple[bytes, str]:
    for _ in range(MAX_REDIRECTS + 1):
        if why := refuse_url(url):
            raise refused(url, why)
        async with client.stream("GET", url) as response:
            location = response.headers.get("Location")
            if response.is_redirect and location:
                following = urljoin(url, location)
                if url.startswith("https:") and not following.startswith("https:"):
                    raise refused(following, f"{_host(url)} redirects from https to something else")
                url = following
                continue
            _judge_status(url, response.status_code)
            return await _bounded_body(url, response), url
    raise refused(url, f"more than {MAX_REDIRECTS} redirects")


async def _bounded_body(url: str, response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ARCHIVE:
            raise refused(url, f"it is larger than {MAX_ARCHIVE // 1024 // 1024} MiB")
    return bytes(body)


def _judge_status(url: str, status: int) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise AuthError(
            f"{_host(url)} refuses to give out the chart",
            why=f"HTTP {status} for {_shown(url)}",
            next_step="download the chart and name it as `chart.path`",
        )
    if status in (404, 410):
        raise PreflightError(
            "the chart repository has no such file",
            why=f"HTTP {status} for {_shown(url)}",
            next_step="check `chart.repository` in the file: it is the address that `helm repo add` takes",
        )
    raise _unreachable(url, f"HTTP {status}")


def refused(url: str, why: str) -> DfmcError:
    """Return the error for an address or a path that dfmc does not take."""
    return PreflightError(f"{_shown(url)} cannot be used", why=why, next_step="check `chart:` in the file")


def _unreachable(url: str, why: str) -> DfmcError:
    return UnreachableError(
        f"the chart repository does not answer: {_host(url)}",
        why=why,
        next_step="check the network and run dfmc again, or download the chart and name it as `chart.path`",
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or _shown(url)


def _shown(url: str) -> str:
    """Return the address without what may be secret in it: user, password and query."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" if rest else url
