"""The simulated manager on loopback sockets."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from dfmc.testbed.simulated_manager.database import Database, Row
from dfmc.testbed.simulated_manager.messages import Answer, Request
from dfmc.testbed.simulated_manager.replica import Replica
from dfmc.testbed.simulated_manager.versions import MANAGERS

_LARGEST_BODY = 1 << 20
_IDLE_SECONDS = 60
_PUBLIC_KEY = "ZHJhZ29uZmx5Cg=="  # the chart's default


@dataclass(frozen=True)
class Asked:
    """One request that a manager answered.

    Attributes:
        replica: Which process, from 0.
        method: Upper case.
        path: Without the query.
        status: Of the answer.
    """

    replica: int
    method: str
    path: str
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


class SimulatedManager:
    """One or more manager processes on one database, each at an address of its own; a context manager.

    Requests are carried out one after the other, so that what a test sees depends on nothing but its own order.

    Args:
        version: One of MANAGERS.
        replicas: Processes. Each caches for itself, so that one does not see what another has written for 30 s.
        clock: Seconds that only grow; given, caches expire and tokens age by this time alone.
        jwt_key: What tokens are signed with.
        jwt_lifetime: Seconds.
        powerless: Which processes know nothing of root's role.
    """

    def __init__(
        self,
        version: str = "2.5.1",
        *,
        replicas: int = 1,
        clock: Callable[[], float] = time.monotonic,
        jwt_key: str = _PUBLIC_KEY,
        jwt_lifetime: int = 172_800,
        powerless: Sequence[int] = (),
    ) -> None:
        habits = MANAGERS[version]
        started, wall = clock(), datetime.now(UTC)

        def now() -> datetime:
            return wall + timedelta(seconds=clock() - started)

        self.database = Database(now)
        self.database.seed(habits.candidate_parent_limit)
        self.replicas = [
            Replica(
                self.database,
                habits,
                clock,
                now,
                jwt_key,
                jwt_lifetime,
                f"10.244.0.{number + 10}",
                is_powerless=number in powerless,
            )
            for number in range(replicas)
        ]
        self._now = now
        self.requests: list[Asked] = []
        self.failures: list[BaseException] = []
        self._lock = threading.Lock()
        self._turns = itertools.cycle(range(replicas))
        self._servers: list[_Server] = []

    def __enter__(self) -> Self:
        """Listen: one port for each process, and one that leads to them in turns."""
        try:
            for number in (*range(len(self.replicas)), None):
                server = _Server(self, number)
                self._servers.append(server)
                server.start()
        except OSError:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; raises what went wrong inside a request, unless something else is being raised."""
        self._close()
        if self.failures and error is None:
            raise self.failures[0]

    def url(self, replica: int = 0) -> str:
        """Return the address of one process."""
        return self._servers[replica].url

    @property
    def service_url(self) -> str:
        """The address at which each request goes to the next process, as through a Service."""
        return self._servers[-1].url

    @property
    def mutations(self) -> list[str]:
        """What was asked that may change something, sign-ins excepted, oldest first."""
        asked = [one for one in list(self.requests) if one.method != "GET"]
        return [str(one) for one in asked if not one.path.startswith("/api/v1/users/sign")]

    def register_scheduler(self, cluster: int, host_name: str, *, ip: str = "10.0.0.1", state: str = "active") -> Row:
        """Insert a scheduler as its own registration over gRPC does, which asks no cluster whether it exists."""
        fields = {"host_name": host_name, "ip": ip, "port": 8002, "scheduler_cluster_id": cluster}
        with self._lock:
            row = self.database.create_scheduler({**fields, "state": state, "last_keep_alive_at": self._now()})
            self.replicas[0].cache.written()
            return row

    def answer(self, replica: int | None, request: Request) -> tuple[Answer, str]:
        """Carry out a request; return the answer and the address of the process that gave it.

        Args:
            replica: Which process; None: whose turn it is.
            request: What is asked.
        """
        with self._lock:
            number = next(self._turns) if replica is None else replica
            answer = self.replicas[number].answer(request)
            self.requests.append(Asked(number, request.method, request.path, answer.status))
            return answer, self.replicas[number].address

    def _close(self) -> None:
        for server in self._servers:
            server.stop()


class _Server(ThreadingHTTPServer):
    """One listening port."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, manager: SimulatedManager, replica: int | None) -> None:
        self.manager = manager
        self.replica = replica
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Accept connections in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join(5)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Say nothing: a client may hang up whenever it likes."""


class _Handler(BaseHTTPRequestHandler):
    """HTTP around one process."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: _Server

    def _serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > _LARGEST_BODY:
            self.close_connection = True
            self._send(Answer(413), "")
            return
        split = urlsplit(self.path)
        request = Request(
            self.command,
            split.path,
            dict(parse_qsl(split.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(size),
        )
        try:
            answer, address = self.server.manager.answer(self.server.replica, request)
        except Exception as error:  # outermost edge of a thread: the test that owns the manager gets it
            self.server.manager.failures.append(error)
            answer, address = Answer(500), ""
        self._send(answer, address)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - names that http.server asks for

    def _send(self, answer: Answer, address: str) -> None:
        lines = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        if address:
            lines.append(f"X-Server-Ip: {address}")
        lines += [f"Content-Length: {len(answer.body)}", "", ""]
        # In one piece: a head and a body that follow each other wait for each other's acknowledgement.
        self.wfile.write("\r\n".join(lines).encode("latin-1") + answer.body)
