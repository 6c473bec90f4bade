"""What the engine is started with. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

# Where every Docker client looks when nobody sets DOCKER_HOST.
SOCKET = Path("/var/run/docker.sock")

# A unix socket's path ends at 107 bytes; dockerd's containerd appends 32 to its own directory.
_LONGEST_DIRECTORY = 107 - len("/run/containerd/containerd-debug.sock")

# In the order of their numbers, see capabilities(7).
CAPABILITIES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]

# Four kubelets and their systemds watch more than the kernel's 128; seen: the fourth kubelet ends at once.
INOTIFY_INSTANCES = 8192
INOTIFY_WATCHES = 524288


@dataclass(frozen=True)
class EngineFiles:
    """Where the engine keeps everything but its socket."""

    directory: Path

    @property
    def pid(self) -> Path:
        """The file dockerd writes its process id to."""
        return self.directory / "docker.pid"

    @property
    def log(self) -> Path:
        """What dockerd prints."""
        return self.directory / "dockerd.log"

    @property
    def runc(self) -> Path:
        """The script that stands in for runc."""
        return self.directory / "runc"


def fits_a_socket(directory: Path) -> bool:
    """Tell whether sockets below ``directory`` have paths the kernel accepts."""
    return len(str(directory).encode()) <= _LONGEST_DIRECTORY


def missing_capabilities(proc_status: str) -> tuple[str, ...]:
    """Return which capabilities root does not have here, by the text of ``/proc/self/status``.

    A privileged container is given all of them, and runc fails with "unable to apply caps" on the first that the
    machine itself lacks.
    """
    held = next((int(line.split()[1], 16) for line in proc_status.splitlines() if line.startswith("CapPrm:")), 0)
    return tuple(f"CAP_{name}" for number, name in enumerate(CAPABILITIES) if not held >> number & 1)


def runc_script(python: str, wrapper: Path, runc: Path, dropped: tuple[str, ...]) -> str:
    """Return the shell script that runs ``wrapper`` in runc's place."""
    argv = [python, "-IS", str(wrapper), str(runc), ",".join(dropped)]
    return f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n'


def dockerd_command(dockerd: Path, files: EngineFiles, *, wrapped: bool, socket: Path = SOCKET) -> list[str]:
    """Return dockerd's command line; ``wrapped`` makes `EngineFiles.runc` its default runtime."""
    argv = [
        str(dockerd),
        f"--host=unix://{socket}",
        f"--data-root={files.directory / 'data'}",
        f"--exec-root={files.directory / 'run'}",
        f"--pidfile={files.pid}",
        "--log-level=warn",
    ]
    if wrapped:
        argv += [f"--add-runtime=dfmc={files.runc}", "--default-runtime=dfmc"]
    return argv
