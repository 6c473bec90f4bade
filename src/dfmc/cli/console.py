"""``dfmc console``: the manager's console in a browser on this machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import FileArgument, FileOption, chosen_file, example, invocation_of

if TYPE_CHECKING:
    from dfmc.cli.running import Run
    from dfmc.engine.session import Session

HELP = (
    "Forward a port to the manager's console and print its address; ends with Ctrl-C.\n\nThe address stays the same "
    "when the manager's pod is replaced. The user is root; --show-password prints the password and ends."
)
EXAMPLE = example("dfmc console topology.yaml", "dfmc console --open --port 8080")


def console(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    show_password: Annotated[bool, typer.Option("--show-password", help="Print root's password and end.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the console in a browser.")] = False,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="N",
            help="Port of 127.0.0.1.  [default: a free one]",
            show_default=False,
        ),
    ] = 0,
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
        run_engine(invocation, loaded, RunOptions(), partial(_serve, port=port, open_browser=open_browser))
    except InterruptedRunError as error:
        if error.exit_code == EXIT_SIGTERM:
            raise
        terminal.say("closed")


async def _serve(session: Session, run: Run, *, port: int, open_browser: bool) -> None:
    """Print the address; a forwarded one is kept until somebody ends it."""
    from dfmc.engine.console import open_console

    async with open_console(session, run.terminal.say, port) as console:
        run.terminal.answer(console.address)
        run.terminal.say(f"user {console.user}; dfmc console --show-password prints the password")
        if open_browser:
            await _open(console.address, run)
        if console.watching is not None:
            run.terminal.say("Ctrl-C ends")
        await console.wait()


async def _open(address: str, run: Run) -> None:
    import asyncio
    import webbrowser

    # A browser in a terminal returns when it is closed, and connections must be served meanwhile.
    if not await asyncio.to_thread(webbrowser.open, address):
        run.terminal.warn("no browser could be opened; the address works in any")
