"""``dfmc match --live``: the same answers from the manager that runs, for every peer that there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfmc.cli.invocation import Invocation
from dfmc.cli.options import DataOutput

if TYPE_CHECKING:
    from dfmc.engine.live_match import LiveMatch
    from dfmc.engine.session import RunOptions
    from dfmc.errors import DfmcError
    from dfmc.matching.formula import Host
    from dfmc.topology.load import LoadedTopology


@dataclass(frozen=True)
class LiveQuestion:
    """What is asked.

    Attributes:
        host: One peer that somebody describes; None: every peer of the selected clusters.
        version: Of the manager; None: the one that runs.
        output: Form of the answer.
    """

    host: Host | None
    version: str | None
    output: DataOutput


def answer_live(invocation: Invocation, loaded: LoadedTopology, options: RunOptions, question: LiveQuestion) -> None:
    """Ask the manager and the clusters, print the answer.

    Raises:
        FindingsError: Peers join another cluster than their own.
        DfmcError: The manager, or every cluster, cannot be asked.
    """
    from dfmc.cli.running import run_engine
    from dfmc.engine.live_match import live_match, live_searcher
    from dfmc.output.live_match import live_document, live_lines

    terminal = invocation.terminal
    if question.host is not None:
        version = question.version
        found = run_engine(invocation, loaded, options, lambda session, run: live_searcher(session, version))
        _rank(invocation, found, question.host, question.output)
        return
    found = run_engine(invocation, loaded, options, lambda session, run: live_match(session, question.version))
    if question.output is DataOutput.JSON:
        terminal.answer_document(live_document(found))
    else:
        terminal.answer(*live_lines(found, loaded.file))
    if error := _error(found):
        raise error


def _rank(invocation: Invocation, found: LiveMatch, host: Host, output: DataOutput) -> None:
    from dfmc.errors import UsageError
    from dfmc.matching.formula import ranking
    from dfmc.matching.hostnames import PatternTooLargeError
    from dfmc.output.matching import match_document, match_lines

    generation = found.searcher.generation
    try:
        ranked = ranking(host, found.searcher.records, generation)
    except PatternTooLargeError as error:
        raise UsageError("the manager's records cannot be matched", why=str(error)) from None
    if output is DataOutput.JSON:
        invocation.terminal.answer_document(match_document(ranked))
    else:
        invocation.terminal.answer(*match_lines(host, ranked, generation, found.version, ()))


def _error(found: LiveMatch) -> DfmcError | None:
    """Return why the exit code is not 0; where no cluster could be looked at, the reason for that."""
    from dfmc.errors import FindingsError

    errors = [cluster.error for cluster in found.clusters if cluster.error]
    if errors and len(errors) == len(found.clusters) and len({type(error) for error in errors}) == 1:
        return errors[0]
    wrong = []
    for cluster in found.clusters:
        if cluster.error:
            wrong.append(f"{cluster.cluster} could not be read")
        elif cluster.strays:
            wrong.append(f"{len(cluster.strays)} of {len(cluster.destinations)} of {cluster.cluster}")
    return FindingsError(f"peers that do not go home: {', '.join(wrong)}") if wrong else None
