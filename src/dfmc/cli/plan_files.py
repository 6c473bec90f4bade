"""Saved plans as files: written for their owner alone, read with bounds."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from dfmc.errors import UsageError

if TYPE_CHECKING:
    from dfmc.planning.saved import SavedPlan

_LARGEST = 16 << 20


def write_plan(path: str, saved: SavedPlan) -> None:
    """Write a plan, over an older one too; PreflightError when that is impossible."""
    from dfmc.cli.writing import write_new
    from dfmc.output.documents import as_json
    from dfmc.planning.saved import saved_document

    write_new(path, as_json(saved_document(saved)), force=True, private=True)


def read_plan(path: str) -> SavedPlan:
    """Return a plan that ``dfmc plan --out`` has written.

    Raises:
        UsageError: It cannot be read, or is none.
    """
    from dfmc.planning.saved import read_saved

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"{path} is no regular file")
        with Path(path).open("rb") as file:
            raw = file.read(_LARGEST + 1)
        document = json.loads(raw) if len(raw) <= _LARGEST else None
    except OSError as error:
        raise UsageError(f"{path} cannot be read", why=error.strerror or str(error)) from error
    except (ValueError, RecursionError):  # json's own errors quote the text
        document = None
    return read_saved(document, path)
