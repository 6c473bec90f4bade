"""What the supervisor writes for a pod besides its status: events, and where kwok finds its ports and log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

KWOK_API = "kwok.x-k8s.io/v1alpha1"


def event_of(pod: Mapping[str, Any], kind: str, reason: str, message: str, time: str) -> JsonObject:
    """Return an event of a pod, as its kubelet would record it.

    Args:
        pod: The Pod object.
        kind: ``Normal`` or ``Warning``.
        reason: One word.
        message: A sentence.
        time: RFC 3339.
    """
    metadata = pod["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}."},
        "type": kind,
        "reason": reason,
        "message": message,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }


def port_forward_of(pod: Mapping[str, Any], listen: str, ports: Iterable[int]) -> JsonObject:
    """Return kwok's PortForward of exactly this pod: an entry for each port that it declares or ``ports`` adds."""
    declared = [port["containerPort"] for c in pod["spec"]["containers"] for port in c.get("ports") or []]
    every = dict.fromkeys([*declared, *ports])
    forwards = [{"ports": [port], "target": {"address": listen, "port": port}} for port in every]
    return _owned(pod, "PortForward", {"forwards": forwards})


def logs_of(pod: Mapping[str, Any], current: Path, previous: Path) -> JsonObject:
    """Return kwok's Logs of exactly this pod."""
    entry = {"logsFile": str(current), "previousLogsFile": str(previous), "follow": False}
    return _owned(pod, "Logs", {"logs": [entry]})


def _owned(pod: Mapping[str, Any], kind: str, spec: JsonObject) -> JsonObject:
    metadata = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": KWOK_API,
        "kind": kind,
        "metadata": {"name": metadata["name"], "ownerReferences": [owner]},
        "spec": spec,
    }
