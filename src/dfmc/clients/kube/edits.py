"""What somebody has changed by hand in an object of a release. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from dfmc.redaction import MASK
from dfmc.state import EditedConfigMap, EditedField

_HELM = "helm"
_MOST_NODES = 20_000
_WIDTH = 80
_LONGEST_LOOK = 10_000
# Settings that hold a secret, by the names that Dragonfly's and the databases' configuration files use.
_SECRET = re.compile(r"(?i)passw|secret|token|credential|private|dsn|\bkey\b")
_USER = re.compile(r"(://)[^/@\s]*@")


def edited_config_map(live: Mapping[str, Any], wanted: Mapping[str, str]) -> EditedConfigMap | None:
    """Return what differs between a live ConfigMap and the texts of a manifest; None where nothing does."""
    data = live.get("data") or {}
    keys = [key for key in dict.fromkeys((*wanted, *data)) if data.get(key) != wanted.get(key)]
    if not keys:
        return None
    times = [
        _seconds(entry.get("time"))
        for entry in live["metadata"].get("managedFields") or ()
        if not str(entry.get("manager", "")).lower().startswith(_HELM)
    ]
    known = [time for time in times if time is not None]
    fields = tuple(field for key in keys for field in edited_fields(key, data.get(key), wanted.get(key)))
    return EditedConfigMap(str(live["metadata"]["name"]), tuple(keys), max(known, default=None), fields)


def edited_fields(file: str, seen: str | None, wanted: str | None) -> tuple[EditedField, ...]:
    """Return the settings in which two texts of one configuration file differ.

    Passwords and keys are masked by the setting's name: a run knows its own secrets, not what somebody typed.
    Empty where a text is no mapping in YAML, or nothing but its layout differs; a text whose anchors would unfold to
    more than ``_MOST_NODES`` settings is not followed.
    """
    before, after = _settings(seen), _settings(wanted)
    if before is None or after is None:
        return ()
    budget = iter(range(_MOST_NODES))
    try:
        return tuple(_different(before, after, f"{file}: ", budget))
    except _TooManyError:
        return ()


class _TooManyError(Exception):
    """A text unfolds to more settings than any configuration has."""


def _settings(text: str | None) -> Mapping[str, Any] | None:
    try:
        content = yaml.load(text or "", Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that is none
        return None
    return content if isinstance(content, Mapping) else None


def _different(seen: Any, wanted: Any, path: str, budget: Iterator[int]) -> Iterator[EditedField]:  # noqa: ANN401
    if next(budget, None) is None:
        raise _TooManyError
    if isinstance(seen, Mapping) and isinstance(wanted, Mapping):
        for key in dict.fromkeys((*wanted, *seen)):
            joint = "" if path.endswith(" ") else "."
            yield from _different(seen.get(key), wanted.get(key), f"{path}{joint}{key}", budget)
    elif isinstance(seen, list) and isinstance(wanted, list) and len(seen) == len(wanted):
        for index, (before, after) in enumerate(zip(seen, wanted, strict=True)):
            yield from _different(before, after, f"{path}[{index}]", budget)
    elif seen != wanted or type(seen) is not type(wanted):  # 1, true and "1" are three things in a configuration
        yield EditedField(path, _shown(path, seen), _shown(path, wanted))


def _shown(path: str, value: Any) -> str | None:  # noqa: ANN401 - whatever YAML held
    if value is None:
        return None
    if _SECRET.search(path) or (isinstance(value, Mapping | list) and _SECRET.search(repr(value)[:_LONGEST_LOOK])):
        return MASK
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    line = " ".join(_USER.sub(rf"\1{MASK}@", text[:_LONGEST_LOOK]).split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def started_at(status: Mapping[str, Any]) -> float | None:
    """Return when the newest container of a pod started, from the pod's status; None where none has."""
    times = [
        _seconds(((container.get("state") or {}).get("running") or {}).get("startedAt"))
        for container in status.get("containerStatuses") or ()
    ]
    return max((time for time in times if time is not None), default=None)


def _seconds(time: Any) -> float | None:  # noqa: ANN401 - whatever JSON held
    """Read a Kubernetes time, ``2026-01-31T12:00:00Z``."""
    try:
        return datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return None
