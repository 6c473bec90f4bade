"""In-memory doubles of clients, for what is about the engine's own rules. The real ones meet the bed in tests/e2e."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from dfmc.clients.protocols import JsonObject
from dfmc.errors import DfmcError, UnreachableError
from dfmc.state import AccessNeed, EditedConfigMap, KubernetesFacts, PodRun, PodState, ReleaseState, WorkloadState


class FakeKube:
    """One API server's objects, with resourceVersions that make conflicts real.

    ``requests`` lists every call as ``verb kind name``; ``fail`` maps such a line to the error it raises.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], JsonObject] = {}
        self.requests: list[str] = []
        self.fail: dict[str, DfmcError] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.pages: dict[tuple[str, str, int, str], str] = {}
        self.on_page: Callable[[str, str, int, str], str] | None = None
        self.on_run: Callable[[JsonObject], PodRun] | None = None
        self._version = 0

    def _enter(self, verb: str, kind: str, name: str) -> None:
        line = f"{verb} {kind} {name}"
        self.requests.append(line)
        if line in self.fail:
            raise self.fail[line]

    def _stored(self, obj: JsonObject) -> JsonObject:
        self._version += 1
        saved = copy.deepcopy(obj)
        saved["metadata"]["resourceVersion"] = str(self._version)
        self.objects[_key(saved)] = saved
        return copy.deepcopy(saved)

    @property
    def mutations(self) -> list[str]:
        return [line for line in self.requests if line.split()[0] not in ("get", "list")]

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        self._enter("get", "Namespace", "kube-system")
        return KubernetesFacts(uid="uid-1", version="v1.34.4", runtimes=frozenset({"containerd"}))

    async def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> JsonObject | None:
        self._enter("get", kind, name)
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, labels: Mapping[str, str] | None = None
    ) -> Sequence[JsonObject]:
        self._enter("list", kind, namespace or "")
        wanted = dict(labels or {}).items()
        return [
            copy.deepcopy(obj)
            for (found_kind, found_namespace, _), obj in self.objects.items()
            if found_kind == kind
            and namespace in (None, found_namespace)
            and wanted <= (obj["metadata"].get("labels") or {}).items()
        ]

    async def create(self, obj: JsonObject) -> JsonObject | None:
        self._enter("create", obj["kind"], obj["metadata"]["name"])
        return None if _key(obj) in self.objects else self._stored(obj)

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        self._enter("apply", obj["kind"], obj["metadata"]["name"])
        return self._stored(obj)

    async def replace(self, obj: JsonObject) -> JsonObject | None:
        self._enter("replace", obj["kind"], obj["metadata"]["name"])
        present = self.objects.get(_key(obj))
        if present is None or present["metadata"]["resourceVersion"] != obj["metadata"].get("resourceVersion"):
            return None
        return self._stored(obj)

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self._enter("delete", kind, name)
        return self.objects.pop((kind, namespace, name), None) is not None

    async def denied(self, verbs: Sequence[AccessNeed]) -> Sequence[AccessNeed]:
        return []

    async def unserved(self, kinds: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        return []

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        self._enter("get", "Release", name)
        return None

    async def missing(self, release: ReleaseState) -> Sequence[str]:
        return ()

    async def edited(self, release: ReleaseState) -> Sequence[EditedConfigMap]:
        return ()

    async def unlock_release(self, name: str, namespace: str, revision: int) -> bool:
        self._enter("unlock", "Release", name)
        return False

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        return []

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        return []

    async def last_words(self, pod: str, namespace: str, container: str) -> str:
        self._enter("get", "Log", f"{pod}/{container}")
        return self.logs.get((pod, container), "")

    async def pod_get(self, namespace: str, pod: str, port: int, path: str) -> str:
        """The page in ``pages``, or what ``on_page`` says."""
        self._enter("get", "Page", f"{pod}:{port}/{path}")
        if self.on_page is not None:
            return self.on_page(namespace, pod, port, path)
        if (namespace, pod, port, path) not in self.pages:
            raise UnreachableError(f"pod {pod} does not answer at port {port}")
        return self.pages[namespace, pod, port, path]

    async def run_pod(self, pod: JsonObject, *, timeout: float) -> PodRun:
        """What ``on_run`` says of the manifest; nothing is stored, as the real one leaves nothing."""
        self._enter("run", "Pod", pod["metadata"].get("name", ""))
        if self.on_run is None:
            raise AssertionError("no pod is expected here")
        return self.on_run(copy.deepcopy(pod))

    def port_forward(self, namespace: str, pod: str, port: int) -> AbstractAsyncContextManager[int]:
        raise AssertionError("nothing to forward to")

    def follow_pod(
        self, namespace: str, choose: Callable[[], Awaitable[str]], port: int, *, local_port: int = 0
    ) -> AbstractAsyncContextManager[int]:
        raise AssertionError("nothing to forward to")

    async def close(self) -> None:
        """Nothing is open."""


class NoPulls:
    """The part of a client factory that only ``verify`` needs."""

    def blobs(self) -> Any:
        raise AssertionError("no blobs")

    def nodes(self, kube: object) -> Any:
        raise AssertionError("no nodes")

    def registry(self, url: str) -> Any:
        raise AssertionError("no registry")

    def traces(self, url: str) -> Any:
        raise AssertionError("no traces")

    def registry_beside(self, node: str) -> Any:
        raise AssertionError("no registry")


def _key(obj: Mapping[str, Any]) -> tuple[str, str | None, str]:
    return obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]
