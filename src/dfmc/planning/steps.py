"""The plan as data: steps with needs, shown, saved, checked and executed as one object.

A step holds what it will do, never how: the executor has one function per kind. Values hold symbols instead of ids
that do not exist yet and instead of passwords, so a plan may be printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import Any

from dfmc.errors import DfmcError
from dfmc.planning.moves import Moves


class Kind(StrEnum):
    """What a step does; docs/architecture.md says what each needs."""

    NAMESPACE = "namespace"
    CREDENTIALS = "credentials"
    EXPOSE = "expose"
    BRIDGE = "bridge"
    RELEASE = "release"
    MANAGER = "manager"
    RECORD = "record"
    SCALE = "scale"
    READY = "ready"
    PROOF = "proof"
    UNINSTALL = "uninstall"
    UNEXPOSE = "unexpose"
    UNBRIDGE = "unbridge"
    VOLUMES = "volumes"
    FORGET = "forget"
    DISCARD = "discard"
    DEREGISTER = "deregister"
    ENTRY = "entry"


class Action(StrEnum):
    """How a step touches the world; CHECK only reads."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CHECK = "check"


# What is done at the manager for whoever is registered there.
_FOR_OTHERS = frozenset({Kind.MANAGER, Kind.RECORD})


@dataclass(frozen=True)
class FieldChange:
    """One difference between what is and what should be.

    Attributes:
        path: Dotted, e.g. ``scheduler.replicas``; list positions in brackets.
        old: What is there; None when nothing is. Secrets are masked already.
        new: What will be there; a Pending where it is known after apply.
    """

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.old)} → {_shown(self.new)}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any leaf of a values tree
    return "(unset)" if value is None else str(value)


@dataclass(frozen=True)
class Recreated:
    """An object that is deleted for helm to make it anew.

    Attributes:
        api_version: Of its kind.
        kind: For example ``StatefulSet``.
        name: In the release's namespace.
    """

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Step:
    """One thing to do for one cluster.

    Attributes:
        needs: Ids of steps that must have succeeded.
        changes: What differs, for people; empty on CHECK steps.
        values: Chart values with symbols (RELEASE, SCALE only).
        note: Why, where the changes do not say it, e.g. ``recovers a release left pending-install``.
        recreate: Objects to delete before, because a field that changes in them never does so in place.
        conditional: Whether there is anything to do is known only when it runs; until then nothing is known to differ.
    """

    kind: Kind
    cluster: str
    action: Action
    needs: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    values: Mapping[str, Any] | None = field(default=None, repr=False)
    note: str = ""
    conditional: bool = False
    recreate: tuple[Recreated, ...] = ()

    @property
    def id(self) -> str:
        """``<kind>:<cluster>``, unique in a plan."""
        return f"{self.kind.value}:{self.cluster}"

    @property
    def mutates(self) -> bool:
        """Whether running it writes anything."""
        return self.action is not Action.CHECK


@dataclass(frozen=True)
class Plan:
    """What ``up`` does, in dependency order.

    Attributes:
        failures: Clusters that cannot be planned for, and why; the others go on.
        manager_installed: It answered, or its release is deployed: members need no other step of the central cluster.
        orphans: What is left of clusters that are not in the file any more, in words, by their names.
        foreign: Records of the manager that no entry stands for and that are not ours, as ``name (id N)``.
        moves: Which peers change cluster by it; None where it changes nothing that decides, or nobody has asked.
    """

    topology: str
    chart_version: str
    steps: tuple[Step, ...]
    failures: Mapping[str, DfmcError] = field(default_factory=dict)
    manager_installed: bool = False
    orphans: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    moves: Moves | None = None

    @property
    def mutations(self) -> tuple[Step, ...]:
        """The steps that write."""
        return tuple(step for step in self.steps if step.mutates)

    @property
    def has_changes(self) -> bool:
        """Whether running it writes anything."""
        return any(step.mutates for step in self.steps)

    def of(self, cluster: str) -> tuple[Step, ...]:
        """Return the steps of one cluster."""
        return tuple(step for step in self.steps if step.cluster == cluster)

    def step(self, step_id: str) -> Step | None:
        """Return the step of that id."""
        return next((step for step in self.steps if step.id == step_id), None)

    def exceeds(self, shown: Plan) -> bool:
        """Whether it writes what ``shown`` did not say: a step or a field more, whatever the values."""
        said = {step.id: step for step in shown.mutations}
        for step in self.mutations:
            before = said.get(step.id)
            if step.conditional or (before and before.conditional):
                continue
            if before is None or not {change.path for change in step.changes} <= {c.path for c in before.changes}:
                return True
        return False

    def without(self, failures: Mapping[str, DfmcError]) -> Plan:
        """Return the plan for the other clusters; these are failures with the given errors.

        No step of another cluster needs one of a member's, so nothing else falls away. (Not for plans of ``down``.)
        """
        if not failures:
            return self
        steps = tuple(step for step in self.steps if step.cluster not in failures)
        return replace(self, steps=steps, failures={**self.failures, **failures})

    def restricted(self, clusters: Iterable[str]) -> Plan:
        """Return the plan for these clusters alone.

        A step of another cluster stays only when a kept step needs it and it either just checks, or the manager is not
        installed yet: without a manager no member can be registered, whoever asked for it. The central record gives its
        first name up to a member that wants it, for the same reason.
        """
        wanted = set(clusters)
        by_id = {step.id: step for step in self.steps}
        keep: set[str] = set()
        todo = [step.id for step in self.steps if step.cluster in wanted]
        while todo:
            step = by_id[todo.pop()]
            # Whether another cluster is ready matters to one that follows its change, and that is not made here.
            is_change = step.mutates or step.kind is Kind.READY
            untouched = step.cluster not in wanted and is_change and step.kind not in _FOR_OTHERS
            if step.id in keep or (untouched and self.manager_installed):
                continue
            keep.add(step.id)
            todo.extend(need for need in step.needs if need in by_id)
        steps = tuple(
            replace(step, needs=tuple(need for need in step.needs if need in keep))
            for step in self.steps
            if step.id in keep
        )
        failures = {name: error for name, error in self.failures.items() if name in wanted}
        return replace(self, steps=steps, failures=failures)


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps so that each comes after what it needs, file order otherwise.

    Raises:
        ValueError: The needs form a cycle (a bug in the planner; graphlib.CycleError is a ValueError).
    """
    listed = list(steps)
    by_id = {step.id: step for step in listed}
    place = {step.id: index for index, step in enumerate(listed)}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for step in listed:
        sorter.add(step.id, *(need for need in step.needs if need in by_id))
    sorter.prepare()
    ordered: list[Step] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        ordered.extend(by_id[step_id] for step_id in ready)
        sorter.done(*ready)
    return tuple(ordered)
