"""The JWT of the manager (manager/middlewares/jwt.go): HS256, signed with ``auth.jwt.key``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json


def signed(key: str, user_id: int, issued: int, expires: int) -> str:
    """Return a token; times are seconds since 1970."""
    claims = {"exp": expires, "id": user_id, "orig_iat": issued}
    head = ".".join(_packed(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{_signature(key, head)}"


def user_of(token: str, key: str, now: float) -> int | None:
    """Return the user's id; None for a token that is not signed with this key, or has expired."""
    head, _, signature = token.rpartition(".")
    if not head or not hmac.compare_digest(signature.encode(), _signature(key, head).encode()):
        return None
    try:
        claims = json.loads(_unpacked(head.rpartition(".")[2]))
    except (ValueError, binascii.Error):
        return None
    if not isinstance(claims, dict) or not isinstance(claims.get("id"), int) or claims.get("exp", 0) <= now:
        return None
    return int(claims["id"])


def _signature(key: str, head: str) -> str:
    return _packed(hmac.new(key.encode(), head.encode(), hashlib.sha256).digest())


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
