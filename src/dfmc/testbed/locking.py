"""One run at a time works on a bed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dfmc.errors import LockedError

_LOCK_SECONDS = 1800.0


@contextmanager
def locked(directory: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the bed in ``directory``; waits for another run that does.

    The lock's file lies beside the directory, so that it is no part of what `down` removes meanwhile.

    Raises:
        LockedError: The other run did not end within half an hour.
    """
    lock = directory.with_name(directory.name + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _LOCK_SECONDS
    told = False
    while True:
        handle = lock.open("w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder removes the file at its end; a lock on a removed file would exclude nobody.
            if lock.exists() and os.fstat(handle.fileno()).st_ino == lock.stat().st_ino:
                break
        except BlockingIOError:
            if not told:
                report("another run works on this bed; waiting for it")
                told = True
        handle.close()
        if time.monotonic() > deadline:
            raise LockedError("another run works on this bed", where=str(directory))
        time.sleep(0.1)
    with handle:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
