"""What the node image consists of. Pure.

Units, entrypoint and containerd's settings are kind's own, taken from kind's Go module (Apache-2.0) when the image is
built; what differs from kind's image is here: Debian's containerd, this project's network instead of kindnetd, and
settings for machines that lack CAP_SYS_RESOURCE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from dfmc.testbed.binaries.catalogue import KUBERNETES_VERSION
from dfmc.testbed.binaries.node_catalogue import KIND_VERSION
from dfmc.testbed.kind.images import debian
from dfmc.testbed.kind.images.archive import RunSettings
from dfmc.testbed.kind.images.catalogue import HELPER_IMAGE, NODE_IMAGES, PROVISIONER_IMAGE, Image
from dfmc.testbed.kind.images.contents import data_file, text
from dfmc.testbed.kind.images.layers import Directory, Entry, File, Link

NODE_IMAGE = f"dfmc.io/kind-node:{KUBERNETES_VERSION}"

KIND_FILES = "images/base/files"
"""Where kind's module keeps what its own base image consists of."""

ENTRYPOINT = ("/usr/local/bin/entrypoint", "/sbin/init")

_UNITS = "etc/systemd/system"
_ENABLED = ("kubelet.service", "containerd.service", "undo-mount-hacks.service", "node-network.service")
_PLUGINS = ("host-local", "loopback", "ptp", "portmap")
_RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr")

# Without CAP_SYS_RESOURCE containerd may not lower a container's OOM score and would start none; with it, containers
# that are to survive longest survive a little less long. The directory is where mirrors of registries are named.
_CONTAINERD_EDITS = (("restrict_oom_score_adj = false", "restrict_oom_score_adj = true"),)
_CONTAINERD_REGISTRY = """
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "/etc/containerd/certs.d"
"""


def containerd_config(of_kind: str) -> str:
    """Return kind's containerd configuration with the changes of this image.

    Raises:
        ValueError: A setting to change is not there: kind's file has changed its form.
    """
    for old, new in _CONTAINERD_EDITS:
        if old not in of_kind:
            raise ValueError(f"kind's containerd configuration has no line {old!r}")
        of_kind = of_kind.replace(old, new)
    return of_kind + _CONTAINERD_REGISTRY


def kind_entries(kind_files: Path) -> list[Entry]:
    """Return kind's own files: programs under ``bin`` directories executable, containerd's settings edited."""
    entries: list[Entry] = []
    for file in sorted(path for path in kind_files.rglob("*") if path.is_file()):
        path = PurePosixPath(file.relative_to(kind_files)).as_posix()
        content = file.read_bytes()
        if path == "etc/containerd/config.toml":
            content = containerd_config(content.decode()).encode()
        entries.append(File(path, content, 0o755 if "/bin/" in f"/{path}" else 0o644))
    return entries


def storage_manifest() -> str:
    """Return the manifest of the default StorageClass, with the images the nodes hold."""
    manifest = text("node/default-storage.yaml")
    return manifest.replace("@HELPER_IMAGE@", HELPER_IMAGE).replace("@PROVISIONER_IMAGE@", PROVISIONER_IMAGE)


def own_entries() -> list[Entry]:
    """Return what this project adds to kind's files."""
    return [
        File("kind/version", KUBERNETES_VERSION.encode()),
        data_file("kind/manifests/default-cni.yaml", "node/default-cni.yaml"),
        File("kind/manifests/default-storage.yaml", storage_manifest().encode()),
        data_file("kind/bin/node-network", "node/node-network", 0o755),
        data_file(f"{_UNITS}/node-network.service", "node/node-network.service"),
        *(Link(f"{_UNITS}/multi-user.target.wants/{unit}", f"/{_UNITS}/{unit}") for unit in _ENABLED),
        Link(f"{_UNITS}/systemd-binfmt.service", "/dev/null"),  # it would register with the machine's kernel
        *(Link(f"opt/cni/bin/{name}", f"/usr/lib/cni/{name}") for name in _PLUGINS),
        *(Link(f"usr/local/bin/{name}", f"/usr/bin/{name}") for name in _RUNTIME),
        Directory("etc/kubernetes/manifests"),
        Directory("etc/containerd/certs.d"),
    ]


BASE = Image(
    name="node-base",
    tags=("dfmc.io/kind-node-base:latest",),
    programs=(
        *((name, f"usr/bin/{name}") for name in ("kubeadm", "kubelet", "kubectl")),
        ("crictl", "usr/local/bin/crictl"),
    ),
    files=tuple(own_entries()),
    settings=RunSettings(
        entrypoint=ENTRYPOINT,
        environment={"container": "docker"},  # systemd's sign that it runs in a container
        stop_signal="SIGRTMIN+3",  # systemd takes SIGTERM for an order to start itself again
    ),
    tree=debian.NODE,
)

# containerd's own idea of a container, with kind's hook that hides the machine's serial numbers. Limits are left out:
# raising one needs CAP_SYS_RESOURCE.
CRI_BASE = (
    'ctr oci spec | jq \'.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}]'
    " | del(.process.rlimits)' > /etc/containerd/cri-base.json"
)


def node_inputs(program_digest: Callable[[str], str]) -> str:
    """Return the digest of all the node image is made from; see `Image.inputs`."""
    parts = [
        "packed layers",
        KIND_VERSION,
        *_CONTAINERD_EDITS[0],
        _CONTAINERD_REGISTRY,
        CRI_BASE,
        BASE.inputs(program_digest),
    ]
    parts += [image.inputs(program_digest) for image in NODE_IMAGES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
