"""Which objects a release consists of, from the manifest that helm keeps with it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import RecoveryError

# Content of a block scalar is always indented, so nothing else stands at the beginning of a line.
_SEPARATOR = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class ObjectName:
    """One object of a manifest; ``namespace`` is empty where the manifest leaves it to the release."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def object_names(manifest: str) -> tuple[ObjectName, ...]:
    """Return the names of a manifest's objects, in its order; errors as documents."""
    return tuple(
        ObjectName(
            str(document.get("apiVersion")),
            str(document.get("kind")),
            str(document["metadata"].get("namespace") or ""),
            str(document["metadata"].get("name")),
        )
        for document in documents(manifest)
    )


def config_maps(manifest: str) -> dict[tuple[str, str], dict[str, str]]:
    """Return the texts of a manifest's ConfigMaps by namespace (empty: the release's) and name; errors as object_names.

    A value that YAML reads as something else than a text is one nevertheless: the API server takes no other.
    """
    found = {}
    for document in documents(manifest):
        if document.get("kind") == "ConfigMap":
            metadata, data = document["metadata"], document.get("data") or {}
            texts = {str(key): str(value) for key, value in data.items() if value is not None}
            found[str(metadata.get("namespace") or ""), str(metadata.get("name"))] = texts
    return found


def documents(manifest: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a manifest whole, in its order.

    Raises:
        RecoveryError: It is no YAML.
    """
    for text in _SEPARATOR.split(manifest):
        try:
            document = load_yaml(text.encode())
        except yaml.YAMLError as error:
            # The error's own text may quote the manifest, which holds passwords.
            raise RecoveryError(
                "the manifest in the release's record is not YAML",
                why=type(error).__name__,
                next_step="see `helm get manifest` of the release",
            ) from None
        if isinstance(document, dict) and isinstance(document.get("metadata"), dict):
            yield document
