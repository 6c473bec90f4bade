"""What a credential must look like to survive the chart's templates, and which ones everybody knows."""

from __future__ import annotations

import re

# Printed in the chart's values for all to read: root's and Redis' and MySQL's passwords, and the key of the JWTs.
# Whoever keeps one has no secret to mask, and masking it would blot out every "dragonfly-manager" in every message.
PUBLIC_JWT_KEY = "ZHJhZ29uZmx5Cg=="
PUBLIC_DEFAULTS = frozenset({"dragonfly", "dragonfly-root", PUBLIC_JWT_KEY})

# The chart writes passwords into YAML without quotes: '#', ': ', digits only or 1e10 would change them.
_SAFE = re.compile(r"[A-Za-z0-9_-]+")
_OTHER_THAN_TEXT = re.compile(
    r"-?[0-9][0-9_]*(e-?[0-9]+)?|0[xob][0-9a-f_]+|true|false|yes|no|on|off|null|y|n", re.IGNORECASE
)


def unsafe_because(password: str) -> str:
    """Return why the chart's unquoted templates would change a password; empty where they would not."""
    if not _SAFE.fullmatch(password):
        return "only letters, digits, '_' and '-' survive the chart's unquoted templates"
    if _OTHER_THAN_TEXT.fullmatch(password):
        return "YAML would read it as a number or a boolean"
    return ""
