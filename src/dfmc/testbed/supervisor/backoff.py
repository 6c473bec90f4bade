"""When an ended container starts again. Pure."""

from __future__ import annotations

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 20.0
HEALTHY_SECONDS = 600.0


def restart_delay(failures: int) -> float:
    """Return the seconds to wait before the next start.

    As a kubelet does it, with a tenth of its times: the first restart is immediate, then the delay doubles.

    Args:
        failures: Ends since the container last ran for ten minutes, this one included.
    """
    if failures <= 1:
        return 0.0
    return min(FIRST_SECONDS * (1 << min(failures - 2, 16)), LONGEST_SECONDS)
