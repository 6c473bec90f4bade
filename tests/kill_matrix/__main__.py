"""The whole matrix as a command: `python -m kill_matrix`, or `make kill-matrix`.

Every verdict is written down at once; the same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from dfmc.errors import DfmcError
from kill_matrix.bed import MatrixBed, matrix_bed
from kill_matrix.cases import Verdict, cases_of, judge, prepare, reference
from kill_matrix.positions import FAULTS, KILLS, Blow, Case

SETS = {"kills": KILLS, "faults": FAULTS, "all": (*KILLS, *FAULTS), **{blow.value: (blow,) for blow in Blow}}


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Book:
    """The verdicts so far, in a file of one JSON object a line.

    Args:
        file: Is made where it is missing.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text().splitlines() if file.exists() else []
        entries = [json.loads(line) for line in lines]
        self.positions: list[str] = next((entry["positions"] for entry in entries if "positions" in entry), [])
        self.passed = {(entry["position"], entry["blow"]): entry for entry in entries if entry.get("passed")}
        self.failed = {(entry["position"], entry["blow"]): entry for entry in entries if entry.get("passed") is False}

    def write(self, entry: dict[str, object]) -> None:
        """Add an entry."""
        with self.file.open("a") as out:
            out.write(json.dumps(entry) + "\n")

    def note(self, verdict: Verdict) -> None:
        """Add a verdict."""
        key = (verdict.case.position, verdict.case.blow.value)
        entry = {
            "position": key[0],
            "blow": key[1],
            "passed": not verdict.problems,
            "problems": verdict.problems,
            "seconds": [round(one, 1) for one in verdict.seconds],
            "code": verdict.code,
        }
        self.write(entry)
        (self.failed if verdict.problems else self.passed)[key] = entry
        if not verdict.problems:
            self.failed.pop(key, None)


def main() -> int:
    """Run what is left of the matrix; 0 when every case has passed."""
    chosen = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no dfmc is left behind
    chosen.directory.mkdir(parents=True, exist_ok=True)
    book = Book(chosen.directory / f"verdicts-helm{chosen.helm}.jsonl")
    deadline = time.monotonic() + chosen.minutes * 60
    with matrix_bed(chosen.directory, chosen.helm, say, keep=chosen.keep) as bed:
        if not book.positions:
            say("an undisturbed run first")
            prepare(bed, Case("POST namespaces/cluster-a", Blow.KILL_BEFORE))
            book.positions = reference(bed)
            book.write({"positions": book.positions})
        cases = [case for case in cases_of(book.positions, SETS[chosen.blows]) if chosen.only in str(case)]
        left = [case for case in cases if (case.position, case.blow.value) not in book.passed]
        say(f"{len(book.positions)} positions, {len(cases)} cases, {len(left)} of them left")
        for number, case in enumerate(left, 1):
            if time.monotonic() > deadline:
                say(f"{chosen.minutes:g} minutes are over; the same command goes on from here")
                break
            _one(bed, book, case, f"[{number}/{len(left)}]", chosen.directory)
    return _report(book, cases)


def _one(bed: MatrixBed, book: Book, case: Case, head: str, directory: Path) -> None:
    begun = time.monotonic()
    try:
        prepare(bed, case)
    except (DfmcError, AssertionError) as error:
        prepare_failed = Verdict(case, (f"no world for it: {error}",), (0, 0, time.monotonic() - begun), 0, str(error))
        book.note(prepare_failed)
        say(f"{head} NOT RUN {case}: {error}")
        return
    cleared = time.monotonic() - begun
    verdict = judge(bed, case)
    book.note(verdict)
    struck, again, _ = verdict.seconds
    words = "; ".join(verdict.problems) or "ok"
    say(f"{head} {case}: {words} ({cleared:.0f} s to clear, {struck:.0f} s, exit {verdict.code}, again {again:.0f} s)")
    if verdict.problems:
        file = directory / f"failed-{len(book.failed)}.txt"
        file.write_text(f"{case}\n{words}\n\n{verdict.text}\n")
        say(f"    see {file}")


def _report(book: Book, cases: list[Case]) -> int:
    counts: Counter[tuple[str, str]] = Counter()
    for case in cases:
        key = (case.position, case.blow.value)
        counts[case.blow.value, "all"] += 1
        counts[case.blow.value, "passed"] += key in book.passed
        counts[case.blow.value, "failed"] += key in book.failed
    say("\nblow           passed  failed  of")
    for blow in dict.fromkeys(case.blow.value for case in cases):
        passed, failed, everything = (counts[blow, word] for word in ("passed", "failed", "all"))
        say(f"{blow:<14} {passed:>6}  {failed:>6}  {everything}")
    passed = sum(count for (_, word), count in counts.items() if word == "passed")
    say(f"\n{passed} of {len(cases)} converged")
    return 0 if passed == len(cases) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kill_matrix", description="Strike dfmc up at every side effect.")
    parser.add_argument("blows", nargs="?", default="kills", choices=SETS, help="default: kills")
    parser.add_argument("--helm", type=int, default=3, choices=(3, 4))
    parser.add_argument("--directory", type=Path, default=Path.home() / ".cache" / "dfmc" / "kill-matrix")
    parser.add_argument("--minutes", type=float, default=90.0, help="stop before the next case after so long")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--keep", action="store_true", help="leave the bed as it is at the end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
