"""Requests to the manager as root: signed in once, and again only when the token is refused.

Since 2.2.0 the manager keeps database rows in a cache that forgets the password hash (manager/database/cacher.go,
manager/models/user.go): after any sign-in the next one is refused (401) though the password is right, and a password
reset fails (500). Every write empties the cache: from 2.2.2 on each request is written to the audit table within 5 s,
the refused ones too (manager/service/audit.go); before that, rows live for 30 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from dfmc.clients.manager_http import Answer, ManagerHttp, Method, NoAnswerError, NotSentError
from dfmc.clients.manager_rows import UnexpectedAnswerError
from dfmc.errors import AuthError, NotReadyError, UnreachableError

ROOT = "root"
ROOT_ID = 1

SETTLE = 35.0
"""Seconds after which a write is visible on every replica (their caches live for 30), and a restart is over."""

_RATE_LIMIT_PATIENCE = 200.0  # a new cluster is unknown to the rate limiter for up to 180 s
_AUDIT_FLUSH = 7.0
_CACHE_LIFE = 31.0
_MAX_SIGN_INS = 5
_LONGEST_PAUSE = 5.0
_LAST_ATTEMPT = 5.0  # what the last one gets when patience has run out meanwhile


class ManagerSession:
    """Authorised requests to one manager.

    Args:
        http: How it is reached.
        clock: Seconds that only grow.
        sleep: Waits.
    """

    def __init__(
        self, http: ManagerHttp, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._token = ""
        self._password = ""
        self._signing_in = asyncio.Lock()

    @property
    def is_signed_in(self) -> bool:
        """Whether there is a token; it may have expired."""
        return bool(self._token)

    async def sign_in(self, candidates: Sequence[str]) -> int:
        """Sign in as root with the first candidate that works and return its index; see ManagerClient.sign_in."""
        async with self._signing_in:
            return await self._sign_in(candidates)

    async def resume(self, token: str, password: str, path: str) -> bool:
        """Take a token that was not got by signing in; False, and nothing taken, when the manager refuses it.

        Raises:
            UnreachableError: The manager does not answer.
            NotReadyError: This replica does not know root's role.
        """
        answer = await self._http.send("GET", path, params={"page": 1, "per_page": 1}, token=token)
        if answer.status != 200:
            self._refuse_powerless_replica(answer)
            return False
        self._token, self._password = token, password
        return True

    async def takes(self, password: str) -> bool:
        """Try one sign-in as root whose token is thrown away; see ManagerClient.takes_password."""
        answer = await self._http.send("POST", "/api/v1/users/signin", body={"name": ROOT, "password": password})
        return answer.status == 200

    async def takes_token(self, token: str, path: str) -> bool:
        """Whether the manager answers an authorised read with this token; the session keeps its own.

        A replica that denies root everything has taken the token all the same.
        """
        answer = await self._http.send("GET", path, params={"page": 1, "per_page": 1}, token=token)
        return answer.status == 200 or _denies(answer)

    async def _sign_in(self, candidates: Sequence[str]) -> int:
        why = ""
        for pause, index in sign_in_schedule(len(candidates)):
            await self._pause(pause)
            refused = await self._try(candidates[index])
            if refused is None:
                return index
            why = f"HTTP {refused.status} {self._http.words(refused)}, "
        raise AuthError(
            "the manager does not accept root's password",
            why=f"{why}to each of {len(set(candidates))} known passwords for more than {SETTLE:g} s; "
            "it also says so while its database is down",
            next_step="look at the manager's and its database's pods; if root's password was changed by hand, "
            "give it as `manager.rootPassword`",
        )

    async def _try(self, password: str) -> Answer | None:
        """Sign in once; the answer when the password was not accepted."""
        answer = await self._http.send("POST", "/api/v1/users/signin", body={"name": ROOT, "password": password})
        if answer.status == 401:
            return answer
        if answer.status != 200:
            raise self._http.failure("sign in", answer)
        token = answer.content.get("token") if isinstance(answer.content, dict) else None
        if not isinstance(token, str) or not token:
            raise UnexpectedAnswerError("unexpected answer of the manager", why="a sign-in without a token")
        self._token, self._password = token, password
        return None

    async def request(
        self,
        method: Method,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        persistent: bool,
    ) -> Answer:
        """Make an authorised request.

        Args:
            method: The verb.
            path: Below the base address.
            params: Of the query.
            body: Sent as JSON.
            persistent: Whether a failed attempt may simply be repeated (reading, and writing the same again), for
                SETTLE seconds.

        Returns:
            Any answer but 401, 403 and 429; with ``persistent`` 5xx only where waiting cannot help.

        Raises:
            NotSentError: No connection.
            NoAnswerError: The connection broke before the answer.
            UnreachableError: It goes on answering 5xx or 429.
            AuthError: It refuses the token, also after signing in again.
            NotReadyError: This replica does not know root's role.
            ConflictError: That is no manager.
        """
        action, started, attempt, renewed = f"{method} {path}", self._clock(), 0, False
        while True:
            attempt += 1
            token, left = self._token, SETTLE - (self._clock() - started)
            within = max(left, _LAST_ATTEMPT) if persistent else None
            try:
                answer = await self._http.send(method, path, params=params, body=body, token=token, within=within)
            except (NotSentError, NoAnswerError):
                # Counted after the attempt: one that hangs to its deadline has used up that patience too.
                if not persistent or self._clock() - started >= SETTLE:
                    raise
            else:
                if answer.status in (401, 403):
                    self._refuse_powerless_replica(answer)
                    if answer.status == 403 or renewed:
                        raise self._http.failure(action, answer)
                    await self._renew(token)
                    renewed = True
                    continue
                if answer.status == 429:
                    patience = _RATE_LIMIT_PATIENCE
                elif answer.status >= 500 and persistent and not _is_final(answer):
                    patience = SETTLE
                else:
                    return answer
                if self._clock() - started >= patience:
                    raise self._http.failure(action, answer)
            await self._sleep(min(float(attempt), _LONGEST_PAUSE))

    async def is_answering(self, path: str, params: Mapping[str, str | int]) -> Answer | None:
        """Make one authorised GET; None where it fails in a way that a manager still starting may fail.

        Raises:
            ConflictError: That is no manager.
            NotReadyError: This replica does not know root's role.
        """
        try:
            answer = await self._http.send("GET", path, params=params, token=self._token)
            if answer.status == 401:
                self._refuse_powerless_replica(answer)
                async with self._signing_in:
                    # One try: its caller comes again, and a database that is down refuses every password.
                    if await self._try(self._password) is not None:
                        return None
                answer = await self._http.send("GET", path, params=params, token=self._token)
        except UnreachableError:
            return None
        return answer

    async def _renew(self, refused: str) -> None:
        """Sign in again, once for all the requests that were refused with the same token."""
        async with self._signing_in:
            if self._token != refused:
                return
            if not self._password:
                raise AuthError("not signed in to the manager", next_step="run dfmc again")
            await self._sign_in([self._password])

    async def reset_password(self, old: str, new: str) -> Answer:
        """Ask for a new password of root, again where the manager's cache is in the way; return the last answer."""
        path = f"/api/v1/users/{ROOT_ID}/reset_password"
        body = {"old_password": old, "new_password": new}
        answer = await self._http.send("POST", path, body=body)
        for pause in (_AUDIT_FLUSH, _CACHE_LIFE):
            if not (answer.status == 500 and "hashedsecret" in answer.message.lower()):
                break
            await self._pause(pause)
            answer = await self._http.send("POST", path, body=body)
        if answer.status == 200 and self._password == old:
            self._password = new
        return answer

    def _refuse_powerless_replica(self, answer: Answer) -> None:
        # manager/middlewares/rbac.go. Of several managers that start on an empty database only the one that creates
        # root learns root's role; the others deny it everything until they are restarted (dragonfly issue 4924).
        if _denies(answer):
            replica = f" {answer.server}" if answer.server else ""
            raise NotReadyError(
                f"the manager's replica{replica} denies root everything",
                why=f"HTTP {answer.status} {self._http.words(answer)}: it was started before root's role existed",
                next_step="restart it (`kubectl rollout restart` of the manager's Deployment), then run dfmc again",
            )

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._sleep(seconds)


def _denies(answer: Answer) -> bool:
    return answer.message.strip().lower() == "permission deny"


def sign_in_schedule(candidates: int) -> list[tuple[float, int]]:
    """Return when to try which candidate: seconds to wait before, and its index.

    A refused try fills the manager's cache, so tries are kept apart by the time until the cache is emptied: each one
    then says something about its password. First every candidate; then the first again, which a sign-in just before
    this run may have spoilt; at last the second and the first with a cache that has expired even in managers without
    an audit table (2.2.0 and 2.2.1). At most five tries: this is no guessing.
    """
    plan = [(_AUDIT_FLUSH if index else 0.0, index) for index in range(min(candidates, _MAX_SIGN_INS))]
    if candidates:
        plan += [(_AUDIT_FLUSH, 0), (_CACHE_LIFE, min(1, candidates - 1))]
    if candidates > 1:
        plan.append((_CACHE_LIFE, 0))
    return plan[:_MAX_SIGN_INS]


def _is_final(answer: Answer) -> bool:
    """Whether a 5xx will not pass by itself: one row that does not fit makes every list fail."""
    return "invalid number of the" in answer.message
