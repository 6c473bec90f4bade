"""Whose clock is ahead, from an answer's Date."""

from __future__ import annotations

import pytest

from dfmc.clients.clock import seconds_ahead

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Fri, 15 Jan 2027 08:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2027 09:00:00 GMT", 3600.0),
        ("Fri, 15 Jan 2027 07:59:00 GMT", -60.0),
        ("Fri, 15 Jan 2027 09:00:00 +0100", 0.0),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_date_tells_how_far_ahead_its_clock_is(date: str | None, ahead: float | None) -> None:
    assert seconds_ahead(date, NOW) == ahead
