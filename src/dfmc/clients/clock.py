"""Whose clock is ahead, as the Date of an HTTP answer tells (RFC 9110, 6.6.1). Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def seconds_ahead(date: str | None, now: float) -> float | None:
    """Return by how many seconds the server's clock is ahead of ours.

    Args:
        date: The answer's header ``Date``, whole seconds; None or empty where there was none.
        now: Seconds since 1970 by our clock when the answer came.

    Returns:
        None where the header tells no time. Up to a second, and the answer's way to us, is not skew.
    """
    try:
        return parsedate_to_datetime(date).timestamp() - now if date else None
    except ValueError:
        return None
