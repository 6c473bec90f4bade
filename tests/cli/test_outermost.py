"""What holds for every command: exit codes, usage, help, import weight, bugs, lost readers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Dfmc
from dfmc import __version__, errors
from dfmc.errors import DfmcError, PartialError, PreflightError
from scenarios import scenario

HEAVY = ("pydantic", "yaml", "rich", "asyncio", "kubernetes", "pyhelm3", "httpx2", "stamina", "logging")
COMMANDS = (
    "validate", "explain", "match", "render", "plan", "up", "down", "status", "verify", "doctor", "images", "rbac",
    "unlock", "add-cluster", "console", "schema", "version", "testbed",
)  # fmt: skip
WITH_FILE = (
    "validate", "match", "render", "plan", "up", "down", "status", "verify", "doctor", "images", "rbac", "unlock",
    "add-cluster", "console",
)  # fmt: skip


def loaded_after(*arguments: str) -> set[str]:
    """The heavy modules that a fresh process has loaded by the end of a command."""
    code = (
        "import sys; from dfmc.cli import main; code = main(sys.argv[1:]); assert code == 0, code;"
        f"print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return set(found.stdout.rpartition("LOADED")[2].split())


def test_help_loads_typer_alone() -> None:
    assert loaded_after("--help") == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_no_more(command: str) -> None:
    assert loaded_after(command, "--help") <= {"pydantic"}  # typer's own, to read that no global option is given


def test_version_loads_what_typer_needs_to_read_an_option() -> None:
    assert loaded_after("version") <= {"pydantic", "logging"}
    assert loaded_after("--version") <= {"pydantic", "logging"}


def test_the_app_alone_loads_nothing_heavy() -> None:
    code = f"import sys, dfmc.cli.app; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == []


def test_version_is_one_line(dfmc: Dfmc) -> None:
    for arguments in (["version"], ["--version"]):
        ended = dfmc(*arguments)
        assert (ended.code, ended.out, ended.err) == (0, f"dfmc {__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_ends_with_an_example_that_the_command_accepts_to_read(command: str, dfmc: Dfmc) -> None:
    lines = dfmc(command, "--help").out.rstrip().splitlines()
    (head,) = [number for number, text in enumerate(lines) if text.strip() in ("Example:", "Examples:")]
    examples = [text.strip() for text in lines[head + 1 :]]
    assert examples
    assert all(text.startswith(f"dfmc {command}") for text in examples)
    assert lines[head].strip() == ("Example:" if len(examples) == 1 else "Examples:")


@pytest.mark.parametrize("command", WITH_FILE)
def test_help_names_the_variable_of_the_file(command: str, dfmc: Dfmc) -> None:
    assert "DFMC_FILE" in dfmc(command, "--help").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "✗ No such command 'nonsense'.\n  next see `dfmc --help`\n"),
        (["up", "--nonsense"], "✗ No such option: --nonsense\n  next see `dfmc up --help`\n"),
        (["up", "--timeout", "5x"], "✗ --timeout: '5x' is no duration\n  next write it like 90s, 15m or 1h30m\n"),
        (["up", "--timeout", "0s"], "✗ --timeout: '0s' is no duration\n  next write it like 90s, 15m or 1h30m\n"),
        (["validate", "-f", "x", "y"], "✗ two files are given: y and -f x\n  next give one of them\n"),
        (["render", "--ids", "b=0"], "✗ --ids: 'b=0' is not NAME=ID or NAME=SCHEDULER_ID:SEED_PEER_ID\n"),
    ],
)
def test_a_wrong_command_line_is_64_with_one_sentence(arguments: list[str], message: str, dfmc: Dfmc) -> None:
    ended = dfmc(*arguments)
    assert (ended.code, ended.out, ended.err) == (64, "", message)


@pytest.mark.parametrize("arguments", [["up", "--concurrency", "0"], ["validate", "-o", "xml"], ["add-cluster"]])
def test_values_out_of_range_are_64(arguments: list[str], dfmc: Dfmc) -> None:
    ended = dfmc(*arguments)
    assert ended.code == 64
    assert ended.err.startswith("✗ ")


def test_no_command_at_all_shows_the_help_and_is_64(dfmc: Dfmc) -> None:
    ended = dfmc()
    assert (ended.code, ended.out) == (64, "")
    assert ended.err.startswith("Usage: dfmc")


def every_error() -> list[DfmcError]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DfmcError)]
    return [
        kind("failed", failures={"b": PreflightError("x")}) if kind is PartialError else kind("failed")
        for kind in kinds
    ]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_each_error_ends_with_its_own_exit_code(error: DfmcError, dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_it(path: str) -> None:
        raise error

    monkeypatch.setattr("dfmc.linting.loading.load", raise_it)
    ended = dfmc("plan")
    assert (ended.code, ended.out) == (error.exit_code, "")
    assert "✗ failed" in ended.err


def test_an_error_inside_a_task_group_is_unwrapped(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_it(path: str) -> None:
        raise ExceptionGroup("unhandled", [ExceptionGroup("inner", [PreflightError("no context kind-b", where="b")])])

    monkeypatch.setattr("dfmc.linting.loading.load", raise_it)
    ended = dfmc("plan")
    assert ended.code == 4
    assert ended.err.startswith("✗ b: no context kind-b\n")


def test_a_bug_is_70_with_its_traceback_in_the_log_file(
    dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def raise_it(path: str) -> None:
        raise ExceptionGroup("unhandled", [PreflightError("x"), ZeroDivisionError("by zero")])

    monkeypatch.setattr("dfmc.linting.loading.load", raise_it)
    ended = dfmc("plan")
    assert ended.code == 70
    assert ended.err.startswith("✗ a bug in dfmc: ZeroDivisionError: by zero\n")
    assert "Traceback" not in ended.err
    (log,) = (tmp_path / "state" / "dfmc" / "log").glob("*-plan.log")
    assert f"  log  {log}\n" in ended.err
    assert "ZeroDivisionError: by zero" in log.read_text()
    assert "Traceback" in log.read_text()


def test_an_interrupted_question_is_130(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    def raise_it(path: str) -> None:
        raise typer.Abort

    monkeypatch.setattr("dfmc.linting.loading.load", raise_it)
    assert dfmc("plan").code == 130


def test_ctrl_c_is_130(dfmc: Dfmc, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_it(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dfmc.linting.loading.load", raise_it)
    assert dfmc("plan").code == 130


@pytest.mark.parametrize("arguments", [["schema"], ["--help"]])
@scenario("K6", real=True)
def test_a_reader_that_has_gone_is_no_error_to_report(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as broken:
        found = subprocess.run(
            [sys.executable, "-m", "dfmc", *arguments], stdout=broken, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert (found.returncode, found.stderr) == (141, b"")


def test_python_m_dfmc_is_the_same_program() -> None:
    found = subprocess.run([sys.executable, "-m", "dfmc", "version"], capture_output=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (0, f"dfmc {__version__}\n".encode())


def test_colour_is_off_in_a_pipe_and_on_when_asked_for(dfmc: Dfmc) -> None:
    assert "\x1b[" not in dfmc("validate").out
    assert "\x1b[" in dfmc("--color", "validate").out
    assert "\x1b[" not in dfmc("--no-color", "validate").out


def test_json_has_no_colour_even_when_asked_for(dfmc: Dfmc) -> None:
    assert "\x1b[" not in dfmc("--color", "validate", "-o", "json").out


@pytest.mark.parametrize("arguments", [["validate"], ["version"], ["version", "-o", "json"], ["--help"]])
@scenario("K7", real=True)
def test_an_answer_for_a_full_disk_is_1_and_a_sentence(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        found = subprocess.run(
            [sys.executable, "-m", "dfmc", *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert found.returncode == 1
    assert found.stderr.decode().startswith("✗ the answer cannot be written to standard output\n  why  No space left")


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "0<&-"])
@scenario("K6", real=True)
def test_a_closed_stream_is_no_bug(closed: str) -> None:
    command = f'"{sys.executable}" -m dfmc validate {closed}'
    found = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert found.returncode == (1 if "1>&-" in closed else 0)
    assert b"Traceback" not in found.stderr
    assert b"bug" not in found.stderr


def test_a_locale_without_the_symbols_is_no_bug() -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    found = subprocess.run(
        [sys.executable, "-m", "dfmc", "validate"], env=environ, capture_output=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout[:3]) == (0, b"ok ")
