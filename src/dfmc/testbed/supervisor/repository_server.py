"""Serves the bed's chart repository, and says how the supervisor is, over HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dfmc.testbed.health import HEALTH_PATH


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, *arguments: Any, health: Callable[[], dict[str, Any]], **named: Any) -> None:  # noqa: ANN401
        self._health = health
        super().__init__(*arguments, **named)

    def do_GET(self) -> None:
        if self.path != HEALTH_PATH:
            super().do_GET()
            return
        body = json.dumps(self._health()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def list_directory(self, path: Any) -> None:  # noqa: ANN401
        """Refuse what a chart repository does not have."""
        self.send_error(404)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401
        """Keep quiet: the supervisor's log is for pods."""


def serve_repository(port: int, directory: Path, health: Callable[[], dict[str, Any]]) -> ThreadingHTTPServer:
    """Start serving in a thread; raises OSError where the port is taken."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(directory), health=health))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="repository", daemon=True).start()
    return server
