"""A fleet over several Kubernetes clusters in memory: the file, the simulated manager, and runs of dfmc that may end
anywhere.

Nothing here knows what dfmc means to do: pods follow from objects, and the manager's rows from pods.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import yaml

from chart_renderer import Renderer
from dfmc.clients.manager import RestManager
from dfmc.clients.protocols import ChartArchive
from dfmc.engine.removal import remove
from dfmc.engine.reports import DownReport, UpReport
from dfmc.engine.runs import plan, up
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import DfmcError
from dfmc.planning.consent import NO_CONSENT, Consent
from dfmc.planning.ownership import UID_LABEL
from dfmc.planning.steps import Plan
from dfmc.planning.upgrades import Risk
from dfmc.redaction import Redactor
from dfmc.testbed.chart_repository import package_chart
from dfmc.testbed.simulated_manager import SimulatedManager
from dfmc.testbed.simulated_manager.messages import Request
from dfmc.topology.edit import insert_cluster
from dfmc.topology.load import LoadedTopology, load_text
from dfmc.topology.model import ClusterSpec
from dfmc.topology.removal import remove_cluster
from fakes import NoPulls
from fleet_helm import FleetHelm
from fleet_kube import FleetKube, Pod, Points, StoppedError, read_yaml
from virtual_time import VirtualClock

T = TypeVar("T")

CONTEXTS = ("one", "two", "three")
EVERYTHING = Consent(adopt=True, allow=frozenset(Risk), prune=True)
_LIMITS = ("scheduler_cluster_config", "seed_peer_cluster_config", "peer_cluster_config")
FILE = """\
# the fleet
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {name: fleet}
chart: {repository: 'https://charts.example/', version: 1.7.4}
manager:
  cluster: a
  address: manager.example
  access: http://manager.example:8080
  expose: {type: LoadBalancer}
clusters:
- {name: a, context: one, namespace: cluster-a}
"""


class Charts:
    """Renders each chart with each values once, however many fleets want it."""

    def __init__(self, helm: Path, directory: Path) -> None:
        self._renderer = Renderer(helm, directory)
        self._made: dict[str, str] = {}

    def render(self, chart: Path, release: str, namespace: str, values: Mapping[str, Any]) -> str:
        version = chart.name.removesuffix(".tgz").rpartition("-")[2]
        key = json.dumps([version, release, namespace, values], sort_keys=True)
        if key not in self._made:
            self._made[key] = self._renderer.template(version, values, release=release, namespace=namespace)
            self._renderer.rendered.clear()
        return self._made[key]

    def archive(self, version: str) -> ChartArchive:
        path = self._renderer.repository / f"dragonfly-{version}.tgz"
        return ChartArchive(path, package_chart(version).sha256, "dragonfly", version, "2")


@dataclass(frozen=True)
class Ended:
    """How a run ended: with a report, an error, or cut off (neither)."""

    report: UpReport | DownReport | None = None
    error: DfmcError | None = None

    @property
    def is_cut_off(self) -> bool:
        return self.report is None and self.error is None

    @property
    def failures(self) -> dict[str, DfmcError]:
        """What failed, by cluster or orphan; an error of the whole run under no name."""
        if self.error:
            return {"": self.error}
        found = {one.name: one.error for one in self.report.clusters if one.error} if self.report else {}
        pruned = self.report.pruned if isinstance(self.report, UpReport) else ()
        return found | {one.name: one.error for one in pruned if one.error}


class Fleet(NoPulls):
    """The world; ``text`` is the file."""

    def __init__(self, charts: Charts, version: str = "2.5.1") -> None:
        self.charts = charts
        self.text = FILE
        self.clock = VirtualClock()
        self.points = Points()
        self._addresses = 0
        self.of = {name: FleetKube(name, self.points, self._address, self.clock.wall) for name in CONTEXTS}
        self.manager_rows = SimulatedManager(version, clock=self.clock)
        self._task: asyncio.Task[Any] | None = None

    def _address(self) -> str:
        self._addresses += 1
        return f"10.{self._addresses >> 16}.{self._addresses >> 8 & 255}.{self._addresses & 255}"

    # --- what Session asks of its factory ----------------------------------------------------------------------

    def kube(self, cluster: ClusterSpec) -> FleetKube:
        return self.of[cluster.context]

    def helm(self, cluster: ClusterSpec) -> FleetHelm:
        return FleetHelm(self.of[cluster.context], self.charts.render)

    def manager(self, base_url: str) -> RestManager:
        transport = httpx2.MockTransport(self._answer)
        return RestManager(base_url, transport=transport, clock=self.clock, sleep=self.clock.sleep)

    def chart_source(self) -> Any:
        return self

    async def fetch(self, *, version: str, **rest: Any) -> ChartArchive:
        return self.charts.archive(version)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.points.alive()
        self.settle()
        if not self.manager_runs:
            raise httpx2.ConnectError("connection refused")
        writes = request.method != "GET" and "/users/sign" not in request.url.path
        if writes:
            self.points.pass_by(f"manager: {request.method} {request.url.path}")
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, request.url.path, dict(request.url.params), headers, request.content)
        answer, address = self.manager_rows.answer(0, asked)
        if writes:
            self.points.pass_by()
        return httpx2.Response(answer.status, headers={**answer.headers, "X-Server-Ip": address}, content=answer.body)

    # --- what happens by itself --------------------------------------------------------------------------------

    @property
    def manager_runs(self) -> bool:
        pods = {pod.component for pod in self.of["one"].running.values()}
        return "manager" in pods and any("mysql" in name for name in pods)

    def settle(self) -> None:
        """Let the manager know what its schedulers' streams tell it."""
        if not self.manager_runs:
            return
        manager = next((pod for pod in self.of["one"].running.values() if pod.component == "manager"), None)
        if manager is None:  # its pod waits for its ConfigMap
            return
        key = read_yaml(manager.config["manager.yaml"])["auth"]["jwt"]["key"]
        self.manager_rows.replicas[0].jwt_key = key
        alive = {}
        for kube in self.of.values():
            for pod in kube.running.values():
                if pod.component == "scheduler" and not kube.is_gone:
                    alive[pod.name, pod.ip] = pod
        rows = self.manager_rows.database.schedulers
        for row in rows.values():
            known = alive.get((row["host_name"], row["ip"]))
            is_its = known is not None and known.scheduler_cluster_id == row["scheduler_cluster_id"]
            self._set_state(row, "active" if is_its else "inactive")
            if is_its:
                row["last_keep_alive_at"] = self.manager_rows.database.now()
        for pod in alive.values():
            if not pod.is_registered:
                self._register(pod)

    def _set_state(self, row: dict[str, Any], state: str) -> None:
        if row["state"] != state:
            row["state"] = state
            self.manager_rows.replicas[0].cache.written()

    def _register(self, pod: Pod) -> None:
        pod.is_registered = True
        self.manager_rows.register_scheduler(pod.scheduler_cluster_id, pod.name, ip=pod.ip)

    # --- runs of dfmc ------------------------------------------------------------------------------------------

    @property
    def loaded(self) -> LoadedTopology:
        return load_text(self.text, "topology.yaml")

    @property
    def names(self) -> list[str]:
        return [cluster.name for cluster in self.loaded.topology.clusters]

    def run(
        self, use: Callable[[Session], Coroutine[Any, Any, T]], *, stop_at: int = 0, kill: bool = True, **options: Any
    ) -> T | None:
        """One run of dfmc, which knows nothing of earlier ones.

        Args:
            use: The engine's function.
            stop_at: The how-manieth moment ends it; 0: none does.
            kill: As SIGKILL does, at once and for good; else as Ctrl-C, with whatever dfmc does then.
            options: Of the run.
        """
        points = self.points
        points.seen, points.stop_at, points.is_dead, points.log = 0, stop_at, False, []
        for kube in self.of.values():
            kube.written.clear()

        async def main() -> T:
            self._task = asyncio.current_task()
            asyncio.get_running_loop().set_exception_handler(_report)
            chosen = RunOptions(**{"timeout": 300.0, **options})
            async with Session(self.loaded, self, Redactor(), chosen) as session:
                return await use(session)

        points.stop = points.kill if kill else self._interrupt
        try:
            return self.clock.run(main())
        except BaseException as error:
            if not 0 < stop_at <= points.seen or not _was_stopped(error):
                raise
            return None
        finally:
            points.is_dead, points.stop_at = False, 0
            self.settle()

    def _interrupt(self) -> None:
        assert self._task is not None
        self._task.cancel()

    def up(
        self, *, only: tuple[str, ...] = (), consent: Consent = NO_CONSENT, stop_at: int = 0, kill: bool = True
    ) -> Ended:
        """Run ``dfmc up --yes``."""
        return self._ended(
            lambda: self.run(
                lambda session: up(session, confirm=lambda plan: True),
                stop_at=stop_at,
                kill=kill,
                only=only,
                consent=consent,
            )
        )

    def plan(self, consent: Consent = EVERYTHING) -> Plan:
        made = self.run(plan, consent=consent)
        assert made is not None
        return made

    def add(self, entry: Mapping[str, Any], *, stop_at: int = 0, kill: bool = True) -> Ended:
        """Run ``dfmc add-cluster``."""
        self.text = insert_cluster(self.loaded, entry)
        return self.up(only=(entry["name"],), stop_at=stop_at, kill=kill)

    def remove(
        self, name: str, *, force: bool = False, data: bool = False, stop_at: int = 0, kill: bool = True
    ) -> Ended:
        """Run ``dfmc remove-cluster --yes``."""
        cut = remove_cluster(self.loaded, name)

        def edit() -> None:
            self.points.pass_by(f"file: cut {name}")
            self.text = cut
            self.points.pass_by()

        return self._ended(
            lambda: self.run(
                lambda session: remove(
                    session, name, confirm=lambda plan: True, edit=edit, delete_data=data, force_unreachable=force
                ),
                stop_at=stop_at,
                kill=kill,
                only=(name,),
            )
        )

    def _ended(self, run: Callable[[], UpReport | DownReport | None]) -> Ended:
        try:
            return Ended(report=run())
        except DfmcError as error:
            return Ended(error=error)

    # --- hands that are not dfmc's -----------------------------------------------------------------------------

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the file in an editor that keeps no comment."""
        document = yaml.safe_load(self.text)
        change(document)
        self.text = yaml.safe_dump(document, sort_keys=False)

    def record(self, name: str) -> dict[str, Any] | None:
        rows = self.manager_rows.database.scheduler_clusters.values()
        return next((row for row in rows if row["name"] == name), None)

    def delete_record(self, name: str) -> None:
        """Delete rows and record in the console, as far as the manager allows."""
        database, row = self.manager_rows.database, self.record(name)
        assert row is not None
        for number in [n for n, one in database.schedulers.items() if one["scheduler_cluster_id"] == row["id"]]:
            del database.schedulers[number]
        database.delete_cluster(row["id"])
        self.manager_rows.replicas[0].cache.written()

    def create_record(self, name: str, bio: str) -> None:
        self.manager_rows.database.create_cluster(
            {**{key: {} for key in _LIMITS}, "name": name, "bio": bio, "scopes": {}}
        )
        self.manager_rows.replicas[0].cache.written()

    def uninstall(self, name: str) -> None:
        """Run ``helm uninstall`` by hand."""
        cluster = self.loaded.topology.cluster(name)
        work = self.helm(cluster).uninstall(release=cluster.release, namespace=cluster.namespace)
        self.clock.run(work)
        self.settle()

    @property
    def uid(self) -> str:
        secret = self.of["one"].objects.get(("Secret", "cluster-a", "dfmc-dragonfly"))
        return str(secret["metadata"]["annotations"][UID_LABEL]) if secret else ""

    @property
    def root_password_is_set(self) -> bool:
        secret = self.of["one"].objects.get(("Secret", "cluster-a", "dfmc-dragonfly"))
        return secret is not None and base64.b64decode(secret["data"]["root-password-set"]) == b"true"


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say what nobody waited for, but for what a kill cut off."""
    if not isinstance(context.get("exception"), StoppedError):
        loop.default_exception_handler(context)


def _was_stopped(error: BaseException) -> bool:
    """Whether this is how a run ends that was stopped: what was cut short may say so in words of its own."""
    if isinstance(error, BaseExceptionGroup):
        return all(_was_stopped(one) for one in error.exceptions)
    return isinstance(error, StoppedError | asyncio.CancelledError | DfmcError)
