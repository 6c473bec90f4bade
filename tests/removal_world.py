"""A topology that is up, with Kubernetes clusters in memory and the simulated manager on real sockets.

Every change that a run makes passes ``World.point`` before and after it, so that a test can stop the run anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from clients.fake_manager import FakeClock
from dfmc.clients.manager import RestManager
from dfmc.clients.protocols import ChartArchive
from dfmc.engine.credentials import mark_root_password_set, write
from dfmc.engine.removal import remove
from dfmc.engine.reports import DownReport
from dfmc.engine.session import RunOptions, Session
from dfmc.planning.consent import Consent
from dfmc.planning.credentials import plan_credentials
from dfmc.planning.ownership import record_bio, release_labels
from dfmc.redaction import Redactor
from dfmc.state import ClusterRecord, KubernetesFacts, ReleaseState, SchedulerRecord, SeedPeerRecord
from dfmc.testbed.simulated_manager import SimulatedManager
from dfmc.topology.load import LoadedTopology, load_text
from dfmc.topology.model import ClusterSpec
from fakes import FakeKube, NoPulls

T = TypeVar("T")

KEY = "the-key-that-dfmc-made"
SHA = "ab" * 32
ENTRIES = {
    "a": "- {name: a, context: a, namespace: cluster-a}\n",
    "b": "- {name: b, context: b, namespace: cluster-b, scopes: {idc: b}}\n",
    "c": "- {name: c, context: c, namespace: cluster-c, scopes: {idc: c}}\n",
}
CONFIGS: dict[str, Any] = {
    "scheduler_cluster_config": {},
    "seed_peer_cluster_config": {},
    "peer_cluster_config": {},
    "scopes": {},
}


class StoppedError(Exception):
    """The run was stopped here."""


class Kube(FakeKube):
    """One Kubernetes cluster with its releases."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__()
        self.name, self.world = name, world
        self.releases: dict[tuple[str, str], ReleaseState] = {}

    def install(
        self, namespace: str, values: dict[str, Any], labels: dict[str, str], release: str = "dragonfly"
    ) -> None:
        """Put a release into a namespace of dfmc's own."""
        metadata = {"name": namespace, "labels": {"app.kubernetes.io/managed-by": "dfmc"}}
        self._stored({"kind": "Namespace", "metadata": metadata})
        marks = {"owner": "helm", "name": release, "status": "deployed", "version": "1", **labels}
        secret = {"name": f"sh.helm.release.v1.{release}.v1", "namespace": namespace, "labels": marks}
        self._stored({"kind": "Secret", "metadata": secret})
        self.releases[namespace, release] = ReleaseState(
            release, namespace, 1, "deployed", "dragonfly", "1.7.4", "2.5.0", values, labels
        )

    async def facts(self, *, node_selector: Any) -> KubernetesFacts:
        found = await super().facts(node_selector=node_selector)
        return KubernetesFacts(f"uid-{self.name}", found.version, found.runtimes)

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        return self.releases.get((namespace, name))

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self.world.point(f"{self.name}: delete {kind} {name}")
        if kind == "Namespace":
            self.objects = {key: obj for key, obj in self.objects.items() if key[1] != name}
        done = await super().delete(api_version, kind, name, namespace, uid=uid)
        self.world.point()
        return done


class Helm:
    def __init__(self, kube: Kube) -> None:
        self.kube = kube

    async def version(self) -> str:
        return "4.1.0"

    async def uninstall(self, *, release: str, namespace: str) -> None:
        self.kube.world.point(f"{self.kube.name}: uninstall {namespace}/{release}")
        gone = self.kube.releases.pop((namespace, release), None)
        self.kube.objects.pop(("Secret", namespace, f"sh.helm.release.v1.{release}.v1"), None)
        if gone:
            self.kube.world.stop_schedulers(gone.values["scheduler"]["config"]["manager"]["schedulerClusterID"])
        self.kube.world.point()


class Manager(RestManager):
    """The real client; its deletions pass the world's points."""

    world: World

    async def _noted(self, what: str, work: Coroutine[Any, Any, bool]) -> bool:
        try:
            self.world.point(f"manager: delete {what}")
        except StoppedError:
            work.close()
            raise
        done = await work
        self.world.point()
        return done

    async def delete_cluster(self, record: ClusterRecord) -> bool:
        return await self._noted(f"record {record.name}", super().delete_cluster(record))

    async def delete_scheduler(self, scheduler: SchedulerRecord) -> bool:
        return await self._noted(f"scheduler {scheduler.host_name}", super().delete_scheduler(scheduler))

    async def delete_seed_peer(self, seed_peer: SeedPeerRecord) -> bool:
        return await self._noted(f"seed peer {seed_peer.host_name}", super().delete_seed_peer(seed_peer))


class World(NoPulls):
    """Clusters a (the manager's), b and c, all up; the file's text is ``text``."""

    def __init__(self, manager: SimulatedManager, clock: FakeClock) -> None:
        self.manager, self.clock = manager, clock
        self.text = self.written(ENTRIES)
        self.log: list[str] = []
        self.points, self.stop_at = 0, 0
        self.of = {name: Kube(name, self) for name in "abc"}
        self.ids: dict[str, int] = {"a": 1}
        topology = self.loaded.topology
        plan = plan_credentials(topology, None, {"jwt-key": KEY})
        stored = asyncio.run(write(topology, self.of["a"], None, plan, Redactor()))
        asyncio.run(mark_root_password_set(topology, self.of["a"], stored))
        self.uid = stored.uid
        database = manager.database
        database.update_cluster(1, {"name": "a", "bio": record_bio("guide", self.uid), "is_default": True})
        for name in "bc":
            self.register(name, scopes={"idc": name})
        for name in "abc":
            self.install(name, f"cluster-{name}", self.ids[name])

    def written(self, entries: dict[str, str]) -> str:
        head = "apiVersion: dfmc.io/v1alpha1\nkind: Topology\nmetadata: {name: guide}\n"
        head += "chart: {repository: https://charts.example/, version: 1.7.4}\n"
        head += f"manager: {{cluster: a, address: manager.example, access: '{self.manager.url()}', "
        return head + "expose: {type: LoadBalancer}}\nclusters:\n" + "".join(entries.values())

    def register(self, name: str, **fields: Any) -> int:
        row = self.manager.database.create_cluster(
            {**CONFIGS, "name": name, "bio": record_bio("guide", self.uid), "is_default": False, **fields}
        )
        self.ids[name] = int(row["id"])
        return self.ids[name]

    def install(self, kube: str, namespace: str, number: int, schedulers: int = 2) -> None:
        values = {"scheduler": {"config": {"manager": {"schedulerClusterID": number}}}}
        self.of[kube].install(namespace, values, release_labels("guide", self.uid, SHA))
        for index in range(schedulers):
            self.manager.register_scheduler(number, f"{namespace}-scheduler-{index}", ip=f"10.0.{number}.{index + 1}")

    def stop_schedulers(self, number: int) -> None:
        """What the end of their pods means to the manager."""
        for row in self.manager.database.schedulers.values():
            if row["scheduler_cluster_id"] == number:
                row["state"] = "inactive"
        self.empty_caches()

    def empty_caches(self) -> None:
        """Let the manager answer from its database, which a test has changed."""
        for replica in self.manager.replicas:
            replica.cache.written()

    @property
    def loaded(self) -> LoadedTopology:
        return load_text(self.text, "topology.yaml")

    def point(self, what: str = "") -> None:
        self.points += 1
        if self.points == self.stop_at:
            raise StoppedError(what)
        if what:
            self.log.append(what)

    # What Session asks of its factory.
    def kube(self, cluster: ClusterSpec) -> Kube:
        return self.of[cluster.context]

    def helm(self, cluster: ClusterSpec) -> Helm:
        return Helm(self.of[cluster.context])

    def manager_client(self, base_url: str) -> Manager:
        made = Manager(base_url, clock=self.clock, sleep=self.clock.sleep)
        made.world = self
        return made

    def chart_source(self) -> Any:
        return self

    async def fetch(self, **rest: Any) -> ChartArchive:
        return ChartArchive(Path("/nowhere/dragonfly.tgz"), SHA, "dragonfly", "1.7.4", "2.5.0")

    def session(self, use: Callable[[Session], Coroutine[Any, Any, T]], **options: Any) -> T:
        """One run of dfmc, which knows nothing of earlier ones."""

        async def main() -> T:
            world = self

            class Factory:
                kube, helm, chart_source = world.kube, world.helm, world.chart_source
                manager = staticmethod(world.manager_client)

            chosen = RunOptions(**{"timeout": 5.0, **options})
            async with Session(self.loaded, Factory(), Redactor(), chosen) as session:  # type: ignore[arg-type]
                return await use(session)

        return asyncio.run(asyncio.wait_for(main(), 60))

    def remove(self, name: str = "b", *, agree: bool = True, data: bool = False, force: bool = False) -> DownReport:
        def edit() -> None:
            self.point(f"file: cut {name}")
            self.text = self.written({key: text for key, text in ENTRIES.items() if key != name})
            self.point()

        return self.session(
            lambda session: remove(
                session, name, confirm=lambda plan: agree, edit=edit, delete_data=data, force_unreachable=force
            ),
            only=(name,),
        )

    @property
    def records(self) -> list[str]:
        return sorted(row["name"] for row in self.manager.database.scheduler_clusters.values())

    @property
    def scheduler_ids(self) -> set[int]:
        return {row["scheduler_cluster_id"] for row in self.manager.database.schedulers.values()}

    def left(self, name: str) -> set[str]:
        return {f"{kind} {object_name}" for kind, _, object_name in self.of[name].objects}


PRUNE = Consent(prune=True)


@contextmanager
def removal_world(version: str = "2.5.1") -> Iterator[World]:
    clock = FakeClock()
    with SimulatedManager(version, clock=clock, jwt_key=KEY) as manager:
        yield World(manager, clock)
