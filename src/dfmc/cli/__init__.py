"""The command line: parse, call one engine function, hand its result to output.

Only typer may load here and in ``app``; everything else loads inside the command that needs it, so that ``dfmc --help``
takes the time of typer alone.
"""

from typing import NoReturn

__all__ = ["main", "run"]


def run() -> NoReturn:
    """Entry point of the scripts ``dfmc`` and ``kubectl-dfmc``."""
    raise SystemExit(main())


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; see dfmc.errors for the codes.

    Args:
        argv: Arguments without the program's name; None for the process's own.
    """
    from dfmc.cli.outermost import main as outermost

    return outermost(argv)
