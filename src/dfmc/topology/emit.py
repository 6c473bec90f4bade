"""Writes one entry as YAML in the style of its neighbours: where maps are flow, they are flow, and so on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dfmc.errors import DfmcError
from dfmc.topology.scalars import ScalarError, implicit_tag, is_disputed, read_scalar

# Conservative on purpose: a text that is none of these is quoted.
_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.@+-]*(?::[A-Za-z0-9_/.@+-]+)*")
_STRING_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Style:
    """How the entries of a file are written.

    Attributes:
        dash: Characters from the dash to the entry's keys, at least 2.
        step: Characters by which a nested map is indented further.
        list_step: Characters by which the dashes of a nested list are indented from their key.
        flow_keys: For a key of an entry, whether its map or list is flow in a neighbour.
        flow: What holds for all other keys.
        json: Keys are quoted as in JSON.
    """

    dash: int = 2
    step: int = 2
    list_step: int = 2
    flow_keys: Mapping[str, bool] = field(default_factory=dict)
    flow: bool = False
    json: bool = False


def block_lines(entry: Mapping[str, Any], style: Style) -> list[str]:
    """Write an entry as lines of a block mapping, the first key without indentation."""
    lines: list[str] = []
    for key, value in entry.items():
        flow = style.flow_keys.get(key, style.flow)
        lines += _block(key, value, style, flow=flow)
    return lines


def flow_text(value: Any, *, as_json: bool = False) -> str:  # noqa: ANN401 - a JSON-like tree
    """Write a value on one line, as flow YAML or as JSON."""
    if isinstance(value, Mapping):
        inner = (f"{_scalar(str(key), as_json)}: {flow_text(item, as_json=as_json)}" for key, item in value.items())
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow_text(item, as_json=as_json) for item in value) + "]"
    return _scalar(value, as_json)


def _block(key: str, value: Any, style: Style, *, flow: bool) -> list[str]:  # noqa: ANN401
    name = _scalar(key, style.json)
    is_map = isinstance(value, Mapping)
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if flow or not value or not (is_map or is_list):
        return [f"{name}: {flow_text(value, as_json=style.json)}"]
    lines = [f"{name}:"]
    if is_map:
        for inner_key, inner in value.items():
            lines += [" " * style.step + line for line in _block(str(inner_key), inner, style, flow=False)]
    else:
        for inner in value:
            lines += [" " * style.list_step + line for line in _block_item(inner, style)]
    return lines


def _block_item(value: Any, style: Style) -> list[str]:  # noqa: ANN401
    if not isinstance(value, Mapping) or not value:
        return [f"- {flow_text(value, as_json=style.json)}"]
    lines = [line for key, inner in value.items() for line in _block(str(key), inner, style, flow=False)]
    return [("- " if index == 0 else "  ") + line for index, line in enumerate(lines)]


def _scalar(value: Any, as_json: bool) -> str:  # noqa: ANN401
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        written = repr(value)
        # YAML 1.1 takes 1e+16 for text; a number needs the point.
        return written.replace("e", ".0e") if "e" in written and "." not in written else written
    if not isinstance(value, str):
        raise DfmcError(f"cannot write a {type(value).__name__} into a topology")
    return _text(value, as_json)


def _text(value: str, as_json: bool) -> str:
    try:
        read_scalar(value, "!", is_plain=False)
    except ScalarError as problem:
        raise DfmcError("cannot write this text into a topology", why=str(problem)) from problem
    if as_json or not value.isprintable():
        return _double_quoted(value)
    if _PLAIN.fullmatch(value) and implicit_tag(value) == _STRING_TAG and not is_disputed(value):
        return value
    return "'" + value.replace("'", "''") + "'"


def _double_quoted(value: str) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escape(c) for c in written)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
