"""One HTTP request to the manager and its answer: no redirects, no cookies, JSON only, bounded.

The manager answers a wrong route with a redirect to its console, so a redirect or HTML means that there is no manager,
or no such route in this version, however well it is meant.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Literal

import httpx2

from dfmc import __version__
from dfmc.clients.chart_index import refuse_url
from dfmc.clients.clock import seconds_ahead
from dfmc.clients.foreign_text import readable
from dfmc.clients.manager_rows import UnexpectedAnswerError
from dfmc.errors import AuthError, ConflictError, DfmcError, IntegrityError, PreflightError, UnreachableError

Method = Literal["GET", "POST", "PATCH", "DELETE"]

_MAX_BODY = 32 * 1024 * 1024
_MAX_WORDS = 600
DEFAULT_TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and seconds each for an answer to begin and, once begun, to end."""
# Every connection is a stream of its own through a port-forward.
_LIMITS = httpx2.Limits(max_connections=8, max_keepalive_connections=8)


class NotSentError(UnreachableError):
    """No connection: the manager cannot have seen the request."""


class NoAnswerError(UnreachableError):
    """The request went out and no whole answer came back: it may have been carried out."""


@dataclass(frozen=True)
class Answer:
    """A JSON answer of the manager.

    Attributes:
        status: HTTP status.
        content: The parsed body; None for an empty one and for errors that are not JSON.
        server: Which replica it was, as far as it says so (X-Server-Ip, 2.1.57 and later).
        clock_ahead: Seconds by which its clock is ahead of ours; None where it does not say.
    """

    status: int
    content: Any = field(repr=False)
    server: str = ""
    clock_ahead: float | None = None

    @property
    def message(self) -> str:
        """What the manager says of an error."""
        if not isinstance(self.content, dict):
            return ""
        said = self.content.get("message") or self.content.get("errors") or ""
        return said if isinstance(said, str) else ""


class ManagerHttp:
    """Requests to one manager, without memory.

    Args:
        base_url: Of the REST API, without ``/api``.
        transport: Replaces the network, in tests.
        mask: Replaces secrets in what the manager says.
        timeout: Seconds to connect, and each for an answer to begin and to end, however slowly it trickles.

    Raises:
        PreflightError: The address is none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx2.AsyncBaseTransport | None,
        mask: Callable[[str], str],
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    ) -> None:
        if why := refuse_url(base_url):
            raise PreflightError("not an address of a manager", why=why, next_step="check `manager.access` in the file")
        self._base = base_url.rstrip("/")
        self._mask = mask
        self._connect, self._read = timeout
        self._client = httpx2.AsyncClient(
            transport=transport,
            limits=_LIMITS,
            follow_redirects=False,
            # Proxies of the environment would see root's password.
            trust_env=False,
            # The manager prefers a cookie to the header, so a stale one would beat a good token.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": f"dfmc/{__version__}", "Accept": "application/json"},
        )

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.aclose()

    async def send(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        token: str = "",
        within: float | None = None,
    ) -> Answer:
        """Make one request and return its answer, whatever its status.

        Args:
            method: The verb.
            path: Below the base address.
            params: Of the query.
            body: Sent as JSON.
            token: Bearer; empty: none.
            within: Seconds that the answer may take to begin; None: as long as any.

        Raises:
            NotSentError: No connection.
            NoAnswerError: No whole answer.
            UnreachableError: It has been closed meanwhile.
            IntegrityError: The certificate cannot be trusted.
            ConflictError: It answers like a web site, not like a manager.
            UnexpectedAnswerError: It says JSON and gives none, or too much.
        """
        if self._client.is_closed:
            # Whoever shares this client has seen its pod go; neither of the two kinds that are repeated here.
            raise UnreachableError(f"the connection to the manager at {self._base} was given up")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limit = self._read if within is None else min(self._read, within)
        # No limit for waiting in our own queue: the requests before it have theirs.
        timeout = httpx2.Timeout(limit, connect=self._connect, pool=None)
        try:
            async with self._client.stream(
                method, self._base + path, params=params, json=body, headers=headers, timeout=timeout
            ) as response:
                async with asyncio.timeout(limit):
                    raw = await _bounded(response)
                return self._answer(response, raw)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise IntegrityError(
                    f"the certificate of the manager at {self._base} cannot be trusted",
                    why=str(error),
                    next_step="add its certificate authority to the system's, or use `access: port-forward`",
                ) from error
            raise self._unreachable(NotSentError, error, limit) from error
        except (TimeoutError, httpx2.HTTPError) as error:
            raise self._unreachable(NoAnswerError, error, limit) from error

    def _answer(self, response: httpx2.Response, raw: bytes) -> Answer:
        status = response.status_code
        is_json = response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"
        if 300 <= status < 400 or (status < 300 and raw and not is_json):
            raise self._no_manager(f"HTTP {status} with {response.headers.get('Content-Type') or 'no content type'}")
        content = None
        if raw and is_json:
            try:
                content = json.loads(raw)
            except (ValueError, RecursionError) as error:
                if status < 300:
                    raise UnexpectedAnswerError("unexpected answer of the manager", why="it is not JSON") from error
        server = readable(response.headers.get("X-Server-Ip", "").encode(), self._mask, 100)
        ahead = seconds_ahead(response.headers.get("Date"), time.time())
        return Answer(status, content, server, ahead)

    def failure(self, action: str, answer: Answer) -> DfmcError:
        """Return the error that an unwelcome status means.

        Args:
            action: What was asked, e.g. ``sign in``.
            answer: With a status above 399.
        """
        why = f"HTTP {answer.status} {self.words(answer)}".rstrip()
        if answer.status in (401, 403):
            return AuthError(f"the manager refuses to {action}", why=why, next_step="sign in anew: run dfmc again")
        if answer.status in (404, 405):
            return self._no_manager(why)
        if answer.status == 429 or answer.status >= 500:
            return UnreachableError(
                f"the manager could not {action}",
                why=why,
                next_step="look at the manager's and its database's pods, then run dfmc again",
            )
        return DfmcError(f"the manager refuses to {action}", why=why, next_step="check the file against its words")

    def words(self, answer: Answer) -> str:
        """Return the manager's message, fit for an error."""
        return readable(answer.message.encode(), self._mask, _MAX_WORDS)

    def _no_manager(self, why: str) -> ConflictError:
        return ConflictError(
            f"what answers at {self._base} is not the REST API of a Dragonfly manager",
            why=why,
            next_step="check `manager.access` and `manager.expose` in the file, and what listens there",
        )

    def _unreachable(self, kind: type[UnreachableError], error: Exception, limit: float) -> UnreachableError:
        is_late = isinstance(error, TimeoutError | httpx2.ReadTimeout)
        why = f"no whole answer within {limit:g} s" if is_late else str(error) or type(error).__name__
        return kind(
            f"the manager at {self._base} does not answer",
            why=readable(why.encode(), self._mask, _MAX_WORDS),
            next_step="look at the manager's pods, then run dfmc again",
        )


async def _bounded(response: httpx2.Response) -> bytes:
    raw = bytearray()
    async for chunk in response.aiter_bytes():
        raw += chunk
        if len(raw) > _MAX_BODY:
            raise UnexpectedAnswerError("unexpected answer of the manager", why="it does not end")
    return bytes(raw)
