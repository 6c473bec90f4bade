"""``dfmc match``: which cluster a peer would join, by the manager's own formula."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.match_live import LiveQuestion, answer_live
from dfmc.cli.options import (
    ClusterOption,
    ConcurrencyOption,
    DataOutput,
    FileArgument,
    FileOption,
    SelectorOption,
    chosen_clusters,
    chosen_file,
    example,
    invocation_of,
    seconds,
)
from dfmc.errors import TopologyError, UsageError

if TYPE_CHECKING:
    from dfmc.matching.formula import Host

HELP = (
    "Show which cluster a peer would join, by the manager's own formula; without --live contacts nothing.\n\n"
    "Each cluster's score term by term, the winner, and where the peer goes while that cluster has no active "
    "scheduler. Before the first `dfmc up` ids are taken as it would give them: the manager's cluster first, then the "
    "file's order; the lower id wins among equals.\n\n"
    "--live asks the manager for its records and schedulers, and each cluster for its nodes: every client and seed "
    "peer, the cluster it would join now, and why; for a peer that options describe, its ranking. Ends with 1 "
    "when one does not go home.\n\n"
    '--world reads {"manager": VERSION, "worlds": [{"clusters": [{"id", "scopes", "is_default", "active"}], '
    '"answers": [{"host": {"ip", "hostname", "idc", "location"}}]}]} and prints it again with every host\'s "order" '
    "of cluster ids."
)
EXAMPLE = example("dfmc match topology.yaml --idc cluster-2 --ip 10.1.2.3", "dfmc match --live -l region=eu")


def match(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    idc: Annotated[str, typer.Option(metavar="NAME", help="What the peer says: its idc.", show_default=False)] = "",
    location: Annotated[
        str, typer.Option(metavar="A|B|C", help="Its location, the widest element first.", show_default=False)
    ] = "",
    ip: Annotated[str, typer.Option(metavar="ADDRESS", help="Its advertised address.", show_default=False)] = "",
    hostname: Annotated[str, typer.Option(metavar="NAME", help="Its host name.", show_default=False)] = "",
    manager_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="The manager's version, such as v2.5.1.  [default: what the chart installs]",
            show_default=False,
        ),
    ] = None,
    inactive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A cluster without an active scheduler; may be repeated.", show_default=False
        ),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(metavar="FILE.json", help="Answer every host of a world file instead.", show_default=False),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the manager and the clusters: where does every peer go now?")
    ] = False,
    cluster: ClusterOption = None,
    selector: SelectorOption = None,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
    timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="With --live: how long a cluster may take to answer: 5s, 1m.")
    ] = "30s",
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Print the ranking, the answers of a world, or where the peers that there are go."""
    from dfmc.matching.formula import Host

    if (cluster or selector) and not live:
        raise UsageError("-c and -l choose whose peers --live tells", next_step="say --live too, or leave them away")
    if world is not None:
        peer = (file, idc, location, ip, hostname, inactive, live)
        if any(peer):
            raise UsageError(
                "--world brings its own clusters and hosts", next_step="leave FILE, the peer and --live away"
            )
        _answer_world(context, world, manager_version)
        return
    host = Host(ip=ip, hostname=hostname, idc=idc, location=location)
    if live:
        if inactive:
            raise UsageError("--live knows which clusters are inactive", next_step="leave --inactive away")
        is_described = any(vars(host).values())
        if is_described and (cluster or selector):
            raise UsageError("--live tells either one described peer or those of clusters", next_step="leave one away")
        path = chosen_file(file, file_option, context)
        question = LiveQuestion(host if is_described else None, manager_version, output)
        _answer_live(context, path, question, (cluster, selector), seconds(timeout, "--timeout"), concurrency)
        return
    _rank(context, chosen_file(file, file_option, context), host, manager_version, inactive or [], output)


def _answer_live(
    context: typer.Context,
    path: str,
    question: LiveQuestion,
    chosen: tuple[list[str] | None, list[str] | None],
    limit: float,
    concurrency: int,
) -> None:
    from dfmc.cli.loading import load_for_run
    from dfmc.engine.session import RunOptions

    invocation = invocation_of(context)
    loaded = load_for_run(path, invocation.terminal)
    options = RunOptions(only=chosen_clusters(loaded, *chosen), timeout=limit, concurrency=concurrency)
    answer_live(invocation, loaded, options, question)


def _rank(
    context: typer.Context,
    path: str,
    host: Host,
    given_version: str | None,
    inactive: list[str],
    output: DataOutput,
) -> None:
    from dfmc.cli.loading import load_for_run
    from dfmc.matching.formula import ranking
    from dfmc.matching.hostnames import PatternTooLargeError
    from dfmc.matching.networks import parse_address
    from dfmc.matching.records import candidates_of
    from dfmc.matching.versions import generation_of
    from dfmc.output.matching import match_document, match_lines
    from dfmc.values.context import membership_of
    from dfmc.values.manager_versions import manager_version

    terminal = invocation_of(context).terminal
    topology = load_for_run(path, terminal).topology
    names = [cluster.name for cluster in topology.clusters]
    if unknown := [name for name in inactive if name not in names]:
        raise UsageError(f"--inactive: the file has no cluster {unknown[0]}", next_step=f"it has {', '.join(names)}")
    version = given_version or manager_version(topology)
    generation = generation_of(version)
    if host.ip and parse_address(host.ip) is None:
        terminal.warn(f"--ip: {host.ip} is no address; the manager counts it for nothing")
    try:
        ranked = ranking(host, candidates_of(topology, inactive), generation)
    except PatternTooLargeError as error:
        raise UsageError(f"{path} cannot be matched", why=str(error)) from None
    if output is DataOutput.JSON:
        terminal.answer_document(match_document(ranked))
        return
    by_id = [cluster.name for cluster in topology.clusters if membership_of(topology, cluster) == "id"]
    terminal.answer(*match_lines(host, ranked, generation, version, by_id))


def _answer_world(context: typer.Context, path: str, version: str | None) -> None:
    import json

    from dfmc.matching.worlds import answered, read_world

    document = answered(read_world(_read(path), path), path, version)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    invocation_of(context).terminal.write_exactly(text + "\n")


def _read(path: str) -> bytes:
    import sys

    from dfmc.matching.worlds import MAX_BYTES

    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif Path(path).exists() and not Path(path).is_file():
            raise TopologyError(f"{path} is not a regular file", next_step="for standard input give --world -")
        else:
            with open(path, "rb") as opened:
                data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise TopologyError(f"cannot read {path}", why=error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise TopologyError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB")
    return data
