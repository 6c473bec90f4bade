"""Values as YAML that PyYAML and helm's Go parser read alike.

They speak different dialects: PyYAML reads YAML 1.1, where ``no`` is false, ``0755`` is 493 and ``22:22`` is 1342; Go's
reads ``1e10`` as a number and ``0o17`` as an octal one, which PyYAML takes for text. So text goes without quotes only
when it looks like a word in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

# Starts like a word or a path, holds nothing that means anything to YAML, and is none of the words below.
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*")
# Breaks that YAML 1.1 would fold into a space, and ends that a block could only keep with an end-of-document mark.
_ESCAPED = re.compile("[\r\x85\u2028\u2029]|\n\n\\Z|^\n\\Z")
_LONGEST_SIMPLE_KEY = 100  # longer ones are written as ? key
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"})


class _ValuesDumper(yaml.SafeDumper):
    """Quotes what one of the dialects could take for something else; writes no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401 - the signature of PyYAML
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of a list below its key, as the chart's own values do."""
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if _ESCAPED.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif not _PLAIN.fullmatch(text) or text.casefold() in _WORDS:
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_ValuesDumper.add_representer(str, _represent_text)


def values_yaml(values: Mapping[str, Any]) -> str:
    """Return a cluster's values as one YAML document, keys in their order.

    Args:
        values: Dicts, lists and scalars without symbols.
    """
    if not values:
        return "{}\n"
    return "\n".join(_map_lines(values, "")) + "\n"


def _dumped(value: Any) -> str:  # noqa: ANN401
    return str(yaml.dump(value, Dumper=_ValuesDumper, sort_keys=False, allow_unicode=True, width=float("inf")))


# PyYAML's emitter takes ten times as long as all the rest of a rendering, so it is left with the scalars that need its
# care; what is written here is what it would write (the tests hold one against the other).
def _map_lines(values: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        if not key or len(key) > _LONGEST_SIMPLE_KEY or not (key.isascii() and key.isprintable()):
            odd = _dumped({key: value}).removesuffix("\n").split("\n")
            lines += [indent + line if line else line for line in odd]
            continue
        name = f"{indent}{_scalar(key, indent)}:"
        if isinstance(value, Mapping) and value:
            lines.append(name)
            lines += _map_lines(value, f"{indent}  ")
        elif isinstance(value, list) and value:
            lines.append(name)
            lines += _list_lines(value, f"{indent}  ")
        else:
            lines.append(f"{name} {_scalar(value, indent)}")
    return lines


def _list_lines(items: list[Any], indent: str) -> list[str]:
    lines: list[str] = []
    for item in items:
        if isinstance(item, Mapping) and item:
            inner = _map_lines(item, f"{indent}  ")
        elif isinstance(item, list) and item:
            inner = _list_lines(item, f"{indent}  ")
        else:
            lines.append(f"{indent}- {_scalar(item, indent)}")
            continue
        lines += [f"{indent}- {inner[0][len(indent) + 2 :]}", *inner[1:]]
    return lines


def _scalar(value: Any, indent: str) -> str:  # noqa: ANN401
    if isinstance(value, str) and value.isascii() and value.isprintable():
        if _PLAIN.fullmatch(value) and value.casefold() not in _WORDS:
            return value
        return "'" + value.replace("'", "''") + "'"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    # A block of several lines is indented from where its key or dash stands.
    first, *rest = _dumped([value]).removesuffix("\n").split("\n")
    return "\n".join([first[2:].removeprefix("- "), *(f"{indent}{line}" if line else line for line in rest)])


def documents_yaml(documents: Mapping[str, str]) -> str:
    """Return the YAML texts of several clusters as one stream; each begins with ``---`` and its cluster's name."""
    return "".join(f"---\n# cluster: {name}\n{text}" for name, text in documents.items())
