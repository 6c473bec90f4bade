"""``dfmc verify``: proves that bytes come through Dragonfly, and from the right cluster."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ClusterOption,
    ConcurrencyOption,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
    seconds,
)

if TYPE_CHECKING:
    from dfmc.engine.verify_report import VerifyReport
    from dfmc.errors import DfmcError

HELP = (
    "Prove that content comes through Dragonfly and from the right cluster: in each cluster a pull on one node, which "
    "its own seed must fetch from the registry, then on a second one, which a peer must serve.\n\nThat a pull succeeds "
    "proves nothing; the counters of every client, seed and scheduler before and after it do. Ends with 1 and the "
    "cause when they say something else. Leaves nothing behind but what the clients cache."
)
EXAMPLE = example("dfmc verify topology.yaml --image registry.example.com/big:1.0 --junit verify.xml")


class VerifyMethod(StrEnum):
    """What is pulled."""

    AUTO = "auto"
    IMAGE = "image"
    BLOB = "blob"


class VerifyOutput(StrEnum):
    """Forms of the answer."""

    TABLE = "table"
    JSON = "json"


def verify(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    method: Annotated[
        VerifyMethod,
        typer.Option(help="An image by the nodes' runtime, or a blob by the client's proxy; auto: as is given."),
    ] = VerifyMethod.AUTO,
    image: Annotated[
        str,
        typer.Option(
            metavar="REFERENCE", envvar="DFMC_VERIFY_IMAGE", help="Image that no node has yet.", show_default=False
        ),
    ] = "",
    url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="DFMC_VERIFY_URL",
            help="Of a blob as the nodes reach it; {digest} in it becomes fresh digits; without a path it is a server "
            "of blobs at any digest.",
            show_default=False,
        ),
    ] = "",
    push: Annotated[
        str,
        typer.Option(
            metavar="REPOSITORY",
            envvar="DFMC_VERIFY_PUSH",
            help="Push a fresh image there, pull that and delete it again; HOST:PORT/NAME as the nodes name it.",
            show_default=False,
        ),
    ] = "",
    push_url: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="DFMC_VERIFY_PUSH_URL",
            help="That registry's address from here.  [default: http://HOST:PORT]",
            show_default=False,
        ),
    ] = "",
    jaeger: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="DFMC_VERIFY_JAEGER",
            help="Jaeger's query service, to look for each pull's trace, too.",
            show_default=False,
        ),
    ] = "",
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long one pull may take: 90s, 15m.")] = "5m",
    settle: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long to wait at most in a cluster whose peers do not know a new scheduler yet; 0: not at all.",
        ),
    ] = "15m",
    output: Annotated[VerifyOutput, typer.Option("-o", "--output", help="Form of the answer.")] = VerifyOutput.TABLE,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write a JUnit report for CI.", show_default=False)
    ] = None,
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Print what the pulls showed; findings are raised."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.cli.writing import write_new
    from dfmc.engine.session import RunOptions
    from dfmc.engine.verify import verify as prove
    from dfmc.engine.verify_content import VerifyOptions
    from dfmc.output.verify import junit as junit_text
    from dfmc.output.verify import verify_document, verify_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    limits = seconds(timeout, "--timeout"), seconds(settle, "--settle", zero=True)
    wanted = VerifyOptions(method.value, image, url, push, push_url, jaeger, *limits)
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    options = RunOptions(only=chosen_clusters(loaded, cluster, selector), concurrency=concurrency)
    report = run_engine(invocation, loaded, options, lambda session, run: prove(session, wanted))
    if output is VerifyOutput.JSON:
        terminal.answer_document(verify_document(report))
    else:
        terminal.answer(*verify_lines(report))
    if junit is not None:
        write_new(junit, junit_text(report, terminal.redactor.mask), force=True)
    if error := _verify_error(report):
        raise error


def _verify_error(report: VerifyReport) -> DfmcError | None:
    """Return why the exit code is not 0; where no cluster could be looked at, the reason for that."""
    from dfmc.errors import FindingsError

    errors = [cluster.error for cluster in report.clusters if cluster.error]
    if errors and len(errors) == len(report.clusters) and len({type(error) for error in errors}) == 1:
        return errors[0]
    if report.is_proven:
        return None
    wrong = [cluster.name for cluster in report.clusters if not cluster.is_proven]
    return FindingsError(f"not proven: {', '.join(wrong)}")
