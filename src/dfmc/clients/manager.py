"""The Dragonfly manager's REST API, as far as dfmc needs it: root's password, records, schedulers, seed peers.

Its answers are those of Dragonfly 2.1 to 2.5; sources are manager/handlers, manager/service and manager/types there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import httpx2

from dfmc.clients.manager_http import DEFAULT_TIMEOUT, Answer, ManagerHttp, NoAnswerError, NotSentError
from dfmc.clients.manager_removal import Removal
from dfmc.clients.manager_rows import (
    UnexpectedAnswerError,
    cluster_record,
    rows_of,
    scheduler_record,
    scopes_body,
    seed_peer_record,
)
from dfmc.clients.manager_session import ROOT_ID, SETTLE, ManagerSession
from dfmc.clients.manager_token import own_token
from dfmc.errors import (
    AuthError,
    ConflictError,
    DfmcError,
    NotReadyError,
    PreflightError,
    RecoveryError,
    UnreachableError,
)
from dfmc.state import ClusterRecord, SchedulerRecord, ScopesRecord, SeedPeerRecord

_CLUSTERS = "/api/v1/clusters"
_PAGE = 1000  # what 2.1.0 allows at most; later managers allow ten million
_MAX_PAGES = 1000
# Columns of the database; what is longer is a 500 there.
_LONGEST_NAME = 256
_LONGEST_BIO = 1024
_MAYBE_CREATED = "the record {name} may have been created; running dfmc again finds out"

Row = TypeVar("Row", ClusterRecord, SchedulerRecord, SeedPeerRecord)


class RestManager:
    """One manager's REST API; implements ManagerClient.

    Args:
        base_url: Where REST is reached, e.g. ``http://127.0.0.1:40123``.
        transport: Replaces the network, in tests.
        clock: Seconds that only grow.
        sleep: Waits.
        mask: Replaces secrets in what the manager says.
        timeout: Seconds to connect, and each for an answer to begin and to end.

    Raises:
        PreflightError: The address is none.
    """

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        mask: Callable[[str], str] = str,
        timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._asked = 0
        self._http = ManagerHttp(base_url, transport=transport, mask=mask, timeout=timeout)
        self._session = ManagerSession(self._http, clock=clock, sleep=sleep)
        self._removal = Removal(self._http, self._session, clock, sleep)

    async def is_answering(self) -> bool:
        """Return whether an authorised request succeeds; False before sign_in, which must come first.

        The health route is no proof: it says OK while the database is down.

        Raises:
            ConflictError: What answers there is no manager.
            NotReadyError: This replica denies root everything until it is restarted.
        """
        if not self._session.is_signed_in:
            return False
        # Another page each time: for 30 s the manager answers a repeated question from its cache, database or not.
        self._asked += 1
        answer = await self._session.is_answering(_CLUSTERS, {"page": self._asked, "per_page": 1})
        return answer is not None and answer.status == 200 and isinstance(answer.content, list | None)

    async def sign_in(self, *candidates: str) -> int:
        """Sign in as root; see ManagerClient. Takes up to 80 s when no candidate is right."""
        return await self._session.sign_in(candidates)

    async def resume(self, jwt_key: str, password: str) -> bool:
        """Go on without signing in; see ManagerClient and manager_token."""
        token = own_token(jwt_key, ROOT_ID, int(time.time()))
        return await self._session.resume(token, password, _CLUSTERS)

    async def takes_password(self, password: str) -> bool:
        """Try one sign-in and forget it; see ManagerClient."""
        return await self._session.takes(password)

    async def takes_key(self, jwt_key: str) -> bool:
        """Whether a token signed with this key is root's here; see ManagerClient."""
        return await self._session.takes_token(own_token(jwt_key, ROOT_ID, int(time.time())), _CLUSTERS)

    async def clock_ahead(self) -> float | None:
        """Return by how many seconds the manager's clock is ahead of ours; see ManagerClient."""
        answer = await self._session.request("GET", _CLUSTERS, params={"page": 1, "per_page": 1}, persistent=True)
        return answer.clock_ahead

    async def reset_root_password(self, old: str, new: str) -> None:
        """Replace root's password; see ManagerClient.

        Raises:
            AuthError: ``old`` is not root's password.
            PreflightError: ``new`` is not allowed.
            UnreachableError: No answer; the password may or may not be the new one.
        """
        try:
            answer = await self._session.reset_password(old, new)
        except NoAnswerError as error:
            error.left = "root's password is either the old or the new one; running dfmc again tries both"
            raise
        if answer.status == 200:
            return
        if answer.status == 401:
            raise AuthError(
                "the manager does not accept the old password of root",
                why="HTTP 401",
                next_step="if root's password was changed by hand, give it as `manager.rootPassword`",
            )
        if answer.status == 422:
            raise PreflightError(
                "the manager does not accept the new password of root",
                why=self._http.words(answer),
                next_step="a password of root has 8 to 20 characters",
            )
        raise self._http.failure("replace root's password", answer)

    async def clusters(self) -> Sequence[ClusterRecord]:
        """Return every record, ordered by id."""
        return await self._all(_CLUSTERS, "cluster", cluster_record)

    async def cluster_by_name(self, name: str) -> ClusterRecord | None:
        """Return the record of that exact name."""
        return next((record for record in await self._named(name) if record.name == name), None)

    async def _named(self, name: str) -> list[ClusterRecord]:
        # The database compares without regard to case and to blanks at the end, and so does this query.
        answer = await self._read(_CLUSTERS, {"name": name, "page": 1, "per_page": 10})
        return [cluster_record(row) for row in rows_of(answer.content, "cluster")]

    async def create_cluster(self, *, name: str, bio: str, scopes: ScopesRecord) -> ClusterRecord:
        """Create the record, or return what is there under this name; whose it is, the caller judges by its bio.

        A request whose answer was lost has been carried out in two of five cases (seen), so after every doubtful
        answer the name is looked up until every replica must show it, and only then is it sent once more.

        Raises:
            ConflictError: The manager takes another record's name for the same.
            UnreachableError: It is unknown whether the record was made; running again finds out.
            DfmcError: The manager refuses it.
        """
        _check_lengths(name, bio)
        found = await self._find(name)
        for is_last in (False, True):
            if found is not None:
                return found
            try:
                made = await self._post_cluster(name, bio, scopes)
            except NotSentError:
                if is_last:
                    raise
                found = await self._find(name)
            except UnreachableError as error:
                found = await self._await_name(name)
                if found is None and is_last:
                    error.left = _MAYBE_CREATED.format(name=name)
                    raise
            else:
                return made or await self._await_taken(name)
        assert found is not None  # noqa: S101 - the second round returns, raises, or has found it
        return found

    async def _find(self, name: str) -> ClusterRecord | None:
        """Return the record of that name; another one that the database would take for it is a conflict."""
        alike = await self._named(name)
        for record in alike:
            if record.name == name:
                return record
        if alike:
            raise ConflictError(
                f"the manager has a record {alike[0].name!r}, which it takes for {name!r}",
                why="it compares names without regard to case and to blanks at the end",
                next_step="give the cluster another name, or rename that record in the manager's console",
            )
        return None

    async def _post_cluster(self, name: str, bio: str, scopes: ScopesRecord) -> ClusterRecord | None:
        """Return the new record; None when the manager says that the name is taken.

        Raises:
            UnreachableError: It is unknown whether it was made.
        """
        body: dict[str, Any] = {
            "name": name,
            "bio": bio,
            "scopes": scopes_body(scopes),
            "is_default": False,
            # Required, and empty: a limit left out is the scheduler's own default.
            "scheduler_cluster_config": {},
            "seed_peer_cluster_config": {},
            "peer_cluster_config": {},
        }
        answer = await self._session.request("POST", _CLUSTERS, body=body, persistent=False)
        if answer.status == 409:
            return None
        if answer.status == 200:
            try:
                record = cluster_record(answer.content)
            except UnexpectedAnswerError as error:
                # `null` is what a failed commit answers (manager/service/cluster.go).
                raise NoAnswerError("the manager did not confirm the new record", why=error.why) from error
            if record.name != name:
                raise NoAnswerError("the manager did not confirm the new record", why="it answered with another one")
            return record
        raise self._http.failure(f"create the record {name}", answer)

    async def _await_name(self, name: str) -> ClusterRecord | None:
        started, attempt = self._clock(), 0
        while True:
            try:
                found = await self._find(name)
            except UnreachableError as error:
                error.left = _MAYBE_CREATED.format(name=name)
                raise
            if found is not None or self._clock() - started >= SETTLE:
                return found
            attempt += 1
            await self._sleep(min(float(attempt), 5.0))

    async def _await_taken(self, name: str) -> ClusterRecord:
        """Return the record whose name the manager has just called taken."""
        found = await self._await_name(name)
        if found is None:
            raise ConflictError(
                f"the manager says that the name {name!r} is taken, and lists no such record",
                why="HTTP 409",
                next_step="look for a scheduler cluster or seed peer cluster of that name in the manager's console",
            )
        return found

    async def update_cluster(
        self, record: ClusterRecord, *, name: str, bio: str, scopes: ScopesRecord
    ) -> ClusterRecord:
        """Give the record this name, bio and these scopes; see ManagerClient. Sends nothing when it has them.

        An empty ``bio`` keeps the record's: the manager ignores empty texts.

        Raises:
            ConflictError: The name belongs to another record, or the record is gone.
            NotReadyError: The manager does not show the change.
        """
        _check_lengths(name, bio)
        path = f"{_CLUSTERS}/{record.id}"
        current = await self._cluster(path, record)
        wanted = (name, bio or current.bio, scopes, current.is_default)
        if _shown(current) == wanted:
            return current
        # is_default always: left out, the manager takes it for false and the default cluster is none any more.
        body = {"name": name, "bio": wanted[1], "scopes": scopes_body(scopes), "is_default": current.is_default}
        answer = await self._session.request("PATCH", path, body=body, persistent=True)
        if answer.status == 409:
            raise ConflictError(
                f"the manager has another record called {name!r}",
                why=f"HTTP 409 when record {record.id} ({current.name!r}) was to get that name",
                next_step="give the cluster another name, or rename the other record in the manager's console",
            )
        if answer.status != 200:
            raise self._http.failure(f"change record {record.id} ({current.name!r})", answer)
        started, attempt = self._clock(), 0
        while True:
            current = await self._cluster(path, record)
            if _shown(current) == wanted:
                return current
            if self._clock() - started >= SETTLE:
                raise NotReadyError(
                    f"the manager accepted a change of record {record.id} and does not show it",
                    why=_difference(_shown(current), wanted),
                    left="the change may be shown later",
                    next_step="run dfmc again; a manager before 2.1.33 knows no scopes.hostnames: leave them out there",
                )
            attempt += 1
            await self._sleep(min(float(attempt), 5.0))

    async def _cluster(self, path: str, record: ClusterRecord) -> ClusterRecord:
        answer = await self._session.request("GET", path, persistent=True)
        if answer.status == 404:
            raise ConflictError(
                f"record {record.id} ({record.name!r}) is gone",
                why="HTTP 404: somebody deleted it meanwhile",
                next_step="run dfmc again: it registers the cluster anew",
            )
        if answer.status != 200:
            raise self._http.failure(f"read record {record.id}", answer)
        return cluster_record(answer.content)

    async def schedulers(self) -> Sequence[SchedulerRecord]:
        """Return every scheduler row of every cluster, ordered by id."""
        return await self._all("/api/v1/schedulers", "scheduler", scheduler_record)

    async def seed_peers(self) -> Sequence[SeedPeerRecord]:
        """Return every seed peer row, ordered by id."""
        return await self._all("/api/v1/seed-peers", "seed peer", seed_peer_record)

    async def delete_cluster(self, record: ClusterRecord) -> bool:
        """Delete a record; see ManagerClient."""
        return await self._removal.delete(f"{_CLUSTERS}/{record.id}", f"record {record.id} ({record.name!r})")

    async def delete_scheduler(self, scheduler: SchedulerRecord) -> bool:
        """Delete a scheduler's row; see ManagerClient."""
        return await self._removal.delete(f"/api/v1/schedulers/{scheduler.id}", f"scheduler {scheduler.host_name}")

    async def delete_seed_peer(self, seed_peer: SeedPeerRecord) -> bool:
        """Delete a seed peer's row; see ManagerClient."""
        return await self._removal.delete(f"/api/v1/seed-peers/{seed_peer.id}", f"seed peer {seed_peer.host_name}")

    async def close(self) -> None:
        """Give back connections."""
        await self._http.close()

    async def _all(self, path: str, what: str, parse: Callable[[object], Row]) -> list[Row]:
        """Return all rows: page by page until a short one, never by the Link header, whose ``next`` has no end."""
        by_id: dict[int, Row] = {}
        for page in range(1, _MAX_PAGES + 1):
            answer = await self._read(path, {"page": page, "per_page": _PAGE})
            rows = rows_of(answer.content, what)
            # By id: the pages have no order, and rows made meanwhile may shift others into two of them.
            by_id |= {record.id: record for record in map(parse, rows)}
            if len(rows) < _PAGE:
                return [by_id[key] for key in sorted(by_id)]
        raise DfmcError(f"the manager's list of {what}s does not end", why=f"{len(by_id)} rows were read")

    async def _read(self, path: str, params: dict[str, str | int]) -> Answer:
        answer = await self._session.request("GET", path, params=params, persistent=True)
        if answer.status == 200:
            return answer
        if answer.status >= 500:
            raise RecoveryError(
                "the manager cannot list its clusters",
                why=f"HTTP {answer.status} {self._http.words(answer)}: some scheduler cluster does not have "
                "exactly one seed peer cluster",
                next_step="link or delete that scheduler cluster in the manager's console, then run dfmc again",
            )
        raise self._http.failure(f"list {path}", answer)


_Shown = tuple[str, str, ScopesRecord, bool]


def _shown(record: ClusterRecord) -> _Shown:
    return record.name, record.bio, record.scopes, record.is_default


def _difference(seen: _Shown, wanted: _Shown) -> str:
    is_now, should = _by_field(seen), _by_field(wanted)
    return "; ".join(
        f"{name} is {is_now[name]!r}, not {should[name]!r}" for name in should if is_now[name] != should[name]
    )


def _by_field(shown: _Shown) -> dict[str, object]:
    name, bio, scopes, is_default = shown
    of_scopes = {f"scopes.{key}": value for key, value in scopes_body(scopes).items()}
    return {"name": name, "bio": bio, **of_scopes, "is_default": is_default}


def _check_lengths(name: str, bio: str) -> None:
    if not name or len(name) > _LONGEST_NAME or len(bio) > _LONGEST_BIO:
        raise PreflightError(
            "the manager has no room for this record's name or bio",
            why=f"a name has 1 to {_LONGEST_NAME} characters, a bio at most {_LONGEST_BIO}",
            next_step="give the cluster a shorter name",
        )
