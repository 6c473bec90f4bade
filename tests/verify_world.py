"""A healthy world of two clusters for ``verify``: what is observed of it, and clients that move its counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import yaml

from dfmc.engine.session import RunOptions, Session
from dfmc.engine.verify import verify
from dfmc.engine.verify_content import VerifyOptions
from dfmc.engine.verify_report import VerifyReport
from dfmc.errors import DfmcError, NotReadyError, UnreachableError
from dfmc.planning.plan import values_inputs
from dfmc.redaction import Redactor
from dfmc.state import (
    ClusterRecord,
    KubernetesFacts,
    LocalRegistry,
    NodePull,
    Observed,
    ObservedCluster,
    ObservedManager,
    PodState,
    PushedImage,
    ReleaseState,
    SchedulerRecord,
    ScopesRecord,
    StoredCredentials,
    WorkloadState,
)
from dfmc.symbols import SecretRef, Symbol
from dfmc.topology.load import load_text
from dfmc.topology.model import Topology
from dfmc.values.wiring import expected_wiring
from fakes import FakeKube
from simulated_dragonfly import ProxyDeadError, SimulatedDragonfly
from topologies import topology as guide

CREDENTIALS = {"redis-password": "made-up-redis", "root-password": "made-up-root", "jwt-key": "made-up-key"}
SIZE = 8 << 20


class SimKube(FakeKube):
    """Pages and port-forwards of the simulated pods; every cluster of the file lives behind this one context."""

    def __init__(self, sim: SimulatedDragonfly) -> None:
        super().__init__()
        self.sim = sim
        self.forwarded: list[tuple[str, str]] = []
        self.unreadable: set[str] = set()

    async def pod_get(self, namespace: str, pod: str, port: int, path: str) -> str:
        self._enter("get", "Page", f"{pod}:{port}/{path}")
        cluster = namespace.removeprefix("cluster-")
        there = self.sim.schedulers.get((cluster, pod)) or self.sim.peers[cluster, pod]
        if not there.up or pod in self.unreadable:
            raise UnreachableError(f"pod {pod} does not answer at port {port}", why="connection refused")
        assert (port, path) == (8000 if "scheduler" in pod else 4002, "metrics")
        return self.sim.page(cluster, pod)

    def port_forward(self, namespace: str, pod: str, port: int) -> AbstractAsyncContextManager[int]:
        assert port == 4001
        return self._forward(namespace.removeprefix("cluster-"), pod)

    @asynccontextmanager
    async def _forward(self, cluster: str, pod: str) -> AsyncIterator[int]:
        self.forwarded.append((cluster, pod))
        yield len(self.forwarded) - 1  # stands for the port


class SimClients:
    """The clients of a run, and what they were asked for."""

    def __init__(self, kube: SimKube) -> None:
        self._kube = kube
        self.asked: list[str] = []
        self.pull_fails: DfmcError | None = None
        self.node_pull = NodePull(1.5)
        self.lets_delete = True
        self.beside: LocalRegistry | None = None
        self.traced: list[str] = []
        self.trace_hosts: frozenset[str] | DfmcError = frozenset()

    def kube(self, cluster: object) -> SimKube:
        return self._kube

    def helm(self, cluster: object) -> Any:
        raise AssertionError("no helm")

    def manager(self, base_url: str) -> Any:
        raise AssertionError("no manager")

    def chart_source(self) -> Any:
        raise AssertionError("no chart")

    def blobs(self) -> SimClients:
        return self

    def nodes(self, kube: object) -> SimClients:
        return self

    def registry(self, url: str) -> SimClients:
        self.asked.append(url)
        return self

    @asynccontextmanager
    async def registry_beside(self, node: str) -> AsyncIterator[LocalRegistry | None]:
        self.asked.append(f"registry beside {node}")
        yield self.beside
        self.asked.append("registry removed")

    def traces(self, url: str) -> SimClients:
        return self

    async def hosts_with(self, target: str, since: float) -> frozenset[str]:
        self.traced.append(target)
        if isinstance(self.trace_hosts, DfmcError):
            raise self.trace_hosts
        return self.trace_hosts

    async def push(self, repository: str, size: int) -> PushedImage:
        self.asked.append(f"push {repository}")
        return PushedImage(repository, "fresh-1", "sha256:layer", ("sha256:index",), ("sha256:layer",))

    async def delete(self, image: PushedImage) -> bool:
        self.asked.append(f"delete {image.repository}:{image.tag}")
        return self.lets_delete

    def close(self) -> None:
        """Nothing is open."""

    async def get(self, port: int, url: str, *, timeout: float) -> int:
        self.asked.append(url)
        if self.pull_fails:
            raise self.pull_fails
        try:
            self._kube.sim.pull(self._kube.sim.peers[self._kube.forwarded[port]], url, SIZE)
        except ProxyDeadError:
            raise UnreachableError("the client's proxy does not answer", why="Server disconnected") from None
        return SIZE

    async def is_answering(self, port: int) -> bool:
        return self._kube.sim.peers[self._kube.forwarded[port]].proxy_up

    async def pull(self, *, namespace: str, client: str, node: str, image: str, tool: str, timeout: float) -> NodePull:
        self.asked.append(f"{node} {image} {tool}".rstrip())
        if self.pull_fails:
            raise self.pull_fails
        if not self.node_pull.was_present:
            sim = self._kube.sim
            sim.pull_by_runtime(sim.peers[namespace.removeprefix("cluster-"), client], image, SIZE)
        return self.node_pull


class VerifyWorld:
    """Change ``sim`` (what runs), ``configured`` (what the ConfigMaps say) or ``observed`` before ``verify``."""

    def __init__(self, **changes: Any) -> None:
        self.topology: Topology = guide(**changes)
        self.sim = SimulatedDragonfly([cluster.name for cluster in self.topology.clusters])
        self.kube = SimKube(self.sim)
        self.clients = SimClients(self.kube)
        self.configured: dict[tuple[str, str, str], Any] = {}
        self.not_ready: set[tuple[str, str]] = set()
        self.errors: dict[str, DfmcError] = {}
        self.released = set(self.sim.ids)
        self.notes: list[str] = []
        self.started: dict[str, float] = {}
        self.client_started: float | None = None
        self.scheduler_started: float | None = None
        self.waited: list[float] = []

    def verify(self, options: VerifyOptions, *only: str) -> VerifyReport:
        """Run the engine's function; nothing is waited for."""
        document = self.topology.model_dump(mode="json", by_alias=True, exclude_unset=True)
        loaded = load_text(yaml.safe_dump(document), "topology.yaml")

        async def whole() -> VerifyReport:
            run_options = RunOptions(only=only)
            async with Session(loaded, self.clients, Redactor(), run_options, lambda e: self.notes.append(str(e))) as s:
                return await verify(s, options)

        async def observe(session: Session, **rest: Any) -> Observed:
            assert rest == {"deep": True, "only": only}
            return self.observed()

        async def pause(seconds: float) -> None:
            self.waited.append(seconds)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dfmc.engine.verify._pause", pause)
            patch.setattr("dfmc.engine.verify.observe", observe)
            patch.setattr("dfmc.engine.counters._SETTLING_PAUSES", (0.0,) * 3)
            patch.setattr("dfmc.engine.verify._TRACE_PAUSES", (0.0,) * 2)
            return asyncio.run(whole())

    def blob(self, *only: str) -> VerifyReport:
        return self.verify(VerifyOptions("blob", url="http://origin.example:5000"), *only)

    def image(self, *only: str) -> VerifyReport:
        return self.verify(VerifyOptions("image", image="registry.example/big:1"), *only)

    def observed(self) -> Observed:
        """What a deep observation says: the manager's records, and every cluster as the topology wants it."""
        manager = ObservedManager(
            tuple(
                ClusterRecord(number, name, "", ScopesRecord(), number, number, number == 1)
                for name, number in self.sim.ids.items()
            ),
            tuple(self._row(number, name) for name, number in self.sim.ids.items()),
        )
        credentials = StoredCredentials("guide", "uid", CREDENTIALS, root_password_set=True)
        bare = {name: ObservedCluster(name, self._facts(), True) for name in self.sim.ids}
        observed = Observed(bare, credentials, manager=manager)
        return replace(observed, clusters={name: self._cluster(name, observed) for name in self.sim.ids})

    def _row(self, number: int, name: str) -> SchedulerRecord:
        state: Any = "active" if self.sim.scheduler(name).up else "inactive"
        return SchedulerRecord(number, "dragonfly-scheduler-0", f"10.0.{number}.1", 8002, state, number)

    def _facts(self) -> KubernetesFacts:
        return KubernetesFacts("uid-1", "1.34.4", frozenset({"containerd"}), ("10.9.0.1",))

    def _cluster(self, name: str, observed: Observed) -> ObservedCluster:
        if name in self.errors:
            return ObservedCluster(name, error=self.errors[name])
        if name not in self.released:
            return ObservedCluster(name, self._facts(), True)
        pods = tuple(self._pods(name))
        return ObservedCluster(
            name,
            self._facts(),
            True,
            ReleaseState("dragonfly", f"cluster-{name}", 1, "deployed", "dragonfly", "1.7.4", "2.5.0", {}, {}),
            workloads=tuple(self._workloads(name, pods)),
            pods=pods,
            config_maps=tuple(self._config_maps(name, observed)),
        )

    def _pods(self, name: str) -> Any:
        number = self.sim.ids[name]
        for key, scheduler in self.sim.schedulers.items():
            if key[0] == name:
                ready = scheduler.up and key not in self.not_ready
                ip, started = f"10.0.{number}.1", self.scheduler_started
                yield PodState(scheduler.pod, "scheduler", "Running", ready, ip, "worker", started=started)
        for key, peer in self.sim.peers.items():
            if key[0] == name:
                ready = peer.up and key not in self.not_ready
                component = "seed-client" if peer.is_seed else "client"
                started = self.started.get(name) if peer.is_seed else self.client_started
                yield PodState(peer.pod, component, "Running", ready, f"ip-of-{peer.node}", peer.node, started=started)

    def _workloads(self, name: str, pods: tuple[PodState, ...]) -> Any:
        kinds = {"scheduler": "StatefulSet", "seed-client": "StatefulSet", "client": "DaemonSet"}
        if name == self.topology.manager.cluster:
            kinds["manager"] = "Deployment"
        for component, kind in kinds.items():
            own = [pod for pod in pods if pod.component == component]
            ready = sum(pod.ready for pod in own) if own else 1
            wanted = len(own) or 1
            yield WorkloadState(kind, f"dragonfly-{component}", component, wanted, wanted, ready, observed=True)

    def _config_maps(self, name: str, observed: Observed) -> Any:
        """ConfigMaps that say what they must, but for what ``configured`` says by (cluster, component, path)."""

        def known(symbol: Symbol) -> object:
            return CREDENTIALS.get(symbol.key, symbol) if isinstance(symbol, SecretRef) else symbol

        cluster = self.topology.cluster(name)
        inputs = values_inputs(self.topology, cluster, observed, first_install=False)
        wiring = expected_wiring(self.topology, cluster, inputs, known)
        for component in wiring.components:
            document: dict[str, Any] = {}
            for fact in wiring.facts:
                if fact.component == component:
                    value = self.configured.get((name, component.label, fact.path), fact.expected)
                    _put(document, fact.path, value)
            labels = {"app": wiring.app, "release": wiring.release, "component": component.label}
            yield {
                "metadata": {"name": f"dragonfly-{component.label}", "labels": labels},
                "data": {component.file: yaml.safe_dump(document)},
            }


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    outer, of_every, inner = path.partition("[].")
    *sections, last = outer.split(".")
    for key in sections:
        document = document.setdefault(key, {})
    document[last] = [{inner: one} for one in value] if of_every else value


NOT_READY = NotReadyError("pod dfmc-verify-1 cannot run", why="ImagePullBackOff: no such image")
