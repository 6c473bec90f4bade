"""MariaDB and Redis: the system's own programs, installed from Debian packages where that is possible."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dfmc.errors import PreflightError
from dfmc.testbed.binaries.cache import BinaryCache, Report

# Daemons live outside an ordinary user's PATH.
_EXTRA_PATH = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/sbin")
_POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class SystemProgram:
    """A program that comes from the system: its name, and the Debian packages that bring it."""

    name: str
    packages: tuple[str, ...]


SYSTEM_PROGRAMS = (
    SystemProgram("mariadbd", ("mariadb-server-core", "mariadb-client-core")),
    SystemProgram("mariadb-install-db", ("mariadb-server-core",)),
    SystemProgram("mariadb", ("mariadb-client-core",)),
    SystemProgram("redis-server", ("redis-server",)),
    SystemProgram("setpriv", ("util-linux",)),
    SystemProgram("setsid", ("util-linux",)),
)


def find_program(name: str) -> Path | None:
    """Return a program's path from PATH or the usual places of daemons, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_EXTRA_PATH])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def ensure_system_programs(report: Report, programs: tuple[SystemProgram, ...] = SYSTEM_PROGRAMS) -> dict[str, Path]:
    """Return the path of each system program, installing packages first where some are missing.

    Args:
        report: Told before packages are installed.
        programs: Which; without this, those that every bed runs.

    Raises:
        PreflightError: Some are missing and could not be installed; says what to type.
    """
    missing = [program for program in programs if find_program(program.name) is None]
    if missing:
        packages = sorted({package for program in missing for package in program.packages})
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise _missing([program.name for program in missing], packages, "")
        report(f"installing {', '.join(packages)} (programs only, no service is started; about 1 min, once)")
        _apt_install(packages, [program.name for program in missing])
    found = {program.name: find_program(program.name) for program in programs}
    absent = [name for name, path in found.items() if path is None]
    if absent:
        raise _missing(absent, [p for s in programs if s.name in absent for p in s.packages], "")
    return {name: path for name, path in found.items() if path is not None}


def _apt_install(packages: list[str], missing: list[str]) -> None:
    # policy-rc.d is Debian's own switch: a package asks it before it starts a service (101 = no).
    placed = not _POLICY.exists()
    if placed:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
    try:
        for argv in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                argv,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=900,
                check=False,
            )
            if done.returncode != 0:
                raise _missing(missing, packages, "\n".join(done.stdout.splitlines()[-4:]))
    except subprocess.TimeoutExpired as error:
        raise _missing(missing, packages, str(error)) from error
    finally:
        if placed:
            _POLICY.unlink()


def _missing(names: list[str], packages: list[str], why: str) -> PreflightError:
    return PreflightError(
        f"the test bed needs {', '.join(names)}",
        why=why,
        next_step=f"sudo apt-get install --no-install-recommends {' '.join(sorted(set(packages)))}",
    )


def ensure_database_template(cache: BinaryCache, programs: dict[str, Path], report: Report) -> Path:
    """Return a data directory of a MariaDB that was never started; made once per MariaDB version and user.

    Raises:
        PreflightError: mariadb-install-db failed; says its last lines.
    """
    user = getpass.getuser()
    version = subprocess.run(
        [programs["mariadbd"], "--version"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    key = hashlib.sha256(f"{version}\n{user}".encode()).hexdigest()[:16]
    template = cache.directory / f"mariadb-template-{key}"
    if template.is_dir():
        return template
    with cache.locked(report):
        if template.is_dir():
            return template
        report("preparing MariaDB's first data directory (seconds, once)")
        partial = template.with_name(template.name + ".part")
        shutil.rmtree(partial, ignore_errors=True)
        argv = [
            str(programs["mariadb-install-db"]),
            "--no-defaults",
            f"--datadir={partial}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket",
            f"--auth-root-socket-user={user}",
            f"--user={user}",
            "--innodb-log-file-size=8M",
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise PreflightError(
                "mariadb-install-db could not make a data directory",
                why="\n".join((done.stderr or done.stdout).splitlines()[-4:]),
            )
        partial.replace(template)
    return template
