"""The calls dfmc makes, one level above HTTP: objects in, objects out. Synchronous; runs in a thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from dfmc.clients.foreign_text import readable
from dfmc.clients.kube.refusals import Call, Place, refusal
from dfmc.clients.kube.resources import KNOWN, POD, Resource, group_version_path, label_selector, served_resources
from dfmc.clients.kube.transport import Transport
from dfmc.errors import DfmcError, PreflightError

JsonObject = dict[str, Any]

FIELD_MANAGER = "dfmc"
PAGE = 500
_PAGES_AT_MOST = 400
_LAST_LINES = 3
_LAST_BYTES = 2000
_LOG_LINES = 2000
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"  # a JSON body is YAML, too


class Calls:
    """Reads and writes objects of any kind that the API server serves."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._served: dict[str, dict[str, Resource]] = {}
        self._discovering = threading.Lock()

    @property
    def place(self) -> Place:
        """The context, for errors."""
        return self._transport.place

    def find(self, api_version: str, kind: str) -> Resource | None:
        """Return how a kind is served; None when the API server does not know it."""
        known = KNOWN.get((api_version, kind))
        if known is not None:
            return known
        with self._discovering:
            kinds = self._served.get(api_version) or {}
            if kind not in kinds:  # asked again each time: a chart may have installed the kind since
                call = Call("GET", group_version_path(api_version), "get")
                answer = self._transport.send(call, expected={404})
                kinds = {} if answer.status == 404 else served_resources(api_version, answer.json())
                self._served[api_version] = kinds
            return kinds.get(kind)

    def version(self) -> tuple[JsonObject, float | None]:
        """Return what the API server says of its version, and by how many seconds its clock is ahead of ours."""
        answer = self._transport.send(Call("GET", "/version", "get"))
        return answer.json(), answer.clock_ahead

    def serves(self, api_version: str) -> frozenset[str]:
        """Return the kinds that the API server serves in a group and version; empty when it does not know that."""
        answer = self._transport.send(Call("GET", group_version_path(api_version), "get"), expected={404})
        return frozenset() if answer.status == 404 else frozenset(served_resources(api_version, answer.json()))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject | None:
        """Return an object; None when it is not there."""
        call = Call("GET", _path(resource, namespace, name), "get", resource, name, _scope(resource, namespace))
        answer = self._transport.send(call, expected={404})
        return None if answer.status == 404 else answer.json()

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        fields: str = "",
        accept: str = "application/json",
    ) -> Sequence[JsonObject]:
        """Return all objects of a kind in a namespace (None: in all), page by page."""
        selectors = {"labelSelector": label_selector(labels), "fieldSelector": fields}
        query = {"limit": str(PAGE)} | {key: value for key, value in selectors.items() if value}
        items: list[JsonObject] = []
        for _ in range(_PAGES_AT_MOST):
            call = Call(
                "GET",
                resource.path(namespace=namespace),
                "list",
                resource,
                namespace=_scope(resource, namespace),
                query=query,
                accept=accept,
            )
            answer = self._transport.send(call, expected={410})
            if answer.status == 410:  # the list was too long in the reading; once more, in one piece
                items = []
                query = {key: value for key, value in query.items() if key not in ("limit", "continue")}
                continue
            page = answer.json()
            items += page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return [{"apiVersion": resource.api_version, "kind": resource.kind, **item} for item in items]
            query = {**query, "continue": str(token)}
        raise DfmcError(f"{self.place}: there are more than {PAGE * _PAGES_AT_MOST} {resource.plural}")

    def create(self, obj: Mapping[str, Any]) -> JsonObject | None:
        """Create an object; None when one of that name is there."""
        call = self._write("POST", "create", obj, {"fieldManager": FIELD_MANAGER})
        answer = self._transport.send(call, expected={409})
        if answer.status == 409 and answer.reason != "AlreadyExists":
            raise refusal(call, answer, self.place)
        return None if answer.status == 409 else answer.json()

    def review(self, obj: Mapping[str, Any]) -> JsonObject:
        """Ask the API server about ourselves; empty where it does not answer such questions."""
        answer = self._transport.send(self._write("POST", "create", obj, {}), expected={403, 404, 405})
        return answer.json() if answer.status < 300 else {}

    def replace(self, obj: Mapping[str, Any]) -> JsonObject | None:
        """Replace an object; None when somebody was faster or it is gone."""
        call = self._write("PUT", "update", obj, {"fieldManager": FIELD_MANAGER})
        answer = self._transport.send(call, expected={404, 409})
        return None if answer.status in (404, 409) else answer.json()

    def apply(self, obj: Mapping[str, Any], *, force: bool = False) -> JsonObject:
        """Apply server-side."""
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        call = self._write("PATCH", "patch", {**obj, "metadata": metadata}, query, content_type=_APPLY)
        return self._transport.send(call).json()

    def delete(self, resource: Resource, name: str, namespace: str | None = None, *, uid: str = "") -> bool:
        """Delete an object, what it owns in the background; False when it, or the one with that uid, is not there."""
        path, scope = _path(resource, namespace, name), _scope(resource, namespace)
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}} if uid else None
        call = Call("DELETE", path, "delete", resource, name, scope, body=options)
        return self._transport.send(call, expected={404, 409} if uid else {404}).status not in (404, 409)

    def last_words(self, pod: str, namespace: str, container: str) -> str:
        """Return the end of the log of a container's last run that has ended; empty where it is not kept."""
        query = {
            "container": container,
            "previous": "true",
            "tailLines": str(_LAST_LINES),
            "limitBytes": str(_LAST_BYTES),
        }
        call = Call(
            "GET",
            f"{POD.path(pod, namespace)}/log",
            "get",
            POD,
            pod,
            namespace,
            subresource="log",
            query=query,
            accept="*/*",
        )
        answer = self._transport.send(call, expected={400, 404})
        if answer.status != 200:
            return ""
        whole = answer.body
        if len(whole) >= _LAST_BYTES:  # its end was cut, and half a secret would pass the mask
            whole = whole[: whole.rfind(b"\n") + 1]
        return "\n".join(readable(whole, str, _LAST_BYTES).splitlines()[-_LAST_LINES:])

    def pod_log(self, name: str, namespace: str, limit: int) -> str:
        """Return the end of what a pod's only container wrote, ``limit`` characters at most."""
        call = Call(
            "GET",
            POD.path(name, namespace) + "/log",
            "get",
            POD,
            name,
            namespace,
            "log",
            query={"tailLines": str(_LOG_LINES)},
            accept="*/*",
        )
        return self._transport.send(call).body.decode("utf-8", errors="replace")[-limit:]

    def _write(
        self,
        method: str,
        verb: str,
        obj: Mapping[str, Any],
        query: Mapping[str, str],
        content_type: str = "application/json",
    ) -> Call:
        metadata = obj["metadata"]
        resource = self.find(str(obj["apiVersion"]), str(obj["kind"]))
        if resource is None:
            raise PreflightError(
                f"{self.place}: the API server does not know {obj['kind']} ({obj['apiVersion']})",
                next_step=f"see what it serves: {self.place.kubectl('api-resources')}",
            )
        # A review has no name, and creating goes to the collection.
        name, namespace = str(metadata.get("name") or ""), metadata.get("namespace")
        if resource.namespaced and not namespace:
            raise ValueError(f"{resource.kind} {name} has no namespace")
        path = resource.path(None if method == "POST" else name, namespace)
        scope = _scope(resource, namespace)
        return Call(method, path, verb, resource, name, scope, query=query, body=obj, content_type=content_type)


def _path(resource: Resource, namespace: str | None, name: str) -> str:
    if resource.namespaced and not namespace:
        raise ValueError(f"{resource.kind} {name}: a namespace is needed")
    return resource.path(name, namespace)


def _scope(resource: Resource, namespace: str | None) -> str | None:
    return namespace if resource.namespaced else None
