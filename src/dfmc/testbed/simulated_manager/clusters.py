"""The routes of clusters, and of the two tables behind them (manager/service/cluster.go)."""

from __future__ import annotations

from typing import Any

from dfmc.testbed.simulated_manager import schema
from dfmc.testbed.simulated_manager.cache import RowCache
from dfmc.testbed.simulated_manager.database import Database, Row
from dfmc.testbed.simulated_manager.listing import Lists
from dfmc.testbed.simulated_manager.messages import Answer, Request, in_json, message
from dfmc.testbed.simulated_manager.pages import identifier
from dfmc.testbed.simulated_manager.views import Views


class NotOneSeedPeerClusterError(Exception):
    """A scheduler cluster does not have exactly one seed peer cluster: every list of clusters fails."""


class ClusterRoutes:
    """Routes of one process."""

    def __init__(self, database: Database, views: Views, cache: RowCache, lists: Lists) -> None:
        self._database = database
        self._views = views
        self._cache = cache
        self._lists = lists

    def clusters(self, rest: list[str], request: Request) -> Answer | None:
        """Answer /clusters; None for what is no route."""
        try:
            match (request.method, rest):
                case ("POST", []):
                    return self._create(request)
                case ("GET", []):
                    table = self._database.scheduler_clusters
                    return self._lists.answer(
                        request, "GetClustersQuery", table, self._shown, filters=("name",), is_null=True
                    )
                case ("GET", [number]):
                    return self._get(identifier(number, "ClusterParams"), request)
                case ("PATCH", [number]):
                    return self._update(identifier(number, "ClusterParams"), request)
                case ("DELETE", [number]):
                    return self._delete(identifier(number, "ClusterParams"))
        except NotOneSeedPeerClusterError:
            return message(500, "invalid number of the seed peer cluster")
        return None

    def scheduler_clusters(self, rest: list[str], request: Request) -> Answer | None:
        """Answer the list of scheduler clusters; None for what is no route here."""
        if rest or request.method != "GET":
            return None

        def shown(row: Row) -> Row:
            return self._views.scheduler_cluster(row, self._seeds(row["id"]))

        table = self._database.scheduler_clusters
        return self._lists.answer(request, "GetSchedulerClustersQuery", table, shown, filters=("name",))

    def seed_peer_clusters(self, rest: list[str], request: Request) -> Answer | None:
        """Answer the list of seed peer clusters; None for what is no route here."""
        if rest or request.method != "GET":
            return None
        table, view = self._database.seed_peer_clusters, self._views.seed_peer_cluster
        return self._lists.answer(request, "GetSeedPeerClustersQuery", table, view, filters=("name",))

    def _create(self, request: Request) -> Answer:
        fields = self._views.stored(schema.bound("CreateClusterRequest", schema.CREATE_CLUSTER, request.body))
        self._lists.check_database()
        row = self._database.create_cluster(fields)
        self._cache.written()
        if self._database.failing_commits:
            self._database.failing_commits -= 1
            self._database.delete_cluster(row["id"])
            return in_json(None)
        return in_json(self._views.cluster(row, self._seed(row["id"]), echo=fields))

    def _get(self, number: int, request: Request) -> Answer:
        def load() -> Any:  # noqa: ANN401 - JSON
            self._lists.check_database()
            return self._shown(self._database.row(self._database.scheduler_clusters, number))

        shown, _ = self._cache.read(("one", request.path), load)
        return in_json(shown)

    def _update(self, number: int, request: Request) -> Answer:
        fields = self._views.stored(schema.bound("UpdateClusterRequest", schema.UPDATE_CLUSTER, request.body))
        self._lists.check_database()
        row = self._database.update_cluster(number, fields)
        self._cache.written()
        return in_json(self._views.cluster(row, self._seed(number), echo=fields))

    def _delete(self, number: int) -> Answer:
        self._lists.check_database()
        self._database.delete_cluster(number)
        self._cache.written()
        return Answer(200)

    def _shown(self, row: Row) -> Row:
        return self._views.cluster(row, self._seed(row["id"]))

    def _seeds(self, scheduler_cluster: int) -> list[Row]:
        links = self._database.links.get(scheduler_cluster, [])
        return [self._database.seed_peer_clusters[one] for one in links]

    def _seed(self, scheduler_cluster: int) -> Row:
        seeds = self._seeds(scheduler_cluster)
        if len(seeds) != 1:
            raise NotOneSeedPeerClusterError
        return seeds[0]
