"""A loopback port that passes connections on, and the faults that need no understanding of what is said there."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from dfmc.testbed.faults.plan import Fault, FaultPlan, Kind

CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.05
_PIECE = 1 << 16
_BACKLOG = 64


class TcpProxy:
    """Passes bytes between loopback and a target, TLS and all; a context manager.

    Args:
        target: Host and port.
        plan: The faults; default: an own plan without any.
    """

    def __init__(self, target: tuple[str, int], plan: FaultPlan | None = None) -> None:
        self.target = target
        self.plan = plan or FaultPlan()
        self.port = 0
        self._listener: socket.socket | None = None
        self._placeholder: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._released = threading.Event()
        """Set when the plan has changed; connections that hang wait for it."""
        self._threads: list[threading.Thread] = []
        self.plan.watch(self._adapt)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._listener = _bound(0)
        self._listener.listen(_BACKLOG)
        self.port = int(self._listener.getsockname()[1])
        self._adapt()
        self._start(self._accept_all)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, end every connection, wait for the threads."""
        with self._lock:
            self._ended.set()
            self._released.set()
            ports = [one for one in (self._listener, self._placeholder) if one is not None]
            self._listener = self._placeholder = None
        for one in ports:
            _end(one)
        self.drop_connections()
        for thread in list(self._threads):
            thread.join(5)

    @property
    def address(self) -> str:
        """``host:port`` on which it listens."""
        return f"127.0.0.1:{self.port}"

    # --- listening --------------------------------------------------------------------------------------------------

    def _adapt(self) -> None:
        """Do at once what a change of the plan means for the port and for what is open."""
        with self._lock:
            self._released.set()  # whoever hangs goes on
            if self._ended.is_set():
                return
            self._released = threading.Event()
            refuses = self.plan.refuses
            if refuses and self._listener is not None:
                _end(self._listener)
                self._listener = None
                self._placeholder = _bound(self.port)  # keeps the port: bound and not listening means refused
            elif not refuses and self._placeholder is not None:
                self._placeholder.listen(_BACKLOG)
                self._listener, self._placeholder = self._placeholder, None
        if refuses:
            self.drop_connections()

    def _accept_all(self) -> None:
        while not self._ended.is_set():
            listener = self._listener
            if listener is None:
                self._ended.wait(_POLL_SECONDS)
                continue
            try:
                connection, _ = listener.accept()
            except OSError:  # it has just been closed: refused from now on, or at an end
                self._ended.wait(_POLL_SECONDS)
                continue
            if self.plan.refuses:  # it came in just before the port closed
                connection.close()
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._serve, connection)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        self._threads = [one for one in self._threads if one.is_alive()]
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- one connection ---------------------------------------------------------------------------------------------

    def _serve(self, client: socket.socket) -> None:
        released = self._released  # before the plan is asked: it may be cleared in between
        fault = self.plan.connection()
        with self._kept(client), contextlib.suppress(OSError):
            if fault is not None and fault.then is not None:
                fault.then()
            if fault is not None and fault.kind is not Kind.RESET:
                released.wait()
                return
            self._carry(client, fault)

    def _carry(self, client: socket.socket, fault: Fault | None) -> None:
        """Carry one connection to its end."""
        with self.connected() as server:
            self.pump(client, server, fault.after_bytes if fault else None)

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
            _end(connection)

    def connected(self) -> contextlib.AbstractContextManager[socket.socket]:
        """Return a connection to the target, for a ``with``."""
        return contextlib.closing(self._reach())

    def _reach(self) -> socket.socket:
        server = socket.create_connection(self.target, CONNECT_SECONDS)
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def pump(self, client: socket.socket, server: socket.socket, after_bytes: int | None = None) -> None:
        """Pass bytes both ways until one side ends; reset the client after so many of the server's, if told."""
        back = threading.Thread(target=self._upstream, args=(client, server), daemon=True)
        back.start()
        try:
            left = after_bytes
            while left is None or left > 0:
                piece = server.recv(_PIECE if left is None else min(left, _PIECE))
                if not piece:
                    break
                client.sendall(piece)
                left = None if left is None else left - len(piece)
            if left == 0:
                # The other thread's read would keep the connection, and with it the reset, from ending.
                socket.socket.shutdown(client, socket.SHUT_RD)
                _end(server, close=False)
                back.join(5)
                reset(client)
        finally:
            for one in (client, server):
                _end(one, close=False)
            back.join(5)

    @staticmethod
    def _upstream(client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(_PIECE):
                server.sendall(piece)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(server, socket.SHUT_WR)

    def drop_connections(self) -> None:
        """End every open connection, so that a fault of connections reaches a client that keeps one."""
        with self._lock:
            connections = list(self._open)
        for one in connections:
            _end(one, close=False)  # its thread closes it


def reset(connection: socket.socket) -> None:
    """Close a connection with a RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def _end(connection: socket.socket, *, close: bool = True) -> None:
    with contextlib.suppress(OSError):  # not connected, or ended already
        # Not TLS's own: that would have the next read of another thread return what is still encrypted.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    if close:
        connection.close()
