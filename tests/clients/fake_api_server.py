"""An API server of canned answers, a kubeconfig that leads to it, and the objects it answers with."""

import asyncio
import base64
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pytest_httpserver import HTTPServer

from dfmc.clients.kube import DynamicKube

Object = dict[str, Any]
T = TypeVar("T")


def write_kubeconfig(file: Path, server: str, *, user: Object | None = None, cluster: Object | None = None) -> Path:
    """A kubeconfig with the one context ``kind-a``."""
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
                "users": [{"name": "u", "user": user or {"token": "made-up-token"}}],
                "contexts": [{"name": "kind-a", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )
    return file


class FakeApi:
    """Answers of the API server, and a client that asks it."""

    def __init__(self, server: HTTPServer, folder: Path) -> None:
        self.server = server
        self.kubeconfig = write_kubeconfig(folder / "kubeconfig", server.url_for("").rstrip("/"))

    def answers(self, path: str, body: Mapping[str, Any], *, status: int = 200, method: str = "GET") -> None:
        self.server.expect_request(path, method=method).respond_with_json(dict(body), status=status)

    def answers_once(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        status: int = 200,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The next of several answers to the same request, in the order given."""
        handler = self.server.expect_ordered_request(path, method=method)
        handler.respond_with_json(dict(body), status=status, headers=headers)

    def refuses(self, path: str, status: int, message: str, *, method: str = "GET", **details: Any) -> None:
        self.answers(path, refusal(status, message, **details), status=status, method=method)

    def lists(self, path: str, items: Iterable[Object]) -> None:
        self.answers(path, {"kind": "List", "metadata": {}, "items": list(items)})

    @property
    def requests(self) -> list[str]:
        """Method and path of every request so far."""
        return [f"{request.method} {request.path}" for request, _ in self.server.log]

    def ask(self, question: Callable[[DynamicKube], Awaitable[T]], **options: Any) -> T:
        """Run one question in an event loop of its own."""

        async def run() -> T:
            client = DynamicKube("kind-a", self.kubeconfig, **options)
            try:
                return await question(client)
            finally:
                await client.close()

        return asyncio.run(run())


def refusal(status: int, message: str, *, reason: str = "", causes: Iterable[Object] = ()) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": message,
        "details": {"causes": list(causes)},
    }


def release_payload(**changes: Any) -> Object:
    """What helm stores for the release ``dragonfly``."""
    payload = {
        "name": "dragonfly",
        "namespace": "cluster-b",
        "version": 3,
        "info": {"status": "deployed", "description": "Upgrade complete"},
        "chart": {"metadata": {"name": "dragonfly", "version": "1.7.4", "appVersion": "2.5.1"}, "templates": []},
        "config": {"redis": {"enable": False}, "manager": {"enable": False}},
        "manifest": "---\nkind: ConfigMap\n",
    }
    return {**payload, **changes}


def release_secret(payload: Any, revision: int = 3, labels: Mapping[str, str] | None = None) -> Object:
    """The Secret helm keeps a payload in: JSON, gzip, base64, and the Secret's base64."""
    packed = base64.b64encode(gzip.compress(json.dumps(payload).encode()))
    return release_record(revision, labels) | {"data": {"release": base64.b64encode(packed).decode()}}


def release_record(revision: int, labels: Mapping[str, str] | None = None) -> Object:
    own = {"owner": "helm", "name": "dragonfly", "status": "deployed", "version": str(revision)}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"sh.helm.release.v1.dragonfly.v{revision}",
            "namespace": "cluster-b",
            "resourceVersion": "77",
            "labels": own | dict(labels or {}),
        },
    }


def workload(kind: str, name: str, *, release: str = "dragonfly", **parts: Any) -> Object:
    """A workload that helm installed; ``labels``, ``spec`` and ``status`` as given."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "cluster-b",
            "uid": f"uid-{name}",
            "generation": 2,
            "labels": {"app.kubernetes.io/managed-by": "Helm", **parts.pop("labels", {})},
            "annotations": {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "cluster-b"},
        },
        **parts,
    }


def pod(name: str, owner: Object | None, **parts: Any) -> Object:
    """A pod owned by a workload, through a ReplicaSet where that is a Deployment."""
    labels: dict[str, str] = {}
    references = []
    if owner is not None:
        kind, owner_name, uid = owner["kind"], owner["metadata"]["name"], owner["metadata"]["uid"]
        if kind == "Deployment":
            labels = {"pod-template-hash": "abc12"}
            kind, owner_name, uid = "ReplicaSet", f"{owner_name}-abc12", "uid-of-the-replica-set"
        references = [{"kind": kind, "name": owner_name, "uid": uid, "controller": True}]
    metadata: Object = {"name": name, "namespace": "cluster-b", "uid": f"uid-{name}", "labels": labels}
    metadata |= {"ownerReferences": references, **parts.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"nodeName": "node-1"}, **parts}
