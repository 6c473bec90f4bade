import logging
import stat
import warnings
from pathlib import Path

import pytest

from dfmc.engine.events import Note, StepEnded, StepProgress, StepStarted
from dfmc.errors import DfmcError, NotReadyError
from dfmc.output.console import Terminal
from dfmc.output.logfile import KEPT, LogFile, log_directory
from dfmc.planning.steps import Action, Kind, Step
from dfmc.redaction import MASK, Redactor

CANARY = "sesame-canary-1"
STEP = Step(Kind.READY, "b", Action.CHECK, note="why")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "dfmc" / "log"


def written(log: LogFile) -> list[str]:
    """The entries without their times."""
    log.close()
    return [line.partition(" ")[2] for line in Path(log.path).read_text().splitlines()]


def test_it_lies_under_the_state_home_for_the_owner_alone(directory: Path) -> None:
    log = LogFile.create("testbed up", Terminal(environ={}))
    path = Path(log.path)
    log.close()
    assert path.parent == directory == log_directory()
    assert path.name.endswith("Z-testbed-up.log")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_state_home_it_lies_in_the_user_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert log_directory() == tmp_path / ".local" / "state" / "dfmc" / "log"


def test_every_event_has_a_line_with_its_time(directory: Path) -> None:
    log = LogFile.create("up", Terminal(environ={}))
    log.event(StepStarted(STEP))
    log.event(StepProgress(STEP, "waiting"))
    log.event(StepEnded(STEP, "done", 1.26, "ready"))
    log.event(Note("", "digest", "warning"))
    first = Path(log.path).read_text().splitlines()[1]
    assert first[10] == "T"
    assert first.split()[0].endswith("Z")
    assert written(log)[1:] == [
        "b: ready: started (check): why",
        "b: ready: waiting",
        "b: ready: done after 1.3 s: ready",
        "warning: digest",
    ]


def test_an_error_is_logged_whole_with_what_caused_it(directory: Path) -> None:
    log = LogFile.create("up", Terminal(environ={}))
    try:
        raise NotReadyError("not ready", where="b", why="first\nsecond", left="installed") from OSError("refused")
    except NotReadyError as error:
        log.event(StepEnded(STEP, "failed", 1, "text", error))
    log.close()
    text = Path(log.path).read_text()
    for words in ("NotReadyError", "why: first", "second", "left: installed", "caused by OSError: refused"):
        assert words in text


def test_secrets_are_masked_in_events_errors_and_tracebacks(directory: Path) -> None:
    redactor = Redactor()
    redactor.add(CANARY)
    log = LogFile.create("up", Terminal(environ={}, redactor=redactor))
    log.event(StepProgress(STEP, f"helm says {CANARY}"))
    log.failure(DfmcError("failed", why=CANARY))
    try:
        raise ValueError(f"bug with {CANARY}")
    except ValueError as error:
        log.bug(error)
    logging.getLogger("urllib3").warning("retry of %s", CANARY)
    log.close()
    text = Path(log.path).read_text()
    assert CANARY not in text
    assert text.count(MASK) == 4
    assert "Traceback" in text


def test_what_libraries_log_and_warn_goes_to_the_file_and_not_to_the_terminal(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = LogFile.create("up", Terminal(environ={}))
    logging.getLogger("urllib3").warning("connection dropped")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("helm 4 is new", UserWarning, stacklevel=1)
    lines = written(log)
    assert "warning: urllib3: connection dropped" in lines
    assert any("helm 4 is new" in line for line in lines)
    assert capsys.readouterr().err == ""


def test_the_newest_are_kept(directory: Path) -> None:
    directory.mkdir(parents=True)
    for number in range(KEPT + 10):
        (directory / f"20200101T0000{number:02d}.000000Z-up.log").touch()
    log = LogFile.create("up", Terminal(environ={}))
    log.close()
    names = sorted(path.name for path in directory.iterdir())
    assert len(names) == KEPT
    assert names[-1] == Path(log.path).name
    assert names[0] == "20200101T000011.000000Z-up.log"


def test_a_log_that_cannot_be_written_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    log = LogFile.create("up", Terminal(environ={}))
    log.write("b", "goes nowhere")
    log.close()
    assert log.path == ""
    assert capsys.readouterr().err.startswith("⚠ no log file: ")


def test_a_disk_that_fills_up_stops_no_run(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        log = LogFile(full, "/var/log/x.log", Terminal(environ={}))
        log.write("b", "one")
        log.write("b", "two")
        log.close()
    assert capsys.readouterr().err == "⚠ the log ends here: /var/log/x.log: No space left on device\n"


def test_without_any_home_there_is_no_log_and_no_directory_called_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    # What Python answers where HOME is not set and the user has no entry in passwd.
    monkeypatch.setattr("os.path.expanduser", str)
    log = LogFile.create("up", Terminal(environ={}))
    log.close()
    assert log.path == ""
    assert "there is no home directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_valid_utf_8_is_written(directory: Path) -> None:
    log = LogFile.create("up", Terminal(environ={}))
    log.write("b", "file \udcff.yaml")
    assert written(log)[1] == "b: file \\udcff.yaml"
