"""Asking the bed's supervisor whether it is there and what it looks after."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

HEALTH_PATH = "/-/health"
_SECONDS = 2.0


def supervisor_health(port: int, directory: Path) -> dict[str, Any] | None:
    """Return ``pid``, ``directory`` and ``clusters`` (names of those it is watching) of the bed's supervisor.

    None where nothing answers, or where another bed's supervisor does.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", HEALTH_PATH)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            return None
        health: dict[str, Any] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return health if health.get("directory") == str(directory) else None
