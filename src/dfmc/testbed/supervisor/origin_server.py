"""Serves the bed's blobs over HTTP with ranges, and writes down who fetched what."""

from __future__ import annotations

import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dfmc.testbed.addressing import to_api
from dfmc.testbed.origin import Blob, OriginRequest, blob_at, byte_range


class _Log:
    """Appends whole lines from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()

    def write(self, request: OriginRequest) -> None:
        with self._guard, self._path.open("a") as out:
            out.write(request.line())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server_version = "dfmc-origin"

    def __init__(self, *arguments: Any, access_log: _Log, **named: Any) -> None:  # noqa: ANN401
        self._log = access_log
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401
        """Keep quiet: requests have a log of their own."""

    def _answer(self) -> None:
        if self.path in ("/v2", "/v2/"):  # what registries' clients ask first
            self._head(HTTPStatus.OK, 0)
            return
        blob = blob_at(self.path)
        if blob is None:
            self._head(HTTPStatus.NOT_FOUND, 0)
            self._note(HTTPStatus.NOT_FOUND, 0, True)
            return
        try:
            wanted = self._range(blob)
        except ValueError:
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            self._head(status, 0, {"Content-Range": f"bytes */{blob.size}"})
            self._note(status, 0, True)
            return
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "ETag": blob.etag}
        start, end = wanted or (0, blob.size)
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        status = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
        self._head(status, end - start, headers)
        sent = self._body(blob, start, end) if self.command == "GET" else 0
        self._note(status, sent, self.command == "HEAD" or sent == end - start)

    def _range(self, blob: Blob) -> tuple[int, int] | None:
        condition = self.headers.get("If-Range", blob.etag)
        header = self.headers.get("Range", "")
        return byte_range(header, blob.size) if header and condition == blob.etag else None

    def _head(self, status: HTTPStatus, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, blob: Blob, start: int, end: int) -> int:
        sent = 0
        try:
            for piece in blob.content(start, end):
                self.wfile.write(piece)
                sent += len(piece)
        except OSError:  # the client has what it wanted, or is gone
            self.close_connection = True
        return sent

    def _note(self, status: HTTPStatus, sent: int, complete: bool) -> None:
        client, asked = to_api(str(self.client_address[0])), self.headers.get("Range", "")
        self._log.write(OriginRequest(client, self.command, self.path, status.value, sent, complete, asked))


def serve_origin(port: int, access_log: Path) -> ThreadingHTTPServer:
    """Start serving in a thread; raises OSError where the port is taken.

    Args:
        port: On loopback; 0 for any.
        access_log: A line for each request is appended here once it is answered.
    """
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, access_log=_Log(access_log)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="origin", daemon=True).start()
    return server
