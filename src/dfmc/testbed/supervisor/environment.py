"""A container's environment and mounted files, as its kubelet would fill them from Secrets and ConfigMaps."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

Read = Callable[[Literal["secrets", "configmaps"], str], Mapping[str, Any] | None]
"""Returns the Secret or ConfigMap of that name in the pod's namespace, or None."""


class MissingReferenceError(Exception):
    """A Secret, ConfigMap or key that a container needs does not exist; the text is what a kubelet reports."""


def environment_of(container: Mapping[str, Any], pod: Mapping[str, Any], read: Read) -> dict[str, str]:
    """Return the variables of a container.

    Raises:
        MissingReferenceError: A reference that is not optional leads nowhere.
    """
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        prefix = source.get("prefix", "")
        for kind, field in (("secrets", "secretRef"), ("configmaps", "configMapRef")):
            if reference := source.get(field):
                data = _data(kind, reference, read)
                variables.update({prefix + key: value for key, value in data.items()})
    for entry in container.get("env") or []:
        value = _value(entry, pod, read)
        if value is not None:
            variables[entry["name"]] = value
    return variables


def mounted_file(path: str, container: Mapping[str, Any], pod: Mapping[str, Any], read: Read) -> str | None:
    """Return the content of a file that a Secret or ConfigMap volume puts at ``path``; None where none does.

    Raises:
        MissingReferenceError: The volume's source or key does not exist.
    """
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    wanted = PurePosixPath(path)
    for mount in container.get("volumeMounts") or []:
        at = PurePosixPath(mount["mountPath"])
        if not wanted.is_relative_to(at):
            continue
        relative = str(wanted.relative_to(at)) if wanted != at else str(mount.get("subPath", ""))
        for source in _file_sources(volumes.get(mount["name"], {})):
            content = _file(source, relative, read)
            if content is not None:
                return content
    return None


def value_or_file(
    name: str, variables: Mapping[str, str], container: Mapping[str, Any], pod: Mapping[str, Any], read: Read
) -> str:
    """Return variable ``NAME``, or the content of the file that ``NAME_FILE`` names; empty where neither is set."""
    if variables.get(name):
        return variables[name]
    path = variables.get(f"{name}_FILE", "")
    content = mounted_file(path, container, pod, read) if path else None
    return (content or "").rstrip("\n")


def _value(entry: Mapping[str, Any], pod: Mapping[str, Any], read: Read) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return str(entry.get("value", ""))
    for kind, field in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
        if reference := source.get(field):
            data = _data(kind, reference, read)
            if reference["key"] in data:
                return data[reference["key"]]
            if reference.get("optional"):
                return None
            raise MissingReferenceError(f"couldn't find key {reference['key']} in {kind[:-1]} {reference['name']}")
    if reference := source.get("fieldRef"):
        return _field(reference["fieldPath"], pod)
    return None


def _field(path: str, pod: Mapping[str, Any]) -> str:
    # The kubelet knows podIPs only once the pod has one; real pods get theirs before their container starts.
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else {}
    return value if isinstance(value, str) else ""


def _data(kind: Any, reference: Mapping[str, Any], read: Read) -> dict[str, str]:  # noqa: ANN401
    found = read(kind, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise MissingReferenceError(f'{kind[:-1]} "{reference["name"]}" not found')
    data = dict(found.get("data") or {})
    if kind == "secrets":
        data = {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return data


def _file_sources(volume: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    sources: list[tuple[str, Mapping[str, Any]]] = []
    if secret := volume.get("secret"):
        sources.append(("secrets", {**secret, "name": secret["secretName"]}))
    if config := volume.get("configMap"):
        sources.append(("configmaps", config))
    for projected in (volume.get("projected") or {}).get("sources") or []:
        if secret := projected.get("secret"):
            sources.append(("secrets", secret))
        if config := projected.get("configMap"):
            sources.append(("configmaps", config))
    return sources


def _file(source: tuple[str, Mapping[str, Any]], relative: str, read: Read) -> str | None:
    kind, reference = source
    key = relative
    if items := reference.get("items"):
        key = next((item["key"] for item in items if item["path"] == relative), "")
        if not key:
            return None
    return _data(kind, reference, read).get(key)
