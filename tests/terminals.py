"""Streams that claim to be a terminal, or to have lost their reader."""

from __future__ import annotations

import io


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines_of(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()
