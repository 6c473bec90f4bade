"""The directory of built programs: stable names, a stamp beside each, one builder at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dfmc.errors import PreflightError

Report = Callable[[str], None]

_LOCK_DEADLINE_SECONDS = 3600.0


class Product(Protocol):
    """Something that is built: its file name, and a digest of what it is made from."""

    @property
    def name(self) -> str:
        """Its file name in the cache's ``bin``."""
        ...

    def digest(self) -> str:
        """Return a digest of everything that decides its bytes."""
        ...


def default_directory() -> Path:
    """Return ``dfmc/bed`` under XDG_CACHE_HOME (``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "dfmc" / "bed"


@dataclass(frozen=True)
class BinaryCache:
    """Built programs under one directory.

    A program counts as present when its stamp holds the digest of what it would be made from today. The stamp is
    written last and removed first, so that an interrupted build is simply done again.
    """

    directory: Path

    @property
    def bin(self) -> Path:
        """Where the programs lie, under names that never change."""
        return self.directory / "bin"

    def path(self, name: str) -> Path:
        """Return the file of the program called ``name``."""
        return self.bin / name

    def build_directory(self, name: str) -> Path:
        """Return an existing scratch directory for building ``name``."""
        directory = self.directory / "build" / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def is_current(self, program: Product) -> bool:
        """Tell whether the program is there and made from what the catalogue says today."""
        stamp = self._stamp(program)
        if not (stamp.is_file() and os.access(self.path(program.name), os.X_OK)):
            return False
        return stamp.read_text().strip() == program.digest()

    def install(self, program: Product, built: Path) -> None:
        """Move a finished file (same file system) to its name and stamp it."""
        self.bin.mkdir(parents=True, exist_ok=True)
        stamp = self._stamp(program)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        built.chmod(0o755)
        built.replace(self.path(program.name))
        partial = stamp.with_suffix(".part")
        partial.write_text(program.digest() + "\n")
        partial.replace(stamp)

    @contextmanager
    def locked(self, report: Report, name: str = "lock") -> Iterator[None]:
        """Hold the directory's lock; wait (at most an hour) while another run builds.

        Args:
            report: Told when there is something to wait for.
            name: Of the lock; what takes the better part of an hour has one of its own.

        Raises:
            PreflightError: The other run did not finish in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / name).open("w") as handle:
            deadline = time.monotonic() + _LOCK_DEADLINE_SECONDS
            told = False
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise PreflightError(
                            "another run has been building the test bed's programs for over an hour",
                            where=str(self.directory),
                            next_step="look for a hanging `go build`, end it, and run the command again",
                        ) from None
                    if not told:
                        report("another run is building the bed's programs; waiting for it")
                        told = True
                    time.sleep(0.5)
            yield

    def _stamp(self, program: Product) -> Path:
        return self.directory / "stamps" / program.name
