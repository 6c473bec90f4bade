"""Runs command lines; the edge of the images' part."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from typing import IO, Protocol

from dfmc.errors import PreflightError

Feed = Callable[[IO[bytes]], None]
"""Writes a command's standard input."""


class CommandError(Exception):
    """A command ended with another code than 0; holds its last words."""


class Runner(Protocol):
    """Runs one command line to its end."""

    def run(self, argv: Sequence[str], *, feed: Feed | None = None, seconds: float = 600.0) -> str:
        """Return what the command printed.

        Args:
            argv: Program and arguments.
            feed: Given the command's standard input; without it that is empty.
            seconds: After so long the command is ended.

        Raises:
            CommandError: It failed.
            PreflightError: There is no such program.
        """
        ...


class ProcessRunner:
    """Runs processes of this machine."""

    def run(self, argv: Sequence[str], *, feed: Feed | None = None, seconds: float = 600.0) -> str:
        """See `Runner.run`."""
        with tempfile.TemporaryFile() as words:
            try:
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=words,
                )
            except FileNotFoundError as error:
                raise PreflightError(
                    f"{argv[0]} is not installed",
                    why=str(error),
                    next_step=f"install {argv[0]}, or put it on PATH, and run the command again",
                ) from error
            with process:
                try:
                    if feed is not None:
                        _feed(feed, process)
                    out, _ = process.communicate(timeout=seconds)
                except subprocess.TimeoutExpired as error:
                    raise CommandError(f"it took longer than {seconds:.0f} s") from error
                finally:
                    if process.poll() is None:
                        process.kill()
            words.seek(0)
            said = words.read().decode(errors="replace")
        if process.returncode != 0:
            raise CommandError("\n".join((said or out.decode(errors="replace")).strip().splitlines()[-6:]))
        return out.decode(errors="replace")


def _feed(feed: Feed, process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101
    try:
        with process.stdin:
            feed(process.stdin)
    except BrokenPipeError:
        return  # the command ended first; why is in its own words
    finally:
        process.stdin = None
