"""A program that stands in for helm: it writes down how it was called and behaves as the test says."""

import json
import os
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python} -IS
import json, os, signal, subprocess, sys, time
behaviour = json.loads(open({behaviour!r}).read())
if behaviour.get("ignore_term"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = None
if behaviour.get("start_plugin"):
    child = subprocess.Popen(["sleep", "60"]).pid
stdin = sys.stdin.read() if "-" in sys.argv else None
call = dict(argv=sys.argv[1:], env=dict(os.environ), stdin=stdin, pid=os.getpid(), child=child, sid=os.getsid(0))
with open({journal!r}, "a") as journal:
    journal.write(json.dumps(call) + "\\n")
sys.stderr.write(behaviour.get("stderr", ""))
sys.stderr.flush()
sys.stdout.write(behaviour.get("stdout", ""))
sys.stdout.flush()
if "on_term" in behaviour:
    def terminated(number, frame):
        sys.stderr.write(behaviour["on_term"])
        sys.exit(1)
    signal.signal(signal.SIGTERM, terminated)
time.sleep(behaviour.get("sleep", 0))
sys.exit(behaviour.get("exit", 0))
"""


@dataclass(frozen=True)
class Call:
    argv: list[str]
    env: dict[str, str]
    stdin: str | None
    pid: int
    child: int | None
    sid: int

    def option(self, name: str) -> str:
        return self.argv[self.argv.index(name) + 1]


class FakeHelm:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "helm"
        self._behaviour = directory / "behaviour.json"
        self._journal = directory / "journal"
        self.path.write_text(
            _PROGRAM.format(python=sys.executable, behaviour=str(self._behaviour), journal=str(self._journal))
        )
        self.path.chmod(stat.S_IRWXU)
        self.behave()

    def behave(self, **behaviour: Any) -> None:
        """Say how the next calls go: sleep, exit, stdout, stderr, ignore_term, on_term, start_plugin."""
        self._behaviour.write_text(json.dumps(behaviour))

    def calls(self) -> list[Call]:
        if not self._journal.exists():
            return []
        return [Call(**json.loads(line)) for line in self._journal.read_text().splitlines()]

    def wait_for_call(self, seconds: float = 10) -> Call:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if calls := self.calls():
                return calls[-1]
            time.sleep(0.01)
        raise AssertionError(f"the fake helm was not called within {seconds} s")


def is_running(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:  # it ended between the two system calls
        return False
    except FileNotFoundError:
        return not Path("/proc").is_dir()


def is_gone_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
