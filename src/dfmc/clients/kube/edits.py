"""What somebody has changed by hand in an object of a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dfmc.state import EditedConfigMap

_HELM = "helm"


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
    return EditedConfigMap(str(live["metadata"]["name"]), tuple(keys), max(known, default=None))


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
