"""The exchanges that real managers were recorded with, asked again of whatever answers at an address.

Replayed in their order against one manager on an empty database, because each follows from those before it. What
cannot be the same twice is replaced on both sides: times, tokens, and what a caller names besides.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONTRACT = Path(__file__).parent / "data" / "contract"
VERSIONS = ("2.1.66", "2.5.1")
PAUSE = 7.0
"""Seconds after which the manager's cache has been emptied, so that the next sign-in may succeed."""
_AFTER_A_PAUSE = "sign in with the old password"

_HEADERS = ("Content-Type", "Link", "Location", "Set-Cookie", "Www-Authenticate")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_ZERO_TIME = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Reply:
    """What came back, made comparable.

    Attributes:
        status: HTTP status.
        headers: Those that clients look at.
        content: Parsed JSON, else the text.
    """

    status: int
    headers: Mapping[str, str]
    content: Any


def exchanges(version: str) -> list[dict[str, Any]]:
    """Return the recorded exchanges, in order."""
    recorded: list[dict[str, Any]] = json.loads((CONTRACT / f"manager-{version}.json").read_text())["recorded"]
    return recorded


def names() -> list[str]:
    """Return the exchanges' names, which are the same for all versions."""
    return [one["name"] for one in exchanges(VERSIONS[0])]


def expected(exchange: Mapping[str, Any]) -> Reply:
    """Return what the real manager answered."""
    response = exchange["response"]
    content = response["json"]
    if content is None and response.get("text", "null") != "null":
        content = response["text"]
    return Reply(response["status"], response["headers"], _comparable(content))


@dataclass
class Replay:
    """Asks one manager; keeps the tokens that it gives.

    Attributes:
        url: Where it is.
        pause: Lets PAUSE seconds go by.
        known: Texts of this run and what the recording has in their place, e.g. a password.
    """

    url: str
    pause: Callable[[float], None]
    known: dict[str, str] = field(default_factory=dict)
    jwt: str = ""
    pat: str = ""

    def run(self, version: str) -> dict[str, Reply]:
        """Ask everything in order; return the replies by name."""
        replies: dict[str, Reply] = {}
        for one in exchanges(version):
            if one["name"] == _AFTER_A_PAUSE:
                self.pause(PAUSE)
            replies[one["name"]] = self.ask(one["request"])
        return replies

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """Make one recorded request and return the reply."""
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
        try:
            connection.request(
                request["method"], request["path"], self._body(request["body"]), self._credentials(request)
            )
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        self._keep_tokens(request["path"], response.status, raw)
        headers = {name: self._masked(value) for name in _HEADERS if (value := response.headers.get(name)) is not None}
        if not raw:
            return Reply(response.status, headers, "")
        is_json = headers.get("Content-Type", "").startswith("application/json")
        content = json.loads(raw) if is_json else raw.decode()
        return Reply(response.status, headers, _comparable(json.loads(self._masked(json.dumps(content)))))

    def _body(self, body: Any) -> bytes | None:
        if body is None:
            return None
        text = str(body["raw"]) if isinstance(body, dict) and list(body) == ["raw"] else json.dumps(body)
        for ours, recorded in self.known.items():
            text = text.replace(recorded, ours)
        return text.encode()

    def _credentials(self, request: Mapping[str, Any]) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if request["auth"] == "jwt":
            headers["Authorization"] = f"Bearer {self.jwt}"
        elif request["auth"] == "cookie":
            headers["Cookie"] = f"jwt={self.jwt}"
        elif request["auth"].startswith("bearer:"):
            # Before there is a personal access token, the recorder sent nonsense.
            headers["Authorization"] = f"Bearer {self.pat or 'nonsense'}"
        return headers

    def _keep_tokens(self, path: str, status: int, raw: bytes) -> None:
        if status != 200 or not path.endswith(("/signin", "/refresh_token", "/personal-access-tokens")):
            return
        token = json.loads(raw)["token"]
        if "personal-access" in path:
            self.pat = token
        else:
            self.jwt = token

    def _masked(self, text: str) -> str:
        for secret, name in ((self.pat, "<PAT>"), (self.jwt, "<JWT>")):
            text = text.replace(secret, name) if secret else text
        for ours, recorded in self.known.items():
            text = text.replace(ours, recorded)
        return text


def _comparable(content: Any) -> Any:
    """Return JSON with each time replaced, save Go's zero time and those that a request itself carried."""
    if isinstance(content, dict):
        return {name: value if name == "expired_at" else _comparable(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_comparable(one) for one in content]
    if isinstance(content, str) and content != _ZERO_TIME and _TIME.fullmatch(content):
        return "<time>"
    return content
