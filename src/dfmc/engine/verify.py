"""``verify``: counters, a pull, counters again; cluster after cluster, so that no two pulls can be confused.

Nothing is written but short-lived pods. What a pull left on a node is removed by the pull itself; what the clients
keep of it is theirs to collect, like everything that they ever served.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from dfmc.engine.counters import CounterReader, Ports, ports_of, rhythm_of
from dfmc.engine.events import Note
from dfmc.engine.observe import observe
from dfmc.engine.preparation import prepare
from dfmc.engine.session import Session
from dfmc.engine.verify_content import VerifyOptions, content_of
from dfmc.engine.verify_report import Content, VerifiedCluster, VerifiedPull, VerifyReport
from dfmc.errors import AuthError, DfmcError, PreflightError, UnreachableError, UsageError
from dfmc.planning.proof import ProofFinding, prove, workload_findings
from dfmc.planning.pulls import (
    SETTLE_SECONDS,
    ClusterView,
    Outcome,
    Peer,
    PeerStart,
    Place,
    Pull,
    Rhythm,
    World,
    plan_pulls,
    seconds_to_settle,
)
from dfmc.planning.verdicts import Cause, Verdict, judge
from dfmc.state import Observed, ObservedCluster, PodState
from dfmc.topology.load import STDIN_NAME
from dfmc.topology.model import ClusterSpec
from dfmc.values.context import membership_of
from dfmc.values.layouts import layout_of

_TOOLS = {"containerd-no-cri": "ctr", "docker": "docker", "podman": "podman"}
_TRACE_PAUSES = (0.0, 2.0, 4.0, 6.0)
_CLOCK_SKEW = 60.0
_pause = asyncio.sleep
Component = Literal["scheduler", "seed_peer", "client"]

_PASSED_BY = ("other-cluster", "none", "unknown")


async def verify(session: Session, options: VerifyOptions) -> VerifyReport:
    """Return what pulls on the nodes of every chosen cluster show.

    Raises:
        PreflightError: There is nothing to pull, or the chart's clients do not count.
        UsageError: The options do not fit together.
        AuthError: No permission for what the pulls need.
    """
    started = time.monotonic()
    session.selected()
    _refuse_uncounted(session)
    async with content_of(session, options) as content:
        await prepare(session)
        observed = await observe(session, deep=True, only=session.options.only)
        run = _Verification(session, observed, content, options)
        await run.look()
        reports = [await run.cluster(cluster) for cluster in session.selected()]
    return VerifyReport(session.topology.metadata.name, content, tuple(reports), time.monotonic() - started)


def _refuse_uncounted(session: Session) -> None:
    version = session.topology.chart.version
    if layout_of(version).components["client"].key != "client":
        raise PreflightError(
            "the clients of this chart do not count where bytes come from",
            why=f"chart {version} runs the Go client; counters by source came with the Rust client",
            next_step="verify with a chart from 1.1.66 on, or read the traces as the guide does",
        )


class _Verification:
    """One run: the world as observed, and the way from counters to counters."""

    def __init__(self, session: Session, observed: Observed, content: Content, options: VerifyOptions) -> None:
        self._session = session
        self._observed = observed
        self._content = content
        self._timeout = options.pull_timeout
        self._settle_timeout = options.settle_timeout
        self._traces = session.factory.traces(options.jaeger) if options.jaeger else None
        self._layout = layout_of(session.topology.chart.version)
        there = {
            cluster.name: observed.clusters[cluster.name]
            for cluster in session.topology.clusters
            if observed.clusters[cluster.name].release and not observed.clusters[cluster.name].error
        }
        self._there: Mapping[str, ObservedCluster] = there
        self._ports: Mapping[str, Ports] = {name: ports_of(seen, self._layout) for name, seen in there.items()}
        self._reader = CounterReader(session, self._ports)
        self._wiring = {name: self._proof(name) for name in there}
        self._world = self._seen_world()

    async def look(self) -> None:
        """Read every counter once; a pod that is neither ready nor readable is left out: its state says why."""
        counters = await self._reader.read(self._world)
        unready = {peer.place for peer in self._world.peers if not peer.is_ready}
        self._world = self._world.without(unready & counters.unread.keys())

    async def cluster(self, cluster: ClusterSpec) -> VerifiedCluster:
        """Return what the pulls of one cluster show."""
        name = cluster.name
        seen = self._observed.clusters[name]
        if seen.error is not None:
            return VerifiedCluster(name, error=seen.error)
        if name not in self._there:
            missing = Cause("not-installed", f"there is no release in {cluster.namespace}", f"dfmc up {self._file}")
            return VerifiedCluster(name, causes=(missing,))
        causes = [self._cause("redis" if ".redis." in one.key else "wiring", one) for one in self._wiring[name]]
        workloads = workload_findings(self._session.topology, cluster, seen)
        causes += [self._cause("workload", finding) for finding in workloads]
        pulls = plan_pulls(self._world.peers, [name])
        if not pulls:
            kubectl = self._world.clusters[name].kubectl
            label = self._layout.components["client"].label
            causes.append(Cause("no-client", "no client is ready", f"{kubectl} get pods -l component={label}"))
        if pulls:
            await self._let_settle(cluster)
        done: list[VerifiedPull] = []
        for pull in pulls:
            # Where the content has not come into the cluster yet, the next pull is its first.
            is_first = all(one.verdict.source in _PASSED_BY for one in done)
            done.append(await self._pull(cluster, replace(pull, is_first=is_first)))
        notes = ("it has one node with a client: that the second pull comes from a peer cannot be shown",)
        return VerifiedCluster(name, tuple(done), tuple(causes), notes if len(pulls) == 1 else ())

    async def _let_settle(self, cluster: ClusterSpec) -> None:
        """Wait until the cluster's schedulers and peers know each other, where one of them started after another."""
        seen = self._there[cluster.name]

        def started(component: Component) -> list[float | None]:
            return [pod.started for pod in _running(seen, self._layout.components[component].label) if pod.ready]

        peers = [PeerStart(one, self._rhythm(cluster.name, "client")) for one in started("client")]
        seed_rhythm = self._rhythm(cluster.name, "seed_peer")
        peers += [PeerStart(one, seed_rhythm, is_seed=True) for one in started("seed_peer")]
        ahead = seen.facts.clock_ahead if seen.facts else None
        left = min(seconds_to_settle(started("scheduler"), peers, time.time() + (ahead or 0.0)), self._settle_timeout)
        if left > 0:
            text = f"a scheduler or seed has only just started; they all know each other in {left:.0f} s at the latest"
            self._session.observer(Note(cluster.name, text))
            await _pause(left)

    def _rhythm(self, name: str, component: Literal["client", "seed_peer"]) -> Rhythm:
        return rhythm_of(self._there[name], self._layout, component)

    async def _pull(self, cluster: ClusterSpec, pull: Pull) -> VerifiedPull:
        self._session.observer(Note(cluster.name, f"pulling on {pull.node}"))
        before, started = await self._reader.read(self._world), time.time()
        outcome = await self._outcome(cluster, pull)
        after, moved = await self._reader.settled(self._world, before, cluster.name)
        mine = moved.peers.get(pull.place)
        if mine is not None and mine.received == 0 and mine.requests == 0 and not outcome.was_present:
            requests = after.peers[pull.place].requests
            outcome = replace(outcome, proxy_answers=await self._is_proxy_answering(cluster, pull, requests))
        verdict = judge(self._world, pull, outcome, moved)
        if outcome.is_kept:
            verdict = replace(verdict, notes=(*verdict.notes, f"the image could not be removed from {pull.node}"))
        self._session.observer(Note(cluster.name, _sentence(pull, verdict, outcome)))
        is_traced = await self._is_traced(pull, started) if self._traces and self._content.target else None
        return VerifiedPull(pull, verdict, outcome.seconds, is_traced)

    async def _is_traced(self, pull: Pull, started: float) -> bool | None:
        """Tell whether the node's client has a trace of the pull; clients send them in batches, seconds later."""
        assert self._traces is not None  # noqa: S101 - the caller has looked
        address = next((peer.ip for peer in self._world.peers if peer.place == pull.place), "")
        try:
            for pause in _TRACE_PAUSES:
                await asyncio.sleep(pause)
                if address in await self._traces.hosts_with(self._content.target, started - _CLOCK_SKEW):
                    return True
        except UnreachableError as error:
            self._session.observer(Note(pull.cluster, f"traces are left out: {error}", "warning"))
            self._traces = None
            return None
        return False

    async def _outcome(self, cluster: ClusterSpec, pull: Pull) -> Outcome:
        started = time.monotonic()
        try:
            if self._content.method == "blob":
                return await self._pull_blob(cluster, pull)
            return await self._pull_image(cluster, pull)
        except (AuthError, UsageError) as error:  # true of every other pull as well
            error.where = error.where or cluster.name
            raise
        except DfmcError as error:
            return Outcome(time.monotonic() - started, error=error, is_fresh=self._content.is_fresh)

    async def _pull_blob(self, cluster: ClusterSpec, pull: Pull) -> Outcome:
        blobs = self._session.factory.blobs()
        kube = self._session.kube_of(cluster)
        async with kube.port_forward(cluster.namespace, pull.pod, self._ports[cluster.name].proxy) as port:
            started = time.monotonic()
            size = await blobs.get(port, self._content.name, timeout=self._timeout)
            return Outcome(time.monotonic() - started, size, is_fresh=self._content.is_fresh)

    async def _pull_image(self, cluster: ClusterSpec, pull: Pull) -> Outcome:
        nodes = self._session.factory.nodes(self._session.kube_of(cluster))
        pulled = await nodes.pull(
            namespace=cluster.namespace,
            client=pull.pod,
            node=pull.node,
            image=self._content.name,
            tool=_TOOLS.get(cluster.runtime.type, ""),
            timeout=self._timeout,
        )
        return Outcome(
            pulled.seconds,
            is_fresh=self._content.is_fresh,
            was_present=pulled.was_present,
            is_kept=pulled.is_kept,
        )

    async def _is_proxy_answering(self, cluster: ClusterSpec, pull: Pull, requests: int) -> bool | None:
        """Tell whether the client's proxy port does; None where it cannot be asked.

        A proxy may break a connection that it took, where its upstream is out of reach; it has counted it then.
        """
        kube = self._session.kube_of(cluster)
        try:
            async with kube.port_forward(cluster.namespace, pull.pod, self._ports[cluster.name].proxy) as port:
                if await self._session.factory.blobs().is_answering(port):
                    return True
        except UnreachableError:
            return False
        except DfmcError:
            return None
        counters = await self._reader.read(self._world)
        return pull.place in counters.peers and counters.peers[pull.place].requests > requests

    # --- the world -----------------------------------------------------------------------------------------------

    @property
    def _file(self) -> str:
        file = self._session.loaded.file
        return "-" if file == STDIN_NAME else shlex.quote(file)

    def _proof(self, name: str) -> tuple[ProofFinding, ...]:
        topology = self._session.topology
        try:
            return prove(topology, topology.cluster(name), self._observed)
        except DfmcError as error:
            return (ProofFinding(name, "wiring", "to be known", str(error)),)

    def _cause(self, kind: str, finding: ProofFinding) -> Cause:
        words = f"{finding.key}: expected {finding.expected}, seen {finding.seen}"
        return Cause(kind, words, f"dfmc up {self._file} -c {finding.cluster}")

    def _seen_world(self) -> World:
        views = {name: self._view(self._session.topology.cluster(name), seen) for name, seen in self._there.items()}
        peers = tuple(peer for name, seen in self._there.items() for peer in self._peers(name, seen))
        label = self._layout.components["scheduler"].label
        schedulers = tuple(
            Place(name, pod.name) for name, seen in self._there.items() for pod in _running(seen, label) if pod.ready
        )
        return World(views, peers, schedulers, self._file)

    def _view(self, cluster: ClusterSpec, seen: ObservedCluster) -> ClusterView:
        def ready(component: Literal["scheduler", "seed_peer"]) -> int:
            return sum(pod.ready for pod in _running(seen, self._layout.components[component].label))

        rhythms = [self._rhythm(cluster.name, one) for one in ("client", "seed_peer")]
        kubeconfig = ["--kubeconfig", cluster.kubeconfig] if cluster.kubeconfig else []
        return ClusterView(
            name=cluster.name,
            membership=membership_of(self._session.topology, cluster),
            schedulers=ready("scheduler"),
            seeds=ready("seed_peer"),
            wiring=self._wiring[cluster.name],
            kubectl=shlex.join(["kubectl", *kubeconfig, "--context", cluster.context, "-n", cluster.namespace]),
            settles=max(one.refresh + one.announce for one in rhythms) + SETTLE_SECONDS,
        )

    def _peers(self, name: str, seen: ObservedCluster) -> Iterator[Peer]:
        for pod in _running(seen, self._layout.components["client"].label):
            yield Peer(Place(name, pod.name), pod.node, "client", pod.ready, pod.ip)
        for pod in _running(seen, self._layout.components["seed_peer"].label):
            yield Peer(Place(name, pod.name), pod.node, "seed", pod.ready, pod.ip)


def _running(seen: ObservedCluster, component: str) -> Iterator[PodState]:
    for pod in seen.pods:
        if pod.component == component and pod.phase == "Running" and not pod.terminating:
            yield pod


def _sentence(pull: Pull, verdict: Verdict, outcome: Outcome) -> str:
    if verdict.causes:
        return f"{pull.node}: {verdict.causes[0].sentence}"
    return f"{pull.node} had {verdict.received} bytes from {verdict.source} in {outcome.seconds:.1f}s"
