"""A proxy that tells requests apart, and so can let the k-th one fail before or after the server has carried it out."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from http import HTTPStatus

from dfmc.testbed.faults.http1 import BrokenMessageError, Head, Stream
from dfmc.testbed.faults.listener import TcpProxy, reset
from dfmc.testbed.faults.plan import Fault, FaultPlan, Kind

_HANDSHAKE_SECONDS = 10.0


class HttpProxy(TcpProxy):
    """Speaks HTTP/1.1 on both sides, each with or without TLS.

    Watches stream through as they come, and a connection that changes its protocol (port-forwards) passes as bytes.

    Args:
        target: Host and port of the server.
        plan: The faults; default: an own plan without any.
        tls: Context with the proxy's own certificate; None: plain HTTP for the client.
        target_tls: Context for the server, with the client certificate that it asks for; None: plain HTTP. The
            client's own certificate ends at the proxy, its headers do not.
    """

    def __init__(
        self,
        target: tuple[str, int],
        plan: FaultPlan | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        target_tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(target, plan)
        self._tls = tls
        self._target_tls = target_tls

    @property
    def url(self) -> str:
        """The server's address as clients are to know it."""
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def _serve(self, client: socket.socket) -> None:
        released = self._released
        fault = self.plan.connection()
        with self._kept(client), contextlib.suppress(OSError, BrokenMessageError):
            if fault is not None and fault.then is not None:
                fault.then()
            if fault is not None and fault.kind is Kind.SILENT:
                released.wait()
                return
            secured = self._secured(client)
            with self._kept(secured):
                if fault is not None and fault.kind is Kind.SILENT_AFTER_TLS:
                    released.wait()
                    return
                self._carry(secured, fault)

    def _secured(self, client: socket.socket) -> socket.socket:
        if self._tls is None:
            return client
        client.settimeout(_HANDSHAKE_SECONDS)
        secured = self._tls.wrap_socket(client, server_side=True)
        secured.settimeout(None)
        return secured

    def _reach(self) -> socket.socket:
        server = super()._reach()
        if self._target_tls is None:
            return server
        try:
            return self._target_tls.wrap_socket(server, server_hostname=self.target[0])
        except OSError:
            server.close()
            raise

    def _carry(self, client: socket.socket, fault: Fault | None) -> None:
        asking = Stream(client)
        out = _Limited(client, fault.after_bytes if fault else None)
        with contextlib.ExitStack() as stack:
            server: socket.socket | None = None
            while (head := asking.head()) is not None:
                body = b"".join(asking.body(head))
                released = self._released
                strike = self.plan.request(head.method, head.path, body)
                if strike is not None and strike.kind is not Kind.DROP_ANSWER:
                    if strike.then is not None:
                        strike.then()
                    if strike.kind is Kind.HANG:
                        released.wait()
                    if strike.kind is not Kind.ANSWER:
                        return
                    out.send(_error(strike))
                    continue
                if server is None:
                    server = stack.enter_context(self.connected())
                    stack.enter_context(self._kept(server))
                    answering = Stream(server)
                server.sendall(head.raw + body)
                if not self._answered(head, answering, asking, None if strike else out):
                    if strike is not None and strike.then is not None:
                        strike.then()
                    return

    def _answered(self, asked: Head, answering: Stream, asking: Stream, out: _Limited | None) -> bool:
        """Pass the answer on, or with no ``out`` read it to its end; return whether the connection goes on."""
        while True:
            head = answering.head()
            if head is None:
                return False
            if out is not None:
                out.send(head.raw)
            if head.status == HTTPStatus.SWITCHING_PROTOCOLS:
                if out is not None:
                    out.send(answering.buffered())
                    answering.connection.sendall(asking.buffered())
                    self.pump(asking.connection, answering.connection, out.left)
                return False
            for piece in answering.body(head, is_response=True, to=asked.method):
                if out is not None:
                    out.send(piece)
            if head.status >= HTTPStatus.OK:
                break
        is_framed = "content-length" in head.headers or "transfer-encoding" in head.headers
        has_none = asked.method == "HEAD" or head.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        return out is not None and (is_framed or has_none) and not (head.ends_connection or asked.ends_connection)


class _Limited:
    """Sends to a client, and resets it after so many bytes.

    Args:
        connection: The client's.
        left: How many bytes pass; None: all.
    """

    def __init__(self, connection: socket.socket, left: int | None) -> None:
        self._connection = connection
        self.left = left

    def send(self, piece: bytes) -> None:
        """Send; raises ConnectionResetError once nothing passes any more."""
        if self.left is None:
            self._connection.sendall(piece)
            return
        if part := piece[: self.left]:
            self._connection.sendall(part)
        self.left -= len(part)
        if self.left == 0:
            reset(self._connection)
            raise ConnectionResetError


def _error(fault: Fault) -> bytes:
    """Return an answer that both kinds of server might give: a Status, whose message the manager's shape shares."""
    text = HTTPStatus(fault.status).phrase
    body = json.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "code": fault.status}
    )
    lines = [
        f"HTTP/1.1 {fault.status} {text}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        *([f"Retry-After: {fault.retry_after}"] if fault.retry_after else []),
    ]
    return "\r\n".join([*lines, "", body]).encode()
