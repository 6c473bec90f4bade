"""The provisioner of the bed's storage class: a directory per claim, which lives and dies with it."""

from __future__ import annotations

import logging
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Any

from dfmc.testbed.cluster_objects import PROVISIONER, STORAGE_CLASS
from dfmc.testbed.kube_api import ApiRefusedError, KubeApi
from dfmc.testbed.supervisor.watching import Change

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

# The scheduler writes this once a pod that uses the claim has a node (volumeBindingMode WaitForFirstConsumer).
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def wants_volume(claim: JsonObject) -> bool:
    """Tell whether a claim waits for this provisioner."""
    spec, metadata = claim["spec"], claim["metadata"]
    return (
        spec.get("storageClassName") == STORAGE_CLASS
        and not spec.get("volumeName")
        and "deletionTimestamp" not in metadata
        and _SELECTED_NODE in (metadata.get("annotations") or {})
    )


def volume_for(claim: JsonObject, directory: Path) -> JsonObject:
    """Return the PersistentVolume for a claim, bound to it from the start."""
    metadata, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}", "annotations": {_PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": STORAGE_CLASS,
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "hostPath": {"path": str(directory), "type": "DirectoryOrCreate"},
        },
    }


def is_released(volume: JsonObject) -> bool:
    """Tell whether a volume of ours has lost its claim and must go."""
    return (
        (volume["metadata"].get("annotations") or {}).get(_PROVISIONED_BY) == PROVISIONER
        and volume.get("status", {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    )


class Provisioner:
    """Answers claims with directories under one root, and removes what was released."""

    def __init__(self, api: KubeApi, root: Path) -> None:
        self._api = api
        self._root = root

    def on_claim(self, change: Change, claim: JsonObject) -> None:
        """Make the volume for a claim that waits for one."""
        if change == "DELETED" or not wants_volume(claim):
            return
        metadata = claim["metadata"]
        directory = self._root / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"
        directory.mkdir(parents=True, exist_ok=True)
        try:
            self._api.create("/api/v1/persistentvolumes", volume_for(claim, directory))
        except ApiRefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise

    def on_volume(self, change: Change, volume: JsonObject) -> None:
        """Remove a released volume with its data."""
        if change == "DELETED" or not is_released(volume):
            return
        directory = Path(volume["spec"]["hostPath"]["path"])
        if directory.parent == self._root:
            shutil.rmtree(directory, ignore_errors=True)
        self._api.delete(f"/api/v1/persistentvolumes/{volume['metadata']['name']}", uid=volume["metadata"]["uid"])
        log.info("removed volume %s", volume["metadata"]["name"])
