"""Makes programs: fetched where published builds can be had, else compiled from Go modules."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from dfmc.errors import PreflightError, UnreachableError
from dfmc.testbed.binaries.cache import BinaryCache, Report
from dfmc.testbed.binaries.catalogue import BY_NAME, GO_ENVIRONMENT, Program
from dfmc.testbed.binaries.download import fetch, internet_answers
from dfmc.testbed.binaries.go_toolchain import find_go

_BUILD_DEADLINE_SECONDS = 3600


def ensure(names: Iterable[str], cache: BinaryCache, report: Report) -> None:
    """Make every program of ``names`` present and current. Each one is kept as soon as it is done.

    Args:
        names: Names of the catalogue.
        cache: Where they go.
        report: Told one line before each long step.

    Raises:
        PreflightError: No compiler, or a build failed; the programs done so far stay.
        IntegrityError: A download does not match its publisher's checksum.
    """
    ensure_programs([BY_NAME[name] for name in names], cache, report)


def ensure_programs(wanted: Sequence[Program], cache: BinaryCache, report: Report) -> None:
    """Make programs of any catalogue present and current, in the order given; see `ensure`."""
    if all(cache.is_current(program) for program in wanted):
        return
    with cache.locked(report):
        missing = [program for program in wanted if not cache.is_current(program)]
        online = any(program.download for program in missing) and internet_answers()
        go: Path | None = None
        for number, program in enumerate(missing, start=1):
            counted = f"[{number}/{len(missing)}]"
            if online and program.download and _downloaded(program, cache, report, counted):
                continue
            if go is None:
                go = find_go(max(p.go for p in missing), cache.directory, report)
            report(f"{counted} building {program.name} {program.version} from Go modules ({program.minutes}, once)")
            _compile(program, go, cache)


def _downloaded(program: Program, cache: BinaryCache, report: Report, counted: str) -> bool:
    assert program.download is not None  # noqa: S101
    report(f"{counted} downloading {program.name} {program.version} (seconds, once)")
    try:
        file = fetch(program.download, cache.build_directory(program.name))
    except UnreachableError as error:
        report(f"{program.name} could not be downloaded ({error.why}); it is built instead")
        return False
    cache.install(program, file)
    return True


def link_flags(stamps: Sequence[tuple[str, str]]) -> str:
    """Return the value of ``-ldflags`` that sets the given string variables."""
    return " ".join(f"-X {name}={value}" for name, value in stamps)


def _compile(program: Program, go: Path, cache: BinaryCache) -> None:
    directory = cache.build_directory(program.name)
    environment = {**os.environ, **GO_ENVIRONMENT, "GOBIN": str(directory)}
    # GOROOT of another Go, or settings of a surrounding workspace, would break or redirect the build.
    for name in ("GOROOT", "GOWORK", "GOOS", "GOARCH"):
        environment.pop(name, None)
    flags = ["-ldflags", link_flags(program.stamps)] if program.stamps else []
    for name, text in program.module_files().items():
        (directory / name).write_bytes(text)
    output = directory / f"{program.name}.part"
    if program.module:
        argv = [str(go), "build", *flags, "-o", str(output), program.package]
    else:
        argv = [str(go), "install", *flags, f"{program.package}@{program.version}"]
    _run(argv, directory, environment, program)
    if not program.module:
        (directory / program.package.rsplit("/", 1)[-1]).replace(output)
    cache.install(program, output)
    shutil.rmtree(directory)


def _run(argv: list[str], directory: Path, environment: dict[str, str], program: Program) -> None:
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_BUILD_DEADLINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(program, f"it took longer than {_BUILD_DEADLINE_SECONDS} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if not line.startswith("go: downloading")]
        raise _failed(program, "\n".join(lines[-8:]))


def _failed(program: Program, why: str) -> PreflightError:
    return PreflightError(
        f"{program.name} {program.version} could not be built",
        why=why,
        left="programs built so far are kept",
        next_step="check that the Go module proxy can be reached (`go env GOPROXY`) and run the command again",
    )
