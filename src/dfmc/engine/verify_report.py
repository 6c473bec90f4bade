"""What ``verify`` ends with, as data; output/ makes the table, JSON and JUnit of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from dfmc.errors import DfmcError
from dfmc.planning.pulls import Pull
from dfmc.planning.verdicts import Cause, Verdict


@dataclass(frozen=True)
class Content:
    """What is pulled.

    Attributes:
        name: An image's reference, or a blob's URL.
        is_fresh: Nobody can have had it before.
        target: What a client's proxy is asked for (path and query); empty where that is not known.
    """

    method: Literal["image", "blob"]
    name: str
    is_fresh: bool
    target: str = ""


@dataclass(frozen=True)
class VerifiedPull:
    """One pull and what the counters said of it.

    Attributes:
        is_traced: Whether the node's client has a trace of it; None where nobody asked.
    """

    pull: Pull
    verdict: Verdict
    seconds: float
    is_traced: bool | None = None


@dataclass(frozen=True)
class VerifiedCluster:
    """One cluster of a verification.

    Attributes:
        pulls: Those that were tried.
        causes: What is wrong with the cluster beside its pulls: wiring, pods.
        notes: What else is worth saying.
        error: Why it could not be looked at.
    """

    name: str
    pulls: tuple[VerifiedPull, ...] = ()
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    error: DfmcError | None = None

    @property
    def is_proven(self) -> bool:
        """Something was pulled, and all of it as it should be."""
        pulls_are_right = bool(self.pulls) and not any(one.verdict.causes for one in self.pulls)
        return pulls_are_right and not self.causes and self.error is None

    def all_causes(self) -> Iterator[Cause]:
        """Yield every cause once, those of the pulls first: they say what happens, the others what is set."""
        seen = set()
        for cause in (*(cause for one in self.pulls for cause in one.verdict.causes), *self.causes):
            if (cause.id, cause.sentence) not in seen:
                seen.add((cause.id, cause.sentence))
                yield cause


@dataclass(frozen=True)
class VerifyReport:
    """The end of ``verify``.

    Attributes:
        seconds: Of the whole run.
    """

    topology: str
    content: Content
    clusters: tuple[VerifiedCluster, ...]
    seconds: float

    @property
    def is_proven(self) -> bool:
        """Every cluster is."""
        return all(cluster.is_proven for cluster in self.clusters)
