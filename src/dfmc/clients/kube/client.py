"""`DynamicKube`: what the engine may ask of one Kubernetes context."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from dfmc.clients.kube import nodes, pods, release, resources, rights
from dfmc.clients.kube.calls import METADATA_ONLY, Calls
from dfmc.clients.kube.edits import edited_config_map
from dfmc.clients.kube.forward import FollowedPod, PodPort, listening
from dfmc.clients.kube.pod_proxy import pod_get
from dfmc.clients.kube.refusals import ForbiddenError, Place
from dfmc.clients.kube.short_pod import ShortPods
from dfmc.clients.kube.transport import Transport
from dfmc.clients.kube.workloads import MANAGED_BY_HELM, belongs_to, lacks_pods, with_creation_failures, workload_state
from dfmc.clients.manifest import config_maps, object_names
from dfmc.errors import RecoveryError
from dfmc.state import AccessNeed, EditedConfigMap, KubernetesFacts, PodRun, PodState, ReleaseState, WorkloadState

JsonObject = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

WORKLOAD_KINDS = (resources.DEPLOYMENT, resources.STATEFUL_SET, resources.DAEMON_SET)
DEFAULT_TIMEOUT = (10.0, 30.0)


class DynamicKube:
    """One context of a kubeconfig; implements ``KubeClient``.

    Nothing is read or contacted before the first call. Calls run in the executor's threads and may run at once.

    Args:
        context: Name of the context.
        kubeconfig: The file that holds it; None takes KUBECONFIG (a list of files) or ~/.kube/config.
        executor: Runs the calls; several clients may share it. None makes one of this client's own.
        request_timeout: Seconds to connect and seconds to wait for (more of) an answer.
    """

    def __init__(
        self,
        context: str,
        kubeconfig: Path | None = None,
        *,
        executor: ThreadPoolExecutor | None = None,
        request_timeout: tuple[float, float] = DEFAULT_TIMEOUT,
    ) -> None:
        self._transport = Transport(Place(context, kubeconfig), *request_timeout)
        self._calls = Calls(self._transport)
        self._executor = executor or ThreadPoolExecutor(max_workers=8, thread_name_prefix="kube")
        self._owns_executor = executor is None
        self._short_pods = ShortPods(self._calls, self._run)
        # A lock must be renewed in time, however many calls to silent API servers keep the others busy.
        self._for_leases = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lease")

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        """Return what stands behind the context; also the proof that it answers.

        Where the namespace kube-system may not be read, ``uid`` is ``server:`` and a digest of the API server's URL
        and certificate authority: it still tells one server from another, but not two names of one server. Where nodes
        may not be read, runtimes and addresses are empty. ``version`` is without its ``v``.

        Raises:
            UnreachableError, AuthError, IntegrityError, PreflightError: It does not answer, or not to us.
        """
        uid, (version, ahead), all_nodes = await _together(
            self._run(self._cluster_uid), self._run(self._calls.version), self._run(self._nodes)
        )
        return KubernetesFacts(
            uid=uid,
            version=str(version.get("gitVersion", "")).removeprefix("v"),
            runtimes=nodes.runtimes(all_nodes, node_selector),
            node_addresses=nodes.addresses(all_nodes, node_selector),
            clock_ahead=ahead,
        )

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> JsonObject | None:
        """Return the object, or None when it, its namespace or its kind does not exist."""

        def get() -> JsonObject | None:
            resource = self._calls.find(api_version, kind)
            return None if resource is None else self._calls.get(resource, name, namespace)

        return await self._run_for(kind, get)

    async def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
    ) -> Sequence[JsonObject]:
        """Return all objects of the kind that carry the labels, in one namespace or (None) in all."""

        def list_all() -> Sequence[JsonObject]:
            resource = self._calls.find(api_version, kind)
            return () if resource is None else self._calls.list(resource, namespace, labels=labels)

        return await self._run(list_all)

    async def create(self, obj: JsonObject) -> JsonObject | None:
        """Create the object; None when one of that name exists already (409)."""
        return await self._run_for(str(obj["kind"]), self._calls.create, obj)

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        """Server-side apply with field manager ``dfmc``; with ``force`` fields of other managers change hands.

        Raises:
            ConflictError: Another manager owns a field of it; ``why`` names fields and managers.
        """
        return await self._run(self._calls.apply, obj, force=force)

    async def replace(self, obj: JsonObject) -> JsonObject | None:
        """Replace by resourceVersion; None when somebody else was faster (409) or it is gone (404)."""
        return await self._run_for(str(obj["kind"]), self._calls.replace, obj)

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        """Delete, what the object owns in the background; False when it, or the one with that uid, is not there."""

        def delete() -> bool:
            resource = self._calls.find(api_version, kind)
            return resource is not None and self._calls.delete(resource, name, namespace, uid=uid)

        return await self._run(delete)

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        """Return those needs that the API server refuses, in their order.

        The rules that hold in a namespace are one request and answer most needs; only the rest is asked one by one.
        """
        places = list(dict.fromkeys(need.namespace for need in verbs if need.namespace))
        found = await _together(*(self._run(rights.rules_in, self._calls, place) for place in places))
        rules: dict[str | None, rights.Rules] = dict(zip(places, found, strict=True))
        open_ones = [need for need in verbs if not rights.grants(rules.get(need.namespace, ()), need)]
        allowed = await _together(*(self._run(rights.is_allowed, self._calls, need) for need in open_ones))
        return [need for need, is_allowed in zip(open_ones, allowed, strict=True) if not is_allowed]

    async def unserved(self, kinds: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Return those of the kinds, as ``(apiVersion, kind)``, that the API server does not know, in their order."""
        versions = tuple(dict.fromkeys(api_version for api_version, _ in kinds))
        served = await _together(*(self._run(self._calls.serves, api_version) for api_version in versions))
        known = dict(zip(versions, served, strict=True))
        return [(api_version, kind) for api_version, kind in kinds if kind not in known[api_version]]

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        """Return the last revision of a helm release from its Secret; None when there is none.

        Two requests: a release Secret can be large and helm keeps ten, so that only the newest is read in full.

        Raises:
            RecoveryError: The newest record cannot be read.
        """
        return await self._run(self._release, name, namespace)

    async def missing(self, release: ReleaseState) -> Sequence[str]:
        """Return the objects of the release that are not there any more, as ``Service dragonfly-manager``.

        One list of names per kind. A kind that may not be listed is taken to be complete.

        Raises:
            RecoveryError: The release's manifest cannot be read.
        """
        wanted = object_names(release.manifest)
        places = dict.fromkeys((one.api_version, one.kind, one.namespace or release.namespace) for one in wanted)
        lists = await _together(*(self._run(self._names, *place) for place in places))
        there = dict(zip(places, lists, strict=True))
        missing = []
        for one in wanted:
            names = there[one.api_version, one.kind, one.namespace or release.namespace]
            if names is not None and one.name not in names:
                missing.append(str(one))
        return missing

    async def edited(self, release: ReleaseState) -> Sequence[EditedConfigMap]:
        """Return the ConfigMaps of the release that are there and do not say what its manifest says, by name.

        Raises:
            RecoveryError: The release's manifest cannot be read.
        """
        found = []
        wanted: dict[str, dict[str, dict[str, str]]] = {}
        for (namespace, name), data in config_maps(release.manifest).items():
            wanted.setdefault(namespace or release.namespace, {})[name] = data
        for namespace, by_name in wanted.items():
            live = await self._run(self._calls.list, resources.CONFIG_MAP, namespace, labels=MANAGED_BY_HELM)
            for one in live:
                name = str(one["metadata"]["name"])
                if name in by_name and (edit := edited_config_map(one, by_name[name])):
                    found.append(edit)
        return sorted(found, key=lambda edit: edit.name)

    async def unlock_release(self, name: str, namespace: str, revision: int) -> bool:
        """Rewrite a pending revision to ``failed`` (label and payload), so that helm upgrades it again.

        Only for whoever holds the topology's lock, with no helm at work. Returns False when the revision was not
        pending any more, or somebody else moved first.

        Raises:
            RecoveryError: The record cannot be read.
        """
        return await self._run(self._unlock, name, namespace, revision)

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        """Return Deployments, StatefulSets and DaemonSets that helm installed for the release, by name.

        Events are asked for only when a controller has made fewer pods than are wanted.
        """
        found = await self._workload_objects(release, namespace)
        states: Sequence[WorkloadState] = sorted(
            (workload_state(one, release) for one in found), key=lambda state: (state.name, state.kind)
        )
        if any(lacks_pods(one) for one in found):
            events = await self._run(self._events, namespace, "type=Warning,reason=FailedCreate")
            states = with_creation_failures(states, events)
        return states

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        """Return the pods of the release's workloads by name, with the reasons of what is not ready.

        Events are asked for only when a pod is not ready and neither it nor its containers say why.
        """
        found, candidates = await _together(
            self._workload_objects(release, namespace), self._run(self._calls.list, resources.POD, namespace)
        )
        owners = pods.Owners(found, release)
        named = sorted(
            ((pod, component) for pod in candidates if (component := owners.component(pod)) is not None),
            key=lambda pair: str(pair[0]["metadata"]["name"]),
        )
        states = [pods.pod_state(pod, component) for pod, component in named]
        silent = {
            str(pod["metadata"].get("uid"))
            for (pod, _), state in zip(named, states, strict=True)
            if pods.needs_events(state)
        }
        return pods.explained(states, await self._run(self._warnings, namespace, silent)) if silent else states

    async def last_words(self, pod: str, namespace: str, container: str) -> str:
        """Return the last lines that a container wrote before it ended last; empty where there are none."""
        return await self._run(self._calls.last_words, pod, namespace, container)

    async def pod_get(self, namespace: str, pod: str, port: int, path: str) -> str:
        """Return what a pod answers to one GET, made by the API server (its pod proxy), as text.

        Raises:
            UnreachableError: The pod (or the API server) does not answer, or answers 5xx or too much.
            AuthError: No permission for ``get pods/proxy``.
            DfmcError: The pod answers with another status; says which.
        """
        return await self._run(pod_get, self._transport, namespace, pod, port, path)

    async def run_pod(self, pod: JsonObject, *, timeout: float) -> PodRun:
        """Create a pod, wait until it has ended, read its output, delete it whatever happens.

        Raises:
            NotReadyError: It cannot be scheduled or started (at once, with its own reason), was removed or refused by
                its node, or has not ended in time.
            AuthError: No permission, or an admission policy refuses it.
            UnreachableError: The API server does not answer.
        """
        return await self._short_pods.run(pod, timeout)

    @contextlib.asynccontextmanager
    async def port_forward(self, namespace: str, pod: str, port: int) -> AsyncIterator[int]:
        """Listen on a free loopback port that leads to the pod's port; yields the local port number.

        One stream is opened and closed first, so that a missing permission or pod is an error here and not a closed
        connection later. A port at which nothing listens yet is no error: its connections just close.

        Raises:
            AuthError: No permission for ``pods/portforward``: ``get``, and since Kubernetes 1.35 ``create``.
            UnreachableError: The pod is not there or not running, or the API server does not answer.
        """
        target = PodPort(self._transport, self._executor, namespace, pod, port)
        await target.check()
        async with listening(target.open, str(target)) as local_port:
            yield local_port

    @contextlib.asynccontextmanager
    async def follow_pod(
        self, namespace: str, choose: Callable[[], Awaitable[str]], port: int, *, local_port: int = 0
    ) -> AsyncIterator[int]:
        """Listen on a loopback port whose connections lead to the pod that is the right one when they come.

        Args:
            namespace: Of the pods.
            choose: Returns the pod's name; may wait until there is one.
            port: The port inside the pod.
            local_port: Where to listen; 0 for a port that is free.

        Raises:
            PreflightError: The local port cannot be had.
            AuthError: As port_forward.
            UnreachableError: As port_forward.
        """
        target = FollowedPod(choose, lambda pod: PodPort(self._transport, self._executor, namespace, pod, port))
        await target.check()
        async with listening(target.open, f"{namespace}: port {port}", local_port) as local:
            yield local

    async def close(self) -> None:
        """Close idle connections, and the executor's threads if the executor is this client's own."""
        self._transport.close()
        self._for_leases.shutdown(wait=False, cancel_futures=True)
        if self._owns_executor:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run_for(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call about objects of a kind; what is about a Lease waits for nothing else."""
        executor = self._for_leases if kind == "Lease" else self._executor
        return await asyncio.get_running_loop().run_in_executor(executor, partial(function, *args, **kwargs))

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args, **kwargs))

    def _cluster_uid(self) -> str:
        try:
            namespace = self._calls.get(resources.NAMESPACE, "kube-system")
        except ForbiddenError:
            namespace = None
        uid = str(((namespace or {}).get("metadata") or {}).get("uid") or "")
        return uid or f"server:{self._transport.access().fingerprint()}"

    def _nodes(self) -> Sequence[JsonObject]:
        try:
            return self._calls.list(resources.NODE)
        except ForbiddenError:
            return ()

    def _release(self, name: str, namespace: str) -> ReleaseState | None:
        for _ in range(3):  # helm prunes old revisions: between two requests the newest may have become an old one
            records = self._calls.list(
                resources.SECRET, namespace, labels={"owner": "helm", "name": name}, accept=METADATA_ONLY
            )
            newest = release.newest(records)
            if newest is None:
                return None
            secret = self._calls.get(resources.SECRET, str(newest["metadata"]["name"]), namespace)
            if secret is not None:
                return release.decoded(secret)
        raise RecoveryError(
            f"the records of release {name} in namespace {namespace} change while they are read",
            next_step="let the other helm finish, then try again",
        )

    def _names(self, api_version: str, kind: str, namespace: str) -> frozenset[str] | None:
        resource = self._calls.find(api_version, kind)
        if resource is None:
            return frozenset()
        place = namespace if resource.namespaced else None
        try:
            found = self._calls.list(resource, place, labels=MANAGED_BY_HELM, accept=METADATA_ONLY)
        except ForbiddenError:
            return None
        return frozenset(str(one["metadata"]["name"]) for one in found)

    def _unlock(self, name: str, namespace: str, revision: int) -> bool:
        secret = self._calls.get(resources.SECRET, release.secret_name(name, revision), namespace)
        rewritten = release.unlocked(secret) if secret is not None else None
        return rewritten is not None and self._calls.replace(rewritten) is not None

    async def _workload_objects(self, release: str, namespace: str) -> Sequence[JsonObject]:
        lists = await _together(
            *(self._run(self._calls.list, kind, namespace, labels=MANAGED_BY_HELM) for kind in WORKLOAD_KINDS)
        )
        return [one for found in lists for one in found if belongs_to(one, release, namespace)]

    def _warnings(self, namespace: str, pod_uids: set[str]) -> Sequence[JsonObject]:
        fields = "involvedObject.kind=Pod,type=Warning"
        if len(pod_uids) == 1:
            fields += f",involvedObject.uid={next(iter(pod_uids))}"
        events = self._events(namespace, fields)
        return [event for event in events if (event.get("involvedObject") or {}).get("uid") in pod_uids]

    def _events(self, namespace: str, fields: str) -> Sequence[JsonObject]:
        try:
            return self._calls.list(resources.EVENT, namespace, fields=fields)
        except ForbiddenError:
            return ()  # a reason is a comfort; what it is about could be read


async def _together(*calls: Awaitable[Any]) -> tuple[Any, ...]:
    """Return all results, or raise the first error, but not before every call has ended: none goes on unseen."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return tuple(results)
