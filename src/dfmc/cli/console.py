"""``dfmc console``: the manager's console in a browser on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import FileArgument, FileOption, chosen_file, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.running import Run
    from dfmc.engine.session import Session

HELP = (
    "Forward a port to the manager's console and print its address; ends with Ctrl-C.\n\nThe user is root; "
    "--show-password prints the password and ends."
)
EXAMPLE = example("dfmc console topology.yaml")


def console(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    show_password: Annotated[bool, typer.Option("--show-password", help="Print root's password and end.")] = False,
) -> None:
    """Print the address and wait."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.console import root_password
    from dfmc.engine.session import RunOptions
    from dfmc.errors import EXIT_SIGTERM, InterruptedRunError

    invocation = invocation_of(context)
    terminal = invocation.terminal
    path = chosen_file(file, file_option, context)
    loaded = load_for_run(path, terminal)
    if show_password:
        terminal.write_exactly(
            run_engine(invocation, loaded, RunOptions(), lambda session, run: root_password(session)) + "\n"
        )
        return
    try:
        run_engine(invocation, loaded, RunOptions(), _serve)
    except InterruptedRunError as error:
        if error.exit_code == EXIT_SIGTERM:
            raise
        terminal.say("closed")


async def _serve(session: Session, run: Run) -> None:
    """Print the address; a forwarded one is kept until somebody ends it."""
    import asyncio

    from dfmc.engine.console import console_address
    from dfmc.engine.manager_access import PORT_FORWARD

    async with console_address(session) as address:
        run.terminal.answer(address)
        run.terminal.say("user root; dfmc console --show-password prints the password")
        if session.topology.manager.access == PORT_FORWARD:
            run.terminal.say("Ctrl-C ends")
            await asyncio.Event().wait()
