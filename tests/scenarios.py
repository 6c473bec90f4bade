"""The mark of a test that plants a failure of the catalogue."""

from __future__ import annotations

from typing import Literal

import pytest


def scenario(*ids: str, real: Literal[True] | str) -> pytest.MarkDecorator:
    """Mark a test that plants these failures and sees what dfmc makes of them.

    Only for a test that really brings the failure about; docs/reliability.md is generated from these marks by reading
    the source, so the arguments are literals.

    Args:
        ids: Of the catalogue, e.g. ``R2``.
        real: True where the parts that fail are real ones: a file for what is about files, sockets for what is about
            connections, else a real API server, manager, helm or process. Otherwise what stands in for them, and why.
    """
    return pytest.mark.scenario(*ids, real=real)
