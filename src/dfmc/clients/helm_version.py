"""Which helm dfmc works with (pure): 3.18 and newer, and 4.x."""

from __future__ import annotations

import re

from dfmc.errors import PreflightError

OLDEST_HELM = (3, 18)
NEWEST_MAJOR = 4
INSTALL_HELM = "install helm 3.18 or newer, or 4.x, and put it on PATH: https://helm.sh/docs/intro/install/"

_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-+][0-9A-Za-z.+-]{0,60})?")


def version_numbers(said: str) -> tuple[int, ...]:
    """Return (major, minor, patch) of what ``helm version`` said, () when that is no version.

    The patch may be missing: a helm made by a plain ``go install`` says ``v3.19``.
    """
    found = _VERSION.fullmatch(said.strip())
    return tuple(int(part) for part in found.groups() if part is not None) if found else ()


def supported_version(said: str, executable: str) -> str:
    """Return the version without its ``v``.

    Args:
        said: What ``helm version`` printed, already readable.
        executable: The helm that printed it.

    Raises:
        PreflightError: It is no version, or not a supported one.
    """
    numbers = version_numbers(said)
    if not numbers:
        raise PreflightError(
            f"{executable} does not tell its version",
            why=f"`helm version` printed {said.strip()[:80]!r}",
            next_step=INSTALL_HELM,
        )
    if numbers[:2] < OLDEST_HELM or numbers[0] > NEWEST_MAJOR:
        raise PreflightError(
            f"helm {said.strip().removeprefix('v')} is not supported",
            why=f"dfmc works with helm 3.18 and newer, and 4.x; this is {executable}",
            next_step=INSTALL_HELM,
        )
    return said.strip().removeprefix("v")
