"""The JSON Schema of the file, made from the model: for editors and for ``dfmc schema``."""

from __future__ import annotations

from typing import Any

from dfmc.topology.model import Topology

SCHEMA_ID = "https://dfmc.io/schemas/topology-v1alpha1.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Required in an entry unless ``defaults`` gives them; the model sees entries with defaults merged in.
_REQUIRED_SOMEWHERE = ("context", "namespace")


def json_schema() -> dict[str, Any]:
    """Return the schema of a topology file as JSON-like data, keys as in the file."""
    generated = Topology.model_json_schema(by_alias=True)
    entry = generated["$defs"]["ClusterSpec"]
    entry["required"] = [key for key in entry["required"] if key not in _REQUIRED_SOMEWHERE]
    head = {"$schema": _DIALECT, "$id": SCHEMA_ID}
    return (
        head | generated | {"title": "dfmc topology", "allOf": [_in_entry_or_defaults(k) for k in _REQUIRED_SOMEWHERE]}
    )


def _in_entry_or_defaults(key: str) -> dict[str, Any]:
    return {
        "if": {"required": ["defaults"], "properties": {"defaults": {"required": [key]}}},
        "else": {"properties": {"clusters": {"items": {"required": [key]}}}},
    }
