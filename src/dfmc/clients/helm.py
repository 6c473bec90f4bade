"""helm, driven through pyhelm3's argument building but not through its way of running programs.

pyhelm3 0.5.8 goes through a shell, cannot be cancelled, has no deadline, logs whole command lines and knows no
environment of its own; ``_HelmCommand`` replaces those parts. Never used: ``ensure_release`` (it uninstalls whatever
is pending) and ``Client`` (it runs a shell in its constructor).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pyhelm3 import command as pyhelm3_command

from dfmc.clients.child_process import TERM_GRACE, ChildDeadlineError, run_child
from dfmc.clients.foreign_text import readable
from dfmc.clients.helm_environment import helm_environment, refused_environment
from dfmc.clients.helm_errors import MAX_STDERR, helm_error, pull_error
from dfmc.clients.helm_version import INSTALL_HELM, supported_version, version_numbers
from dfmc.clients.private_cache import private_cache
from dfmc.clients.protocols import JsonObject
from dfmc.clients.safe_yaml import load_yaml
from dfmc.errors import DfmcError, PreflightError, UnreachableError

_VERSION_DEADLINE = 10.0
_OFFLINE_DEADLINE = 60.0
# helm's own --timeout covers hooks only; the process is stopped this much later, when helm did not manage to.
_MARGIN = 15.0
_AFTER_UPGRADE = "objects that helm applied so far stay, and so does their data; running dfmc again is safe"
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

_log = logging.getLogger(__name__)
# It logs whole command lines at INFO.
logging.getLogger("pyhelm3").setLevel(logging.WARNING)


class _HelmFailureError(Exception):
    """helm ended with another exit code than 0; its words are already readable and masked."""

    def __init__(self, returncode: int, stderr: str) -> None:
        super().__init__(stderr)
        self.returncode = returncode
        self.stderr = stderr


class _HelmCommand(pyhelm3_command.Command):
    """One call of helm: pyhelm3 builds the arguments, we run the program.

    Attributes:
        stdout: What helm wrote, once it has run.
    """

    def __init__(
        self,
        executable: Path,
        *,
        environment: Mapping[str, str],
        deadline: float,
        grace: float = TERM_GRACE,
        mask: Callable[[str], str],
        extra: Sequence[str] = (),
        context: str | None = None,
        kubeconfig: Path | None = None,
    ) -> None:
        # helm wants a unit; pyhelm3 passes a bare number on as it is.
        super().__init__(
            executable=str(executable),
            default_timeout=f"{max(1, int(deadline - _MARGIN))}s",
            kubecontext=context,
            kubeconfig=kubeconfig,
        )
        self._environment = environment
        self._deadline = deadline
        self._grace = grace
        self._mask = mask
        self._extra = tuple(extra)
        self.stdout = b""

    async def run(self, command: list[str], input: bytes | None = None) -> bytes:  # noqa: A002 - upstream's name
        """Run helm with ``command`` and the extra arguments; replaces upstream's shell.

        Raises:
            _HelmFailureError: helm ended with another code than 0.
            ChildDeadlineError: It had to be stopped.
        """
        arguments = [str(part) for part in (*command, *self._extra)]
        if self._kubeconfig:
            arguments += ["--kubeconfig", str(self._kubeconfig)]
        if self._kubecontext:
            arguments += ["--kube-context", str(self._kubecontext)]
        done = await run_child(
            [self._executable, *arguments],
            environment=self._environment,
            stdin=input,
            deadline=self._deadline,
            grace=self._grace,
        )
        words = readable(done.stderr, self._mask, MAX_STDERR)
        if done.returncode != 0:
            raise _HelmFailureError(done.returncode, words)
        if words:
            _log.info("helm %s succeeded and said: %s", command[0], words)
        self.stdout = done.stdout
        return done.stdout

    def client_version(self) -> Any:  # noqa: ANN401 - semver.Version, a library of pyhelm3's
        """Return helm's version without a shell, with a deadline, and for a helm that says ``v3.19`` too."""
        said = subprocess.run(
            [self._executable, "version", "--template", "{{.Version}}"],
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_VERSION_DEADLINE,
        ).stdout.decode("utf-8", "replace")
        numbers = version_numbers(said)
        return pyhelm3_command.semver.Version(*(*numbers, 0)[:3])


class _UpgradeCommand(_HelmCommand):
    async def run(self, command: list[str], input: bytes | None = None) -> bytes:  # noqa: A002 - upstream's name
        """As the base; the answer is replaced, because nobody needs it and upstream fails on one without JSON.

        helm prints the values, passwords among them, several times; and the caller reads the release itself.
        """
        await super().run(command, input)
        return b"{}"


class PyHelm:
    """One helm binary, used for one context; implements HelmClient.

    Args:
        context: Name in the kubeconfig; None for calls that need no cluster.
        kubeconfig: None leaves KUBECONFIG and ~/.kube/config to helm.
        binary: Path of helm, or a name to look up on PATH.
        deadline: Seconds that one call may take before its process group gets SIGTERM.
        grace: Seconds from there to SIGKILL.
        mask: Replaces secrets in whatever helm says.
        environ: dfmc's environment; what helm may see of it is decided here.

    Raises:
        PreflightError: The environment redirects helm (HELM_KUBE*, HELM_DRIVER).
    """

    def __init__(
        self,
        *,
        context: str | None,
        kubeconfig: Path | None = None,
        binary: str | Path = "helm",
        deadline: float = 315.0,
        grace: float = TERM_GRACE,
        mask: Callable[[str], str] = str,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._environ = dict(os.environ if environ is None else environ)
        if refused := refused_environment(self._environ):
            raise PreflightError(
                f"the environment would redirect helm: {', '.join(refused)}",
                why="these variables override the context of every helm call, or where helm keeps its releases",
                next_step=f"unset {' '.join(refused)}",
            )
        self._context = context
        self._kubeconfig = kubeconfig
        self._binary = binary
        self._deadline = deadline
        self._grace = grace
        self._mask = mask
        self._version: str | None = None

    async def version(self) -> str:
        """Return the binary's version; see HelmClient."""
        if self._version is None:
            command = self._command(deadline=_VERSION_DEADLINE, offline=True)
            try:
                said = await command.run(["version", "--template", "{{.Version}}"])
            except (_HelmFailureError, ChildDeadlineError, OSError) as error:
                raise PreflightError(
                    f"{self._executable()} does not tell its version", why=str(error), next_step=INSTALL_HELM
                ) from error
            self._version = supported_version(readable(said, self._mask, 80), str(self._executable()))
        return self._version

    async def upgrade(
        self,
        *,
        release: str,
        namespace: str,
        chart: Path,
        values: Mapping[str, Any],
        labels: Mapping[str, str],
        description: str,
    ) -> None:
        """Run ``helm upgrade --install``; see HelmClient. The namespace must exist."""
        action = f"helm upgrade of {release} in namespace {namespace}"
        extra = ["--labels", _labels_argument(labels)] if labels else []
        command = self._command(deadline=self._deadline, extra=extra, kind=_UpgradeCommand)
        await self._translated(
            action,
            command.install_or_upgrade(
                release,
                _checked_chart(chart),
                _plain(values),
                namespace=namespace,
                create_namespace=False,
                description=description or None,
            ),
            left=_AFTER_UPGRADE,
        )

    async def uninstall(self, *, release: str, namespace: str) -> None:
        """Run ``helm uninstall``; see HelmClient."""
        command = self._command(deadline=self._deadline, extra=["--ignore-not-found"])
        await self._translated(
            f"helm uninstall of {release} in namespace {namespace}",
            command.uninstall(release, namespace=namespace),
            left="objects that helm did not delete yet stay; running dfmc again goes on with it",
        )

    async def template(self, *, release: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> str:
        """Return what helm makes of the values; see HelmClient."""
        command = self._command(deadline=_OFFLINE_DEADLINE, offline=True)
        # Upstream parses lazily, with a slow loader; the text itself is what is wanted.
        await self._translated(
            f"helm template of {release}",
            command.template(release, _checked_chart(chart), _plain(values), namespace=namespace),
        )
        return command.stdout.decode("utf-8", "replace")

    async def show_values(self, chart: Path) -> JsonObject:
        """Return the chart's defaults; see HelmClient."""
        command = self._command(deadline=_OFFLINE_DEADLINE, offline=True)
        await self._translated("helm show values", command.run(["show", "values", str(_checked_chart(chart))]))
        try:
            values = load_yaml(command.stdout)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise PreflightError(
                f"the default values of {chart} are not YAML", why=str(error), next_step="check `chart:` in the file"
            ) from error
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise PreflightError(f"the default values of {chart} are not a map", next_step="check `chart:` in the file")
        return values

    async def pull(self, reference: str, version: str, destination: Path) -> Path:
        """Download a chart from an OCI registry, with the user's logins, and return the archive's path.

        Args:
            reference: ``oci://HOST/PATH/NAME``.
            version: The exact version.
            destination: An empty directory.
        """
        action = f"helm pull of {reference} {version}"
        command = self._command(deadline=self._deadline, offline=True)
        try:
            await self._translated(
                action, command.run(["pull", reference, "--version", version, "--destination", str(destination)])
            )
        except DfmcError as error:
            if isinstance(error.__cause__, _HelmFailureError):
                raise pull_error(action, error.__cause__.stderr) from error.__cause__
            raise
        found = await asyncio.to_thread(lambda: sorted(destination.glob("*.tgz")))
        if len(found) != 1:
            raise DfmcError(f"helm pulled {len(found)} archives of {reference} {version} where one was expected")
        return found[0]

    def _executable(self) -> Path:
        found = shutil.which(str(self._binary), path=self._environ.get("PATH"))
        if found is None:
            raise PreflightError(
                f"helm was not found: {self._binary}", why="no such executable file", next_step=INSTALL_HELM
            )
        return Path(found).absolute()

    def _command(
        self,
        *,
        deadline: float,
        extra: Sequence[str] = (),
        offline: bool = False,
        kind: type[_HelmCommand] = _HelmCommand,
    ) -> _HelmCommand:
        return kind(
            self._executable(),
            environment=helm_environment(self._environ, private_cache("helm", environ=self._environ)),
            deadline=deadline,
            grace=self._grace,
            mask=self._mask,
            extra=extra,
            context=None if offline else self._context,
            kubeconfig=None if offline else self._kubeconfig,
        )

    async def _translated(self, action: str, call: Any, *, left: str = "") -> None:  # noqa: ANN401 - untyped upstream
        try:
            await call
        except _HelmFailureError as error:
            raise helm_error(action, error.returncode, error.stderr, left=left) from error
        except ChildDeadlineError as error:
            raise UnreachableError(
                f"{action} did not end within {error.deadline:g} s and was stopped",
                why=readable(error.stderr, self._mask, MAX_STDERR)
                or "helm said nothing; it waits like this for a silent API server",
                left=left,
                next_step="check that the API server answers (`dfmc doctor`), then run dfmc again",
            ) from error
        except OSError as error:
            raise PreflightError(
                f"helm cannot be run: {self._binary}", why=error.strerror or str(error), next_step=INSTALL_HELM
            ) from error


def _checked_chart(chart: Path) -> Path:
    # A relative path could name a directory that happens to be called like the chart; helm would prefer it.
    if not chart.is_absolute() or not chart.exists():
        raise PreflightError(
            f"no chart at {chart}",
            why="an absolute path of an archive or a directory is needed",
            next_step="check `chart:` in the file",
        )
    return chart


def _labels_argument(labels: Mapping[str, str]) -> str:
    """Return ``--labels``' value; refused here is what the API server would refuse half-way through."""
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise DfmcError(
                f"not a label of a release: {key}={value}",
                why="a label's value has at most 63 letters, digits, '-', '_' and '.'",
            )
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def _plain(value: Any) -> Any:  # noqa: ANN401 - a JSON-like tree
    """Return the tree as the dicts and lists that json.dumps takes."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
