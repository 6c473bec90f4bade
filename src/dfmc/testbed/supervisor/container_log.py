"""A process's output in the format of container logs, which kwok's Logs resource serves to ``kubectl logs``."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO


class ContainerLog:
    """The log of one pod's main container: the current run and the one before."""

    def __init__(self, directory: Path) -> None:
        """Use ``stdout.log`` and ``stdout.log.previous`` in an existing directory."""
        self.path = directory / "stdout.log"
        self.previous = directory / "stdout.log.previous"
        self.path.touch()

    def begin_run(self, output: IO[bytes]) -> threading.Thread:
        """Start a new file and copy ``output`` into it, line by line, until it ends."""
        if self.path.stat().st_size:
            self.path.replace(self.previous)
        thread = threading.Thread(target=self._copy, args=(output,), name=f"log {self.path}", daemon=True)
        thread.start()
        return thread

    def last_lines(self, count: int) -> list[str]:
        """Return the text of the last lines of the current run."""
        with self.path.open(errors="replace") as lines:
            return [line.rstrip("\n").split(" ", 3)[-1] for line in lines.readlines()[-count:]]

    def _copy(self, output: IO[bytes]) -> None:
        with output, self.path.open("w", buffering=1) as log:
            for line in output:
                log.write(log_line(line.decode(errors="replace").rstrip("\n"), datetime.now(UTC)))


def log_line(text: str, at: datetime) -> str:
    """Return one line in CRI format: time with nanoseconds, stream, F for a full line, text."""
    return f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z stdout F {text}\n"
