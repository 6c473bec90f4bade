"""One call to the API server: deadlines, retries, and every failure as a DfmcError. Synchronous; runs in a thread."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from dfmc.clients.clock import seconds_ahead
from dfmc.clients.kube.refusals import Answer, Call, Place, refusal, shortened
from dfmc.errors import AuthError, DfmcError, IntegrityError, PreflightError, UnreachableError

if TYPE_CHECKING:
    import urllib3

    from dfmc.clients.kube.access import Access

BODY_LIMIT = 128 << 20
RETRIES = 3
_FIRST_PAUSE = 0.3
_LONGEST_PAUSE = 5.0
_PASSING = frozenset({500, 502, 503, 504})
_LENGTHS = ("Content-Length", "Transfer-Encoding")
_OF_OUR_FILES = ("[X509", "[PEM", "[ASN1", "PEM lib", "key is encrypted")  # OpenSSL on what a kubeconfig names
_log = logging.getLogger(__name__)


class Transport:
    """Makes calls with the credentials of one context; may be used by several threads at once.

    The kubeconfig is read at the first call, because a credential plugin may take its time or fail.

    Args:
        place: The context.
        connect_timeout: Seconds until a connection must stand.
        read_timeout: Seconds between two pieces of an answer; the whole answer may take both together.
    """

    def __init__(self, place: Place, connect_timeout: float, read_timeout: float) -> None:
        self.place = place
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self._access: Access | None = None
        self._opening = threading.Lock()

    def access(self) -> Access:
        """Return the access, opened once.

        Raises:
            PreflightError: The kubeconfig cannot be used.
            AuthError: The credential plugin failed.
        """
        with self._opening:
            if self._access is None:
                from dfmc.clients.kube.access import open_access

                self._access = open_access(self.place)
            return self._access

    def send(self, call: Call, *, expected: Collection[int] = ()) -> Answer:
        """Make the call; return the answer when it is a success or has one of the expected status codes.

        Reads are repeated when the connection breaks or the server answers 5xx, anything when the server says it
        was too busy to begin (429, 503). A 401 reads the credentials again once. A refused connection fails at once.

        Raises:
            AuthError: 401, 403.
            UnreachableError: No answer, or 5xx.
            IntegrityError: The server's certificate does not verify.
            ConflictError: 409.
            DfmcError: Any other refusal, with the API server's words.
        """
        access = self.access()
        renewed = False
        pauses = _pauses()
        while True:
            try:
                answer = self._once(access, call)
            except _Broken as broken:
                pause = next(pauses, None) if call.method == "GET" else None
                if pause is None:
                    raise self._unreachable(call, str(broken)) from broken.__cause__
                time.sleep(pause)
                continue
            if answer.status < 300 or answer.status in expected:
                return answer
            if answer.status == 401 and not renewed:
                renewed = True
                if access.renew():
                    continue
            if answer.status in (429, 503) or (call.method == "GET" and answer.status in _PASSING):
                pause = next(pauses, None)
                if pause is not None:
                    _log.debug("%s: HTTP %d on %s, trying again", self.place, answer.status, call)
                    time.sleep(max(pause, min(_seconds(answer.retry_after), _LONGEST_PAUSE)))
                    continue
            raise refusal(call, answer, self.place)

    def close(self) -> None:
        """Close idle connections."""
        with self._opening:
            if self._access is not None:
                self._access.close()

    def _once(self, access: Access, call: Call) -> Answer:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError, ProtocolError

        headers = access.headers()
        headers["Accept"] = call.accept
        headers["Accept-Encoding"] = "gzip"
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        url = access.server + call.path + (f"?{urlencode(call.query)}" if call.query else "")
        deadline = time.monotonic() + self.connect_timeout + self.read_timeout
        try:
            response = access.api.call_api(
                call.method, url, headers, call.body, _request_timeout=(self.connect_timeout, self.read_timeout)
            ).response
            received = time.time()
            body = self._read(response, call, deadline)
            # Over TLS a connection that is reset within the head looks like one that ended: no length, no body.
            if not body and response.status != 204 and not any(name in response.headers for name in _LENGTHS):
                raise _Broken("the connection ended within the answer")
        except ProtocolError as error:
            raise _Broken(_cause_in_words(error)) from error
        except HTTPError as error:
            raise self.no_answer(call, error) from error
        except ApiException as error:  # what the library makes of urllib3's SSLError
            raise self.no_answer(call, error.__context__ or error) from error
        return Answer(
            int(response.status),
            body,
            str(response.headers.get("Retry-After") or ""),
            seconds_ahead(response.headers.get("Date"), received),
        )

    def _read(self, response: urllib3.HTTPResponse, call: Call, deadline: float) -> bytes:
        pieces: list[bytes] = []
        size, limit = 0, call.limit or BODY_LIMIT
        try:
            for piece in response.stream(1 << 16, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise self._unreachable(call, f"the answer is larger than {limit >> 20} MiB")
                if time.monotonic() > deadline:
                    raise self._unreachable(call, "the answer did not end within the deadline")
        except DfmcError:
            response.close()  # its rest must not be read by the next call on this connection
            raise
        finally:
            response.release_conn()
        return b"".join(pieces)

    def no_answer(self, call: Call, error: BaseException) -> DfmcError:
        """Return the error for a call that got no answer, from what urllib3, ssl or a socket raised."""
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

        chain = list(_chain(error))
        unverified = next((link for link in chain if isinstance(link, ssl.SSLCertVerificationError)), None)
        if unverified is not None:
            return IntegrityError(
                f"{self.place}: the API server's certificate does not verify",
                why=shortened(f"{self._server}: {unverified.verify_message or unverified}"),
                next_step="check `certificate-authority` (or -data) and `server` of the context's cluster",
            )
        tls = next((link for link in chain if isinstance(link, ssl.SSLError)), None)
        if tls is not None or any(isinstance(link, SSLError) for link in chain):
            return self._tls_failure(call, tls or error)
        never_connected = any(isinstance(link, ConnectTimeoutError | NewConnectionError) for link in chain)
        return self._unreachable(call, _cause_in_words(error), may_have_arrived=not never_connected)

    def _tls_failure(self, call: Call, error: BaseException) -> DfmcError:
        reason = str(getattr(error, "reason", "") or "")
        if "ALERT" in reason and ("CERT" in reason or "UNKNOWN_CA" in reason):
            return AuthError(
                f"{self.place}: the API server does not accept the client certificate",
                why=shortened(f"{self._server}: {reason}"),
                next_step=f"sign in again; then try: {self.place.kubectl('auth', 'whoami')}",
            )
        if any(word in str(error) for word in _OF_OUR_FILES):
            return PreflightError(
                f"{self.place}: the kubeconfig's certificate, key or authority cannot be read",
                why=shortened(str(error)),
                next_step="check client-certificate, client-key and certificate-authority of the context",
            )
        return self._unreachable(call, f"TLS failed: {reason or error}", may_have_arrived=False)

    def _unreachable(self, call: Call, why: str, *, may_have_arrived: bool = True) -> UnreachableError:
        unknown = may_have_arrived and call.method != "GET"
        return UnreachableError(
            f"{self.place}: the API server does not answer",
            why=shortened(f"{self._server}: {why}"),
            left=f"it is not known whether the request arrived: {call}" if unknown else "",
            next_step=f"try: {self.place.kubectl('version')}",
        )

    @property
    def _server(self) -> str:
        return self._access.server if self._access is not None else ""


class _Broken(Exception):  # noqa: N818  # never leaves this module
    """The connection ended before the answer did."""


def _pauses() -> Iterator[float]:
    return (_FIRST_PAUSE * 2**attempt for attempt in range(RETRIES))


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdigit() else 0.0


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error with what caused it, as urllib3 nests them: in arguments, in ``reason`` and in Python's own chain."""
    waiting, seen = [error], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        nested = (*link.args, getattr(link, "reason", None), link.__cause__, link.__context__)
        waiting += [one for one in nested if isinstance(one, BaseException)]


def _cause_in_words(error: BaseException) -> str:
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, ReadTimeoutError

    chain = list(_chain(error))
    if any(isinstance(link, NameResolutionError | socket.gaierror) for link in chain):
        return "its name cannot be resolved"
    if any(isinstance(link, ReadTimeoutError) for link in chain):
        return "connected, but no answer within the deadline"
    for link in reversed(chain):
        if isinstance(link, OSError) and link.strerror:
            return link.strerror[0].lower() + link.strerror[1:]
    if any(isinstance(link, ConnectTimeoutError | TimeoutError) for link in chain):
        return "no connection within the deadline"
    return str(error).rpartition(": ")[2] or type(error).__name__
