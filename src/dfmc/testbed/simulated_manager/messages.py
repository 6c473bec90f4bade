"""A request and an answer of the simulated manager, without HTTP around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """A request as it came in.

    Attributes:
        method: Upper case.
        path: Without the query.
        query: Parameters of the query.
        headers: By lower-case name.
        body: The raw body.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def bearer(self) -> str:
        """What stands behind ``Bearer`` in the header."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else ""

    @property
    def cookie(self) -> str:
        """The value of the cookie ``jwt``."""
        pairs = (pair.strip().partition("=") for pair in self.headers.get("cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == "jwt"), "")


@dataclass(frozen=True)
class Answer:
    """An answer; an empty body has no content type.

    Attributes:
        status: HTTP status.
        body: As sent.
        headers: Of this answer only.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def in_json(content: Any, status: int = 200, **headers: str) -> Answer:  # noqa: ANN401 - JSON
    """Return content as the manager sends it; ``-`` in names of headers is written ``_``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content, ensure_ascii=False).encode(), {"Content-Type": _JSON, **named})


def message(status: int, text: str, **headers: str) -> Answer:
    """Return a refusal in the shape that all but 422 and 429 have."""
    return in_json({"message": text}, status, **headers)


def unauthorized(*, challenge: bool = True) -> Answer:
    """Return 401; the open API sends no challenge with it."""
    return message(401, "Unauthorized", **({"Www_Authenticate": "JWT realm=Dragonfly"} if challenge else {}))


def unprocessable(text: str) -> Answer:
    """Return 422, whose message is called ``errors``."""
    return in_json({"errors": text}, 422)


def moved() -> Answer:
    """Return what every unknown path and method gets: the way to the console (manager/router/router.go)."""
    body = b'<a href="/">Moved Permanently</a>.\n\n'
    return Answer(301, body, {"Content-Type": "text/html; charset=utf-8", "Location": "/"})
