"""Pulls on nodes: by a short-lived pod that enters the node's mount namespace, or in kind's container.

The pod is privileged and shares the node's process ids, so that ``nsenter -t 1 -m`` reaches the node's own crictl or
ctr and its runtime's socket. Its image is one that the node has already: the init container's of the Dragonfly client.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from typing import Any

from dfmc.clients.child_process import ChildDeadlineError, run_child
from dfmc.clients.foreign_text import readable
from dfmc.clients.protocols import JsonObject, KubeClient
from dfmc.errors import AuthError, DfmcError, NotReadyError, PreflightError, UsageError
from dfmc.state import KIND_PROVIDER, NodePull

NAME = "dfmc-verify"
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_FACT = re.compile(r"^dfmc-([a-z]+)=(\w+)$", re.MULTILINE)

# Arguments: the image, the tool. Answers with lines `dfmc-…=…`; on failure with the end of what the tool said.
SCRIPT = """
set -u
PATH=${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin:/var/lib/rancher/rke2/bin
image=$1
now() { n=$(date +%s%N); case $n in *[!0-9]*) echo "$(date +%s)000000000" ;; *) echo "$n" ;; esac; }
if [ "$2" = docker ] || [ "$2" = podman ]; then
  engine=$2
  present() { "$engine" image inspect "$image" >/dev/null 2>&1; }
  pull() { "$engine" pull --quiet "$image"; }
  remove() { "$engine" rmi "$image"; }
elif [ "$2" != ctr ] && command -v crictl >/dev/null 2>&1; then
  present() { crictl inspecti -q "$image" >/dev/null 2>&1; }
  pull() { crictl pull "$image"; }
  remove() { crictl rmi "$image"; }
elif command -v ctr >/dev/null 2>&1; then
  present() { ctr -n k8s.io images ls -q | grep -Fxq -- "$image"; }
  pull() { ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d "$image"; }
  remove() { ctr -n k8s.io images rm --sync "$image"; }
else
  echo "neither crictl nor ctr is on the node"; exit 127
fi
if present; then echo dfmc-present=yes; exit 0; fi
start=$(now)
if ! said=$(pull 2>&1); then printf '%s\\n' "$said" | tail -n 5; exit 1; fi
end=$(now)
echo "dfmc-milliseconds=$(( (end - start) / 1000000 ))"
remove >/dev/null 2>&1 || echo dfmc-kept=yes
"""


class ShortPodNodes:
    """Implements ``clients.pull_protocols.NodeAccess`` with a pod on the node.

    Args:
        kube: Makes the pod.
        mask: Replaces secrets in what the runtime says.
    """

    def __init__(self, kube: KubeClient, mask: Callable[[str], str] = str) -> None:
        self._kube = kube
        self.mask = mask

    async def pull(self, *, namespace: str, client: str, node: str, image: str, tool: str, timeout: float) -> NodePull:
        """See ``NodeAccess.pull``."""
        check_reference(image)
        found = await self._kube.get("v1", "Pod", client, namespace)
        if found is None:
            raise NotReadyError(f"pod {client} is not there any more", next_step="try again")
        started = time.monotonic()
        run = await self._kube.run_pod(pulling_pod(found, node, image, tool), timeout=timeout)
        return node_pull(run.exit_code, self.mask(run.output), node, image, time.monotonic() - started)


class KindNodes:
    """Implements ``clients.pull_protocols.NodeAccess`` with ``docker exec``, for nodes that are kind's containers.

    Args:
        docker: Absolute path of docker.
        otherwise: Takes the nodes that are none of kind's on this machine.
    """

    def __init__(self, kube: KubeClient, docker: str, otherwise: ShortPodNodes) -> None:
        self._kube = kube
        self._docker = docker
        self._otherwise = otherwise

    async def pull(self, *, namespace: str, client: str, node: str, image: str, tool: str, timeout: float) -> NodePull:
        """See ``NodeAccess.pull``."""
        check_reference(image)
        try:
            found = await self._kube.get("v1", "Node", node)
        except AuthError:  # nodes are kind's only where we are their administrator
            found = None
        provider = str(((found or {}).get("spec") or {}).get("providerID") or "")
        if not provider.startswith(KIND_PROVIDER) or not await self._is_container(node):
            return await self._otherwise.pull(
                namespace=namespace, client=client, node=node, image=image, tool=tool, timeout=timeout
            )
        started = time.monotonic()
        argv = [self._docker, "exec", node, "sh", "-c", SCRIPT, "sh", image, tool]
        try:
            ended = await run_child(argv, environment=os.environ, deadline=timeout)
        except ChildDeadlineError as error:
            raise NotReadyError(f"the pull on {node} has not ended within {timeout:.0f} s") from error
        except OSError as error:
            raise PreflightError("docker cannot be run", why=error.strerror or str(error)) from error
        output = self._otherwise.mask((ended.stdout + ended.stderr).decode("utf-8", errors="replace"))
        return node_pull(ended.returncode, output, node, image, time.monotonic() - started)

    async def _is_container(self, node: str) -> bool:
        argv = [self._docker, "container", "inspect", "--format", "{{.State.Running}}", node]
        try:
            ended = await run_child(argv, environment=os.environ, deadline=30.0)
        except (ChildDeadlineError, OSError):
            return False
        return ended.returncode == 0 and ended.stdout.strip() == b"true"


def node_access(kube: KubeClient, mask: Callable[[str], str]) -> ShortPodNodes | KindNodes:
    """Return the way to the nodes of a cluster: docker where there is one, for kind's nodes; else pods."""
    pods = ShortPodNodes(kube, mask)
    docker = shutil.which("docker")
    return KindNodes(kube, docker, pods) if docker else pods


def check_reference(image: str) -> None:
    """Refuse what is no image reference.

    Raises:
        UsageError: It has a sign that no reference has, or begins like an option.
    """
    if not _REFERENCE.fullmatch(image):
        raise UsageError(f"{image!r} is no reference of an image")


def pulling_pod(client: JsonObject, node: str, image: str, tool: str) -> JsonObject:
    """Return the pod that pulls on the client's node, made of what that node has already."""
    spec: dict[str, Any] = client.get("spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    made: dict[str, Any] = {
        "nodeName": node,
        "hostPID": True,
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],
        "containers": [
            {
                "name": "pull",
                "image": str(containers[0]["image"]) if containers else "busybox",
                "imagePullPolicy": "IfNotPresent",
                "command": ["nsenter", "-t", "1", "-m", "--", "sh", "-c", SCRIPT, "sh", image, tool],
                "securityContext": {"privileged": True},
            }
        ],
    }
    if spec.get("imagePullSecrets"):
        made["imagePullSecrets"] = spec["imagePullSecrets"]
    metadata = {"name": NAME, "namespace": client["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": made}


def node_pull(exit_code: int, output: str, node: str, image: str, seconds: float) -> NodePull:
    """Return what the script's output says.

    Raises:
        DfmcError: The pull failed, in the runtime's words.
    """
    facts = dict(_FACT.findall(output))
    if facts.get("present") == "yes":
        return NodePull(0.0, was_present=True)
    milliseconds = facts.get("milliseconds", "")
    if exit_code != 0 or not milliseconds:
        raise DfmcError(
            f"the runtime of {node} could not pull {image}",
            why=readable(output.encode(), str, 400) or f"exit code {exit_code}",
            next_step=f"check that {node} reaches the registry, and the name",
        )
    measured = int(milliseconds) / 1000 if milliseconds.isdigit() else seconds
    return NodePull(measured, is_kept=facts.get("kept") == "yes")
