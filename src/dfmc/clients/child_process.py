"""Runs one program to its end, its deadline or our cancellation, and never leaves it behind.

Why not a plain ``communicate()``: helm can hang for ever with a server that completes TLS and then says nothing, and
ignores SIGTERM meanwhile; credential plugins that helm starts must go with it; and a dfmc that is killed must not
leave a helm that goes on writing releases while the next run thinks it is alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TERM_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL: helm marks its release as failed within 0.2 s of SIGTERM when it can at all."""

_KILL_WAIT = 5.0

# Runs between fork and exec as a program of its own. The obvious preexec_fn is not safe here: it runs Python code in
# a forked copy of a process that has threads (the kube client's). PR_SET_PDEATHSIG is 1, SIGKILL is 9.
_DIE_WITH_PARENT = (
    "import ctypes,os,sys\n"
    "ctypes.CDLL(None).prctl(1,9)\n"
    "os.getppid()==int(sys.argv[1]) or os._exit(1)\n"  # the parent died before the line above could take effect
    "try: os.execv(sys.argv[2],sys.argv[2:])\n"
    "except OSError as e: print(e.strerror,file=sys.stderr); os._exit(126)\n"
)


class ChildDeadlineError(Exception):
    """The program was still running at its deadline and has been stopped.

    Attributes:
        stderr: What it had written to standard error by then.
    """

    def __init__(self, deadline: float, stderr: bytes) -> None:
        super().__init__(f"still running after {deadline:g} s")
        self.deadline = deadline
        self.stderr = stderr


@dataclass(frozen=True)
class Finished:
    """A program that came to its own end."""

    returncode: int
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


async def run_child(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdin: bytes | None = None,
    deadline: float,
    grace: float = TERM_GRACE,
    cwd: Path | None = None,
) -> Finished:
    """Run a program in a session of its own, without a terminal, and wait for it.

    A session of its own means that Ctrl-C reaches dfmc alone, and that no credential plugin can prompt.

    Args:
        argv: The program's absolute path and its arguments.
        environment: The whole environment of the program.
        stdin: What it reads; None means an empty standard input.
        deadline: Seconds until SIGTERM to its process group.
        grace: Seconds from there to SIGKILL.
        cwd: Working directory; None keeps ours.

    Raises:
        ChildDeadlineError: It did not end in time; its process group is gone.
        OSError: It cannot be started.
        asyncio.CancelledError: We were cancelled; its process group is gone.
    """
    process = await asyncio.create_subprocess_exec(
        *_dying_with_us(argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
    )
    # Not communicate(): it loses what was read when it is cut off, and that is what explains a deadline.
    output, errors = bytearray(), bytearray()
    work = asyncio.gather(
        _feed(process.stdin, stdin or b""), _read(process.stdout, output), _read(process.stderr, errors), process.wait()
    )
    try:
        done, _ = await asyncio.wait({work}, timeout=deadline)
    except asyncio.CancelledError:
        await _stop(process, work, grace)
        raise
    if not done:
        await _stop(process, work, grace)
        raise ChildDeadlineError(deadline, bytes(errors))
    *_, returncode = work.result()
    return Finished(returncode, bytes(output), bytes(errors))


def _dying_with_us(argv: Sequence[str]) -> list[str]:
    """Prefix ``argv`` so that the kernel kills the program when our thread ends (Linux only).

    The signal follows the *thread* that started the program, which is the event loop's; the loop outlives its
    programs because whoever cancels it waits for run_child.
    """
    if sys.platform != "linux" or not sys.executable or getattr(sys, "frozen", False):
        return list(argv)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *argv]


async def _feed(stream: asyncio.StreamWriter | None, data: bytes) -> None:
    if stream is None:
        return
    # A program that fails early does not read its input; its own message says why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(data)
        await stream.drain()
    stream.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await stream.wait_closed()


async def _read(stream: asyncio.StreamReader | None, into: bytearray) -> None:
    while stream is not None and (chunk := await stream.read(65536)):
        into += chunk


async def _stop(process: asyncio.subprocess.Process, work: asyncio.Future[Any], grace: float) -> None:
    """End the process group: SIGTERM, wait, SIGKILL. A second cancellation skips the waiting."""
    try:
        _signal_group(process.pid, signal.SIGTERM)
        await asyncio.wait({work}, timeout=grace)
    finally:
        # Also when the program itself is gone: what it started may still hold our pipes.
        _signal_group(process.pid, signal.SIGKILL)
    await asyncio.wait({work}, timeout=_KILL_WAIT)
    work.cancel()  # no effect unless something that left the group keeps a pipe open
    await asyncio.wait({work}, timeout=_KILL_WAIT)


def _signal_group(pid: int, number: signal.Signals) -> None:
    # PermissionError is what macOS says of a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
