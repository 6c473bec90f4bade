"""Who has which address block of this machine, so that beds that start at the same moment choose different ones.

Between the choice of a block and the first program that listens on its ports lie seconds. A claim closes that gap. It
names the bed's directory and lasts as long as that directory: a bed that is gone, however it went, claims nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from dfmc.errors import PreflightError


class BlockClaims:
    """The claims of this user's beds, while nobody else may change them."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._claims = _claims_in(file.read())

    def is_free(self, index: int, directory: Path) -> bool:
        """Tell whether no other bed than the one in ``directory`` has claimed a block."""
        return all(index not in taken for place, taken in self._claims.items() if place != str(directory))

    def keep(self, directory: Path, indexes: Sequence[int]) -> None:
        """Claim blocks for the bed in ``directory``, which must exist."""
        self._claims[str(directory)] = list(indexes)
        self._file.seek(0)
        self._file.truncate()
        json.dump(self._claims, self._file)


def claims_file() -> Path:
    """Return where this user's claims stand; beds with different homes and caches share it."""
    return Path(tempfile.gettempdir()) / f"dfmc-beds-{os.geteuid()}.json"


@contextmanager
def block_claims() -> Iterator[BlockClaims]:
    """Hold the claims for the body, which must be short: other beds wait meanwhile.

    Raises:
        PreflightError: The file is somebody else's, or cannot be used.
    """
    path = claims_file()
    try:
        # The directory is everybody's: another user may have put a link or a file of the same name there.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    with os.fdopen(descriptor, "r+") as file:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise _unusable(path, "it belongs to another user")
        fcntl.flock(file, fcntl.LOCK_EX)
        yield BlockClaims(file)


def _claims_in(text: str) -> dict[str, list[int]]:
    try:
        found: Any = json.loads(text or "{}")
        claims = {str(place): [int(index) for index in taken] for place, taken in found.items()}
    except (ValueError, TypeError, AttributeError):  # cut short by a full disk; beds that run still hold their ports
        return {}
    return {place: taken for place, taken in claims.items() if Path(place).is_dir()}


def _unusable(path: Path, why: str) -> PreflightError:
    return PreflightError(
        "the list of address blocks in use cannot be used", where=str(path), why=why, next_step="remove that file"
    )
