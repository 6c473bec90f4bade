"""One run of the engine under a command: clients, log, progress, signals; ends with the run's result or its error."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from dfmc.cli.invocation import Invocation
from dfmc.cli.options import seconds
from dfmc.clients.factory import HELM_SECONDS, RealClients
from dfmc.engine.events import Event, StepEnded, StepStarted
from dfmc.engine.session import RunOptions, Session
from dfmc.errors import EXIT_SIGTERM, DfmcError, InterruptedRunError
from dfmc.output.progress import Progress, make_progress
from dfmc.planning.steps import Plan
from dfmc.topology.load import STDIN_NAME, LoadedTopology

T = TypeVar("T")
HELM_TIMEOUT_VARIABLE = "DFMC_HELM_TIMEOUT"
"""How long one call of helm may take; for API servers that are slow."""

# A terminal that is closed (SIGHUP) ends the run as SIGTERM does.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _TerminatedRunError(InterruptedRunError):
    exit_code = EXIT_SIGTERM


class Run:
    """What happened so far, for the log, the screen and the sentence after Ctrl-C."""

    def __init__(self, invocation: Invocation, progress: Progress) -> None:
        self.terminal = invocation.terminal
        self.progress = progress
        self._log = invocation.log
        self._writes = invocation.command in ("up", "add-cluster", "remove-cluster", "down")
        self._command = invocation.command
        self._done: list[str] = []
        self._open: set[str] = set()
        self._signal: int | None = None
        self._asking = False
        self._task: asyncio.Future[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def observe(self, event: Event) -> None:
        """Log and show an event; the engine's observer."""
        match event:
            case StepStarted(step):
                self._open.add(step.id)
            case StepEnded(step, state):
                self._open.discard(step.id)
                if state == "done":
                    self._done.append(step.id)
        self._log.event(event)
        self.progress(event)

    def confirm(self, plan: Plan, question: str, show: Callable[[Plan], None]) -> bool:
        """Show the plan and ask; the answer is no unless somebody types y.

        Raises:
            typer.Abort: Ctrl-C or the end of input.
        """
        show(plan)
        return self.ask(question)

    def ask(self, question: str, answer: str = "") -> bool:
        """Ask for consent; it is no unless somebody types y, or exactly ``answer`` where one is wanted.

        Raises:
            typer.Abort: Ctrl-C or the end of input.
        """
        import typer

        self._asking = True
        try:
            if answer:
                return bool(typer.prompt(question, default="", show_default=False, err=True) == answer)
            return typer.confirm(question, err=True)
        except typer.Abort:
            if self._signal is None:
                raise
            raise self._interruption() from None
        finally:
            self._asking = False

    async def carry_out(self, action: Awaitable[T]) -> T:
        """Await the action; time passes on the screen meanwhile, and a signal ends it in order.

        Raises:
            InterruptedRunError: A signal did; says what was done by then.
        """
        task: asyncio.Future[T] = asyncio.ensure_future(action)
        self._loop, self._task = asyncio.get_running_loop(), task
        ticker = asyncio.ensure_future(self._tick())
        try:
            return await task
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            raise self._interruption() from None
        except DfmcError as error:
            if self._signal is None:
                raise
            raise self._interruption() from error  # what was cut short says so in its own way
        finally:
            ticker.cancel()
            self.progress.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self.progress.interval)
            if not self._asking:
                self.progress.tick()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take the signals that end a run while it lasts; a hangup only where ``nohup`` does not have it ignored."""
        is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        wanted = [number for number in _SIGNALS if number != signal.SIGHUP or not is_nohup]
        before = {number: signal.signal(number, self._on_signal) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asking:  # nothing runs yet, and input() would only go on waiting
            self._signal = None if number == signal.SIGINT else number
            raise KeyboardInterrupt
        if self._signal is not None or self._loop is None or self._task is None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._signal = number
        task = self._task
        self._loop.call_soon_threadsafe(self._stop, task)

    def _stop(self, task: asyncio.Future[Any]) -> None:
        self.terminal.say("stopping; once more ends dfmc at once")
        task.cancel()

    def _interruption(self) -> InterruptedRunError:
        kind = InterruptedRunError if self._signal == signal.SIGINT else _TerminatedRunError
        done = f"done: {', '.join(self._done)}" if self._done else "no step had written anything"
        cut = f"; cut short: {', '.join(sorted(self._open))}" if self._open else ""
        again = f"dfmc {self._command}" if self._command in ("down", "remove-cluster") else "dfmc up"
        next_step = f"{again} again: it does what is left" if self._writes else ""
        return kind("interrupted", left=done + cut if self._writes else "", next_step=next_step)


def make_factory(invocation: Invocation, concurrency: int, base: Path) -> RealClients:
    """Return the clients of a run; tests put in-memory ones in its place."""
    given = os.environ.get(HELM_TIMEOUT_VARIABLE)
    limit = seconds(given, HELM_TIMEOUT_VARIABLE) if given else HELM_SECONDS
    return RealClients(invocation.terminal.redactor, concurrency=concurrency, base=base, helm_seconds=limit)


def run_engine(
    invocation: Invocation,
    loaded: LoadedTopology,
    options: RunOptions,
    action: Callable[[Session, Run], Awaitable[T]],
) -> T:
    """Run one engine function in a session of its own.

    Args:
        invocation: The terminal, and the log file to write.
        loaded: The checked file.
        options: From the command line.
        action: The engine function.

    Raises:
        DfmcError: What the engine raises, or InterruptedRunError.
    """
    invocation.log.write("", f"{loaded.file}: topology {loaded.topology.metadata.name}, {options}")
    if invocation.terminal.is_live:  # the first look may take seconds, and nothing would show it
        count = len(options.only) or len(loaded.topology.clusters)
        invocation.terminal.say(f"looking at {count} cluster{'' if count == 1 else 's'} …")
    base = Path() if loaded.file == STDIN_NAME else Path(os.path.dirname(loaded.file))

    async def whole(run: Run, factory: RealClients) -> T:
        session = Session(
            loaded=loaded,
            factory=factory,
            redactor=invocation.terminal.redactor,
            options=options,
            observer=run.observe,
        )
        async with session:
            return await run.carry_out(action(session, run))

    return run_with_clients(invocation, options.concurrency, base, whole)


def run_with_clients(
    invocation: Invocation, concurrency: int, base: Path, whole: Callable[[Run, RealClients], Awaitable[T]]
) -> T:
    """Run what needs clients to its end, or to the signal that ends it.

    Args:
        invocation: The terminal, and the log file to write.
        concurrency: Calls to API servers at once.
        base: Directory that relative kubeconfigs start from.
        whole: Everything that is asynchronous; what a signal may end, it awaits by ``Run.carry_out``.

    Raises:
        DfmcError: What it raises, or InterruptedRunError.
    """
    run = Run(invocation, make_progress(invocation.terminal))
    factory = make_factory(invocation, concurrency, base)

    async def awaited() -> T:
        return await whole(run, factory)

    started = time.monotonic()
    try:
        with run.signals():
            return asyncio.run(awaited())
    finally:
        invocation.log.write("", f"ended after {time.monotonic() - started:.1f} s")
        factory.close()
