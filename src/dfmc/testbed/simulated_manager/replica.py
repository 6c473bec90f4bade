"""One process of the simulated manager: who may ask, and the routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dfmc.testbed.simulated_manager import schema, tokens
from dfmc.testbed.simulated_manager.cache import RowCache
from dfmc.testbed.simulated_manager.clusters import ClusterRoutes
from dfmc.testbed.simulated_manager.database import (
    Database,
    DuplicateError,
    NoSuchRowError,
    Row,
    SchedulerExistsError,
    TooLongError,
)
from dfmc.testbed.simulated_manager.hosts import HostRoutes
from dfmc.testbed.simulated_manager.listing import DatabaseDownError, Lists
from dfmc.testbed.simulated_manager.messages import (
    Answer,
    Request,
    in_json,
    message,
    moved,
    unauthorized,
    unprocessable,
)
from dfmc.testbed.simulated_manager.pages import identifier
from dfmc.testbed.simulated_manager.versions import ManagerHabits
from dfmc.testbed.simulated_manager.views import Views

_CONSOLE = b"<!doctype html><title>Dragonfly</title>\n"
_SPOILT_HASH = "crypto/bcrypt: hashedSecret too short to be a bcrypted password"
_RBAC = ("clusters", "scheduler-clusters", "seed-peer-clusters", "schedulers", "seed-peers", "peers", "jobs")
_RBAC_TOO = ("personal-access-tokens", "scheduler-features")


@dataclass
class Replica:
    """One manager process on a database that it may share with others.

    Attributes:
        database: The rows.
        habits: Of its version.
        clock: Seconds that only grow.
        jwt_key: What tokens are signed with.
        jwt_lifetime: Seconds.
        address: Its pod's, which it says in ``X-Server-Ip``.
        is_powerless: Whether it knows nothing of root's role, as every process but the first one on an empty
            database until it is restarted (dragonfly issue 4924).
    """

    database: Database
    habits: ManagerHabits
    clock: Callable[[], float]
    now: Callable[[], datetime]
    jwt_key: str
    jwt_lifetime: int
    address: str
    is_powerless: bool = False
    cache: RowCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = RowCache(self.habits, self.clock)
        self._lists = Lists(self.database, self.habits, self.cache)
        views = Views(self.habits)
        self._views = views
        self._clusters = ClusterRoutes(self.database, views, self.cache, self._lists)
        self._hosts = HostRoutes(self.database, views, self.cache, self._lists, self.clock)

    def answer(self, request: Request) -> Answer:
        """Carry out a request."""
        if request.path == "/healthy" and request.method == "GET":
            return in_json("OK")  # the database is not asked
        if request.path == "/":
            return Answer(200, _CONSOLE, {"Content-Type": "text/html; charset=utf-8"})
        user: int | None = None
        try:
            answer, user = self._routed(request)
        except schema.RefusedBodyError as error:
            answer = unprocessable(str(error))
        except NoSuchRowError:
            answer = message(404, "record not found")
        except DuplicateError:
            answer = message(409, "Conflict")
        except TooLongError:
            answer = message(500, "Internal Server Error")
        except SchedulerExistsError:
            answer = message(500, "scheduler cluster exists scheduler")
        except DatabaseDownError:
            answer = message(500, "dial tcp: connect: connection refused")
        self._audit(request, user)
        return answer

    def _audit(self, request: Request, user: int | None) -> None:
        if self.habits.audit_flush is None or not request.path.startswith(("/api/", "/oapi/")):
            return
        if user is not None and self.database.is_up:
            self.cache.read(("user", user), lambda: user)
        self.cache.audited()

    def _routed(self, request: Request) -> tuple[Answer, int | None]:
        parts = request.path.strip("/").split("/")
        match parts:
            case ["api", "v1", "users", "signin"] if request.method == "POST":
                return self._sign_in(request), None
            case ["api", "v1", "users", "signout"] if request.method == "POST":
                return Answer(200, b"", {"Set-Cookie": "jwt=; Path=/; Max-Age=0"}), None
            case ["api", "v1", "users", "refresh_token"] if request.method == "POST":
                user = self._token_user(request)
                return (unauthorized() if user is None else self._token(user)), user
            case ["api", "v1", "users", number, "reset_password"] if request.method == "POST":
                return self._reset_password(identifier(number, "UserParams"), request), None
            case ["api", "v1", "users", *rest] if request.method == "GET" and len(rest) < 2:
                user = self._token_user(request)
                return (unauthorized() if user is None else self._users(rest, request)), user
            case ["api", "v1", name, *rest] if name in (*_RBAC, *_RBAC_TOO) and len(rest) < 2:
                user = self._token_user(request)
                if user is None:
                    return unauthorized(), None
                if self.is_powerless:
                    return message(401, "permission deny"), user
                return self._resource(name, rest, request), user
            case ["oapi", "v1", ("clusters" | "jobs") as name, *rest] if len(rest) < 2:
                return self._open_api(name, rest, request)
            case _:
                return moved(), None

    def _open_api(self, name: str, rest: list[str], request: Request) -> tuple[Answer, int | None]:
        found = [one for one in self.database.tokens.values() if one["token"] == request.bearer]
        if not found:
            return unauthorized(challenge=False), None
        scopes = found[0].get("scopes") or ["cluster", "job"]  # none given means all
        if name.removesuffix("s") not in scopes:
            return message(403, "Forbidden"), None
        return self._resource(name, rest, request), int(found[0]["user_id"])

    def _resource(self, name: str, rest: list[str], request: Request) -> Answer:
        routes: dict[str, Callable[[list[str], Request], Answer | None]] = {
            "clusters": self._clusters.clusters,
            "scheduler-clusters": self._clusters.scheduler_clusters,
            "seed-peer-clusters": self._clusters.seed_peer_clusters,
            "schedulers": self._hosts.schedulers,
            "seed-peers": self._hosts.seed_peers,
            "peers": self._hosts.peers,
            "jobs": self._hosts.jobs,
            "scheduler-features": lambda _rest, _request: in_json(["schedule", "preheat"]),
            "personal-access-tokens": self._access_tokens,
        }
        return routes[name](rest, request) or moved()

    # --- users and tokens -------------------------------------------------------------------------------------------

    def _token_user(self, request: Request) -> int | None:
        # In this order, so that a stale cookie beats a good header (manager/middlewares/jwt.go).
        token = request.cookie or request.bearer or request.query.get("token", "")
        return tokens.user_of(token, self.jwt_key, self.now().timestamp())

    def _token(self, user: int) -> Answer:
        now = self.now()
        expires = now + timedelta(seconds=self.jwt_lifetime)
        token = tokens.signed(self.jwt_key, user, int(now.timestamp()), int(expires.timestamp()))
        cookie = f"jwt={token}; Path=/; Max-Age={self.jwt_lifetime}"
        return in_json({"expire": f"{expires:%Y-%m-%dT%H:%M:%SZ}", "token": token}, Set_Cookie=cookie)

    def _sign_in(self, request: Request) -> Answer:
        """Answer 200 or 401: also for a body that is none, and while the database is down."""
        try:
            body = schema.bound("SignInRequest", schema.SIGN_IN, request.body)
            stored, is_spoilt = self.cache.read(("user named", body["name"]), lambda: self._user_named(body["name"]))
        except (schema.RefusedBodyError, NoSuchRowError, DatabaseDownError):
            return unauthorized()
        if is_spoilt or self.database.hashes[stored] != body["password"]:
            return unauthorized()
        return self._token(stored)

    def _user_named(self, name: str) -> int:
        self._lists.check_database()
        found = self.database.named(self.database.users, name)
        if found is None:
            raise NoSuchRowError
        return int(found["id"])

    def _reset_password(self, user: int, request: Request) -> Answer:
        body = schema.bound("ResetPasswordRequest", schema.RESET_PASSWORD, request.body)
        _, is_spoilt = self.cache.read(("user", user), lambda: self._user(user)["id"])
        if is_spoilt:
            return message(500, _SPOILT_HASH)
        if self.database.hashes[user] != body["old_password"]:
            return message(401, "Unauthorized")
        self.database.hashes[user] = body["new_password"]
        self.cache.written()
        return Answer(200)

    def _user(self, number: int) -> Row:
        self._lists.check_database()
        return self.database.row(self.database.users, number)

    def _users(self, rest: list[str], request: Request) -> Answer:
        if not rest:
            return self._lists.answer(request, "GetUsersQuery", self.database.users, self._views.user)
        number = identifier(rest[0], "UserParams")
        self.cache.read(("user", number), lambda: self._user(number)["id"])
        return in_json(self._views.user(self._user(number)))

    def _access_tokens(self, rest: list[str], request: Request) -> Answer | None:
        view: Callable[[Row], Any] = self._views.token
        if not rest and request.method == "POST":
            fields = schema.bound("CreatePersonalAccessTokenRequest", schema.CREATE_TOKEN, request.body)
            self._lists.check_database()
            row = self.database.create_token(fields)
            self.cache.written()
            return in_json(view(row))
        if not rest and request.method == "GET":
            return self._lists.answer(request, "GetPersonalAccessTokensQuery", self.database.tokens, view)
        if rest and request.method == "DELETE":
            number = identifier(rest[0], "PersonalAccessTokenParams")
            self._lists.check_database()
            self.database.row(self.database.tokens, number)
            del self.database.tokens[number]
            self.cache.written()
            return Answer(200)
        return None
