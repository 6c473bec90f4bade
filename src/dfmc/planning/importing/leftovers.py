"""What of a release's values is left beside the typed fields: kept as raw values, or left out with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfmc.symbols import Pending, SecretRef
from dfmc.values.key_facts import KeyPath, has_facts
from dfmc.values.keys import unknown_keys
from dfmc.values.layouts import Layout, data
from dfmc.values.owned import owned_problems
from dfmc.values.passwords import PUBLIC_DEFAULTS
from dfmc.values.secret_keys import holds_secret, is_secret_path, leaves, secrets_in


@dataclass(frozen=True)
class LeftOut:
    """A value of the release that is not in the file.

    Attributes:
        path: Dotted.
        why: In a sentence; empty for what dfmc writes itself, which the plan explains.
        is_missed: It had an effect, which goes with it.
    """

    path: str
    why: str
    is_missed: bool = False


def leftover(
    values: Mapping[str, Any], rendered: Mapping[str, Any], layout: Layout, version: str
) -> tuple[dict[str, Any], tuple[LeftOut, ...]]:
    """Return the raw values that make dfmc's own the release's again, and what cannot be among them.

    Args:
        values: The release's.
        rendered: What dfmc renders from the entry's typed fields.
        layout: Of the chart.
        version: Of the chart.
    """
    raw = _beyond(values, rendered)
    left_out = [LeftOut(".".join(problem.path), why) for problem, why in _refused(raw, layout, version)]
    for one in left_out:
        _drop(raw, one.path.split("."))
    known = secrets_in(values)
    lost = []
    for path, value in leaves(raw):
        is_given = value is not None and value != "" and not (isinstance(value, str) and value in PUBLIC_DEFAULTS)
        if is_given and (is_secret_path(path) or holds_secret(value, known)):
            lost.append(LeftOut(".".join(path), "it is, or holds, a credential", is_missed=True))
    for one in lost:
        _drop(raw, one.path.split("."))
    return raw, tuple(dict.fromkeys((*left_out, *lost)))


def _refused(raw: Mapping[str, Any], layout: Layout, version: str) -> Iterator[tuple[Any, str]]:
    owned = owned_problems(raw, layout)
    dead: Mapping[str, str] = data()["dead"]
    for problem in owned:
        dotted = ".".join(problem.path)
        yield problem, f"no chart reads it: {dead[dotted]}" if dotted in dead else ""
    if has_facts(version):
        paths = [problem.path for problem in owned]
        for problem in unknown_keys(raw, version):
            if not any(_is_within(problem.path, path) or _is_within(path, problem.path) for path in paths):
                yield problem, problem.message


def _is_within(inner: KeyPath, outer: KeyPath) -> bool:
    return inner[: len(outer)] == outer


def _beyond(values: Mapping[str, Any], rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of values that another tree lacks or has otherwise."""
    own: dict[str, Any] = {}
    for key, value in values.items():
        seen = rendered.get(key)
        if isinstance(value, Mapping) and isinstance(seen, Mapping):
            if below := _beyond(value, seen):
                own[str(key)] = below
        elif key not in rendered or not _same(value, seen):
            own[str(key)] = value
    return own


def _same(value: Any, rendered: Any) -> bool:  # noqa: ANN401 - JSON-like trees
    if isinstance(rendered, Pending | SecretRef):
        return False
    if isinstance(value, list) and isinstance(rendered, list):
        return len(value) == len(rendered) and all(_same(*pair) for pair in zip(value, rendered, strict=True))
    return bool(value == rendered and isinstance(value, bool) == isinstance(rendered, bool))


def _drop(tree: dict[str, Any], path: list[str]) -> None:
    head, *rest = path
    below = tree.get(head)
    if rest and isinstance(below, dict):
        _drop(below, rest)
        if not below:
            del tree[head]
    elif not rest:
        tree.pop(head, None)
