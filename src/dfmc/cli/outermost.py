"""The one place where a failure becomes text and an exit code."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

import typer

from dfmc.cli.app import app
from dfmc.cli.invocation import Invocation
from dfmc.errors import EXIT_BUG, DfmcError, InterruptedRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF})
# 128 + SIGPIPE: what a shell shows for any program whose reader has gone.
_EXIT_CLOSED_OUTPUT = 141


def main(argv: list[str] | None) -> int:
    """Run one command; nothing but an exit code comes out."""
    invocation = Invocation()
    try:
        code = app(argv, standalone_mode=False, prog_name="dfmc", obj=invocation)
        if sys.stdout is not None:  # None when it was closed from the start
            sys.stdout.flush()
    except BaseException as error:
        return _exit_code(error, invocation)
    finally:
        invocation.close()
    return code if isinstance(code, int) else 0


def _exit_code(error: BaseException, invocation: Invocation) -> int:
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, typer.Abort | KeyboardInterrupt):
        invocation.terminal.complain("interrupted; nothing was started")
        return InterruptedRunError.exit_code
    if isinstance(error, SystemExit):
        # typer ends this way when the reader of its help has gone.
        return _EXIT_CLOSED_OUTPUT if error.code == 1 else int(error.code or 0)
    from dfmc.output.console import ClosedOutputError, UnwritableOutputError, discard

    if isinstance(error, ClosedOutputError | BrokenPipeError):
        return _EXIT_CLOSED_OUTPUT
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:  # typer's own writing
        discard(sys.stdout)
        error = UnwritableOutputError(error.strerror or str(error))
    found = list(_leaves(error))
    bug = next((leaf for leaf in found if not isinstance(leaf, DfmcError)), None)
    if bug is not None:
        return _bug(error, bug, invocation)
    return _failure([leaf for leaf in found if isinstance(leaf, DfmcError)], invocation)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _usage(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if message.startswith("Usage:"):  # no command at all: the help is the message
        typer.echo(message, err=True)
        return UsageError.exit_code
    command = context.command_path if context else "dfmc"
    typer.echo(f"✗ {message}\n  next see `{command} --help`", err=True)
    return UsageError.exit_code


def _failure(errors: list[DfmcError], invocation: Invocation) -> int:
    from dfmc.output.errors import error_lines

    if invocation.log_path:
        invocation.log.failure(errors[0])
    for error in errors:
        invocation.terminal.complain(*error_lines(error, log=invocation.log_path if error is errors[-1] else ""))
    return errors[0].exit_code


def _bug(error: BaseException, bug: BaseException, invocation: Invocation) -> int:
    from dfmc.output.errors import bug_lines

    invocation.log.bug(error)
    invocation.terminal.complain(*bug_lines(bug, invocation.log_path))
    return EXIT_BUG
