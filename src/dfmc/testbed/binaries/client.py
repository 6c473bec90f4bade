"""The programs of Dragonfly's data plane, which a bed may have or not: Rust crates, and a small library for the bed.

They take 20 to 45 minutes to build, so nothing builds them but who asks for them (``dfmc testbed binaries --client``).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO

from dfmc.errors import PreflightError
from dfmc.testbed.addressing import (
    BLOCKS,
    FIRST_POD_OCTET,
    FIRST_SERVICE_OCTET,
    NODE_THIRD_OCTET,
    UNREACHABLE,
)
from dfmc.testbed.binaries.cache import BinaryCache, Report
from dfmc.testbed.binaries.system import SystemProgram, ensure_system_programs, find_program

CLIENT_VERSION = "1.4.0"

# Debug builds: a third of a release build's time, and beds measure nothing. Without debug information they are a tenth
# of the size. The same settings everywhere, or cargo compiles everything twice.
CARGO_ENVIRONMENT = {
    "CARGO_INCREMENTAL": "0",
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_DEV_STRIP": "symbols",
}

_BUILD_PACKAGES = (
    SystemProgram("protoc", ("libprotobuf-dev", "protobuf-compiler")),
    SystemProgram("clang", ("clang", "libclang-dev")),
    SystemProgram("cmake", ("cmake",)),
    SystemProgram("c++", ("g++", "make")),
)
_DEADLINE_SECONDS = 3 * 3600
_PROGRESS = re.compile(rb"\b(\d+)/(\d+)(?::|\s*$)")
_STEP_PERCENT = 5


@dataclass(frozen=True)
class CrateProgram:
    """An executable of a Rust crate.

    Attributes:
        name: Its file name in the cache's ``bin``.
        crate: Name of the crate.
        version: Version of the crate.
    """

    name: str
    crate: str
    version: str = CLIENT_VERSION

    def digest(self) -> str:
        """Return the sha256 over crate, version and settings, but not over the compiler."""
        parts = [self.name, self.crate, self.version, sorted(CARGO_ENVIRONMENT.items())]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class NativeLibrary:
    """A library of the bed's own, in C."""

    name: str
    source: str

    def text(self) -> bytes:
        """Return the source."""
        return (files("dfmc.testbed") / "data" / "native" / self.source).read_bytes()

    def flags(self) -> list[str]:
        """Return the compiler's arguments but for the files; the bed's addresses have one owner, in Python."""
        unreachable = int.from_bytes(map(int, UNREACHABLE.split(".")))
        constants = {
            "FIRST_POD_OCTET": FIRST_POD_OCTET,
            "FIRST_SERVICE_OCTET": FIRST_SERVICE_OCTET,
            "NODE_THIRD_OCTET": NODE_THIRD_OCTET,
            "BLOCK_COUNT": len(BLOCKS),
            "UNREACHABLE": f"{unreachable:#x}u",
        }
        return ["-O2", "-fPIC", "-shared", "-pthread", *(f"-D{name}={value}" for name, value in constants.items())]

    def digest(self) -> str:
        """Return the sha256 over source and arguments."""
        return hashlib.sha256(json.dumps(self.flags()).encode() + self.text()).hexdigest()


_DFDAEMON = CrateProgram("dfdaemon", "dragonfly-client")
ADDRESS_MAP = NativeLibrary("pod-addresses.so", "pod_addresses.c")

DATA_PLANE: tuple[CrateProgram | NativeLibrary, ...] = (_DFDAEMON, ADDRESS_MAP)
"""What the kwok bed needs to run clients."""

CRATE_PROGRAMS = (
    _DFDAEMON,
    CrateProgram("dfget", "dragonfly-client"),
    CrateProgram("dfctl", "dragonfly-client"),
    CrateProgram("dfinit", "dragonfly-client-init"),
)
"""What images of client and dfinit need; the bed runs the first alone."""


def ensure_client(cache: BinaryCache, report: Report) -> None:
    """Make every program of the data plane present and current. Each crate is kept as soon as it is done.

    What was compiled before an interruption is not compiled again.

    Raises:
        PreflightError: No compiler, a package is missing and cannot be installed, or a build failed.
    """
    missing = [program for program in CRATE_PROGRAMS if not cache.is_current(program)]
    if missing:
        cargo = find_cargo()
        ensure_system_programs(report, _BUILD_PACKAGES)
        with cache.locked(report, "rust.lock"):
            missing = [program for program in missing if not cache.is_current(program)]
            for crate in dict.fromkeys(program.crate for program in missing):
                _build_crate([program for program in missing if program.crate == crate], cargo, cache, report)
            shutil.rmtree(cache.build_directory("rust"))  # gigabytes, and of no use any more
    if not cache.is_current(ADDRESS_MAP):
        with cache.locked(report, "rust.lock"):
            build_library(ADDRESS_MAP, cache)


def find_cargo() -> Path:
    """Return cargo, from PATH or from where rustup puts it.

    Raises:
        PreflightError: There is none.
    """
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    for candidate in (shutil.which("cargo"), home / "bin" / "cargo"):
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate)
    raise PreflightError(
        "Dragonfly's client is built from Rust crates, and there is no cargo",
        why=f"neither PATH nor {home / 'bin'} has one",
        next_step="install Rust (https://rustup.rs), then: dfmc testbed binaries --client",
    )


def build_library(library: NativeLibrary, cache: BinaryCache) -> None:
    """Compile a library of the bed.

    Raises:
        PreflightError: No C compiler, or it refused.
    """
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := find_program(name))), None)
    if compiler is None:
        raise PreflightError(
            "the bed's data plane needs a C compiler", next_step="sudo apt-get install --no-install-recommends gcc"
        )
    directory = cache.build_directory("native")
    source, output = directory / library.source, directory / f"{library.name}.part"
    source.write_bytes(library.text())
    argv = [str(compiler), *library.flags(), "-o", str(output), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise PreflightError(f"{library.name} could not be built", why="\n".join(done.stderr.splitlines()[-6:]))
    cache.install(library, output)
    shutil.rmtree(directory)


def _build_crate(programs: list[CrateProgram], cargo: Path, cache: BinaryCache, report: Report) -> None:
    crate, version = programs[0].crate, programs[0].version
    directory = cache.build_directory("rust")
    names = [program.name for program in programs]
    report(f"building {', '.join(names)} from the Rust crate {crate} {version} (20-45 min on two cores, once)")
    argv = [str(cargo), "install", crate, "--version", version, "--locked", "--debug", "--force"]
    argv += ["--root", str(directory / "root"), *(word for name in names for word in ("--bin", name))]
    environment = {
        **os.environ,
        **CARGO_ENVIRONMENT,
        "CARGO_TARGET_DIR": str(directory / "target"),
        "CARGO_TERM_PROGRESS_WHEN": "always",
        "CARGO_TERM_PROGRESS_WIDTH": "100",
        "CARGO_TERM_COLOR": "never",
        "PATH": os.pathsep.join([str(cargo.parent), os.environ.get("PATH", "/usr/bin:/bin")]),  # for rustc
    }
    environment.pop("RUSTFLAGS", None)
    log = directory / f"{crate}.log"
    code = _run_cargo(argv, environment, log, lambda done, all_: report(f"{crate}: {done} of {all_} crates compiled"))
    if code != 0:
        lines = [line for line in _lines(log) if line and not _PROGRESS.search(line.encode())]
        raise PreflightError(
            f"{crate} {version} could not be built",
            why="\n".join(lines[-8:]) if code is not None else f"it took longer than {_DEADLINE_SECONDS} s",
            left="what was compiled so far is kept",
            next_step="dfmc testbed binaries --client (goes on where it stopped)",
        )
    for program in programs:
        cache.install(program, directory / "root" / "bin" / program.name)


def _run_cargo(
    argv: list[str], environment: dict[str, str], log: Path, progress: Callable[[int, int], None]
) -> int | None:
    """Run cargo, its output into ``log``; return its exit code, None when it took too long."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101
        too_long = threading.Event()

        def end() -> None:
            too_long.set()
            process.kill()

        timer = threading.Timer(_DEADLINE_SECONDS, end)
        timer.start()
        try:
            for done, all_ in steps(copied(process.stdout, out)):
                progress(done, all_)
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
        finally:
            timer.cancel()
    return None if too_long.is_set() else code


def copied(source: IO[bytes], out: IO[bytes]) -> Iterable[bytes]:
    """Yield the lines of ``source``, which end in carriage returns or line feeds, while copying them."""
    rest = b""
    with suppress(ValueError):
        while data := os.read(source.fileno(), 1 << 16):
            out.write(data)
            out.flush()
            *whole, rest = re.split(rb"[\r\n]", rest + data)
            yield from whole
    yield rest


def steps(lines: Iterable[bytes]) -> Iterable[tuple[int, int]]:
    """Yield cargo's progress (crates done, crates in all) whenever it has advanced by another twentieth."""
    said = -1
    for line in lines:
        found = _PROGRESS.search(line) if b"Building" in line else None
        if found and int(found[2]):
            step = 100 * int(found[1]) // int(found[2]) // _STEP_PERCENT
            if step > said:
                said = step
                yield int(found[1]), int(found[2])


def _lines(log: Path) -> list[str]:
    return [line.strip() for line in re.split(r"[\r\n]", log.read_text(errors="replace"))]
