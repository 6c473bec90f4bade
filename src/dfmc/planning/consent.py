"""What the user of a run agrees to beyond the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Consent:
    """Consent to what a plan does otherwise not do.

    Attributes:
        adopt: Take over releases, records and Services that carry no mark of this topology.
        allow: Names of risks (planning/upgrades.py) that may be taken.
        prune: Remove what is left of clusters that are not in the file any more.
    """

    adopt: bool = False
    allow: frozenset[str] = frozenset()
    prune: bool = False


NO_CONSENT = Consent()
