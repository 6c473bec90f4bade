"""What happens during a run, as it happens: one redrawn line per cluster on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rich.live import Live
from rich.text import Text

from dfmc.engine.events import Event, Note, StepEnded, StepProgress, StepStarted
from dfmc.output.console import Terminal
from dfmc.output.text import line, one_line
from dfmc.planning.steps import Kind

HEARTBEAT_SECONDS = 30.0
_LONGEST_CAUSE = 140
_ROWS_DRAWN_AT_ONCE = 20
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

Clock = Callable[[], float]


class Progress(Protocol):
    """Shows a run's events; ``tick`` is called every ``interval`` seconds in between."""

    interval: float

    def __call__(self, event: Event) -> None:
        """Take an event: an engine Observer."""
        ...

    def tick(self) -> None:
        """Show that time passes."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def make_progress(terminal: Terminal, clock: Clock = time.monotonic) -> Progress:
    """Return the kind of progress that standard error can show."""
    return LiveProgress(terminal, clock) if terminal.is_live else PlainProgress(terminal, clock)


def duration(seconds: float) -> str:
    """Return a time as people write it: ``0.4s``, ``12s``, ``3m05s``, ``1h02m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def shortened(text: str) -> str:
    """Return text cut to what fits on two lines of a terminal."""
    return text if len(text) <= _LONGEST_CAUSE else f"{text[: _LONGEST_CAUSE - 1]}…"


@dataclass
class _Running:
    """A step at work: since when, what it said last, and when that was shown."""

    started: float
    shown: float
    text: str = ""


class PlainProgress:
    """One line per change of state, prefixed by the cluster's name; a heartbeat for whoever watches a log."""

    interval = 1.0

    def __init__(self, terminal: Terminal, clock: Clock = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._running: dict[str, _Running] = {}

    def __call__(self, event: Event) -> None:
        """Print the event's line."""
        now = self._clock()
        match event:
            case StepStarted(step):
                self._running[step.id] = _Running(now, now)
                self._terminal.detail(_prefixed(step.cluster, step.kind, "started"))
            case StepProgress(step, text):
                running = self._running.setdefault(step.id, _Running(now, now))
                running.text, running.shown = text, now
                self._terminal.say(_prefixed(step.cluster, step.kind, f"{one_line(text)} …"))
            case StepEnded(step):
                self._running.pop(step.id, None)
                self._terminal.say(_ended(event))
            case Note(cluster, text, level):
                _note(self._terminal, cluster, text, level)

    def tick(self) -> None:
        """Say again what a step waits for that has been silent for HEARTBEAT_SECONDS."""
        now = self._clock()
        for step_id, running in self._running.items():
            if now - running.shown < HEARTBEAT_SECONDS:
                continue
            running.shown = now
            kind, _, cluster = step_id.partition(":")
            reason = one_line(running.text) or "at work"
            self._terminal.say(_prefixed(cluster, kind, f"still, after {duration(now - running.started)}: {reason}"))

    def close(self) -> None:
        """Nothing is open."""


def _prefixed(cluster: str, kind: str, text: str) -> Text:
    return line((f"{cluster}: ", "bold"), f"{kind}: {text}")


def _ended(event: StepEnded) -> Text:
    step, took = event.step, duration(event.seconds)
    text = one_line(event.text)
    if event.state == "failed":
        if event.error:  # its text would name the cluster again; the whole cause comes at the end
            text = shortened(one_line(": ".join(filter(None, (event.error.what, event.error.why)))))
        return line((f"{step.cluster}: ", "bold"), f"{step.kind}: ", ("failed", "red"), f" ({took}): {text}")
    if event.state == "blocked":
        return line((f"{step.cluster}: ", "bold"), f"{step.kind}: ", ("not started", "yellow"), f": {text}")
    word = "done" if event.state == "done" else "unchanged" if step.mutates else "ok"
    return line(
        (f"{step.cluster}: ", "bold"), f"{step.kind}: ", (word, "green"), f" ({took})", f": {text}" if text else ""
    )


def _note(terminal: Terminal, cluster: str, text: str, level: str) -> None:
    sentence = f"{cluster}: {text}" if cluster else text
    if level == "warning":
        terminal.warn(one_line(sentence))
    else:
        terminal.say(line(one_line(sentence)))


@dataclass
class _Row:
    """A cluster's line: the steps at work in it, and how the last one ended."""

    started: float
    running: dict[str, _Running]
    last: StepEnded | None = None
    ended: float = 0.0
    failed: StepEnded | None = None


class LiveProgress:
    """One line per cluster, redrawn: its step, how long, what it waits for. Gone when closed: a table follows."""

    interval = 0.125

    def __init__(self, terminal: Terminal, clock: Clock = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None
        self._frame = 0
        self._is_gone = False

    def __call__(self, event: Event) -> None:
        """Take the event into its cluster's line."""
        if isinstance(event, Note):
            _note(self._terminal, event.cluster, event.text, event.level)
            return
        now, step = self._clock(), event.step
        row = self._rows.setdefault(step.cluster, _Row(now, {}))
        match event:
            case StepStarted():
                row.running[step.kind] = _Running(now, now)
            case StepProgress():
                row.running.setdefault(step.kind, _Running(now, now)).text = event.text
            case StepEnded():
                row.running.pop(step.kind, None)
                row.last, row.ended = event, now
                if event.state == "failed" and row.failed is None:
                    row.failed = event
                    self._terminal.say(_ended(event))
        # Events of a thousand clusters come faster than anybody reads; the next tick draws what they left.
        if len(self._rows) <= _ROWS_DRAWN_AT_ONCE or self._live is None:
            self._show()

    def tick(self) -> None:
        """Turn the spinner and the seconds."""
        self._frame += 1
        if self._live:
            self._show()

    def close(self) -> None:
        """Take the lines away."""
        live, self._live = self._live, None
        self._terminal.is_redrawing = False
        if live:
            with contextlib.suppress(OSError):
                live.stop()

    def _show(self) -> None:
        if self._is_gone:
            return
        try:
            self._draw()
        except OSError:  # the terminal was closed; the run goes on and the log has the rest
            self._is_gone = True
            self.close()

    def _draw(self) -> None:
        if self._live is None:
            console = self._terminal.console(sys.stderr)
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
            self._terminal.is_redrawing = True
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> Text:
        """Return the lines as they stand now, cut to the terminal's width and height."""
        console = self._terminal.console(sys.stderr)
        rows = list(self._rows.items())
        room = max(3, console.height - 3)
        if len(rows) > room:
            # What is at work or went wrong matters; what is done can be counted.
            rows.sort(key=lambda item: not (item[1].running or item[1].failed))
        names = max(len(name) for name, _ in rows)
        lines = [self._row(name.ljust(names), row) for name, row in rows[:room]]
        if len(rows) > room:
            lines.append(line((f"  … and {len(rows) - room} more clusters", "dim")))
        for text in lines:
            text.truncate(console.width - 1, overflow="ellipsis")
        return Text("\n").join(self._terminal.masked(text) for text in lines)

    def _row(self, name: str, row: _Row) -> Text:
        now = self._clock()
        if row.running:
            kind, running = list(row.running.items())[-1]
            icon, what, since, text = (self._spin(), "cyan"), kind, now - running.started, running.text
        elif row.failed:
            icon, what, since = ("✗", "red"), row.failed.step.kind, row.ended - row.started
            error = row.failed.error
            text = f"{error.what}: {error.why}" if error else row.failed.text
        else:
            assert row.last is not None, "a row begins with a step"  # noqa: S101
            last = row.last
            blocked, finished = last.state == "blocked", last.step.kind is Kind.PROOF
            icon = ("-", "yellow") if blocked else ("✓", "green") if finished else ("·", "dim")
            what = "blocked" if blocked else "done" if finished else f"{last.step.kind}"
            since = row.ended - row.started
            text = last.text or ("" if finished else "done")
        return line(icon, " ", (name, "bold"), f"  {what:<11} {duration(since):>6}  ", one_line(text))

    def _spin(self) -> str:
        return _SPINNER[self._frame % len(_SPINNER)]
