"""A plan as text for people and as Markdown for a pull request; its JSON form is in documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from dfmc.output.moves import move_lines, move_markdown
from dfmc.output.text import line, one_line
from dfmc.planning.steps import Action, FieldChange, Kind, Plan, Step
from dfmc.symbols import resolve
from dfmc.topology.model import Topology

# A new release has some eighty values; these are what somebody looks for, most telling first.
_TELLING = [
    re.compile(pattern)
    for pattern in (
        r"(scheduler|seedPeer)ClusterID$|\.clusterID$",
        r"^externalManager\.|^externalRedis\.addrs",
        r"\.replicas$",
        r"(^|\.)nodeSelector\.",
        r"^(scheduler|client|dfdaemon)\.config\.host\.(idc|location)$",
        r"^containerRuntime\..*enable$|dfinit\.enable$",
    )
]
_LINES_OF_NEW_RELEASE = 8
_LINES_OF_UPDATE = 40
_LONGEST_VALUE = 80
_SIGNS: Mapping[Action, tuple[str, str]] = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.CHECK: ("·", "dim"),
}


def plan_lines(plan: Plan, topology: Topology, title: str = "") -> list[Text]:
    """Return the plan as a tree: cluster, step, fields."""
    head = title or f"Plan for topology {plan.topology}, chart {topology.chart.name}-{plan.chart_version}"
    lines = [line((head, "bold")), line("")]
    for cluster in topology.clusters:
        steps = plan.of(cluster.name)
        failure = plan.failures.get(cluster.name)
        if not steps and not failure:
            continue
        role = "manager" if cluster.name == topology.manager.cluster else "member"
        place = f" ({role}, context {cluster.context}, namespace {cluster.namespace})"
        lines.append(line((cluster.name, "bold"), place))
        for step in steps:
            if step.mutates:
                lines += _step_lines(step)
        checks = [step.kind.value for step in steps if not step.mutates]
        if checks:
            lines.append(line(("  · ", "dim"), f"checks: {', '.join(checks)}"))
        if failure:
            lines.append(line(("  ✗ ", "red"), one_line(f"cannot be planned for: {failure.what}: {failure.why}")))
    for name, what in plan.orphans.items():
        steps, failure = plan.of(name), plan.failures.get(name)
        if steps or failure:
            lines.append(line((name, "bold"), " ", one_line(f"(orphaned: {what})")))
        for step in steps:
            lines += _step_lines(step)
        if failure:
            lines.append(line(("  ✗ ", "red"), one_line(f"{failure.what}: {failure.why}")))
    moves = move_lines(plan.moves)
    if plan.foreign:
        what = f"records of the manager that the file does not know, and that stay: {', '.join(plan.foreign)}"
        moves = [*moves, line(("· ", "dim"), one_line(what))]
    return [*lines, *([line(""), *moves] if moves else []), line(""), line(summary(plan))]


def summary(plan: Plan) -> str:
    """Return the plan's last line."""
    creates = sum(step.action is Action.CREATE for step in plan.steps)
    updates = sum(step.action is Action.UPDATE and not step.conditional for step in plan.steps)
    deletes = sum(len(step.changes) for step in plan.steps if step.action is Action.DELETE)
    open_ones = sum(step.conditional for step in plan.steps)
    if not plan.has_changes:
        return "No changes."
    clusters = {step.cluster for step in plan.mutations}
    parts = [f"{creates} to create"] if creates else []
    parts += [f"{updates} to change"] if updates else []
    parts += [f"{deletes} to delete"] if deletes else []
    parts += [f"{open_ones} to look at again"] if open_ones else []
    return f"{', '.join(parts)} in {len(clusters)} cluster{'' if len(clusters) == 1 else 's'}."


def _step_lines(step: Step) -> Iterator[Text]:
    sign, style = _SIGNS[step.action]
    inline, shown, rest = _in_short(step)
    note = f" ({step.note})" if step.note else ""
    yield line((f"  {sign} ", style), f"{step.kind.value:<11} ", inline, note)
    for change in shown:
        yield line("      ", change_text(change))
    if rest:
        where = f"; dfmc render -c {step.cluster} shows all" if step.kind in (Kind.RELEASE, Kind.SCALE) else ""
        yield line((f"      … {rest} more{where}", "dim"))


def _in_short(step: Step) -> tuple[str, Sequence[FieldChange], int]:
    """Return what goes beside the step's name, the changes below it, and how many are left out."""
    changes = step.changes
    if step.action is Action.DELETE:
        return ", ".join(change.path for change in changes), (), 0
    if _is_new_release(step):
        # Its first change is the chart, its other ones the values.
        shown, rest = _telling(changes[1:])
        return value_text(changes[0].new), shown, rest
    if step.action is Action.CREATE:
        if step.kind is Kind.NAMESPACE:
            return ", ".join(value_text(change.new) for change in changes), (), 0
        if step.kind is Kind.CREDENTIALS:
            return ", ".join(change.path for change in changes), (), 0
        if step.kind is Kind.EXPOSE:
            return _services(changes), (), 0
        if step.kind is Kind.BRIDGE:
            return ", ".join(change_text(one) for one in changes if one.path.endswith(" leads to")), (), 0
    if len(changes) == 1:
        return change_text(changes[0]), (), 0
    return "", changes[:_LINES_OF_UPDATE], max(0, len(changes) - _LINES_OF_UPDATE)


def _services(changes: Sequence[FieldChange]) -> str:
    """Return new Services by name, with their type and node ports."""
    found: dict[str, list[str]] = {}
    for change in changes:
        name, _, field = change.path.partition(".")
        words = found.setdefault(name, [])
        if field == "type":
            words.insert(0, value_text(change.new))
        elif field == "ports":
            words += [str(port["nodePort"]) for port in change.new if "nodePort" in port]
    return ", ".join(" ".join([name, *words]) for name, words in found.items())


def _is_new_release(step: Step) -> bool:
    return step.kind is Kind.RELEASE and step.action is Action.CREATE


def _telling(values: Sequence[FieldChange]) -> tuple[list[FieldChange], int]:
    """Return the values of a new release that somebody looks for, and the number of the others."""
    ranked = sorted(
        (rank, index) for index, change in enumerate(values) if (rank := _rank(change.path)) < len(_TELLING)
    )
    chosen = sorted(index for _, index in ranked[:_LINES_OF_NEW_RELEASE])
    return [values[index] for index in chosen], len(values) - len(chosen)


def _rank(path: str) -> int:
    return next((rank for rank, pattern in enumerate(_TELLING) if pattern.search(path)), len(_TELLING))


def change_text(change: FieldChange) -> str:
    """Return a difference on one line: ``path: new`` where nothing was, else ``path: old → new``."""
    if change.old is None:
        return f"{change.path}: {value_text(change.new)}"
    return f"{change.path}: {value_text(change.old)} → {value_text(change.new)}"


def value_text(value: Any) -> str:  # noqa: ANN401 - any leaf of a values tree
    """Return a value on one line, as YAML's flow form would have it."""
    plain = resolve(value, str)
    if plain is None:
        return "(unset)"
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    text = one_line(text) or '""'
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


# --- Markdown --------------------------------------------------------------------------------------------------


def plan_markdown(plan: Plan) -> str:
    """Return the plan for a pull request's comment: a table of steps, the fields folded below it."""
    parts = [f"### dfmc plan: {plan.topology} (dragonfly-{plan.chart_version})", ""]
    if plan.mutations:
        parts += ["| | cluster | step | changes |", "|---|---|---|---|"]
        parts += [_row(step) for step in plan.mutations]
        parts.append("")
    for name, failure in plan.failures.items():
        parts.append(f"- ✗ **{name}** cannot be planned for: {_inline(f'{failure.what}: {failure.why}')}")
    if plan.foreign:
        known = ", ".join(_inline(one) for one in plan.foreign)
        parts.append(f"- records of the manager that the file does not know, and that stay: {known}")
    parts += ["", *move_markdown(plan.moves), f"**{summary(plan)}**", ""]
    for step in plan.mutations:
        parts += _details(step)
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _row(step: Step) -> str:
    sign = _SIGNS[step.action][0]
    count = len(step.changes)
    what = step.note or (change_text(step.changes[0]) if count == 1 else f"{count} fields")
    return f"| `{sign}` | {step.cluster} | {step.kind.value} | {_inline(what)} |"


def _details(step: Step) -> list[str]:
    if len(step.changes) < 2:
        return []
    return [
        f"<details><summary>{step.cluster}: {step.kind.value}</summary>",
        "",
        "```diff",
        *_diff(step.changes),
        "```",
        "",
        "</details>",
        "",
    ]


def _diff(changes: Sequence[FieldChange]) -> Iterator[str]:
    for change in changes:
        if change.old is not None:
            yield f"- {change.path}: {value_text(change.old)}"
        if change.new is not None or change.old is None:
            yield f"+ {change.path}: {value_text(change.new)}"


def _inline(text: str) -> str:
    """Return text as a code span that a table's cell can hold."""
    return "`" + one_line(text).replace("`", "'").replace("|", "\\|") + "`"
