"""The command lines of docker and go that build images. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dfmc.testbed.binaries.node_catalogue import KIND_VERSION
from dfmc.testbed.kind.images.archive import INPUTS_LABEL

CommandLine = list[str]

# While images are built: a container that waits, and in it containerd, which is given the control plane's images.
BUILD_CONTAINER = "dfmc-kind-node-build"


def inspect_inputs(image: str) -> CommandLine:
    """Ask for the digest an image in the engine was made from; fails where it is not there."""
    return ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{INPUTS_LABEL}"}}}}', image]


def inspect_id(image: str) -> CommandLine:
    """Ask for an image's id; fails where it is not there."""
    return ["docker", "image", "inspect", "--format", "{{.Id}}", image]


def load() -> CommandLine:
    """Take in an image archive from standard input."""
    return ["docker", "load", "--quiet"]


def remove_image(image: str) -> CommandLine:
    """Take a name off an image, or remove the image of an id; fails while a container uses it."""
    return ["docker", "image", "rm", image]


def remove_container(name: str = BUILD_CONTAINER) -> CommandLine:
    """End and remove a container with its volumes; not there is no error."""
    return ["docker", "rm", "--force", "--volumes", name]


def start_container(image: str) -> CommandLine:
    """Start the build container, doing nothing."""
    return [
        "docker",
        "run",
        "--detach",
        "--privileged",
        "--name",
        BUILD_CONTAINER,
        "--entrypoint",
        "sleep",
        image,
        "7200",
    ]


def in_container(*argv: str, stdin: bool = False, detached: bool = False) -> CommandLine:
    """Run a program in the build container."""
    flags = [*(["--interactive"] if stdin else []), *(["--detach"] if detached else [])]
    return ["docker", "exec", *flags, BUILD_CONTAINER, *argv]


def start_containerd() -> CommandLine:
    """Start containerd in the build container. Its state goes where a commit does not see it."""
    return in_container("containerd", "--log-level", "warn", detached=True)


def await_containerd() -> CommandLine:
    """Wait up to 30 s until containerd answers."""
    script = "for _ in $(seq 300); do ctr version >/dev/null 2>&1 && exit 0; sleep 0.1; done; exec ctr version"
    return in_container("sh", "-c", script)


def import_image() -> CommandLine:
    """Give containerd an image archive from standard input, kept packed, and never collected as garbage."""
    argv = (
        "ctr",
        "--namespace=k8s.io",
        "images",
        "import",
        "--label=io.cri-containerd.pinned=pinned",
        "--no-unpack",
        "-",
    )
    return in_container(*argv, stdin=True)


def stop_containerd() -> CommandLine:
    """End containerd and wait until it has."""
    wait = "for _ in $(seq 300); do pgrep -x containerd >/dev/null || exit 0; sleep 0.1; done; exit 1"
    script = f"pkill -TERM -x containerd; {wait}"
    return in_container("sh", "-c", script)


def clean_container() -> CommandLine:
    """Remove what only running left behind: identities that every node must make for itself."""
    return in_container("sh", "-c", "rm -rf /var/lib/containerd/tmpmounts /etc/machine-id /run/containerd /tmp/*")


def commit(image: str, entrypoint: Sequence[str], inputs: str) -> CommandLine:
    """Make an image of the build container, with the entrypoint that `start_container` replaced."""
    quoted = ", ".join(f'"{each}"' for each in entrypoint)
    changes = [f"ENTRYPOINT [{quoted}]", "CMD []", f"LABEL {INPUTS_LABEL}={inputs}"]
    flags = [word for change in changes for word in ("--change", change)]
    return ["docker", "commit", *flags, BUILD_CONTAINER, image]


def download_kind_module(go: str) -> CommandLine:
    """Fetch kind's module, whose files the node image is made of; prints JSON with its directory."""
    return [go, "mod", "download", "-json", f"sigs.k8s.io/kind@{KIND_VERSION}"]
