"""dfmc's own directory for what can be fetched again: ``$XDG_CACHE_HOME/dfmc``, else ``~/.cache/dfmc``."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dfmc.errors import PreflightError


def private_cache(*parts: str, environ: Mapping[str, str] | None = None) -> Path:
    """Return a directory below dfmc's cache; it is made where absent, for this user alone (0700).

    Args:
        parts: Names of the directories below ``dfmc``.
        environ: Where XDG_CACHE_HOME and HOME are read; default: the process's environment.

    Raises:
        PreflightError: It cannot be made, or belongs to somebody else.
    """
    variables = os.environ if environ is None else environ
    given = variables.get("XDG_CACHE_HOME", "")
    # The XDG specification: relative paths are to be ignored.
    base = Path(given) if given.startswith("/") else _home(variables) / ".cache"
    directory = base / "dfmc"
    try:
        base.mkdir(parents=True, exist_ok=True)
        for part in ("", *parts):
            directory = directory / part
            directory.mkdir(mode=0o700, exist_ok=True)
            found = directory.stat()
            if found.st_uid != os.geteuid():
                raise PreflightError(
                    f"the cache directory {directory} belongs to another user",
                    why=f"its owner is uid {found.st_uid}, dfmc runs as uid {os.geteuid()}",
                    next_step="set XDG_CACHE_HOME to a directory of yours",
                )
            if stat.S_IMODE(found.st_mode) & 0o022:
                directory.chmod(0o700)
    except OSError as error:
        raise PreflightError(
            f"the cache directory {directory} cannot be used",
            why=error.strerror or str(error),
            next_step="set XDG_CACHE_HOME to a directory that you may write",
        ) from error
    return directory


def _home(variables: Mapping[str, str]) -> Path:
    home = variables.get("HOME", "")
    return Path(home) if home.startswith("/") else Path.home()
