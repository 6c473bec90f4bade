"""Masks every secret a run knows in whatever is shown, logged or raised.

One Redactor lives as long as the run. Credentials are added the moment they are read or made; clients and output get
its ``mask``. Longer secrets are replaced first, so that one that contains another leaves no remainder.
"""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote

MASK = "********"
# Anything shorter stands inside ordinary words; it is masked where it stands by itself.
_SHORTEST_INSIDE = 6
_SHORTEST = 3


class Redactor:
    """The secrets of one run."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._words: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Remember secrets together with the forms they take in base64, JSON and URLs."""
        for secret in secrets:
            if len(secret) < _SHORTEST:
                continue
            # What comes from the environment or a file's name need not be valid UTF-8.
            raw = secret.encode("utf-8", "surrogateescape")
            encoded = base64.b64encode(raw).decode()
            plain = {secret, json.dumps(secret)[1:-1], quote(raw, safe="")}
            if len(secret) < _SHORTEST_INSIDE:
                self._words |= plain
                plain = set()
            self._forms |= plain | {encoded, encoded.rstrip("=")}

    def mask(self, text: str) -> str:
        """Return ``text`` with every known secret replaced."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        for word in sorted(self._words, key=len, reverse=True):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", MASK, text)
        return text
