"""``dfmc down``: take everything of a topology down again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dfmc.cli.options import (
    ConcurrencyOption,
    DataOutput,
    FileArgument,
    FileOption,
    LockTimeoutOption,
    TimeoutOption,
    chosen_file,
    example,
    invocation_of,
    seconds,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from dfmc.cli.running import Run
    from dfmc.engine.reports import DownReport
    from dfmc.engine.session import Session
    from dfmc.planning.steps import Plan

HELP = (
    "Uninstall every release of the file, members first, then the manager.\n\nVolumes, the credentials that fit them "
    "and the manager's records stay, so that `up` goes on where it was, unless --delete-data. Namespaces that dfmc "
    "made go when nothing is left in them. Safe to run again: it does what is left."
)
EXAMPLE = example("dfmc down topology.yaml --yes --delete-data")


def down(
    context: typer.Context,
    file: FileArgument = None,
    file_option: FileOption = None,
    delete_data: Annotated[
        bool,
        typer.Option("--delete-data", help="Also delete volumes, and the credentials and records that go with them."),
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for the topology's name.")] = False,
    timeout: TimeoutOption = "15m",
    lock_timeout: LockTimeoutOption = "0s",
    concurrency: ConcurrencyOption = 8,
    output: Annotated[DataOutput, typer.Option("-o", "--output", help="Form of the answer.")] = DataOutput.TEXT,
) -> None:
    """Show what goes, ask for the topology's name, do it, print what is left."""
    from dfmc.cli.loading import load_for_run
    from dfmc.cli.running import run_engine
    from dfmc.engine.down import down as take_down
    from dfmc.engine.reports import down_error
    from dfmc.engine.session import RunOptions
    from dfmc.errors import UsageError
    from dfmc.output.documents import down_document
    from dfmc.output.plan import plan_lines, summary
    from dfmc.output.tables import down_lines

    invocation = invocation_of(context)
    terminal = invocation.terminal
    limit, patience = seconds(timeout, "--timeout"), seconds(lock_timeout, "--lock-timeout", zero=True)
    loaded = load_for_run(chosen_file(file, file_option, context), terminal)
    options = RunOptions(timeout=limit, concurrency=concurrency, lock_timeout=patience)
    name = loaded.topology.metadata.name

    def action(session: Session, run: Run) -> Awaitable[DownReport]:
        def confirm(plan: Plan) -> bool:
            if yes:
                terminal.say(f"{loaded.file}: {summary(plan)}")
                return True
            terminal.complain(*plan_lines(plan, loaded.topology, title=f"dfmc down of topology {name}"))
            if not terminal.can_ask:
                raise UsageError(
                    "down deletes what is running", left="nothing was changed", next_step="say so with --yes"
                )
            return run.ask(f"Type the topology's name ({name}) to go on", name)

        return take_down(session, confirm=confirm, delete_data=delete_data)

    report = run_engine(invocation, loaded, options, action)
    error = down_error(report)
    if output is DataOutput.JSON:
        terminal.answer_document(down_document(report, error))
    elif report.declined:
        terminal.say("nothing was changed")
    else:
        terminal.answer(*down_lines(report, loaded.file))
    if error:
        raise error
