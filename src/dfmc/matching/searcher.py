"""What a manager answers a peer that asks for its cluster's schedulers, by id or by scopes.

Source: ListSchedulers in manager/rpcserver/manager_server_v2.go of Dragonfly 2.3.1 to 2.5.1. A peer that says a cluster
id is given that cluster's schedulers, inactive ones too, and no scope is looked at; for an id that no record has the
answer is an error. A peer that says none (or 0) is given every cluster with an active scheduler, best first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dfmc.matching.contest import Contest
from dfmc.matching.formula import Candidate, Host, Ranked, terms_of
from dfmc.matching.versions import Generation

# Thousands of hosts among hundreds of records that have much in common: a minute or two.
MOST_SCORES = 2_000_000


@dataclass(frozen=True)
class Says:
    """What a peer tells the manager.

    Attributes:
        host: Looked at where it says no id.
        cluster_id: Of its cluster; None (as 0) for a peer that goes by scopes.
    """

    host: Host
    cluster_id: int | None = None


@dataclass(frozen=True)
class Answer:
    """Where a peer goes.

    Attributes:
        record: It joins that cluster; None: it is given none.
        by: What decided.
        winner: The record's terms, where scopes decided.
    """

    record: Candidate | None
    by: Literal["id", "scopes"]
    winner: Ranked | None = None

    @property
    def name(self) -> str:
        """The record's name; empty for none."""
        return self.record.name if self.record else ""


class Searcher:
    """One manager at one moment.

    Args:
        records: Every record it has.
        generation: Its formula.
        most_scores: How many may be computed for all answers together.
    """

    def __init__(self, records: Sequence[Candidate], generation: Generation, most_scores: int = MOST_SCORES) -> None:
        self.records = tuple(records)
        self.generation = generation
        self._by_id = {record.id: record for record in records}
        active = [record for record in records if record.is_active]
        self._contest = Contest(active, generation, most_scores) if active else None

    def answer(self, says: Says) -> Answer:
        """Return where a peer goes.

        Raises:
            BudgetSpentError: Too many scores have been computed already.
            PatternTooLargeError: A hostname pattern of a record is too large to be evaluated.
        """
        if says.cluster_id:
            return Answer(self._by_id.get(says.cluster_id), "id")
        if self._contest is None:
            return Answer(None, "scopes")
        winner = self._contest.winner(says.host)
        return Answer(winner.candidate, "scopes", winner)

    def score(self, host: Host, record: Candidate) -> Ranked:
        """Return a record's terms for a host, whether it is active or not; PatternTooLargeError as answer."""
        terms = terms_of(host, record.scopes, is_default=record.is_default, generation=self.generation)
        return Ranked(record, terms)
