"""All checks, in the order in which they are shown; docs/doctor.md is made from this table."""

from __future__ import annotations

from dfmc.planning.checks import access, images, machine, membership, nodes, reachability, records, releases, secrets
from dfmc.planning.checks.model import Check

CHECKS: tuple[Check, ...] = (
    *machine.CHECKS,
    *access.CHECKS,
    *nodes.CHECKS,
    *images.CHECKS,
    *reachability.CHECKS,
    *releases.CHECKS,
    *records.CHECKS,
    *membership.CHECKS,
    *secrets.CHECKS,
)


def check_of(check_id: str) -> Check | None:
    """Return the check of an id, whatever its case."""
    return next((check for check in CHECKS if check.id == check_id.upper()), None)
