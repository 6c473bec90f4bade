"""``python -m dfmc.testbed.kind.local_docker up | down [--delete] | status``: what `make kind-docker` runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dfmc.errors import DfmcError
from dfmc.testbed.kind.local_docker import engine
from dfmc.testbed.kind.local_docker.settings import SOCKET, EngineFiles


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dfmc.testbed.kind.local_docker",
        description="a Docker engine for machines with root but without an init system to run one",
    )
    parser.add_argument(
        "--directory", type=Path, default=engine.default_files().directory, help="where it keeps everything"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it, unless an engine answers already")
    down = commands.add_parser("down", help="end it and its containers; images stay")
    down.add_argument("--delete", action="store_true", help="remove images and volumes too")
    commands.add_parser("status", help="say whether an engine answers (exit 1: none)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = _parser().parse_args(argv)
    where = EngineFiles(arguments.directory.absolute())
    try:
        if arguments.command == "up":
            started = engine.start(where, _report)
            _report(f"Docker answers at {SOCKET}" + ("" if started else " (it did already)"))
            return 0
        if arguments.command == "down":
            ended = engine.stop(where, delete=arguments.delete)
            _report("the Docker engine has ended" if ended else f"no Docker engine of {where.directory} runs")
            return 0
        pid, found = engine.running(where), engine.answers()
        _report(f"{SOCKET}: {'answers' if found else 'no answer'}; {'not ours' if pid is None else f'pid {pid}'}")
        return 0 if found else 1
    except DfmcError as error:
        _report(str(error))
        if error.next_step:
            _report(f"next: {error.next_step}")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
