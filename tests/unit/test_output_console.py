import io
import os
import sys
from pathlib import Path

import pytest

from dfmc.output.console import ClosedOutputError, Terminal, UnwritableOutputError
from dfmc.output.text import clean, line, one_line
from dfmc.redaction import MASK, Redactor
from terminals import FakeTerminal

CANARY = "sesame-canary-1"


def terminals(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeTerminal, FakeTerminal]:
    """Put terminals in the place of both streams; not as a fixture, whose streams pytest would replace again."""
    out, err = FakeTerminal(), FakeTerminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    return out, err


@pytest.mark.parametrize(
    ("environ", "color", "is_terminal", "coloured"),
    [
        ({}, None, True, True),
        ({}, None, False, False),
        ({"NO_COLOR": "1"}, None, True, False),
        ({"NO_COLOR": ""}, None, True, True),  # no-color.org: only when not empty
        ({"FORCE_COLOR": "1"}, None, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, None, True, False),
        ({"NO_COLOR": "1"}, True, False, True),
        ({"FORCE_COLOR": "1"}, False, True, False),
        ({"TERM": "dumb"}, None, True, False),
        ({"CI": "true"}, None, True, True),
    ],
)
def test_colour_follows_flag_then_environment_then_stream(
    environ: dict[str, str], color: bool | None, is_terminal: bool, coloured: bool
) -> None:
    stream = FakeTerminal() if is_terminal else io.StringIO()
    assert Terminal(color=color, environ=environ).colours(stream) is coloured


@pytest.mark.parametrize(
    ("environ", "quiet", "live"),
    [
        ({}, False, True),
        ({"CI": "true"}, False, False),
        ({"CI": "false"}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({}, True, False),
    ],
)
def test_redraws_only_where_somebody_watches(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], quiet: bool, live: bool
) -> None:
    terminals(monkeypatch)
    assert Terminal(environ=environ, quiet=quiet).is_live is live


def test_does_not_redraw_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not Terminal(environ={}).is_live


def test_asks_only_where_both_ends_are_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminals(monkeypatch)
    monkeypatch.setattr(sys, "stdin", FakeTerminal())
    assert Terminal(environ={}).can_ask
    assert not Terminal(environ={"CI": "1"}).can_ask
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not Terminal(environ={}).can_ask


def test_answers_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(environ={})
    terminal.answer("an answer")
    terminal.say("what goes on")
    terminal.warn("careful")
    terminal.complain("broken")
    captured = capsys.readouterr()
    assert captured.out == "an answer\n"
    assert captured.err == "what goes on\n⚠ careful\nbroken\n"


def test_quiet_keeps_answers_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(environ={}, quiet=True)
    terminal.answer("an answer")
    terminal.say("what goes on")
    terminal.warn("careful")
    terminal.complain("broken")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("an answer\n", "⚠ careful\nbroken\n")


def test_details_come_with_verbosity_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(environ={}).detail("small print")
    Terminal(environ={}, verbosity=1).detail("wanted")
    assert capsys.readouterr().err == "wanted\n"


def test_styles_become_escapes_on_a_terminal_and_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = terminals(monkeypatch)
    Terminal(environ={}).answer(line(("red", "red"), " plain"))
    assert streams[0].getvalue() == "\x1b[31mred\x1b[0m plain\n"
    plain = io.StringIO()
    monkeypatch.setattr(sys, "stdout", plain)
    Terminal(environ={}).answer(line(("red", "red"), " plain"))
    assert plain.getvalue() == "red plain\n"


@pytest.mark.parametrize("color", [True, False])
def test_long_lines_are_neither_folded_nor_cut(color: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(color=color, environ={}).answer("word " * 200 + "end")
    assert capsys.readouterr().out == "word " * 200 + "end\n"


def test_markup_and_emoji_codes_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(color=True, environ={}).answer("[red]pod[/red] :smile: https://example.org 42")
    assert capsys.readouterr().out == "[red]pod[/red] :smile: https://example.org 42\n"


def test_every_channel_masks_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    terminal = Terminal(color=True, environ={}, redactor=redactor, verbosity=1)
    terminal.answer(line(("the ", "red"), f"password is {CANARY}"))
    terminal.say(f"said {CANARY}")
    terminal.detail(f"detail {CANARY}")
    terminal.warn(f"warned {CANARY}")
    terminal.complain(f"error {CANARY}")
    terminal.answer_document({"why": f"it says {CANARY}", "more": [{CANARY: CANARY}]})
    captured = capsys.readouterr()
    assert CANARY not in captured.out + captured.err
    assert captured.out.count(MASK) == 4
    assert captured.err.count(MASK) == 4


def test_a_secret_split_by_styles_is_masked(capsys: pytest.CaptureFixture[str]) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    half = len(CANARY) // 2
    Terminal(color=True, environ={}, redactor=redactor).answer(line((CANARY[:half], "red"), (CANARY[half:], "blue")))
    assert capsys.readouterr().out == f"{MASK}\n"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b[2K\x1b[1Gb", "ab"),
        ("a\rb", "ab"),
        ("bell\x07 null\x00 del\x7f c1\x9b31m", "bell null del c131m"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("tab\there", "tab    here"),
        ("kept\nbreak", "kept\nbreak"),
    ],
)
def test_terminal_escapes_of_others_are_stripped(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless
    assert line(hostile).plain == harmless


def test_foreign_text_in_a_plain_string_cannot_reach_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = terminals(monkeypatch)
    Terminal(environ={}).say("pod says \x1b[8mhidden\x1b[0m")
    assert streams[1].getvalue() == "pod says hidden\n"


def test_one_line_joins_what_was_broken() -> None:
    assert one_line("  a\n  b\t c\r\n") == "a b c"


def test_symbols_are_spelled_where_the_encoding_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    Terminal(environ={}).answer("✗ a → b … ü")
    assert raw.getvalue() == b"x a -> b ... ?\n"


def test_a_reader_that_has_gone_is_told_apart_from_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", os.fdopen(writer, "w"))
    with pytest.raises(ClosedOutputError):
        Terminal(environ={}).answer("into the void")
    sys.stdout.close()  # would raise if the stream still led to the broken pipe


@pytest.mark.parametrize("encoding", ["latin-1", "iso8859-15", "cp1252", "utf-16"])
def test_every_encoding_that_python_knows_is_written_to(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    Terminal(environ={}).answer("✗ ü \udcff")
    assert raw.getvalue().decode(encoding).endswith(" ü ?\n")


def test_what_a_program_reads_is_utf_8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    Terminal(environ={}).write_exactly("name: 'käse → 1'\n")
    assert raw.getvalue() == "name: 'käse → 1'\n".encode()


def test_an_answer_that_cannot_be_written_is_an_error_that_says_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, why in ((None, "closed"), (open("/dev/full", "w"), "No space left")):  # noqa: SIM115 - closed below
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(UnwritableOutputError) as caught:
            Terminal(environ={}).answer("into the void")
        assert why in caught.value.why
        assert "is done" in caught.value.left
        if stream:
            stream.close()  # would raise if it still led to the full disk


def test_a_run_goes_on_when_nobody_reads_its_progress_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for stream in (None, open("/dev/full", "w"), os.fdopen(writer, "w")):  # noqa: SIM115 - closed below
        monkeypatch.setattr(sys, "stderr", stream)
        Terminal(environ={}).say("step done")
        Terminal(environ={}).complain("an error")
        if stream:
            stream.close()
