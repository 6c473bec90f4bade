"""``nc`` and ``nslookup`` as busybox has them, for scripts in the bed's probe pods; run by path, with nothing of dfmc.

They answer with busybox's words and exit codes, and dial where the bed's name service says.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from typing import Any, NoReturn

_CHUNK = 1 << 16
_NEVER = 3600.0


def main(arguments: list[str]) -> None:
    """Run ``nc ...`` or ``nslookup ...``."""
    tool, *rest = arguments
    try:
        if tool == "nslookup":
            nslookup(rest)
        nc(rest)
    except OSError as error:
        fail(f"{tool}: {error.strerror or error}")


def nslookup(arguments: list[str]) -> NoReturn:
    """Look a name up as a pod's nslookup does."""
    operands = [word for word in arguments if not word.startswith("-")]
    if not operands:
        fail("BusyBox nslookup: usage: nslookup HOST [DNS_SERVER]")
    answer = ask("nslookup", operands[0])
    sys.stdout.write("Server:\t\tcluster-dns\nAddress:\tcluster-dns:53\n\n")
    if not answer["addresses"]:
        sys.stdout.write(f"** server can't find {answer['name']}: NXDOMAIN\n\n")
        sys.exit(1)
    for seen, _ in answer["addresses"]:
        sys.stdout.write(f"Name:\t{answer['name']}\nAddress: {seen}\n\n")
    sys.exit(0)


def nc(arguments: list[str]) -> NoReturn:
    """Open a TCP connection: only that with ``-z``, else standard input goes there and the answer comes back."""
    flags, wait, operands = options(arguments)
    if len(operands) != 2 or not operands[1].isdigit() or not 0 < int(operands[1]) < 65536 or "u" in flags:
        fail("BusyBox nc: usage: nc [-nvz] [-w SEC] HOST PORT")
    host, port = operands[0], int(operands[1])
    answer = ask("resolve", host)
    if not answer["addresses"]:
        fail(f"nc: bad address '{host}'")
    problem = ""
    for seen, place in answer["addresses"]:
        try:
            connection = socket.create_connection((place, port), wait)
        except OSError as error:
            problem = (
                f"nc: {host} ({seen}:{port}): {'timed out' if isinstance(error, TimeoutError) else error.strerror}"
            )
            continue
        with connection:
            if "v" in flags:
                sys.stderr.write(f"{host} ({seen}:{port}) open\n")
            if "z" not in flags:
                converse(connection, wait)
        sys.exit(0)
    fail(problem)


def options(arguments: list[str]) -> tuple[set[str], float, list[str]]:
    """Return flags, seconds to wait, and operands; flags may be run together, as in ``-zvw2``."""
    flags: set[str] = set()
    wait, operands, rest = _NEVER, list[str](), list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "w":
                value = letters or (rest.pop(0) if rest else "")
                if not value.isdigit():
                    fail(f"nc: invalid number '{value}'")
                wait, letters = float(value), ""
            elif letter in "nvzu":
                flags.add(letter)
            else:
                fail(f"nc: invalid option -- '{letter}'")
    return flags, wait, operands


def converse(connection: socket.socket, wait: float) -> None:
    """Copy standard input to the connection and the connection to standard output, until the other side ends."""
    sources: list[int] = [connection.fileno(), sys.stdin.fileno()]
    while True:
        ready, _, _ = select.select(sources, [], [], wait)
        if not ready:
            fail("nc: timed out")
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), _CHUNK)
            if data:
                connection.sendall(data)
            else:
                sources.remove(sys.stdin.fileno())
                connection.shutdown(socket.SHUT_WR)
        if connection.fileno() in ready:
            data = connection.recv(_CHUNK)
            if not data:
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def ask(kind: str, host: str) -> dict[str, Any]:
    """Ask the bed's name service."""
    if not host or any(character.isspace() for character in host):
        fail(f"bad address '{host}'")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["DFMC_BED_NAMES"])
        connection.sendall(f"{kind} {os.environ['DFMC_BED_NAMESPACE']} {host}\n".encode())
        with connection.makefile("r") as lines:
            answer: dict[str, Any] = json.loads(lines.readline())
    return answer


def fail(message: str) -> NoReturn:
    """Say why, and end with 1."""
    sys.stderr.write(message + "\n")
    sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
