"""The command lines of kind and docker, as their users type them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

CommandLine = tuple[str, ...]

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
_ADMIN_KUBECONFIG = "/etc/kubernetes/admin.conf"


def create_cluster(name: str, config: Path, kubeconfig: Path, image: str, wait_seconds: int) -> CommandLine:
    """Create a cluster and wait for its control plane; an empty image leaves the choice to kind."""
    line = ("kind", "create", "cluster", "--name", name, "--config", str(config))
    chosen = ("--image", image) if image else ()
    return (*line, *chosen, "--kubeconfig", str(kubeconfig), "--wait", f"{wait_seconds}s")


def delete_cluster(name: str, kubeconfig: Path) -> CommandLine:
    """Delete a cluster; one that is not there is no error to kind."""
    return ("kind", "delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig))


def export_kubeconfig(name: str, kubeconfig: Path) -> CommandLine:
    """Write the kubeconfig of a cluster that exists."""
    return ("kind", "export", "kubeconfig", "--name", name, "--kubeconfig", str(kubeconfig))


def load_archive(archive: Path, name: str, nodes: Iterable[str]) -> CommandLine:
    """Load an image archive into nodes of a cluster, all at once."""
    return ("kind", "load", "image-archive", str(archive), "--name", name, "--nodes", ",".join(nodes))


def docker_facts() -> CommandLine:
    """Ask the engine for its version, platform and image store; also the proof that it answers."""
    return ("docker", "info", "--format", "{{json .}}")


def list_nodes() -> CommandLine:
    """List the containers of all kind clusters: cluster, name, state, separated by tabs."""
    row = f'{{{{.Label "{CLUSTER_LABEL}"}}}}\t{{{{.Names}}}}\t{{{{.State}}}}'
    return ("docker", "ps", "--all", "--filter", f"label={CLUSTER_LABEL}", "--format", row)


def start_nodes(nodes: Iterable[str]) -> CommandLine:
    """Start containers that stopped, as after a reboot."""
    return ("docker", "start", *nodes)


def wait_for_nodes(control_plane: str, seconds: int) -> CommandLine:
    """Wait until every node of a cluster is ready, with the kubectl that kind's nodes bring."""
    line = ("docker", "exec", control_plane, "kubectl", "--kubeconfig", _ADMIN_KUBECONFIG)
    return (*line, "wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={seconds}s")


def node_states(control_plane: str) -> CommandLine:
    """Print every node of a cluster with the status of its condition Ready."""
    line = ("docker", "exec", control_plane, "kubectl", "--kubeconfig", _ADMIN_KUBECONFIG, "--request-timeout=10s")
    columns = r'{range .items[*]}{.metadata.name}{"\t"}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}'
    return (*line, "get", "nodes", "-o", f"jsonpath={columns}")


def resolve_name(node: str, name: str) -> CommandLine:
    """Ask a node's resolver, which is also where the cluster's DNS forwards to."""
    return ("docker", "exec", node, "getent", "ahostsv4", name)


def find_network(name: str) -> CommandLine:
    """Print the network's name if it is there."""
    return ("docker", "network", "ls", "--filter", f"name=^{name}$", "--format", "{{.Name}}")


def network_users(name: str) -> CommandLine:
    """Print how many containers are on the network."""
    return ("docker", "network", "inspect", "--format", "{{len .Containers}}", name)


def remove_network(name: str) -> CommandLine:
    """Remove the network."""
    return ("docker", "network", "rm", name)


def image_id(image: str) -> CommandLine:
    """Print the id of an image that the engine has."""
    return ("docker", "image", "inspect", "--format", "{{.Id}}", image)


def pull_image(image: str) -> CommandLine:
    """Pull an image."""
    return ("docker", "pull", "--quiet", image)


def save_images(archive: Path, images: Iterable[str], platform: str = "") -> CommandLine:
    """Write images into one archive.

    Args:
        archive: The file.
        images: Their names.
        platform: ``linux/amd64``: for engines that keep images of several platforms, of which only one is complete.
    """
    chosen = ("--platform", platform) if platform else ()
    return ("docker", "save", *chosen, "--output", str(archive), *images)


def node_images(node: str) -> CommandLine:
    """List the images in a node's container runtime."""
    return ("docker", "exec", node, "crictl", "images", "--output", "json")
