"""Starts and ends the engine; the one part that touches the machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

from dfmc.errors import NotReadyError, PreflightError, UsageError
from dfmc.testbed.binaries.cache import Report, default_directory
from dfmc.testbed.binaries.system import SystemProgram, ensure_system_programs
from dfmc.testbed.kind.local_docker import settings
from dfmc.testbed.kind.local_docker.settings import SOCKET, EngineFiles

PROGRAMS = (
    SystemProgram("dockerd", ("docker.io",)),
    SystemProgram("docker", ("docker.io",)),
    SystemProgram("runc", ("runc",)),
    SystemProgram("iptables", ("iptables",)),
)

_START_SECONDS = 90.0
_STOP_SECONDS = 60.0


def default_files() -> EngineFiles:
    """Return the engine's files beside the test beds' cache."""
    return EngineFiles(default_directory().parent / "docker")


def answers(at: Path = SOCKET) -> bool:
    """Tell whether a Docker engine answers at the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(at))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(64)
        except OSError:
            return False


def start(where: EngineFiles, report: Report) -> bool:
    """Start an engine unless one answers; wait until it answers.

    Returns:
        False where one answered already: it is used, whoever runs it.

    Raises:
        PreflightError: Not root, or an init system should start its own Docker, or packages are missing.
        NotReadyError: It did not answer in time; says its last words.
    """
    if os.environ.get("DOCKER_HOST"):
        raise UsageError(
            "DOCKER_HOST names another engine, which docker and kind would use",
            next_step="unset DOCKER_HOST, or use that engine",
        )
    if answers():
        return False
    _check_machine(where)
    where.directory.mkdir(parents=True, exist_ok=True)
    programs = ensure_system_programs(report, PROGRAMS)
    _raise_limits()
    dropped = settings.missing_capabilities(Path("/proc/self/status").read_text())
    if dropped:
        report(f"this machine lacks {', '.join(dropped)}: privileged containers go without")
        _write_wrapper(where, programs["runc"], dropped)
    argv = settings.dockerd_command(programs["dockerd"], where, wrapped=bool(dropped))
    with where.log.open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
    _wait_for_answer(process, where)
    return True


def stop(where: EngineFiles, *, delete: bool = False) -> bool:
    """End the engine that `start` started, with its containers; ``delete`` removes images and volumes too.

    Returns:
        False where none of ours runs.

    Raises:
        NotReadyError: It did not end in time.
    """
    pid = running(where)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while running(where) is not None:
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"the Docker engine (pid {pid}) did not end within {_STOP_SECONDS:.0f} s",
                    where=str(where.log),
                    next_step=f"kill -KILL {pid}",
                )
            time.sleep(0.1)
    if delete and where.directory.exists():
        shutil.rmtree(where.directory)
    return pid is not None


def running(where: EngineFiles) -> int | None:
    """Return the process id of the engine that `start` started, or None where it does not run."""
    try:
        pid = int(where.pid.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    # A number that was used again belongs to another program.
    return pid if f"--pidfile={where.pid}".encode() in command.split(b"\0") else None


def _check_machine(where: EngineFiles) -> None:
    if os.geteuid() != 0:
        raise PreflightError(
            "no Docker engine answers, and only root can start one",
            where=str(SOCKET),
            next_step="start Docker (`sudo systemctl start docker`), or run this as root",
        )
    if Path("/run/systemd/system").is_dir():
        raise PreflightError(
            "no Docker engine answers; this machine has systemd, which should run it",
            where=str(SOCKET),
            next_step="apt-get install docker.io && systemctl start docker",
        )
    if not settings.fits_a_socket(where.directory):
        raise PreflightError(
            "the engine's directory has too long a path for its sockets",
            where=str(where.directory),
            next_step="choose a shorter one with --directory",
        )


def _raise_limits() -> None:
    wanted = {"max_user_instances": settings.INOTIFY_INSTANCES, "max_user_watches": settings.INOTIFY_WATCHES}
    for name, value in wanted.items():
        limit = Path("/proc/sys/fs/inotify") / name
        if int(limit.read_text()) < value:
            limit.write_text(str(value))


def _write_wrapper(where: EngineFiles, runc: Path, dropped: tuple[str, ...]) -> None:
    wrapper = where.directory / "runc_wrapper.py"
    wrapper.write_bytes((files("dfmc.testbed.kind.local_docker") / "runc_wrapper.py").read_bytes())
    python = os.path.realpath(sys.executable)
    where.runc.write_text(settings.runc_script(python, wrapper, runc, dropped))
    where.runc.chmod(0o755)


def _wait_for_answer(process: subprocess.Popen[bytes], where: EngineFiles) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = where.log.read_text(errors="replace").splitlines()
            raise NotReadyError(
                "the Docker engine does not answer",
                where=str(where.log),
                why="\n".join(lines[-4:]),
                left="nothing runs" if process.poll() is not None else f"it still runs (pid {process.pid})",
            )
        time.sleep(0.1)
