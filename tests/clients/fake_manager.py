"""A manager in memory, with the habits of the real one: see tests/data/contract for what real ones answered."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

CACHE_LIFE = 30.0
AUDIT_FLUSH = 5.0


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 60
        assert len(self.slept) < 500, "this never ends"
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class FakeManager:
    """Requests in, answers out.

    Attributes:
        password: Root's.
        poisoned_until: Until then sign-ins and resets fail, as when a cached user row has lost its password hash.
        flush: Seconds for which a look at the user row spoils the next one; 0: a manager without that cache.
        before: Called with each request first; an answer or exception of its own replaces the manager's.
        after: Called with the request and the answer; may replace it (the request has been carried out).
    """

    clock: FakeClock
    password: str = "dragonfly"
    poisoned_until: float = 0.0
    flush: float = AUDIT_FLUSH
    replica: str = "10.0.0.7"
    rows: list[dict[str, Any]] = field(default_factory=list)
    schedulers: list[dict[str, Any]] = field(default_factory=list)
    visible_after: float = 0.0
    before: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None
    after: Callable[[httpx2.Request, httpx2.Response], httpx2.Response] = lambda _, answer: answer
    requests: list[httpx2.Request] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    _made: dict[int, float] = field(default_factory=dict)
    _next: tuple[int, int] = (2, 2)

    def __post_init__(self) -> None:
        self.rows.append(self.row(1, 1, 1, {"name": "cluster-1", "is_default": True}))

    @property
    def log(self) -> list[str]:
        return [f"{r.method} {r.url.path}" for r in self.requests]

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.before(request)
        if answer is None:
            answer = self.after(request, self.answer(request))
        if "X-Server-Ip" not in answer.headers:
            answer.headers["X-Server-Ip"] = self.replica
        return answer

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path, body = request.url.path, json.loads(request.content or b"null")
        if path == "/api/v1/users/signin":
            return self._sign_in(body)
        if path == "/api/v1/users/1/reset_password":
            return self._reset(body)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return httpx2.Response(401, json={"message": "Unauthorized"})
        if path == "/api/v1/clusters" and request.method == "POST":
            return self._create(body)
        if path == "/api/v1/clusters":
            shown = [r for r in self.rows if self.clock.now >= self._made.get(r["id"], 0)]
            if name := request.url.params.get("name"):
                shown = [r for r in shown if r["name"].casefold().rstrip() == name.casefold().rstrip()]
            return self._page(request, shown, empty=None)
        if path.startswith("/api/v1/clusters/"):
            return self._one(request.method, int(path.rpartition("/")[2]), body)
        if path in ("/api/v1/schedulers", "/api/v1/seed-peers"):
            return self._page(request, self.schedulers if "sched" in path else [], empty=[])
        return httpx2.Response(301, headers={"Location": "/", "Content-Type": "text/html; charset=utf-8"})

    def _sign_in(self, body: dict[str, str]) -> httpx2.Response:
        spoilt = self.clock.now < self.poisoned_until
        if not spoilt:
            self.poisoned_until = self.clock.now + self.flush
        if spoilt or body != {"name": "root", "password": self.password}:
            return httpx2.Response(401, json={"message": "Unauthorized"})
        token = f"token-{len(self.tokens)}-{self.clock.now:g}"
        self.tokens.add(token)
        return httpx2.Response(
            200,
            json={"expire": "2026-11-25T09:31:37Z", "token": token},
            headers={"Set-Cookie": f"jwt={token}; Path=/; Max-Age=172800"},
        )

    def _reset(self, body: dict[str, str]) -> httpx2.Response:
        if self.clock.now < self.poisoned_until:
            return httpx2.Response(
                500, json={"message": "crypto/bcrypt: hashedSecret too short to be a bcrypted password"}
            )
        if body["old_password"] != self.password:
            self.poisoned_until = self.clock.now + self.flush
            return httpx2.Response(401, json={"message": "Unauthorized"})
        if not 8 <= len(body["new_password"]) <= 20:
            return httpx2.Response(422, json={"errors": "NewPassword failed on the 'min' tag"})
        self.password = body["new_password"]
        return httpx2.Response(200)

    def _create(self, body: dict[str, Any]) -> httpx2.Response:
        scheduler_cluster, seed_peer_cluster = self._next
        if any(r["name"].casefold().rstrip() == body["name"].casefold().rstrip() for r in self.rows):
            self._next = scheduler_cluster + 1, seed_peer_cluster
            return httpx2.Response(409, json={"message": "Conflict"})
        assert all(
            isinstance(body[f"{c}_config"], dict) for c in ("scheduler_cluster", "seed_peer_cluster", "peer_cluster")
        )
        row = self.row(scheduler_cluster, scheduler_cluster, seed_peer_cluster, body)
        self._next = scheduler_cluster + 1, seed_peer_cluster + 1
        self._made[row["id"]] = self.clock.now + self.visible_after
        self.rows.append(row)
        return httpx2.Response(200, json=row)

    def _one(self, method: str, number: int, body: dict[str, Any] | None) -> httpx2.Response:
        row = next((r for r in self.rows if r["id"] == number), None)
        if row is None:
            return httpx2.Response(404, json={"message": "record not found"})
        if method == "GET":
            return httpx2.Response(200, json=row)
        assert body is not None
        if any(r["name"] == body.get("name") and r is not row for r in self.rows):
            return httpx2.Response(409, json={"message": "Conflict"})
        row |= {key: value for key, value in body.items() if key in ("name", "bio") and value}
        row |= {key: value for key, value in body.items() if key == "scopes"}
        row["is_default"] = body.get("is_default", False)
        return httpx2.Response(200, json={**row, "scopes": None, "scheduler_cluster_config": None})

    @staticmethod
    def _page(request: httpx2.Request, rows: list[dict[str, Any]], empty: list[Any] | None) -> httpx2.Response:
        page, size = int(request.url.params.get("page", 1)), int(request.url.params.get("per_page", 10))
        if size > 1000:
            return httpx2.Response(422, json={"errors": "PerPage failed on the 'lte' tag"})
        shown = rows[(page - 1) * size : page * size]
        link = f"<{request.url.path}?page={page + 1}&per_page={size}>;rel=next"
        return httpx2.Response(
            200,
            content=json.dumps(shown or empty),
            headers={"Link": link, "Content-Type": "application/json; charset=utf-8"},
        )

    @staticmethod
    def row(number: int, scheduler_cluster: int, seed_peer_cluster: int, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": number,
            "name": body["name"],
            "bio": body.get("bio", ""),
            "scopes": {"idc": "", "location": "", "cidrs": None, "hostnames": None} | (body.get("scopes") or {}),
            "scheduler_cluster_id": scheduler_cluster,
            "seed_peer_cluster_id": seed_peer_cluster,
            "is_default": body.get("is_default", False),
        }
