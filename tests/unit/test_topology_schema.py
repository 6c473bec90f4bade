"""The published JSON Schema is the model's, and says of files what the loader says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dfmc.topology.schema import SCHEMA_ID, json_schema
from topology_texts import GOOD, HEAD, with_b

PUBLISHED = Path(__file__).resolve().parents[2] / "schemas" / "topology-v1alpha1.json"


def accepts(text: str) -> bool:
    document: Any = yaml.safe_load(text)
    return jsonschema.Draft202012Validator(json_schema()).is_valid(document)


def test_checked_in_schema_equals_the_model() -> None:
    written = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert PUBLISHED.read_text(encoding="utf-8") == written, (
        "the model changed: dfmc schema > schemas/topology-v1alpha1.json"
    )


def test_schema_is_one_and_names_itself() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == SCHEMA_ID == "https://dfmc.io/schemas/topology-v1alpha1.json"
    assert schema["title"] == "dfmc topology"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (GOOD, True),
        (with_b("scopes: {idc: x, cidrs: [10.0.0.0/8]}", "values: {anything: [1, {a: null}]}"), True),
        (with_b("contxt: x"), False),
        (with_b("scopes: {idc: no}"), False),
        (with_b("runtime: {type: crio}"), False),
        (GOOD.replace("  context: two\n", ""), False),
        (HEAD + "defaults: {context: x}\nclusters: [{name: a, namespace: n}]\n", True),
        (HEAD + "defaults: {namespace: x}\nclusters: [{name: a, namespace: n}]\n", False),
        (HEAD + "defaults: {metrics: true}\nclusters: [{name: a, namespace: n}]\n", False),
    ],
)
def test_schema_judges_files_as_the_loader_does(text: str, valid: bool) -> None:
    assert accepts(text) is valid
