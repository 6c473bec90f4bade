"""What the chart's init containers wait for. Pure.

Their one form is ``until nslookup HOST && nc -vz HOST PORT; do echo …; sleep 2; done;``: both halves must hold, and the
first fails for hosts with which the second would be content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_LOOP = re.compile(r"\buntil\s(?P<condition>.*?);\s*do\b", re.DOTALL)


@dataclass(frozen=True)
class Check:
    """One command of a wait's condition.

    Attributes:
        tool: ``nslookup``, ``nc``, or ``never`` for a command that cannot succeed (operands missing).
        host: As the chart wrote it.
        port: For nc; 0 for nslookup.
    """

    tool: Literal["nslookup", "nc", "never"]
    host: str = ""
    port: int = 0


def checks_of(container: Mapping[str, Any]) -> tuple[Check, ...]:
    """Return what must hold before an init container ends; empty for one that does not wait."""
    text = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
    loop = _LOOP.search(text)
    if loop is None:
        return ()
    checks = [_check(command.split()) for command in loop["condition"].split("&&")]
    return tuple(check for check in checks if check is not None)


def _check(words: list[str]) -> Check | None:
    if not words:
        return None
    operands = [word for word in words[1:] if not word.startswith("-")]
    if words[0] == "nslookup":
        return Check("nslookup", operands[0]) if operands else Check("never")
    if words[0] == "nc":
        if len(operands) == 2 and operands[1].isdigit() and 0 < int(operands[1]) < 65536:
            return Check("nc", operands[0], int(operands[1]))
        return Check("never", " ".join(operands))
    return None
