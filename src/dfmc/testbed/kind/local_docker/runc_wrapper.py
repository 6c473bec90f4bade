"""Stands in for runc: takes capabilities out of what a container asks for, then becomes runc.

Called as ``runc_wrapper.py RUNC CAP,CAP ARGUMENTS...``; copied into the engine's directory and run by itself, so it
imports nothing of dfmc.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any


def option(arguments: list[str], *names: str) -> str:
    """Return the value of an option given as ``--name VALUE`` or ``--name=VALUE``; empty where it is absent."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in names:
            return value if equals else "".join(arguments[position + 1 : position + 2])
    return ""


def described_process(arguments: list[str]) -> Path | None:
    """Return the file in which runc is told of a process to start, or None where it starts none."""
    if "create" in arguments or "run" in arguments:
        return Path(option(arguments, "--bundle", "-b") or ".") / "config.json"
    if "exec" in arguments:
        process = option(arguments, "--process", "-p")
        return Path(process) if process else None
    return None


def without(document: dict[str, Any], dropped: set[str]) -> dict[str, Any]:
    """Return a config.json or process.json in which no set of capabilities holds one of ``dropped``."""
    if "process" in document:
        return {**document, "process": without(document["process"], dropped)}
    sets = document.get("capabilities") or {}
    kept = {name: [each for each in held if each not in dropped] for name, held in sets.items()}
    return {**document, "capabilities": kept} if kept else document


def main(argv: list[str]) -> None:
    """Rewrite the file that ``argv`` names, if it names one, and become runc."""
    runc, dropped, *arguments = argv
    file = described_process(arguments)
    if file is not None:
        file.write_text(json.dumps(without(json.loads(file.read_text()), set(dropped.split(",")))))
    os.execv(runc, [runc, *arguments])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
