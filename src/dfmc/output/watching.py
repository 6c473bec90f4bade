"""``status --watch``: one screen, redrawn; where nobody sees it live, one line for each change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Protocol, Self

from rich.live import Live
from rich.text import Text

from dfmc.engine.reports import ClusterReport, StatusReport
from dfmc.output.console import Terminal
from dfmc.output.tables import status_lines
from dfmc.output.text import line, one_line

WallClock = Callable[[], str]


class Watching(Protocol):
    """Shows one status after another."""

    def show(self, report: StatusReport) -> None:
        """Show the newest one."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...


def make_watching(terminal: Terminal, file: str, *, wide: bool) -> Watching:
    """Return the kind that standard output can show."""
    return Screen(terminal, file, wide=wide) if terminal.is_live else Changes(terminal)


def local_time() -> str:
    """Return the time of day as a log has it."""
    return time.strftime("%H:%M:%S")


class Screen:
    """The whole status, drawn over the last one; the last picture stays."""

    def __init__(self, terminal: Terminal, file: str, *, wide: bool, clock: WallClock = local_time) -> None:
        self._terminal, self._file, self._wide, self._clock = terminal, file, wide, clock
        self._live: Live | None = None

    def __enter__(self) -> Self:
        console = self._terminal.console(sys.stdout)
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        live, self._live = self._live, None
        if live:
            with contextlib.suppress(OSError):
                live.stop()

    def show(self, report: StatusReport) -> None:
        """Draw the report."""
        if self._live:
            self._live.update(self.picture(report), refresh=True)

    def picture(self, report: StatusReport) -> Text:
        """Return the screen, cut to the terminal's width and height."""
        console = self._terminal.console(sys.stdout)
        lines = [line((f"{self._clock()}  Ctrl-C ends", "dim")), *status_lines(report, self._file, wide=self._wide)]
        room = max(3, console.height - 2)
        if len(lines) > room:
            lines = [*lines[:room], line((f"… and {len(lines) - room} more lines", "dim"))]
        for text in lines:
            text.truncate(max(1, console.width - 1), overflow="ellipsis")
        return Text("\n").join(self._terminal.masked(text) for text in lines)


class Changes:
    """A line for each cluster at first, then one for each that has changed."""

    def __init__(self, terminal: Terminal, clock: WallClock = local_time) -> None:
        self._terminal, self._clock = terminal, clock
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        """Nothing is open."""

    def show(self, report: StatusReport) -> None:
        """Print what has changed since the last report."""
        said = {cluster.name: cluster_line(cluster) for cluster in report.clusters}
        said[""] = one_line(f"not compared with the file: {report.unknown}") if report.unknown else ""
        for name, text in said.items():
            if text != self._said.get(name, ""):
                head = f"{name}: " if name else ""
                self._terminal.answer(line((f"{self._clock()}  ", "dim"), (head, "bold"), text or "compared again"))
        self._said = said


def cluster_line(cluster: ClusterReport) -> str:
    """Return a cluster's state on one line, with the first thing that is not as it should be."""
    if cluster.error:
        return one_line(f"failed: {cluster.error.what}: {cluster.error.why}".rstrip(": "))
    if not cluster.revision:
        return "absent"
    facts = [
        f"{cluster.chart} r{cluster.revision} {cluster.release_status}",
        f"schedulers {cluster.schedulers[0]}/{cluster.schedulers[1]}",
        f"pods {cluster.pods[0]}/{cluster.pods[1]}",
    ]
    if cluster.findings:
        return one_line("; ".join(["wrong", *facts, str(cluster.findings[0])]))
    if cluster.drift:
        return one_line("; ".join(["drift", *facts, cluster.drift[0]]))
    return "; ".join(["ok", *facts])
