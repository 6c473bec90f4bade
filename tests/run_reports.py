"""Plans and reports as the engine would hand them to the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dfmc.engine.reports import ClusterReport, UpReport
from dfmc.engine.session import Session
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step
from dfmc.state import Registration

RELEASE = Step(Kind.RELEASE, "b", Action.UPDATE, changes=(FieldChange("scheduler.replicas", 1, 3),))
PROOF = Step(Kind.PROOF, "b", Action.CHECK)
CHANGES = Plan("guide", "1.7.4", (RELEASE, PROOF))
NO_CHANGES = Plan("guide", "1.7.4", (PROOF,))
A = ClusterReport("a", "manager", "kind-kind", "cluster-a", "unchanged", Registration(1, 1), "dragonfly-1.7.4", 2)
B = replace(A, name="b", role="member", result="changed", registration=Registration(2, 2), revision=1)

Confirm = Callable[[Plan], bool]
# Replaces one function of dfmc.engine by name; returns the list that its sessions will be in.
Engine = Callable[..., list[Session]]


def up_report(*clusters: ClusterReport, **rest: Any) -> UpReport:
    return UpReport("guide", clusters, CHANGES, 53.4, **{"changed": True, **rest})
