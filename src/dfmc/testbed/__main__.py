"""``python -m dfmc.testbed up [FILE] | down | status | env``: the bed without the rest of dfmc."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from dfmc.errors import DfmcError
from dfmc.testbed import bed
from dfmc.testbed.layout import BedRequest, ChartChoice, default_directory


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dfmc.testbed", description="the embedded kwok bed")
    parser.add_argument("--directory", type=Path, default=default_directory())
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up")
    up.add_argument("file", nargs="?", type=Path, metavar="FILE")
    up.add_argument("--chart", default="stand-in", help="stand-in, official, or the path of a chart")
    up.add_argument("--helm", type=int, choices=(3, 4), default=3)
    for name in ("down", "status", "env"):
        commands.add_parser(name)
    return parser


def _environment(directory: Path) -> str:
    state = bed.find(directory)
    if state is None:
        raise DfmcError("there is no bed", where=str(directory), next_step="python -m dfmc.testbed up")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in bed.env(state).items())


def main() -> int:
    """Run one command; return its exit code."""
    arguments = _parser().parse_args()
    try:
        if arguments.command == "up":
            given: str = arguments.chart
            chart: ChartChoice = (
                "stand-in" if given == "stand-in" else "official" if given == "official" else Path(given)
            )
            request = BedRequest(arguments.file, chart, arguments.directory, arguments.helm)
            state = bed.up(request, _report)
            sys.stdout.write(f"{state.topology}\n")
        elif arguments.command == "down":
            bed.down(arguments.directory, _report)
        elif arguments.command == "status":
            sys.stdout.write(json.dumps(bed.status(arguments.directory), indent=2) + "\n")
        else:
            sys.stdout.write(_environment(arguments.directory))
    except DfmcError as error:
        _report(f"{error}\n{error.next_step}".strip())
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
