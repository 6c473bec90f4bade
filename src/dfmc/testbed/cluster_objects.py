"""Nodes, Stages and the storage class of a cluster: what they look like, and putting them there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from dfmc.errors import NotReadyError
from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.binaries.catalogue import KUBERNETES_VERSION
from dfmc.testbed.binaries.download import go_architecture
from dfmc.testbed.kube_api import ApiRefusedError, KubeApi
from dfmc.testbed.plan import ClusterPlan, NodePlan
from dfmc.testbed.stages import stages

# kind's own class and provisioner, so that claims look as they do in the guide; the supervisor makes the volumes.
PROVISIONER = "rancher.io/local-path"
STORAGE_CLASS = "standard"

CONTAINER_RUNTIME = "containerd://2.1.0"

_NODES_SECONDS = 60.0
_STAMP_PATH = "/api/v1/namespaces/kube-system/configmaps/dfmc-testbed"


def node_object(node: NodePlan, block: AddressBlock, architecture: str) -> dict[str, Any]:
    """Return a Node as its kubelet would register it."""
    resources = {
        "cpu": "64",
        "memory": "256Gi",
        "pods": "250",
        "ephemeral-storage": "1Ti",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }
    labels = {
        **node.labels,
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
    }
    spec: dict[str, Any] = {"podCIDR": block.node_pod_cidr(node.number), "podCIDRs": [block.node_pod_cidr(node.number)]}
    if node.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
        labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
        spec["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": block.node_address(node.number)},
                {"type": "Hostname", "address": node.name},
            ],
            "allocatable": resources,
            "capacity": resources,
            "nodeInfo": {
                "architecture": architecture,
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "kernelVersion": "6.1.0",
                "containerRuntimeVersion": CONTAINER_RUNTIME,
                "kubeletVersion": KUBERNETES_VERSION,
                "kubeProxyVersion": "",
                "machineID": hashlib.md5(node.name.encode(), usedforsecurity=False).hexdigest(),
                "systemUUID": "",
                "bootID": "",
            },
        },
    }


def storage_class() -> dict[str, Any]:
    """Return the default storage class: volumes are made once a pod that wants one is scheduled."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def ensure_objects(api: KubeApi, plan: ClusterPlan, clients: bool) -> list[str]:
    """Put Stages, storage class and missing nodes in place; return the names of the nodes that were added.

    A ConfigMap remembers a digest of what was applied, so that a second call only reads.

    Args:
        api: The cluster's API server.
        plan: The cluster.
        clients: Whether the bed runs clients and seed clients.

    Raises:
        ApiRefusedError: The API server refused.
        UnreachableError: It does not answer.
    """
    applied = [
        *((f"/apis/kwok.x-k8s.io/v1alpha1/stages/{stage['metadata']['name']}", stage) for stage in stages(clients)),
        (f"/apis/storage.k8s.io/v1/storageclasses/{STORAGE_CLASS}", storage_class()),
    ]
    digest = hashlib.sha256(json.dumps(applied, sort_keys=True).encode()).hexdigest()
    stamp = api.get(_STAMP_PATH)
    if stamp is None or stamp.get("data", {}).get("applied") != digest:
        for path, body in applied:
            api.patch(path, body, "apply")
        _write_stamp(api, digest)
    present = {node["metadata"]["name"] for node in api.list("/api/v1/nodes")[0]}
    added = []
    for node in plan.nodes:
        if node.name not in present:
            try:
                api.create("/api/v1/nodes", node_object(node, plan.block, go_architecture()))
            except ApiRefusedError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
            added.append(node.name)
    return added


def wait_for_nodes(api: KubeApi, plan: ClusterPlan) -> None:
    """Wait until every node of the plan is ready and takes pods.

    Raises:
        NotReadyError: kwok did not make them ready in time.
    """
    deadline = time.monotonic() + _NODES_SECONDS
    names = {node.name for node in plan.nodes}
    waiting: list[str] = []
    while time.monotonic() < deadline:
        nodes = [node for node in api.list("/api/v1/nodes")[0] if node["metadata"]["name"] in names]
        waiting = [node["metadata"]["name"] for node in nodes if not _takes_pods(node)]
        if not waiting:
            return
        time.sleep(0.1)
    raise NotReadyError(
        f"nodes of {plan.context} did not become ready within {_NODES_SECONDS:.0f} s",
        why=f"waiting for {', '.join(waiting)}",
        next_step="dfmc testbed up (goes on)",
    )


def _takes_pods(node: Mapping[str, Any]) -> bool:
    tainted = any(taint["key"] == "node.kubernetes.io/not-ready" for taint in node["spec"].get("taints") or [])
    conditions = node["status"].get("conditions") or []
    return not tainted and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _write_stamp(api: KubeApi, digest: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "dfmc-testbed", "namespace": "kube-system"},
        "data": {"applied": digest},
    }
    api.patch(_STAMP_PATH, body, "apply")
