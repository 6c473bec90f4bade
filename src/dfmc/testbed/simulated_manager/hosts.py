"""The routes of schedulers, seed peers, peers and jobs."""

from __future__ import annotations

from collections.abc import Callable

from dfmc.testbed.simulated_manager import schema
from dfmc.testbed.simulated_manager.cache import RowCache
from dfmc.testbed.simulated_manager.database import Database, Row
from dfmc.testbed.simulated_manager.listing import Lists
from dfmc.testbed.simulated_manager.messages import Answer, Request, in_json, message
from dfmc.testbed.simulated_manager.pages import identifier
from dfmc.testbed.simulated_manager.views import Views

_LIMITER_REFRESH = 180.0
_HOST_FILTERS = ("host_name", "ip", "port", "idc", "location", "state")


class HostRoutes:
    """Routes of one process."""

    def __init__(
        self, database: Database, views: Views, cache: RowCache, lists: Lists, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._views = views
        self._cache = cache
        self._lists = lists
        self._clock = clock
        self._limiter_knows = set(database.scheduler_clusters)
        self._limiter_asks_at = clock() + _LIMITER_REFRESH

    def schedulers(self, rest: list[str], request: Request) -> Answer | None:
        """Answer /schedulers; None for what is no route here."""
        table = self._database.schedulers
        match (request.method, rest):
            case ("POST", []):
                fields = schema.bound("CreateSchedulerRequest", schema.CREATE_SCHEDULER, request.body)
                self._lists.check_database()
                row = self._database.create_scheduler(fields)
                self._cache.written()
                return in_json(self._views.scheduler(row, is_new=True))
            case ("GET", []):
                filters = ("scheduler_cluster_id", *_HOST_FILTERS)
                return self._lists.answer(request, "GetSchedulersQuery", table, self._views.scheduler, filters=filters)
            case ("GET", [number]):
                return in_json(self._views.scheduler(self._row(table, number, "SchedulerParams")))
            case ("DELETE", [number]):
                return self._delete(table, number, "SchedulerParams")
        return None

    def seed_peers(self, rest: list[str], request: Request) -> Answer | None:
        """Answer /seed-peers; None for what is no route here."""
        table = self._database.seed_peers
        match (request.method, rest):
            case ("POST", []):
                fields = schema.bound("CreateSeedPeerRequest", schema.CREATE_SEED_PEER, request.body)
                self._lists.check_database()
                row = self._database.create_seed_peer(fields)
                self._cache.written()
                return in_json(self._views.seed_peer(row))
            case ("GET", []):
                filters = ("seed_peer_cluster_id", "type", *_HOST_FILTERS)
                return self._lists.answer(request, "GetSeedPeersQuery", table, self._views.seed_peer, filters=filters)
            case ("GET", [number]):
                return in_json(self._views.seed_peer(self._row(table, number, "SeedPeerParams")))
            case ("DELETE", [number]):
                return self._delete(table, number, "SeedPeerParams")
        return None

    def peers(self, rest: list[str], request: Request) -> Answer | None:
        """Answer the list of peers: empty until a sync_peers job, which this manager does not run."""
        if rest or request.method != "GET":
            return None
        return self._lists.answer(request, "GetPeersQuery", {}, lambda row: row)

    def jobs(self, rest: list[str], request: Request) -> Answer | None:
        """Answer /jobs: an empty list, and the refusals of a new job; it runs none."""
        if not rest and request.method == "GET":
            return self._lists.answer(request, "GetJobsQuery", {}, lambda row: row)
        if rest or request.method != "POST":
            return None
        body = schema.bound("CreateJobRequest", schema.CREATE_JOB, request.body)
        self._lists.check_database()
        wanted = [one for one in body.get("scheduler_cluster_ids") or () if isinstance(one, int)]
        if self._is_limited(wanted):
            return Answer(429, b"rate limit exceeded", {"Content-Type": "text/plain; charset=utf-8"})
        for number in wanted:
            if number not in self._database.scheduler_clusters:
                return message(500, f"scheduler cluster id {number}: record not found")
        active = {row["scheduler_cluster_id"] for row in self._database.schedulers.values() if row["state"] == "active"}
        if not active & set(wanted or active):
            return message(500, "candidate schedulers not found")
        return message(500, "the simulated manager has no queue of jobs")

    def _is_limited(self, clusters: list[int]) -> bool:
        """Tell whether the rate limiter, which looks for new clusters every three minutes, knows one of these not."""
        if self._clock() >= self._limiter_asks_at:
            self._limiter_knows = set(self._database.scheduler_clusters)
            self._limiter_asks_at = self._clock() + _LIMITER_REFRESH
        return any(
            number in self._database.scheduler_clusters and number not in self._limiter_knows for number in clusters
        )

    def _row(self, table: dict[int, Row], text: str, struct: str) -> Row:
        number = identifier(text, struct)
        self._lists.check_database()
        return self._database.row(table, number)

    def _delete(self, table: dict[int, Row], text: str, struct: str) -> Answer:
        row = self._row(table, text, struct)
        del table[row["id"]]
        self._cache.written()
        return Answer(200)
