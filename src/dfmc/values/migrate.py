"""A Helm values file of one chart version rewritten for another: ``dfmc values migrate``.

What changed from version to version is data (data/moves.yaml). Its rows are applied one after the other, forwards or
backwards, to a copy of the values that remembers where everything stood; at the end whatever the target does not have
is taken out, so the result always passes the key check of the target. Nothing leaves without a note.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dfmc.errors import UsageError
from dfmc.values.conversions import CHANGES, VALUES, Names
from dfmc.values.key_facts import known_versions, stages
from dfmc.values.keys import KeyProblem, has_key_exactly, unknown_keys
from dfmc.values.layouts import Version, data, layout_name, parse_version
from dfmc.values.rewriting import Note, Rewriting
from dfmc.values.runtime_changes import ONLY_CLIENTS

_MOVES = Path(__file__).parent / "data" / "moves.yaml"
_LATEST = "latest"


@dataclass(frozen=True)
class Migration:
    """A values file for another chart version.

    Attributes:
        values: What stands in it.
        notes: What happened to each part that is not where it was.
        source: Version that the values were written for.
        target: Version that they are written for now.
    """

    values: Mapping[str, Any]
    notes: tuple[Note, ...]
    source: str
    target: str


@dataclass(frozen=True)
class Guess:
    """Which chart a values file was written for, as far as its keys tell.

    Attributes:
        version: To go on with.
        reason: Which charts its keys fit, in a sentence.
    """

    version: str
    reason: str


def migrate(values: Mapping[str, Any], source: str, target: str) -> Migration:
    """Return values of chart version ``source`` rewritten for ``target``.

    Args:
        values: As in a values file; not changed.
        source: Version that they are written for; older and newer ones than the target both work.
        target: Version that they shall be written for; one newer than all known is judged by the newest known.

    Raises:
        TopologyError: One of them is no version.
        UsageError: One of them is older than the charts known.
    """
    work = Rewriting(values, _known(source), _known(target))
    problems_before = {problem.path for problem in unknown_keys(values, source)}
    for path, why in data()["dead"].items():
        work.drop(path, f"no chart reads it: {why}")
    for row in _crossed(work):
        for names in _applications(row):
            _apply(work, row, names, target)
    _take_out_unknown(work, problems_before, source, target)
    _look_at_tags(work, source, target)
    notes = [*work.moved(), *work.notes]
    return Migration(work.tree, tuple(dict.fromkeys(notes)), source, target)


def guess_version(values: Mapping[str, Any]) -> Guess:
    """Return the chart version that values were written for: one whose keys they are, the oldest where several fit.

    Of several, the oldest is safe: what changed since then and is not in the file changes nothing in it, except that
    switches whose defaults flipped are written out.
    """
    rest = Rewriting(values, (0, 0, 0), (0, 0, 0))
    for path in data()["dead"]:
        rest.take(path)
    versions = [_text(version) for version in stages()]
    wrong = {version: unknown_keys(rest.tree, version) for version in versions}
    fewest = min(len(problems) for problems in wrong.values())
    fitting = [version for version in versions if len(wrong[version]) == fewest]
    if _has_only_clients(rest):
        # Before this chart the client is switched off by default, and nobody writes settings for what does not run.
        fitting = [version for version in fitting if parse_version(version) >= ONLY_CLIENTS] or fitting
    first, last = fitting[0], fitting[-1]
    until = "the newest" if last == versions[-1] else last
    count = "all of its keys" if not fewest else f"all of its keys but {fewest}"
    reason = f"charts {first} to {until} have {count}" if first != last else f"chart {first} has {count}"
    best = set(wrong[first])
    for neighbour in _neighbours(versions, fitting):
        odd = [".".join(problem.path) for problem in wrong[neighbour] if problem.path not in {p.path for p in best}]
        if odd:
            rest_of = ", …" if len(odd) > 3 else ""
            reason += f"; {neighbour} does not have {', '.join(odd[:3])}{rest_of}"
    return Guess(first, f"{reason} (layout {layout_name(first)})")


def _has_only_clients(work: Rewriting) -> bool:
    clients, daemons = ("client", "seedClient"), ("dfdaemon", "seedPeer")
    is_written = any(work.has(name) for name in clients) and not any(work.has(name) for name in daemons)
    return is_written and not any(work.has(f"{name}.enable") for name in clients)


def _neighbours(versions: list[str], fitting: list[str]) -> Iterator[str]:
    before, after = versions.index(fitting[0]) - 1, versions.index(fitting[-1]) + 1
    if before >= 0:
        yield versions[before]
    if after < len(versions):
        yield versions[after]


def _known(version: str) -> Version:
    number, first = parse_version(version), parse_version(known_versions()[0])
    if number < first:
        raise UsageError(f"charts older than {_text(first)} are not known", why=f"{version} is one of them")
    return number


def _text(version: Version) -> str:
    return ".".join(map(str, version))


@cache
def _rows() -> tuple[Mapping[str, Any], ...]:
    loaded = yaml.load(_MOVES.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return tuple({**row, "repositories": loaded["repositories"]} for row in loaded["changes"])


def _crossed(work: Rewriting) -> Iterator[Mapping[str, Any]]:
    """Yield the rows between source and target in the order in which they apply."""
    if work.is_forward:
        for row in _rows():
            if row.get("only") != "back" and work.source < parse_version(row["since"]) <= work.target:
                yield row
        return
    backwards = sorted(_rows(), key=lambda row: parse_version(row.get("back", row["since"])), reverse=True)
    for row in backwards:
        if row.get("only") != "forward" and work.target < parse_version(row.get("back", row["since"])) <= work.source:
            yield row


def _applications(row: Mapping[str, Any]) -> Iterator[Names]:
    """Yield what the words in braces stand for, once for each time that the row applies."""
    if "pairs" in row:
        for old, new in row["pairs"].items():
            yield {"old": old, "new": new}
    else:
        for name in row.get("of", [""]):
            yield {"x": name, "repository": row["repositories"].get(name, "")}


def _apply(work: Rewriting, row: Mapping[str, Any], names: Names, target: str) -> None:
    if "convert" in row:
        for at in row.get("at", [""]):
            CHANGES[row["convert"]](work, {**names, "at": at.format(**names)})
    forwards, backwards = VALUES[row["how"]] if "how" in row else (None, None)
    for old, new in row.get("moves", {}).items():
        old, new = old.format(**names), new.format(**names)
        source, goal = (old, new) if work.is_forward else (new, old)
        # Where the target's keys are known better than the row's version, they decide.
        if not (has_key_exactly(source, target) and not has_key_exactly(goal, target)):
            work.move(source, goal, forwards if work.is_forward else backwards)
    if work.is_forward:
        for path, why in row.get("moot", {}).items():
            if not has_key_exactly(path.format(**names), target):
                work.drop(path.format(**names), why.format(**names))
        for path, why in row.get("gone", {}).items():
            if not has_key_exactly(path.format(**names), target):
                work.lose(path.format(**names), why.format(**names))
    for path, (before, since) in row.get("default", {}).items():
        if not work.has(path):
            value = before if work.is_forward else since
            work.add(path, value, f"it is the default of the file's chart, and the other way round in {target}")


def _take_out_unknown(work: Rewriting, before: set[tuple[str, ...]], source: str, target: str) -> None:
    # A key's form can be wrong at two levels one after the other; each round removes all that is seen.
    while problems := unknown_keys(work.tree, target):
        for problem in problems:
            work.lose(problem.path, _reason(problem, work.origin(problem.path) in before, source))


def _reason(problem: KeyProblem, was_wrong_before: bool, source: str) -> str:
    return f"{problem.message} (nor did chart {source} have it)" if was_wrong_before else problem.message


def _look_at_tags(work: Rewriting, source: str, target: str) -> None:
    """Point to pinned images: a chart's configuration files are written for its own version of the programs."""
    if source == target:
        return
    for key in _rows()[0]["repositories"]:
        for path in (f"{key}.image.tag", f"{key}.tag"):
            held = work.get(path)
            if held not in (None, "", _LATEST):
                work.note(path, f"is kept, but chart {target} is made for a version of its own: check it", "check")
