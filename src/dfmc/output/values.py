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
    if "\n" in text:
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
    return str(yaml.dump(values, Dumper=_ValuesDumper, sort_keys=False, allow_unicode=True, width=float("inf")))


def documents_yaml(documents: Mapping[str, str]) -> str:
    """Return the YAML texts of several clusters as one stream; each begins with ``---`` and its cluster's name."""
    return "".join(f"---\n# cluster: {name}\n{text}" for name, text in documents.items())
