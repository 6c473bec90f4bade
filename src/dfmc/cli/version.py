"""``dfmc version``: one line, or everything a bug report needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from dfmc import __version__
from dfmc.cli.options import DataOutput, example, invocation_of

HELP = "Print the version.\n\nWith -o json also Python's and helm's, and which charts dfmc writes values for."
EXAMPLE = example("dfmc version -o json")


def version(
    context: typer.Context,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> None:
    """Print the version."""
    if output is DataOutput.TEXT:
        typer.echo(f"dfmc {__version__}")
        return
    invocation_of(context).terminal.answer_document(_document())


def _document() -> Mapping[str, object]:
    import asyncio
    import platform

    from dfmc.clients.factory import RealClients
    from dfmc.errors import DfmcError
    from dfmc.output.documents import version_document
    from dfmc.redaction import Redactor
    from dfmc.values.key_facts import newest_known
    from dfmc.values.layouts import supported_versions

    helm: str | DfmcError
    clients = RealClients(Redactor())
    try:
        helm = asyncio.run(clients.offline_helm().version())
    except DfmcError as error:
        helm = error
    finally:
        clients.close()
    charts = f"{supported_versions()} (known up to {newest_known()})"
    return version_document(dfmc=__version__, python=platform.python_version(), helm=helm, charts=charts)
