"""Looks for what somebody installed by hand: every release of the Dragonfly chart, and the manager's rows. Reads only.

There is no topology yet, so the central release found makes a small one of its own, for what acts on a topology: the
way to the manager and dfmc's Secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from dfmc.clients.protocols import KubeClient
from dfmc.engine.bridging import bridges_of
from dfmc.engine.credentials import read_stored
from dfmc.engine.manager_access import ManagerAccess
from dfmc.engine.observe import manager_rows
from dfmc.engine.session import ClientFactory
from dfmc.errors import AuthError, DfmcError, PreflightError
from dfmc.planning.credentials import DEFAULT_ROOT_PASSWORD, JWT_KEY, ROOT_PASSWORD, previous_root_passwords
from dfmc.planning.importing.found import Found, FoundRelease, Wishes
from dfmc.planning.importing.importer import Imported, import_topology
from dfmc.planning.importing.world import choose_central
from dfmc.redaction import Redactor
from dfmc.state import KubernetesFacts, ObservedManager, ReleaseState, StoredCredentials
from dfmc.topology.model import API_VERSION, KIND, ClusterSpec, Topology
from dfmc.values.secret_keys import secrets_in

CHART = "dragonfly"
Say = Callable[[str], None]


@dataclass(frozen=True)
class ImportRequest:
    """Where to look, and what the file shall say.

    Attributes:
        contexts: Of the kubeconfig, each once.
        namespaces: Only these; empty means all.
        manager: ``CONTEXT/NAMESPACE/RELEASE`` of the central release; empty where there is one only.
        root_password: Of the manager, where it is not the chart's and not in dfmc's Secret.
        concurrency: Calls at once.
    """

    contexts: tuple[str, ...]
    namespaces: tuple[str, ...]
    manager: str
    root_password: str | None
    wishes: Wishes
    concurrency: int = 8


async def import_running(request: ImportRequest, factory: ClientFactory, redactor: Redactor, say: Say) -> Imported:
    """Return the topology file of what is running.

    Raises:
        PreflightError: No release here runs a manager.
        UsageError: Several do.
        UnreachableError: No context answers; or the manager does not.
        AuthError: The manager takes none of the passwords that are known.
    """
    async with _Look(request, factory, redactor) as look:
        releases, unread = await look.releases(say)
        central = choose_central(releases, request.manager)
        found = await look.found(central, releases, unread)
    return import_topology(found, request.wishes)


class _Look:
    def __init__(self, request: ImportRequest, factory: ClientFactory, redactor: Redactor) -> None:
        self._request = request
        self._factory = factory
        self._redactor = redactor
        self._slots = asyncio.Semaphore(request.concurrency)
        self._stack = AsyncExitStack()
        self._kubes: dict[str, KubeClient] = {}
        self._unread: dict[str, DfmcError] = {}

    async def __aenter__(self) -> _Look:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def _entry(self, context: str) -> ClusterSpec:
        """Return an entry that stands for a context."""
        document = {"name": "any", "context": context, "namespace": "any"}
        return ClusterSpec.model_validate({**document, "kubeconfig": self._request.wishes.kubeconfig})

    def _kube(self, context: str) -> KubeClient:
        if context not in self._kubes:
            self._kubes[context] = self._factory.kube(self._entry(context))
            self._stack.push_async_callback(self._kubes[context].close)
        return self._kubes[context]

    async def releases(self, say: Say) -> tuple[list[FoundRelease], Mapping[str, DfmcError]]:
        """Return every release of the chart, and the contexts that could not be read.

        Raises:
            DfmcError: None of the contexts could be read; the first one's reason.
        """
        contexts = self._request.contexts
        first: dict[str, tuple[str, KubernetesFacts]] = {}  # two contexts may lead to one Kubernetes cluster
        for context, facts in zip(contexts, await asyncio.gather(*map(self._facts, contexts)), strict=True):
            if isinstance(facts, DfmcError):
                self._unread[f"context {context}"] = facts
                continue
            other, _ = first.setdefault(facts.uid, (context, facts))
            if other != context:
                say(f"{context} leads to the same Kubernetes cluster as {other}; its releases are {other}'s here")
        releases: list[FoundRelease] = []
        chosen = list(first.values())
        for (context, _), result in zip(
            chosen, await asyncio.gather(*(self._search(*one) for one in chosen)), strict=True
        ):
            if isinstance(result, DfmcError):
                self._unread[f"context {context}"] = result
            else:
                releases += result
        if not releases and self._unread:
            raise next(iter(self._unread.values()))
        return releases, self._unread

    async def _facts(self, context: str) -> KubernetesFacts | DfmcError:
        try:
            async with self._slots:
                return await self._kube(context).facts(node_selector={})
        except DfmcError as error:
            return _placed(error, context)

    async def _search(self, context: str, facts: KubernetesFacts) -> list[FoundRelease] | DfmcError:
        kube = self._kube(context)
        try:
            places = sorted(await self._places(kube))
        except AuthError as error:
            if not self._request.namespaces:
                error.next_step = "name those that may be read with --namespace; or ask for the right to list Secrets"
            return _placed(error, context)
        except DfmcError as error:
            return _placed(error, context)
        found = await asyncio.gather(*(self._release_or_none(context, facts, *place) for place in places))
        return [one for one in found if one is not None]

    async def _release_or_none(
        self, context: str, facts: KubernetesFacts, namespace: str, name: str
    ) -> FoundRelease | None:
        try:
            return await self._release(context, facts, namespace, name)
        except DfmcError as error:
            self._unread[f"release {context}/{namespace}/{name}"] = error
            return None

    async def _places(self, kube: KubeClient) -> set[tuple[str, str]]:
        async with self._slots:
            if not self._request.namespaces:
                return set(await kube.release_places({}))
            lists = [await kube.release_places({}, namespace) for namespace in self._request.namespaces]
        return {place for places in lists for place in places}

    async def _release(self, context: str, facts: KubernetesFacts, namespace: str, name: str) -> FoundRelease | None:
        kube = self._kube(context)
        async with self._slots:
            release = await kube.release(name, namespace)
            if release is None or release.chart_name != CHART:
                return None
            self._redactor.add(*secrets_in(release.values))
            maps = await kube.list("v1", "ConfigMap", namespace, labels={"release": name})
            place = {"namespace": namespace, "release": name}
            bridges = await bridges_of(kube, self._entry(context).model_copy(update=place), slices=True)
            missing, edited = (await self._drift(kube, release)) if release.status == "deployed" else ((), ())
        return FoundRelease(context, facts, release, tuple(maps), tuple(missing), tuple(edited), bridges)

    async def _drift(self, kube: KubeClient, release: ReleaseState) -> tuple[Sequence[str], Sequence[Any]]:
        return await kube.missing(release), await kube.edited(release)

    async def found(
        self, central: FoundRelease, releases: Sequence[FoundRelease], unread: Mapping[str, DfmcError]
    ) -> Found:
        """Return everything around the central release."""
        topology = _around(central, self._request.wishes)
        kube, namespace = self._kube(central.context), central.release.namespace
        stored = await read_stored(topology, kube, self._redactor)
        services = await kube.list("v1", "Service", namespace)
        manager = await self._ask_manager(topology, kube, stored)
        others = tuple(one for one in releases if one is not central)
        return Found(central, others, manager, tuple(services), stored, unread)

    async def _ask_manager(
        self, topology: Topology, kube: KubeClient, stored: StoredCredentials | None
    ) -> ObservedManager:
        given, jwt_key = self._request.root_password, ""
        candidates = [given] if given else []
        if stored:
            jwt_key = stored.values.get(JWT_KEY, "")
            candidates += [stored.values[ROOT_PASSWORD]] if ROOT_PASSWORD in stored.values else []
            candidates += previous_root_passwords(stored.values)
        if not given and not (stored and stored.root_password_set):
            candidates.append(DEFAULT_ROOT_PASSWORD)
        access = ManagerAccess(topology, kube, self._factory.manager)
        try:
            await access.sign_in(*dict.fromkeys(candidates), jwt_key=jwt_key)
            return await access.look(manager_rows)
        except AuthError as error:
            if not given:
                error.next_step = (
                    "give root's password with --root-password-env NAME or --root-password-file PATH; "
                    "else look at the manager's and its database's pods"
                )
            raise
        finally:
            await access.close()


def _placed(error: DfmcError, context: str) -> DfmcError:
    error.where = error.where or context
    return error


def _around(central: FoundRelease, wishes: Wishes) -> Topology:
    """Return a topology of the central release alone.

    Raises:
        PreflightError: Its name, or the access that was asked for, is none that a file could hold.
    """
    release = central.release
    entry = {"name": "central", "context": central.context, "namespace": release.namespace, "release": release.name}
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "import"},
        "chart": {"version": release.chart_version},
        "manager": {"cluster": "central", "access": wishes.access},
        "clusters": [{**entry, "kubeconfig": wishes.kubeconfig}],
    }
    try:
        return Topology.model_validate(document)
    except ValueError as error:
        raise PreflightError(
            f"{central.place} cannot be imported",
            why="a topology cannot hold its names",
            next_step="install it under a release name of lower-case letters, digits and '-'",
        ) from error
