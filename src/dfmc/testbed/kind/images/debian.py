"""Trees of Debian packages; each becomes the lowest layer of one or more images. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SUITE = "bookworm"

# Nobody reads manuals in a container; licences (``copyright``) stay.
_TRIM = (
    'cd "$1" && find usr/share/doc -mindepth 1 ! -name copyright ! -type d -delete; '
    "rm -rf usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/bash-completion; true"
)


@dataclass(frozen=True)
class DebianTree:
    """The packages of one layer.

    Attributes:
        name: Short, for file names and progress.
        packages: Installed together with what they depend on.
        variant: ``extract`` unpacks the packages and runs none of their scripts, which suffices for single programs;
            ``minbase`` is a whole system.
        hooks: Shell commands on the finished tree, whose directory is ``$1``.
        minutes: What it takes, for progress lines.
    """

    name: str
    packages: tuple[str, ...]
    variant: Literal["extract", "minbase"] = "extract"
    hooks: tuple[str, ...] = ()
    minutes: str = "under 1 min"

    def digest(self) -> str:
        """Return the sha256 of everything that decides the tree but the packages' versions."""
        return hashlib.sha256(json.dumps(mmdebstrap_command("", self, Path(), root=True)).encode()).hexdigest()


def mmdebstrap_command(program: str, tree: DebianTree, target: Path, *, root: bool) -> list[str]:
    """Return the command line that writes a tree as a tar archive; without root, in a user namespace."""
    # mmdebstrap customises nothing where it only extracts.
    when = "extract" if tree.variant == "extract" else "customize"
    hooks = [f"--{when}-hook={hook}" for hook in (*tree.hooks, _TRIM)]
    return [
        program,
        f"--mode={'root' if root else 'unshare'}",
        f"--variant={tree.variant}",
        f"--include={','.join(tree.packages)}",
        *hooks,
        "--skip=output/dev",
        SUITE,
        str(target),
    ]


# Debian's busybox has an nc without -z, with which the chart's waits would never end.
TOOLS = DebianTree(
    "tools",
    ("busybox", "netcat-openbsd"),
    hooks=('chroot "$1" /bin/busybox --install -s /bin && ln -sf nc.openbsd "$1"/bin/nc',),
)

# No package's script runs in these trees, dash's own neither.
_SHELL = 'ln -sf dash "$1"/bin/sh'
_CERTIFICATES = 'cd "$1" && cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt'

LIBRARIES = DebianTree(
    "libraries",
    ("libstdc++6", "libgcc-s1", "ca-certificates", "dash", "coreutils", "procps"),
    hooks=(_SHELL, _CERTIFICATES),
)

_WITHOUT_PERL = 'rm -rf "$1"/usr/lib/*/perl* "$1"/usr/share/perl* "$1"/usr/bin/perl*'

DATABASE = DebianTree(
    "mariadb",
    (
        "mariadb-server-core",
        "mariadb-client-core",
        "mariadb-client",
        "bash",
        "coreutils",
        "findutils",
        "sed",
        "grep",
        "dash",
    ),
    hooks=(_SHELL, _WITHOUT_PERL),  # the client's Perl tools bring it; nothing here runs them
    minutes="about 1 min",
)

REDIS = DebianTree("redis", ("redis-server", "redis-tools", "bash", "coreutils", "dash"), hooks=(_SHELL,))

PACKET_FILTER = DebianTree("iptables", ("iptables", "conntrack", "kmod", "dash", "grep", "coreutils"), hooks=(_SHELL,))

REGISTRY = DebianTree("registry", ("docker-registry", "ca-certificates"), hooks=(_CERTIFICATES,))

# What kubelet and kubeadm look for, what kind's own node image has, and containerd.
NODE = DebianTree(
    "node",
    (
        *("systemd", "systemd-sysv", "dbus", "kmod", "mount", "util-linux", "procps", "bash", "jq", "curl"),
        *("iproute2", "iptables", "nftables", "conntrack", "ethtool", "socat", "iputils-ping", "netcat-openbsd"),
        *("containerd", "runc", "libseccomp2", "containernetworking-plugins", "pigz", "e2fsprogs", "ca-certificates"),
    ),
    variant="minbase",
    # As kind's own image does: no service but those of the node, no log lines of the machine's kernel.
    hooks=(
        'cd "$1" && rm -f lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/* '
        "lib/systemd/system/local-fs.target.wants/* lib/systemd/system/basic.target.wants/* "
        "lib/systemd/system/sockets.target.wants/*udev* lib/systemd/system/sockets.target.wants/*initctl*",
        'cd "$1" && find lib/systemd/system/sysinit.target.wants -name systemd-tmpfiles-setup.service -delete',
        'cd "$1" && echo ReadKMsg=no >> etc/systemd/journald.conf && rm -rf var/cache/apt var/lib/apt/lists',
    ),
    minutes="2 to 4 min",
)

TREES = (NODE, TOOLS, LIBRARIES, DATABASE, REDIS, PACKET_FILTER, REGISTRY)
