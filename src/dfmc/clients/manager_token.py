"""A token for the manager, signed with the key that it checks tokens with and that dfmc itself made.

The manager refuses a second sign-in within seconds of another one, to the right password (its cache, v2.2.0 to
v2.5.1), so every command that follows another would wait. The key is in the credentials' Secret anyway, and whoever
may read that is root already. The claims are those of the manager's own tokens (manager/middlewares/jwt.go, the same
file from v2.1.0 to v2.5.1); seen to be taken by v2.1.0, v2.3.1 and v2.5.1. A manager that does not take them costs one
request, and is signed in to as usual.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

LIFETIME = 2 * 3600
"""Seconds: longer than a run, short enough for a copy to be useless soon."""


def own_token(key: str, user_id: int, now: int) -> str:
    """Return a JWT (HS256) for a user of the manager.

    Args:
        key: The manager's ``auth.jwt.key``.
        user_id: Of the manager's table of users; root is 1.
        now: Seconds since 1970, UTC.
    """
    claims = {"id": user_id, "orig_iat": now, "exp": now + LIFETIME}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_encoded(signature)}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
