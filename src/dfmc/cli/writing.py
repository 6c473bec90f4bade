"""New files: written whole or not at all, and never over another one unless told to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dfmc.errors import PreflightError, UsageError


def write_new(path: str, text: str, *, force: bool, private: bool = False) -> None:
    """Write a file that is not there yet, or with ``force`` replace the one that is.

    Args:
        path: Where; a symbolic link's target is replaced, not the link.
        text: All of it.
        force: Replace what is there.
        private: Readable by the owner alone, for what may hold credentials.

    Raises:
        UsageError: There is such a file.
        PreflightError: It cannot be written.
    """
    refuse_existing(path, force=force)
    target = Path(os.path.realpath(path))
    try:
        descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            if not private:
                os.chmod(partial, 0o666 & ~_umask())
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:
        raise PreflightError(f"{path} cannot be written", why=error.strerror or str(error)) from error


def refuse_existing(path: str, *, force: bool) -> None:
    """Refuse to write over a file; for before the questions are asked.

    Raises:
        UsageError: There is such a file, and ``force`` is not given.
    """
    if os.path.lexists(path) and not force:
        raise UsageError(f"{path} is there already", left="it is as it was", next_step="name another file, or --force")


def _umask() -> int:
    # There is no way to read it but to set it; one command runs in one thread here.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
