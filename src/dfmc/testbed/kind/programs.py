"""Runs kind and docker to their end, their deadline or our cancellation; their own words go into the error."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfmc.clients.child_process import ChildDeadlineError, run_child
from dfmc.errors import DfmcError, NotReadyError, PreflightError
from dfmc.testbed.kind import commands

KIND_VERSION = "v0.33.0"
"""The kind that this bed was tried with."""

_QUICK_SECONDS = 60.0
_SHOWN_LINES = 6
_INSTALL = {
    "docker": "install Docker Engine (on Debian and Ubuntu: sudo apt-get install docker.io) and run this again",
    "kind": f"go install sigs.k8s.io/kind@{KIND_VERSION} (or your system's package of kind) and run this again",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


class ProgramError(DfmcError):
    """kind or docker ended with a failure of its own."""


@dataclass(frozen=True)
class Engine:
    """The Docker engine that answered.

    Attributes:
        version: Its version.
        platform: What its images are for, such as ``linux/amd64``.
        keeps_platforms: Whether it keeps images as containerd does, with entries for platforms that were not pulled.
    """

    version: str
    platform: str
    keeps_platforms: bool


class Programs:
    """The programs of this machine.

    Args:
        environ: What they are found by (PATH) and run with; None for this process's own.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = dict(os.environ if environ is None else environ)

    @property
    def network(self) -> str:
        """The Docker network that kind's nodes are on: ``kind``, or what kind's own variable names."""
        return self._environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK") or "kind"

    def require(self, *names: str) -> None:
        """Refuse to go on without a program.

        Raises:
            PreflightError: One is not on PATH, or kind is told to use another engine than Docker.
        """
        for name in names:
            self._path(name)
        provider = self._environ.get("KIND_EXPERIMENTAL_PROVIDER", "docker")
        if provider not in ("", "docker"):
            raise PreflightError(
                "the kind bed needs Docker",
                why=f"KIND_EXPERIMENTAL_PROVIDER is {provider}",
                next_step="unset KIND_EXPERIMENTAL_PROVIDER",
            )

    async def engine(self) -> Engine:
        """Return what the Docker engine says of itself.

        Raises:
            PreflightError: Docker is not installed, does not run, or does not let this user in.
        """
        self._path("docker")
        try:
            facts: dict[str, Any] = json.loads(await self.run(commands.docker_facts()))
        except ProgramError as error:
            raise _no_engine(error.why) from error
        if not facts.get("ServerVersion"):  # docker info ends with 0 and says why in its answer
            raise _no_engine("; ".join(facts.get("ServerErrors") or ["it says nothing of itself"]))
        machine = str(facts.get("Architecture") or "")
        store = str(facts.get("DriverStatus") or "")
        return Engine(
            version=str(facts["ServerVersion"]),
            platform=f"{facts.get('OSType') or 'linux'}/{_ARCHITECTURES.get(machine, machine)}",
            keeps_platforms="io.containerd.snapshotter" in store,
        )

    async def run(
        self,
        line: Sequence[str],
        *,
        deadline: float = _QUICK_SECONDS,
        what: str = "",
        left: str = "",
        next_step: str = "",
    ) -> str:
        """Run a command line and return its standard output.

        Args:
            line: The program and its arguments.
            deadline: Seconds until it is ended.
            what: What fails when it does; default: the command itself.
            left: What state a failure leaves.
            next_step: What to do about a failure.

        Raises:
            PreflightError: The program is not there or cannot be started.
            ProgramError: It failed.
            NotReadyError: It did not end in time, and has been ended.
        """
        path = self._path(line[0])
        name = what or " ".join(line[:3])
        try:
            done = await run_child([path, *line[1:]], environment=self._environ, deadline=deadline)
        except ChildDeadlineError as error:
            said = _last_lines(error.stderr) or "it said nothing"
            why = f"{' '.join(line[:3])} was ended after {deadline:.0f} s; {said}"
            raise NotReadyError(name, why=why, left=left, next_step=next_step) from error
        except OSError as error:
            raise PreflightError(f"{line[0]} cannot be started", why=error.strerror or str(error)) from error
        if done.returncode != 0:
            why = _last_lines(done.stderr) or _last_lines(done.stdout) or f"it ended with {done.returncode}"
            raise ProgramError(name if what else f"{name} failed", why=why, left=left, next_step=next_step)
        return done.stdout.decode("utf-8", "replace")

    def _path(self, name: str) -> str:
        found = shutil.which(name, path=self._environ.get("PATH"))
        if found is None:
            raise PreflightError(f"{name} is not on PATH", next_step=_INSTALL[name])
        return os.path.abspath(found)


def _no_engine(why: str) -> PreflightError:
    if "permission denied" in why.lower():
        next_step = "sudo usermod -aG docker $USER, then sign in again"
    else:
        next_step = "sudo systemctl start docker (or set DOCKER_HOST)"
    return PreflightError("the Docker engine does not answer", why=why, next_step=next_step)


def _last_lines(output: bytes) -> str:
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    return "\n".join([line for line in lines if line][-_SHOWN_LINES:])
