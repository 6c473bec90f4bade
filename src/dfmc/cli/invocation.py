"""What one invocation knows beyond its command's own options: the global options, the terminal, the log file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfmc.output.console import Terminal
    from dfmc.output.logfile import LogFile


class Invocation:
    """Lives from ``main`` to the exit code; typer hands it to every command as ``ctx.obj``."""

    def __init__(self) -> None:
        self.color: bool | None = None
        self.quiet = False
        self.verbosity = 0
        self.command = "dfmc"
        self._terminal: Terminal | None = None
        self._log: LogFile | None = None

    @property
    def terminal(self) -> Terminal:
        """Both streams, made at first use: by then the global options have been read."""
        if self._terminal is None:
            from dfmc.output.console import Terminal

            self._terminal = Terminal(color=self.color, quiet=self.quiet, verbosity=self.verbosity)
        return self._terminal

    @property
    def log(self) -> LogFile:
        """The run's log file; the first use creates it."""
        if self._log is None:
            from dfmc.output.logfile import LogFile

            self._log = LogFile.create(self.command, self.terminal)
        return self._log

    @property
    def log_path(self) -> str:
        """Path of the log file; empty while nothing has been logged."""
        return self._log.path if self._log else ""

    def close(self) -> None:
        """Close the log file."""
        if self._log:
            self._log.close()
