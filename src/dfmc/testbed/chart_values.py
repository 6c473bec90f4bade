"""The default values of the stand-in charts.

A version's folder has them whole in ``values.yaml``, or in ``changes.yaml`` what they have otherwise than another
version's: its ``base``, the dotted paths that are ``gone``, and the ``values`` that are new or different. Those are
joined as helm joins two files (maps key by key, anything else replaced), so that null stays what it is in the published
defaults: a value.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from dfmc.output.values import values_yaml
from dfmc.values.merge import merge

_WHOLE = "values.yaml"
_CHANGES = "changes.yaml"
_HEAD = (
    "# Every path of chart {version} with its default, so that `helm show values` answers as the real chart's does.\n"
)


def default_values(folder: Traversable, version: str) -> str:
    """Return the text of the ``values.yaml`` that the chart of that version is packaged with.

    Args:
        folder: Where the versions' folders ``dragonfly-<version>`` are.
        version: One that has a folder.
    """
    whole = folder / f"dragonfly-{version}" / _WHOLE
    if whole.is_file():
        return whole.read_text(encoding="utf-8")
    return _HEAD.format(version=version) + values_yaml(_values(folder, version))


def _values(folder: Traversable, version: str) -> dict[str, Any]:
    source = folder / f"dragonfly-{version}"
    whole = source / _WHOLE
    if whole.is_file():
        return dict(yaml.safe_load(whole.read_text(encoding="utf-8")))
    changes = yaml.safe_load((source / _CHANGES).read_text(encoding="utf-8"))
    return merge(_without(_values(folder, changes["base"]), changes.get("gone", ())), changes["values"])


def _without(tree: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Drops these paths, each of which must be there: a list that is out of date would hide that."""
    kept = copy.deepcopy(tree)
    for path in paths:
        *way, last = path.split(".")
        node = kept
        for key in way:
            node = node[key]
        del node[last]
    return kept
