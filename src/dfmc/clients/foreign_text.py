"""What other programs write, made fit for a terminal and a log."""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def readable(raw: bytes, mask: Callable[[str], str], limit: int) -> str:
    """Return the text without control characters, secrets masked, cut to its last ``limit`` characters.

    Masking comes before cutting: half a secret would pass the mask.
    """
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    text = mask(_CONTROLS.sub("", _ESCAPES.sub("", text))).strip()
    return text if len(text) <= limit else "…" + text[-limit:]
