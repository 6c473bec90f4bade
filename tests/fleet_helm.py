"""A helm on a cluster in memory that installs rendered charts, in the steps in which the real one works.

What Kubernetes refuses to change in place is refused in the middle of a run, as there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dfmc.clients.kube.release import decoded, encoded, newest
from dfmc.clients.manifest import documents, object_names
from dfmc.clients.protocols import JsonObject
from dfmc.errors import RecoveryError
from dfmc.state import ReleaseState
from fleet_kube import WORKLOADS, FleetKube

_IMMUTABLE = {
    "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"),
    "Deployment": ("selector",),
    "DaemonSet": ("selector",),
}


class FleetHelm:
    """helm on one Kubernetes cluster, in the steps in which the real one works.

    Args:
        kube: The cluster.
        render: Makes manifests of a chart's archive, the release's name, its namespace and values.
    """

    def __init__(self, kube: FleetKube, render: Callable[[Path, str, str, Mapping[str, Any]], str]) -> None:
        self._kube, self._render = kube, render

    async def version(self) -> str:
        return "3.19.4"

    async def template(self, *, release: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> str:
        return self._render(chart, release, namespace, values)

    async def show_values(self, chart: Path) -> JsonObject:
        raise AssertionError("the facts of these charts are known")

    async def upgrade(
        self,
        *,
        release: str,
        namespace: str,
        chart: Path,
        values: Mapping[str, Any],
        labels: Mapping[str, str],
        description: str,
    ) -> None:
        kube = self._kube
        kube._enter("get", "Release", release)
        live = kube.live(release, namespace)
        if live and (live.is_pending or live.status == "uninstalling"):
            raise RecoveryError("helm failed", why=f"the release is {live.status}")
        manifest = self._render(chart, release, namespace, values)
        payload = {
            "name": release,
            "namespace": namespace,
            "version": live.revision + 1 if live else 1,
            "chart": {"metadata": _metadata(chart)},
            "config": copy.deepcopy(dict(values)),
            "manifest": manifest,
            "info": {"status": "pending-upgrade" if live else "pending-install", "description": description},
        }
        kube._changes("helm upgrade", "Release", namespace, release)
        deployed = [one for one in kube.records(release, namespace) if decoded(one).status == "deployed"]
        base = decoded(deployed[0]) if deployed else live
        self._record(payload, labels)
        kube.points.pass_by("helm has begun")
        try:
            self._put(manifest, base.manifest if base else "", release, namespace)
        except RecoveryError:
            self._record(_with_status(payload, "failed"), labels)
            raise
        kube.points.pass_by("helm has applied everything")
        for one in deployed:
            state = decoded(one)
            self._mark(one, state, "superseded")
        self._record(_with_status(payload, "deployed"), labels)
        kube.settle()
        kube.points.pass_by()

    def _put(self, manifest: str, before: str, release: str, namespace: str) -> None:
        kube = self._kube
        wanted = [_owned(one, release, namespace) for one in _documents(manifest)]
        old = {_place(one, namespace): one for one in _documents(before)}
        for index, obj in enumerate(wanted):
            if index == len(wanted) // 2:
                kube.settle()
                kube.points.pass_by("helm is half way")
            key = _place(obj, namespace)
            live = kube.objects.get(key)
            if live:
                _refuse_immutable(live, obj)
                obj = _patched(live, obj, old.get(key))
            kube._stored(obj)
        for key in old.keys() - {_place(one, namespace) for one in wanted}:
            kube.objects.pop(key, None)

    def _record(self, payload: Mapping[str, Any], labels: Mapping[str, str]) -> None:
        revision, name = payload["version"], payload["name"]
        marks = {"owner": "helm", "name": name, "status": payload["info"]["status"], "version": str(revision)}
        metadata = {
            "name": f"sh.helm.release.v1.{name}.v{revision}",
            "namespace": payload["namespace"],
            "labels": {**marks, **labels},
        }
        self._kube._stored({"kind": "Secret", "metadata": metadata, "data": {"release": encoded(payload)}})

    def _mark(self, secret: JsonObject, state: ReleaseState, status: str) -> None:
        payload = {
            "name": state.name,
            "namespace": state.namespace,
            "version": state.revision,
            "chart": {"metadata": {"name": state.chart_name, "version": state.chart_version}},
            "config": dict(state.values),
            "manifest": state.manifest,
            "info": {"status": status, "description": state.description},
        }
        self._record(payload, state.labels)

    async def uninstall(self, *, release: str, namespace: str) -> None:
        kube = self._kube
        kube._enter("get", "Release", release)
        live = kube.live(release, namespace)
        if live is None:
            return
        kube._changes("helm uninstall", "Release", namespace, release)
        secret = newest(kube.records(release, namespace))
        assert secret is not None
        self._mark(dict(secret), live, "uninstalling")
        kube.points.pass_by("helm has begun to uninstall")
        names = object_names(live.manifest)
        for index, one in enumerate(names):
            if index == len(names) // 2:
                kube.settle()
                kube.points.pass_by("helm is half way")
            kube.objects.pop((one.kind, one.namespace or namespace, one.name), None)
        kube.settle()
        for revision in kube.records(release, namespace):
            kube.objects.pop(("Secret", namespace, revision["metadata"]["name"]))
        kube.points.pass_by()


def _with_status(payload: Mapping[str, Any], status: str) -> dict[str, Any]:
    return {**payload, "info": {**payload["info"], "status": status}}


@lru_cache(256)
def _parsed(manifest: str) -> tuple[JsonObject, ...]:
    return tuple(documents(manifest))


def _documents(manifest: str) -> Iterator[JsonObject]:
    return iter(copy.deepcopy(_parsed(manifest)))


def _metadata(chart: Path) -> dict[str, str]:
    name, _, version = chart.name.removesuffix(".tgz").rpartition("-")
    return {"name": name, "version": version, "appVersion": "2"}


def _place(obj: JsonObject, namespace: str) -> tuple[str, str | None, str]:
    return obj["kind"], obj["metadata"].get("namespace") or namespace, obj["metadata"]["name"]


def _owned(obj: JsonObject, release: str, namespace: str) -> JsonObject:
    """Return a rendered object with what helm adds to each."""
    metadata = obj["metadata"]
    metadata["namespace"] = metadata.get("namespace") or namespace
    metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    return obj


def _refuse_immutable(live: JsonObject, wanted: JsonObject) -> None:
    kind, name = wanted["kind"], wanted["metadata"]["name"]
    before, after = live.get("spec") or {}, wanted.get("spec") or {}
    changed = [key for key in _IMMUTABLE.get(kind, ()) if before.get(key) != after.get(key)]
    if kind == "Service" and (before.get("clusterIP") or "") != (after.get("clusterIP") or ""):
        changed.append("clusterIP")
    if changed:
        why = f'cannot patch "{name}" with kind {kind}: spec.{changed[0]}: Invalid value: field is immutable'
        raise RecoveryError("helm failed", why=why)


def _patched(live: JsonObject, wanted: JsonObject, before: JsonObject | None) -> JsonObject:
    """Return the object after helm's three-way merge: keys that no manifest ever had stay."""
    if wanted["kind"] == "ConfigMap":
        known = (before or {}).get("data") or {}
        foreign = {key: text for key, text in (live.get("data") or {}).items() if key not in known}
        wanted["data"] = foreign | (wanted.get("data") or {})
    if wanted["kind"] in WORKLOADS:
        at = ("kubectl.kubernetes.io/restartedAt",)
        annotations = live["spec"]["template"]["metadata"].get("annotations") or {}
        kept = {key: annotations[key] for key in at if key in annotations}
        if kept:
            template = wanted["spec"]["template"]["metadata"]
            template["annotations"] = {**(template.get("annotations") or {}), **kept}
    return wanted
