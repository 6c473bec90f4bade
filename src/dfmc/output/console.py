"""The terminal: answers on standard output, everything else on standard error, and who gets colour.

Colour and redrawing follow what users of other tools expect: a stream that is no terminal gets neither; ``NO_COLOR``
(https://no-color.org) and ``FORCE_COLOR`` decide against that, ``--color`` and ``--no-color`` against both; ``CI``
and ``TERM=dumb`` stop redrawing and questions.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from dfmc.errors import DfmcError
from dfmc.output.documents import as_json
from dfmc.output.text import ascii_only, clean, line
from dfmc.redaction import Redactor

# Not a terminal's width but a bound for what measures; lines are never folded or cut where nobody looks at them live.
_FILE_WIDTH = 200


class ClosedOutputError(Exception):
    """Whoever read standard output has gone (``dfmc render | head``); not a failure to report."""


class UnwritableOutputError(DfmcError):
    """Standard output takes nothing: closed from the start, or its disk is full."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "the answer cannot be written to standard output",
            why=why,
            left="what the command did is done; only its answer is lost",
            next_step="run it again with an output that can be written",
        )


class Terminal:
    """Both streams of one command.

    Args:
        color: True and False from the command line; None decides by environment and stream.
        quiet: Nothing but answers, warnings and errors.
        verbosity: How often ``-v`` was given.
        redactor: Knows the secrets; everything but ``write_exactly`` is masked.
        environ: For tests.
    """

    def __init__(
        self,
        *,
        color: bool | None = None,
        quiet: bool = False,
        verbosity: int = 0,
        redactor: Redactor | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.redactor = redactor or Redactor()
        self.quiet = quiet
        self.verbosity = verbosity
        self.is_redrawing = False
        self._color = color
        self._environ = os.environ if environ is None else environ
        self._consoles: dict[int, Console] = {}

    # --- what kind of terminal ---------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether lines on standard error may be redrawn."""
        return _is_terminal(sys.stderr) and not self._is_ci and self._environ.get("TERM") != "dumb" and not self.quiet

    @property
    def can_ask(self) -> bool:
        """Whether somebody sits there who can answer a question."""
        return _is_terminal(sys.stdin) and _is_terminal(sys.stderr) and not self._is_ci

    @property
    def _is_ci(self) -> bool:
        return self._environ.get("CI", "").lower() not in ("", "0", "false")

    def colours(self, stream: TextIO) -> bool:
        """Whether ``stream`` gets colour."""
        if self._color is not None:
            return self._color
        if self._environ.get("NO_COLOR"):
            return False
        if self._environ.get("FORCE_COLOR"):
            return True
        return _is_terminal(stream) and self._environ.get("TERM") != "dumb"

    def console(self, stream: TextIO) -> Console:
        """Return rich's console on a stream; it interprets no markup in any text."""
        # Keyed by the stream: tests and redirections exchange sys.stdout under a living process.
        if id(stream) not in self._consoles:
            coloured, is_terminal = self.colours(stream), _is_terminal(stream)
            self._consoles[id(stream)] = Console(
                file=stream,
                force_terminal=coloured or is_terminal,
                color_system="standard" if coloured else None,
                no_color=not coloured,
                width=None if is_terminal else _FILE_WIDTH,
                markup=False,
                highlight=False,
                emoji=False,
                legacy_windows=False,
            )
        return self._consoles[id(stream)]

    @property
    def width(self) -> int:
        """Columns of standard output."""
        return self.console(sys.stdout).width

    # --- writing -----------------------------------------------------------------------------------------------

    def answer(self, *lines: Text | str) -> None:
        """Print what the command was asked for."""
        self._print(sys.stdout, lines)

    def say(self, *lines: Text | str) -> None:
        """Print what goes on; nothing with ``-q``."""
        if not self.quiet:
            self._report(lines)

    def detail(self, *lines: Text | str) -> None:
        """Print what only ``-v`` asks for."""
        if self.verbosity > 0:
            self._report(lines)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._report([line(("⚠ ", "yellow"), text)])

    def complain(self, *lines: Text | str) -> None:
        """Print an error; never silenced."""
        self._report(lines)

    def write_exactly(self, text: str) -> None:
        """Write an answer that a program reads (values, a schema, JSON) unchanged and unmasked to standard output.

        The caller answers for what is in it: ``render`` shows given credentials because its output is for helm.
        """
        _write(sys.stdout, text, exactly=True)

    def answer_document(self, document: Mapping[str, Any]) -> None:
        """Print JSON, every text in it masked."""
        self.write_exactly(as_json(document, self.redactor.mask))

    def masked(self, text: Text) -> Text:
        """Return the line with every known secret replaced; the styles go where one was found."""
        plain = clean(text.plain)
        masked = self.redactor.mask(plain)
        if masked == text.plain:
            return text
        return line(masked)

    def _report(self, lines: Iterable[Text | str]) -> None:
        # Nobody may read it any more (a log reader that has gone, a terminal that was closed); a run that is half
        # through with a cluster must not end for that.
        with contextlib.suppress(ClosedOutputError, UnwritableOutputError, OSError):
            self._print(sys.stderr, lines)

    def _print(self, stream: TextIO, lines: Iterable[Text | str]) -> None:
        for item in lines:
            text = self.masked(line(item) if isinstance(item, str) else item)
            if self.is_redrawing and stream is sys.stderr:
                self.console(stream).print(text, soft_wrap=True)  # rich puts it above the lines it redraws
                continue
            if not self.colours(stream):
                _write(stream, text.plain.rstrip() + "\n")
                continue
            console = self.console(stream)
            with console.capture() as capture:
                console.print(text, soft_wrap=True)
            _write(stream, capture.get())


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _write(stream: TextIO | None, text: str, *, exactly: bool = False) -> None:
    if stream is None:  # Python's way of saying that it was closed from the start
        raise UnwritableOutputError("it is closed")
    try:
        buffer = getattr(stream, "buffer", None)
        if exactly and buffer is not None:
            # What a program reads is UTF-8, as helm's and kubectl's output is, whatever the terminal's encoding.
            stream.flush()
            buffer.write(text.encode("utf-8", "replace"))
            buffer.flush()
        else:
            stream.write(_encodable(stream, text))
            stream.flush()
    except BrokenPipeError:
        discard(stream)
        raise ClosedOutputError from None
    except OSError as error:
        discard(stream)
        raise UnwritableOutputError(error.strerror or str(error)) from error


def _encodable(stream: TextIO, text: str) -> str:
    """Return the text as far as the stream's encoding has it; dfmc's own symbols are spelled in ASCII elsewhere."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding, getattr(stream, "errors", None) or "strict")
    except UnicodeEncodeError:
        return ascii_only(text).encode(encoding, "replace").decode(encoding)
    return text


def discard(stream: TextIO) -> None:
    """Point the stream at nothing, so that the interpreter's last flush does not complain either."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
