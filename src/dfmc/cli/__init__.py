"""The command line: parse, call one engine function, hand its result to output.

Only typer may load here and in ``app``; everything else loads inside the command that needs it, so that ``dfmc --help``
takes the time of typer alone.
"""

import os
import threading
from typing import NoReturn

__all__ = ["main", "run"]

_THREAD_SECONDS = 0.2


def run() -> NoReturn:
    """Entry point of the scripts ``dfmc`` and ``kubectl-dfmc``."""
    code = main()
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    for thread in others:
        thread.join(_THREAD_SECONDS)
    if any(thread.is_alive() for thread in others):
        # Interrupted while an API server hangs: Python would wait for its answer. All output has been flushed.
        os._exit(code)
    raise SystemExit(code)


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; see dfmc.errors for the codes.

    Args:
        argv: Arguments without the program's name; None for the process's own.
    """
    from dfmc.cli.outermost import main as outermost

    return outermost(argv)
