"""``dfmc schema``: the JSON Schema of the file, for editors and CI."""

from __future__ import annotations

import typer

from dfmc.cli.options import example, invocation_of

HELP = "Print the JSON Schema of topology files, for editors and CI."
EXAMPLE = example("dfmc schema > topology.schema.json")


def schema(context: typer.Context) -> None:
    """Print the schema."""
    from dfmc.topology.schema import json_schema

    invocation_of(context).terminal.answer_document(json_schema())
