"""Which images there are, what each is called, and what it is made of. Pure.

Names are those of the charts as they stand: tags of the stand-ins' default values, kubeadm's constants for the control
plane. Programs behind them may be of another patch release; the label ``io.dfmc.program`` says which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dfmc.testbed.binaries.catalogue import BY_NAME, DRAGONFLY_VERSION, KUBERNETES_VERSION
from dfmc.testbed.binaries.node_catalogue import COREDNS_VERSION, NODE_BY_NAME
from dfmc.testbed.kind.images import debian
from dfmc.testbed.kind.images.archive import RunSettings
from dfmc.testbed.kind.images.contents import data_file
from dfmc.testbed.kind.images.debian import DebianTree
from dfmc.testbed.kind.images.layers import Directory, Entry, entries_digest, program

CLIENT_VERSION = "v1.4.0"

ProgramFile = Callable[[str], Path]
"""Where the program of a given name lies."""

# What any program may ask for: names of users and hosts, and a place for scratch files.
_COMMON: tuple[Entry, ...] = (
    data_file("etc/passwd", "common/passwd"),
    data_file("etc/group", "common/group"),
    data_file("etc/nsswitch.conf", "common/nsswitch.conf"),
    Directory("tmp", 0o1777),
    Directory("root", 0o700),
)


@dataclass(frozen=True)
class Image:
    """An image made of at most one Debian tree and one layer of files.

    Attributes:
        name: Short, for progress and selection.
        tags: Every name it gets, as ``repository:tag``.
        programs: The built programs in it, by name, with their path.
        files: Its other files.
        settings: What a container of it runs.
        tree: Its lowest layer; None for images that start from nothing.
    """

    name: str
    tags: tuple[str, ...]
    programs: tuple[tuple[str, str], ...] = ()
    files: tuple[Entry, ...] = ()
    settings: RunSettings = field(default_factory=RunSettings)
    tree: DebianTree | None = None

    def entries(self, file_of: ProgramFile) -> list[Entry]:
        """Return what its layer of files holds."""
        return [*self.files, *(program(path, file_of(name)) for name, path in self.programs)]

    def inputs(self, program_digest: Callable[[str], str]) -> str:
        """Return the digest of all it is made from.

        Args:
            program_digest: Of a program, by name, the digest of what it was made from.
        """
        digests = {Path(name): program_digest(name) for name, _ in self.programs}
        settings = self.settings
        parts = [
            self.tree.digest() if self.tree else "",
            entries_digest(self.entries(Path), digests),
            [self.tags, settings.entrypoint, settings.command, settings.stop_signal],
            [sorted(settings.environment.items()), sorted(settings.labels.items())],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _made_of(name: str, version: str) -> dict[str, str]:
    return {"io.dfmc.program": f"{name} {version}"}


_PROBE = ("grpc-health-probe", "bin/grpc_health_probe")


def _server(name: str, tags: tuple[str, ...]) -> Image:
    path = f"opt/dragonfly/bin/{name}"
    return Image(
        name=name,
        tags=tuple(f"dragonflyoss/{name}:{tag}" for tag in tags),
        programs=((name, path), _PROBE),
        files=_COMMON,
        settings=RunSettings(entrypoint=(f"/{path}",), labels=_made_of(name, DRAGONFLY_VERSION)),
        tree=debian.TOOLS,
    )


def _control_plane(name: str, tag: str, version: str, command: tuple[str, ...] = ()) -> Image:
    path = f"usr/local/bin/{name}"
    return Image(
        name=name,
        tags=(tag,),
        programs=((name, path),),
        files=_COMMON,
        settings=RunSettings(entrypoint=command, labels=_made_of(name, version)),
    )


HELPER_IMAGE = "dfmc.io/local-path-helper:1"
PROVISIONER_IMAGE = f"dfmc.io/local-path-provisioner:{NODE_BY_NAME['local-path-provisioner'].version}"
PAUSE_IMAGE = "registry.k8s.io/pause:3.10"

# What every node of a cluster holds from its first second: kubeadm's list (etcd's tag is kubeadm's, not the program's).
NODE_IMAGES: tuple[Image, ...] = (
    *(
        _control_plane(name, f"registry.k8s.io/{name}:{KUBERNETES_VERSION}", KUBERNETES_VERSION)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    _control_plane("etcd", "registry.k8s.io/etcd:3.6.5-0", BY_NAME["etcd"].version),
    _control_plane("coredns", "registry.k8s.io/coredns/coredns:v1.12.1", COREDNS_VERSION, ("/usr/local/bin/coredns",)),
    Image(
        name="pause",
        tags=(PAUSE_IMAGE, "registry.k8s.io/pause:3.10.1"),
        programs=(("pause", "pause"),),
        settings=RunSettings(entrypoint=("/pause",)),
    ),
    Image(
        name="kube-proxy",
        tags=(f"registry.k8s.io/kube-proxy:{KUBERNETES_VERSION}",),
        programs=(("kube-proxy", "usr/local/libexec/kube-proxy"),),
        files=(*_COMMON, data_file("usr/local/bin/kube-proxy", "kube-proxy/kube-proxy", 0o755)),
        settings=RunSettings(labels=_made_of("kube-proxy", KUBERNETES_VERSION)),
        tree=debian.PACKET_FILTER,
    ),
    Image(
        name="local-path-provisioner",
        tags=(PROVISIONER_IMAGE,),
        programs=(("local-path-provisioner", "usr/local/bin/local-path-provisioner"),),
        files=_COMMON,
    ),
    Image(
        name="local-path-helper",
        tags=(HELPER_IMAGE,),
        files=_COMMON,
        settings=RunSettings(command=("sh",)),
        tree=debian.TOOLS,
    ),
)

CLIENT_IMAGES: tuple[Image, ...] = (
    Image(
        name="client",
        tags=(f"dragonflyoss/client:{CLIENT_VERSION}",),
        programs=(("dfdaemon", "usr/local/bin/dfdaemon"), ("dfget", "usr/local/bin/dfget"), _PROBE),
        files=_COMMON,
        settings=RunSettings(entrypoint=("/usr/local/bin/dfdaemon",), labels=_made_of("dfdaemon", CLIENT_VERSION)),
        tree=debian.LIBRARIES,
    ),
    Image(
        name="dfinit",
        tags=(f"dragonflyoss/dfinit:{CLIENT_VERSION}",),
        programs=(("dfinit", "usr/local/bin/dfinit"),),
        files=_COMMON,
        settings=RunSettings(entrypoint=("/usr/local/bin/dfinit",), labels=_made_of("dfinit", CLIENT_VERSION)),
        tree=debian.LIBRARIES,
    ),
)

_DATABASE = Image(
    name="mysql",
    tags=("bitnamilegacy/mysql:8.4.3", "bitnami/mysql:8.4.3"),
    files=(
        *_COMMON,
        data_file("usr/local/bin/entrypoint", "mysql/entrypoint", 0o755),
        data_file("etc/mysql/my.cnf", "mysql/my.cnf"),
    ),
    settings=RunSettings(entrypoint=("/usr/local/bin/entrypoint",), labels=_made_of("mariadb", "Debian")),
    tree=debian.DATABASE,
)

_REDIS = Image(
    name="redis",
    tags=("bitnamilegacy/redis:7.2.5", "bitnami/redis:7.2.5"),
    files=(*_COMMON, data_file("usr/local/bin/entrypoint", "redis/entrypoint", 0o755)),
    settings=RunSettings(entrypoint=("/usr/local/bin/entrypoint",), labels=_made_of("redis", "Debian")),
    tree=debian.REDIS,
)

CHART_IMAGES: tuple[Image, ...] = (
    _server("manager", ("v2.5.0", DRAGONFLY_VERSION)),
    _server("scheduler", ("v2.5.0", DRAGONFLY_VERSION)),
    *CLIENT_IMAGES,
    _DATABASE,
    _REDIS,
    Image(
        name="busybox",
        tags=("busybox:latest",),
        files=_COMMON,
        settings=RunSettings(command=("sh",)),
        tree=debian.TOOLS,
    ),
)

# Not the chart's, but what pulls are proven with.
REGISTRY = Image(
    name="registry",
    tags=("registry:2",),
    # Over Debian's own settings, which ask for a password.
    files=(*_COMMON, data_file("etc/docker/registry/config.yml", "registry/config.yml")),
    settings=RunSettings(
        entrypoint=("/usr/bin/docker-registry",),
        command=("serve", "/etc/docker/registry/config.yml"),
        labels=_made_of("docker-registry", "Debian"),
    ),
    tree=debian.REGISTRY,
)

IMAGES: tuple[Image, ...] = (*CHART_IMAGES, REGISTRY)
