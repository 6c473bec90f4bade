"""``dfmc unlock``: shows who holds the topology's lock, and takes it away when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import FileArgument, FileOption, YesOption, chosen_file, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.running import Run
    from dfmc.engine.session import Session

HELP = (
    "Show who holds the topology's lock, since when, and take it away when told to.\n\nSeldom needed: the next run "
    "takes over from one that was killed. A holder that shows a sign of life keeps it, unless --force."
)
EXAMPLE = example("dfmc unlock topology.yaml --yes")


def unlock(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    yes: YesOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also take it from a holder that is at work; its run stops.")
    ] = False,
) -> None:
    """Show the holder; with consent, take the lock."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.session import RunOptions

    invocation = invocation_of(context)
    loaded = load_for_run(chosen_file(file, file_option, context), invocation.terminal)
    run_engine(invocation, loaded, RunOptions(), lambda session, run: _unlock(session, run, yes=yes, force=force))


async def _unlock(session: Session, run: Run, *, yes: bool, force: bool) -> None:
    from dfmc.engine.lock import held_error
    from dfmc.engine.unlock import is_alive, look, take
    from dfmc.errors import UsageError
    from dfmc.output.tables import lock_lines

    terminal = run.terminal
    held = await look(session)
    if held is None:
        terminal.answer("nobody holds the lock")
        return
    terminal.answer(*lock_lines(held))
    if not force:
        terminal.say(f"watching {held.duration:g} s for a sign of life …")
        if await is_alive(session, held):
            raise held_error(session.topology, held.body)
        terminal.say("no sign of life")
    if not yes:
        if not terminal.can_ask:
            raise UsageError(
                "the lock is taken only when asked",
                left="nothing was changed",
                next_step="dfmc unlock --yes; or run dfmc up, which takes over from a dead holder by itself",
            )
        if not run.ask("Take the lock away?"):
            terminal.say("nothing was changed")
            return
    await take(session, held, force=force)
    terminal.answer("the lock is free")
