"""Looking at processes by their id, and ending them by it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_POLL_SECONDS = 0.05


def runs_program(pid: int | None, name: str) -> bool:
    """Tell whether process ``pid`` is alive and runs an executable called ``name`` (rebuilt since or not)."""
    if pid is None:
        return False
    try:
        executable = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return Path(executable).name == name and state != "Z"


def started_from(directory: Path) -> list[int]:
    """Return this user's processes that were started by a path under ``directory``.

    kwokctl starts a cluster's programs by links in that cluster's own directory, so these are the cluster's
    processes, whatever became of their pid files; and nobody's editor or shell is among them.
    """
    prefix = os.fsencode(directory.absolute()) + b"/"
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and entry.stat().st_uid == os.geteuid()
            if ours and arguments(int(entry.name))[0].startswith(prefix):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def arguments(pid: int) -> list[bytes]:
    """Return a process's arguments, the program's name first; one empty argument for a kernel thread or zombie.

    Raises:
        OSError: There is no such process.
    """
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def has_argument(pid: int, text: str) -> bool:
    """Tell whether a process is alive and has exactly this argument."""
    try:
        return is_alive(pid) and os.fsencode(text) in arguments(pid)
    except OSError:
        return False


def works_in(pid: int, directory: Path) -> bool:
    """Tell whether a process is alive and ``directory`` is its working directory."""
    try:
        return is_alive(pid) and os.readlink(f"/proc/{pid}/cwd") == str(directory.absolute())
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end_processes(pids: Iterable[int], first: signal.Signals, seconds: float) -> None:
    """Signal processes and wait for them; what is left after ``seconds`` is killed."""
    remaining = [pid for pid in pids if is_alive(pid)]
    for number in (first, signal.SIGKILL):
        for pid in remaining:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while remaining and time.monotonic() < deadline:
            remaining = [pid for pid in remaining if is_alive(pid)]
            if remaining:
                time.sleep(_POLL_SECONDS)
        if not remaining:
            return


def port_is_free(port: int) -> bool:
    """Tell whether a loopback TCP port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
