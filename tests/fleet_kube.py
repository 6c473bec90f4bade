"""Kubernetes clusters in memory that keep helm releases as the real ones do, and a helm that installs rendered charts.

A release is a row of Secrets, one a revision, with helm's own payload; its objects are what the stand-in chart renders.
Pods follow from the workloads: one whose template changed is a new pod, with a new address, that reads its ConfigMap
then. What Kubernetes refuses to change in place is refused here, in the middle of a helm run, as there.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from dfmc.clients.kube.edits import edited_config_map
from dfmc.clients.kube.release import decoded, newest, unlocked
from dfmc.clients.kube.workloads import belongs_to, component_of, workload_state
from dfmc.clients.manifest import config_maps, object_names
from dfmc.clients.protocols import JsonObject
from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import UnreachableError
from dfmc.state import EditedConfigMap, KubernetesFacts, PodState, ReleaseState, WorkloadState
from fakes import FakeKube

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_READING = ("get", "list")


class StoppedError(Exception):
    """The run was killed here; nothing that it asks afterwards is answered either."""


class Points:
    """Every moment at which a run may end: before and after each change that it makes anywhere."""

    def __init__(self) -> None:
        self.seen = 0
        self.stop_at = 0
        self.stop: Callable[[], None] = lambda: None
        self.is_dead = False
        self.log: list[str] = []

    def pass_by(self, what: str = "") -> None:
        """Note a moment, and end the run at the one that was chosen."""
        self.alive()
        self.seen += 1
        if what:
            self.log.append(what)
        if self.seen == self.stop_at:
            self.stop()

    def alive(self) -> None:
        """Raise where the run is dead already."""
        if self.is_dead:
            raise StoppedError

    def kill(self) -> None:
        """End the run as SIGKILL does."""
        self.is_dead = True
        raise StoppedError


@dataclass
class Pod:
    """A pod, with the configuration that it read when it started."""

    name: str
    component: str
    ip: str
    template: str
    config: Mapping[str, str]
    started: float
    is_registered: bool = False

    @property
    def uid(self) -> str:
        """Of this pod alone, as its address is."""
        return f"pod-{self.ip}"

    @property
    def scheduler_cluster_id(self) -> int:
        """Which cluster a scheduler's configuration names."""
        number: int = read_yaml(self.config["scheduler.yaml"])["manager"]["schedulerClusterID"]
        return number


class FleetKube(FakeKube):
    """One Kubernetes cluster.

    Args:
        name: Of its context.
        points: Of the run.
        address: Makes a pod address that nobody had before.
        wall: The time of day, in seconds since 1970.
    """

    def __init__(self, name: str, points: Points, address: Callable[[], str], wall: Callable[[], float]) -> None:
        super().__init__()
        self.name, self.points, self._address, self._wall = name, points, address, wall
        self.is_down = False
        self.is_gone = False
        self.written: list[tuple[str, str]] = []
        self.running: dict[tuple[str, str], Pod] = {}

    def _enter(self, verb: str, kind: str, name: str) -> None:
        self.points.alive()
        if self.is_down or self.is_gone:
            raise UnreachableError(f"context {self.name} does not answer", why="connection refused")
        super()._enter(verb, kind, name)

    def _changes(self, verb: str, kind: str, namespace: str | None, name: str) -> None:
        self.points.pass_by(f"{self.name}: {verb} {kind} {namespace or ''}/{name}")
        if kind != "Lease":
            self.written.append((name if kind == "Namespace" else namespace or "", f"{verb} {kind} {name}"))

    def _stored(self, obj: JsonObject) -> JsonObject:
        known = self.objects.get((obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"]))
        obj = copy.deepcopy(obj)
        obj["metadata"]["uid"] = known["metadata"]["uid"] if known else f"uid-{self.name}-{self._version}"
        return super()._stored(obj)

    # --- objects -----------------------------------------------------------------------------------------------

    async def facts(self, *, node_selector: Mapping[str, str]) -> KubernetesFacts:
        found = await super().facts(node_selector=node_selector)
        return KubernetesFacts(f"uid-{self.name}", found.version, found.runtimes)

    async def create(self, obj: JsonObject) -> JsonObject | None:
        self._changes("create", obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
        made = await super().create(obj)
        self.points.pass_by()
        return made

    async def replace(self, obj: JsonObject) -> JsonObject | None:
        self._changes("replace", obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
        made = await super().replace(obj)
        self.points.pass_by()
        return made

    async def apply(self, obj: JsonObject, *, force: bool = False) -> JsonObject:
        metadata = obj["metadata"]
        self._changes("apply", obj["kind"], metadata.get("namespace"), metadata["name"])
        known = self.objects.get((obj["kind"], metadata.get("namespace"), metadata["name"]))
        merged = _merged(known, obj) if known else obj
        if obj["kind"] == "Service":  # whose selector is its own: what it no longer asks for goes
            merged = {**merged, "spec": {**merged["spec"], "selector": obj["spec"]["selector"]}}
        made = await super().apply(merged, force=force)
        self.settle()
        self.points.pass_by()
        return made

    async def delete(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, uid: str = ""
    ) -> bool:
        self._changes("delete", kind, namespace, name)
        if kind == "Namespace":
            self.objects = {key: obj for key, obj in self.objects.items() if key[1] != name}
        known = self.objects.get((kind, namespace, name))
        is_other = bool(known and uid and known["metadata"]["uid"] != uid)
        done = not is_other and await super().delete(api_version, kind, name, namespace)
        self.settle()
        self.points.pass_by()
        return done

    def edit_config_map(self, namespace: str, name: str, change: Callable[[str], str]) -> None:
        """Change a ConfigMap's text as somebody with kubectl would."""
        obj = self.objects["ConfigMap", namespace, name]
        (key, text), *_ = obj["data"].items()
        obj["data"][key] = change(text)
        time = datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        obj["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "time": time}]

    # --- releases ----------------------------------------------------------------------------------------------

    def records(self, name: str, namespace: str) -> list[JsonObject]:
        """Return the Secrets of a release, one a revision."""
        marks = {"owner": "helm", "name": name}.items()
        return [
            obj
            for (kind, place, _), obj in self.objects.items()
            if (kind, place) == ("Secret", namespace) and marks <= (obj["metadata"].get("labels") or {}).items()
        ]

    def live(self, name: str, namespace: str) -> ReleaseState | None:
        """Return the newest revision without being asked over the network."""
        found = newest(self.records(name, namespace))
        return decoded(found) if found else None

    async def release(self, name: str, namespace: str) -> ReleaseState | None:
        self._enter("get", "Release", name)
        return self.live(name, namespace)

    async def missing(self, release: ReleaseState) -> Sequence[str]:
        self._enter("list", "Objects", release.name)
        return [
            str(one)
            for one in object_names(release.manifest)
            if (one.kind, one.namespace or release.namespace, one.name) not in self.objects
        ]

    async def edited(self, release: ReleaseState) -> Sequence[EditedConfigMap]:
        self._enter("list", "ConfigMap", release.name)
        found = []
        for (namespace, name), data in config_maps(release.manifest).items():
            live = self.objects.get(("ConfigMap", namespace or release.namespace, name))
            if live and (edit := edited_config_map(live, data)):
                found.append(edit)
        return sorted(found, key=lambda edit: edit.name)

    async def unlock_release(self, name: str, namespace: str, revision: int) -> bool:
        self._enter("get", "Release", name)
        secret = self.objects.get(("Secret", namespace, f"sh.helm.release.v1.{name}.v{revision}"))
        free = unlocked(secret) if secret else None
        return free is not None and await self.replace(free) is not None

    async def workloads(self, release: str, namespace: str) -> Sequence[WorkloadState]:
        self._enter("list", "Workload", release)
        return [workload_state(_rolled_out(one), release) for one in self._workloads(namespace, release)]

    async def pods(self, release: str, namespace: str) -> Sequence[PodState]:
        self._enter("list", "Pod", release)
        names = {one["metadata"]["name"] for one in self._workloads(namespace, release)}
        return [
            PodState(pod.name, pod.component, "Running", True, pod.ip, "node", uid=pod.uid, started=pod.started)
            for (place, _), pod in self.running.items()
            if place == namespace and pod.name.rpartition("-")[0] in names
        ]

    def _workloads(self, namespace: str, release: str = "") -> list[JsonObject]:
        return [
            obj
            for (kind, place, _), obj in self.objects.items()
            if kind in WORKLOADS and place == namespace and (not release or belongs_to(obj, release, namespace))
        ]

    # --- what controllers and kubelets do ----------------------------------------------------------------------

    def settle(self) -> None:
        """Let pods be what the workloads ask for; volume claims are made and stay."""
        wanted: dict[tuple[str, str], tuple[JsonObject, str]] = {}
        for (kind, namespace, name), obj in self.objects.items():
            if kind in WORKLOADS and namespace:
                count = 1 if kind == "DaemonSet" else obj["spec"].get("replicas", 1)
                wanted |= {(namespace, f"{name}-{index}"): (obj, name) for index in range(count)}
        self.running = {key: pod for key, pod in self.running.items() if key in wanted}
        for (namespace, pod_name), (obj, name) in wanted.items():
            template = json.dumps(obj["spec"]["template"], sort_keys=True)
            known = self.running.get((namespace, pod_name))
            if known and known.template == template:
                continue
            config = self.objects.get(("ConfigMap", namespace, name), {}).get("data") or {}
            volumes = obj["spec"]["template"]["spec"].get("volumes") or ()
            if not config and any((volume.get("configMap") or {}).get("name") == name for volume in volumes):
                self.running.pop((namespace, pod_name), None)  # the kubelet waits for the ConfigMap
                continue
            release = obj["metadata"]["annotations"]["meta.helm.sh/release-name"]
            ip = self._address()
            self.running[namespace, pod_name] = Pod(
                pod_name, component_of(obj, release), ip, template, dict(config), self._wall()
            )
            self._claims(obj, namespace, pod_name)

    def _claims(self, workload: JsonObject, namespace: str, pod: str) -> None:
        for template in workload["spec"].get("volumeClaimTemplates") or ():
            name = f"{template['metadata']['name']}-{pod}"
            if ("PersistentVolumeClaim", namespace, name) not in self.objects:
                labels = workload["spec"]["selector"]["matchLabels"]
                metadata = {"name": name, "namespace": namespace, "labels": labels}
                self._stored({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata})


@lru_cache(4096)
def read_yaml(text: str) -> Any:
    """Return what a text says; nobody may change that."""
    return load_yaml(text.encode())


def _merged(known: Any, given: Any) -> Any:
    if isinstance(known, Mapping) and isinstance(given, Mapping):
        return {**known, **{key: _merged(known.get(key), value) for key, value in given.items()}}
    return given


def _rolled_out(workload: JsonObject) -> JsonObject:
    """Return the workload with the status of one whose pods are all new and ready."""
    count = 1 if workload["kind"] == "DaemonSet" else workload["spec"].get("replicas", 1)
    names = ("replicas", "readyReplicas", "updatedReplicas")
    if workload["kind"] == "DaemonSet":
        names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        return {**workload, "status": {**dict.fromkeys((*names, "updatedNumberScheduled"), 1), "observedGeneration": 1}}
    return {**workload, "status": {**dict.fromkeys(names, count), "observedGeneration": 1}}
