"""Load a topology and hold it against its chart and against itself: what every command does first.

topology/load.py knows the file alone; values/check.py knows which keys the chart has and which dfmc owns; the lints
look at the whole. All report together, so that one run shows every problem, and comments in the file have the last
word about warnings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dfmc.errors import Diagnostic
from dfmc.linting.addresses import address_findings
from dfmc.linting.credentials import credential_findings
from dfmc.linting.ignores import Ignored, apply_ignores
from dfmc.linting.rules import rule_titles
from dfmc.linting.scopes import overlap_findings, scope_findings
from dfmc.linting.subject import Subject
from dfmc.linting.workloads import image_findings, resource_findings
from dfmc.topology.load import Inspection, LoadedTopology, inspect_text, read_text
from dfmc.values.check import check_values
from dfmc.values.layouts import unsupported

_LINTS: tuple[Callable[[Subject], Iterator[Diagnostic]], ...] = (
    scope_findings,
    overlap_findings,
    address_findings,
    credential_findings,
    image_findings,
    resource_findings,
)


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in a file.

    Attributes:
        inspection: The file, with the problems that stand after comments were heard.
        ignored: What comments answer.
    """

    inspection: Inspection
    ignored: tuple[Ignored, ...]

    def concluded(self) -> LoadedTopology:
        """Return the topology with its warnings.

        Raises:
            TopologyError: There is an error; carries every problem.
        """
        return self.inspection.concluded()


def load(path: str | Path) -> LoadedTopology:
    """Return the checked topology of a file; ``-`` reads standard input.

    Raises:
        TopologyError: With every problem of the file, or of what it asks of the chart.
    """
    return inspect(path).concluded()


def load_from_text(text: str, file: str) -> LoadedTopology:
    """Return the checked topology of a text; ``file`` is the name that positions are given with; errors as load."""
    return inspect_whole(text, file).concluded()


def inspect(path: str | Path) -> Findings:
    """Return everything that is found in a file.

    Raises:
        TopologyError: It cannot be read, or is no YAML mapping.
    """
    name, text = read_text(path)
    return inspect_whole(text, name)


def inspect_whole(text: str, file: str) -> Findings:
    """Return everything that is found in a text; errors as inspect."""
    inspection = inspect_text(text, file)
    subject = _subject(inspection)
    problems = set(inspection.problems)
    if subject is not None:
        problems.update(_chart_and_lints(subject))
    is_complete = subject is not None and unsupported(subject.topology.chart.version) is None
    kept, ignored = apply_ignores(text, file, problems, rule_titles().keys(), is_complete=is_complete)
    return Findings(replace(inspection, problems=kept), ignored)


def _subject(inspection: Inspection) -> Subject | None:
    """Return what the other rules look at; None while the model refuses the file or its central cluster is unknown."""
    topology = inspection.topology
    if topology is None or all(entry.name != topology.manager.cluster for entry in topology.clusters):
        return None
    return Subject(inspection.document, topology)


def _chart_and_lints(subject: Subject) -> Iterator[Diagnostic]:
    for problem in check_values(subject.topology):
        yield subject.document.diagnose(problem.path, problem.message, problem.severity, problem.rule)
    for lint in _LINTS:
        yield from lint(subject)
