"""A current copy of one collection of the API server, and a call for every change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Literal

from dfmc.errors import DfmcError
from dfmc.testbed.kube_api import KubeApi

JsonObject = dict[str, Any]
Change = Literal["ADDED", "MODIFIED", "DELETED"]

_WATCH_SECONDS = 240
_RETRY_SECONDS = 0.5

log = logging.getLogger(__name__)


class Collection(threading.Thread):
    """Lists a collection, watches it, and lists again whenever the watch breaks.

    After a new list only real differences are reported, so that a listener never misses a deletion.
    """

    def __init__(self, api: KubeApi, path: str, on_change: Callable[[Change, JsonObject], None]) -> None:
        """Prepare; `start` begins.

        Args:
            api: The API server.
            path: Of the collection, e.g. ``/api/v1/pods``.
            on_change: Called from this thread, after the copy was updated.
        """
        super().__init__(name=f"watch {path}", daemon=True)
        self._api = api
        self._path = path
        self._on_change = on_change
        self._guard = threading.Lock()
        self._objects: dict[str, JsonObject] = {}
        self._stopped = threading.Event()
        self.synced = threading.Event()

    def objects(self) -> list[JsonObject]:
        """Return the copy; the objects must not be changed."""
        with self._guard:
            return list(self._objects.values())

    def stop(self) -> None:
        """Let the thread end at its next event or break."""
        self._stopped.set()

    def run(self) -> None:
        """Follow the collection until stopped."""
        while not self._stopped.is_set():
            try:
                self._follow()
            except DfmcError as error:
                if not self._stopped.is_set():
                    log.info("%s %s: %s", self._api.server, self._path, error)
            except Exception:
                # The edge of a thread: one object that nobody thought of must not end the watch over all others.
                log.exception("%s %s", self._api.server, self._path)
            self._stopped.wait(_RETRY_SECONDS)

    def _follow(self) -> None:
        listed, version = self._api.list(self._path)
        self._replace(listed)
        self.synced.set()
        while not self._stopped.is_set():
            for event in self._api.watch(self._path, version, _WATCH_SECONDS):
                version = event["object"]["metadata"]["resourceVersion"]
                if self._stopped.is_set():
                    return
                if event["type"] != "BOOKMARK":
                    self._take(event["type"], event["object"])

    def _replace(self, listed: list[JsonObject]) -> None:
        fresh = {item["metadata"]["uid"]: item for item in listed}
        with self._guard:
            before, self._objects = self._objects, dict(fresh)
        for uid, old in before.items():
            if uid not in fresh:
                self._on_change("DELETED", old)
        for uid, new in fresh.items():
            old_version = before.get(uid, {}).get("metadata", {}).get("resourceVersion")
            if old_version != new["metadata"]["resourceVersion"]:
                self._on_change("MODIFIED" if uid in before else "ADDED", new)

    def _take(self, change: Change, item: JsonObject) -> None:
        with self._guard:
            if change == "DELETED":
                self._objects.pop(item["metadata"]["uid"], None)
            else:
                self._objects[item["metadata"]["uid"]] = item
        self._on_change(change, item)
