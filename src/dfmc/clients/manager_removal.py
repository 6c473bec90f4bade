"""Deleting rows of the manager: schedulers, seed peers, records.

Each may be asked for again: what is gone already is done. A lost answer is found out by reading the row back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dfmc.clients.manager_http import ManagerHttp
from dfmc.clients.manager_session import HAS_SCHEDULERS, SETTLE, ManagerSession
from dfmc.errors import NotReadyError


class Removal:
    """The deletions of one client; its session, connection and time are the client's."""

    def __init__(
        self,
        http: ManagerHttp,
        session: ManagerSession,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http = http
        self._session = session
        self._clock = clock
        self._sleep = sleep

    async def delete(self, path: str, what: str) -> bool:
        """Delete one row and see it gone; False when it was gone already.

        Args:
            path: Of the row.
            what: What it is, in words, e.g. ``scheduler 3``.

        Raises:
            NotReadyError: A record that still has schedulers, or a row that goes on being shown.
            DfmcError: The manager refuses it, or does not answer.
        """
        answer = await self._session.request("DELETE", path, persistent=True)
        if answer.status == 404:
            return False
        if answer.message == HAS_SCHEDULERS:
            raise NotReadyError(
                f"{what} still has schedulers",
                why=f"HTTP {answer.status} {self._http.words(answer)}",
                left="the record is as it was",
                next_step="see that no scheduler of it runs any more, then run dfmc again",
            )
        if answer.status != 200:
            raise self._http.failure(f"delete {what}", answer)
        started, attempt = self._clock(), 0
        while True:
            answer = await self._session.request("GET", path, persistent=True)
            if answer.status == 404:
                return True
            if answer.status != 200:
                raise self._http.failure(f"read {what} back", answer)
            if self._clock() - started >= SETTLE:
                raise NotReadyError(
                    f"the manager accepted the removal of {what} and still shows it",
                    why=f"for {SETTLE:g} s",
                    left="it may go later",
                    next_step="run dfmc again",
                )
            attempt += 1
            await self._sleep(min(float(attempt), 5.0))
