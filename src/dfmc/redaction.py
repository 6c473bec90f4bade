"""Masks every secret a run knows in whatever is shown, logged or raised.

One Redactor lives as long as the run. Credentials are added the moment they are read or made; clients and output get
its ``mask``. Longer secrets are replaced first, so that one that contains another leaves no remainder.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

MASK = "********"
# Shorter strings would mask ordinary words; the safe alphabet of credentials starts at eight characters anyway.
_SHORTEST = 6


class Redactor:
    """The secrets of one run."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def add(self, *secrets: str) -> None:
        """Remember secrets together with the forms they take in base64, JSON and URLs."""
        for secret in secrets:
            if len(secret) < _SHORTEST:
                continue
            encoded = base64.b64encode(secret.encode()).decode()
            forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), encoded, encoded.rstrip("=")}
            self._forms |= forms

    def mask(self, text: str) -> str:
        """Return ``text`` with every known secret replaced."""
        for form in sorted(self._forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text
