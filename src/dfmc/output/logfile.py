"""The log file of a run: every event with its time, secrets masked, for whoever looks for the cause afterwards."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dfmc import __version__
from dfmc.engine.events import Event, Note, StepEnded, StepProgress, StepStarted
from dfmc.errors import DfmcError
from dfmc.output.text import clean

if TYPE_CHECKING:
    from dfmc.output.console import Terminal

KEPT = 50


def log_directory() -> Path:
    """Return ``dfmc/log`` under XDG_STATE_HOME (``~/.local/state``).

    Raises:
        OSError: There is no home directory: neither HOME nor an entry of this user in passwd.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not base.startswith("/"):  # the XDG specification: relative paths are to be ignored
        base = os.path.expanduser("~/.local/state")
    if base.startswith("~"):
        raise OSError(errno.ENOENT, "there is no home directory", base)
    return Path(base) / "dfmc" / "log"


class _Records(logging.Handler):
    """Leads what libraries log, and Python's warnings, into the file: on the terminal it would only confuse."""

    def __init__(self, log: LogFile) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record."""
        self._log.write("", f"{record.levelname.lower()}: {record.name}: {record.getMessage()}")


class LogFile:
    """One run's file. A log that cannot be written stops no run: it says so once and writes nowhere."""

    def __init__(self, file: TextIO | None, path: str, terminal: Terminal) -> None:
        self._file = file
        self._terminal = terminal
        self._redactor = terminal.redactor
        self.path = path
        self._records = _Records(self)
        logging.getLogger().addHandler(self._records)
        logging.captureWarnings(True)

    @classmethod
    def create(cls, command: str, terminal: Terminal) -> LogFile:
        """Make the file for a run of ``command``, mode 0600, and drop the oldest beyond KEPT."""
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{command.replace(' ', '-')}.log"
        try:
            directory = log_directory()
            path = directory / name
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            _drop_oldest(directory)
        except OSError as error:
            terminal.warn(f"no log file: {error.filename}: {error.strerror}")
            return cls(None, "", terminal)
        file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        log = cls(file, str(path), terminal)
        log.write("", f"dfmc {__version__}: {command}")
        return log

    def write(self, cluster: str, text: str) -> None:
        """Add an entry; further lines of ``text`` are indented below the first."""
        if self._file is None:
            return
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        masked = self._redactor.mask(clean(text)).replace("\n", "\n    ")
        try:
            self._file.write(f"{stamp} {cluster + ': ' if cluster else ''}{masked}\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        file, self._file = self._file, None
        self._terminal.warn(f"the log ends here: {self.path}: {error.strerror}")
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def event(self, event: Event) -> None:
        """Add what happened; an Observer."""
        match event:
            case StepStarted(step):
                self.write(
                    step.cluster, f"{step.kind}: started ({step.action})" + (f": {step.note}" if step.note else "")
                )
            case StepProgress(step, text):
                self.write(step.cluster, f"{step.kind}: {text}")
            case StepEnded(step, state, seconds, text):
                self.write(step.cluster, f"{step.kind}: {state} after {seconds:.1f} s" + (f": {text}" if text else ""))
                if event.error:
                    self.failure(event.error)
            case Note(cluster, text, level):
                self.write(cluster, f"{level}: {text}")

    def failure(self, error: DfmcError) -> None:
        """Add everything an error says, and what it was made from."""
        facts = [type(error).__name__, f"what: {error.what}", f"where: {error.where}", f"why: {error.why}"]
        facts += [f"left: {error.left}", f"next: {error.next_step}"]
        cause = error.__cause__
        while cause is not None:
            facts.append(f"caused by {type(cause).__name__}: {cause}")
            cause = cause.__cause__
        self.write(error.where, "\n".join(facts))

    def bug(self, error: BaseException) -> None:
        """Add a traceback."""
        self.write("", "".join(traceback.format_exception(error)))

    def close(self) -> None:
        """Close the file."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._records)
        file, self._file = self._file, None
        if file:
            with contextlib.suppress(OSError):
                file.close()


def _drop_oldest(directory: Path) -> None:
    # Names start with the time, so their order is the files' age.
    for old in sorted(directory.glob("*.log"))[:-KEPT]:
        old.unlink(missing_ok=True)
