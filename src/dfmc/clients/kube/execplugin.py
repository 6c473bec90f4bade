"""Credential plugins (``users[].user.exec``), run with a deadline and without a terminal.

The library's own runner has no deadline, hands a plugin the terminal, and its caller logs a plugin's failure and goes
on as an anonymous user, which then reads as "forbidden". The protocol is the one of the Kubernetes documentation,
"client-go credential plugins": cluster information in ``KUBERNETES_EXEC_INFO``, an ``ExecCredential`` on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from typing import Any

from kubernetes.config.exec_provider import ExecProvider

from dfmc.clients.kube.refusals import Place, shortened
from dfmc.errors import AuthError, PreflightError

PLUGIN_DEADLINE = 30.0
_WORDS_SHOWN = 512
_SECRET_LOOKING = re.compile(
    r"eyJ[\w-]+\.[\w-]+(\.[\w-]+)?"  # a JWT
    r"|(?i:(?:bearer|basic)\s+\S+)"
    r"|(?i:(?P<key>\w*(?:token|secret|password|passwd|apikey|api_key)\w*[\"']?\s*[=:]\s*)\S+)"
)


class BoundedExecPlugin(ExecProvider):  # type: ignore[misc]  # the library ships no usable annotations
    """A credential plugin whose run ends, one way or the other.

    The library's constructor reads the plugin's command, arguments, environment and cluster information from the
    kubeconfig; only ``run`` is replaced.

    Attributes:
        place: The context the credentials are for; named in errors.
        deadline: Seconds the plugin may take.
    """

    place: Place
    deadline: float = PLUGIN_DEADLINE

    def run(self, previous_response: object = None) -> dict[str, Any]:
        """Return the ``status`` of the plugin's ExecCredential.

        Args:
            previous_response: Part of the library's signature; no supported version of the protocol uses it.

        Raises:
            AuthError: The plugin failed, took too long, or answered something else than credentials.
            PreflightError: The plugin is not installed.
        """
        stdout = self._output()
        try:
            credential = json.loads(stdout)
        except ValueError:
            credential = None
        if not isinstance(credential, dict) or not isinstance(credential.get("status"), dict):
            raise self._failure("it did not print an ExecCredential with a status")
        if credential.get("apiVersion") != self.api_version:
            raise self._failure(
                f"it answered in {shortened(str(credential.get('apiVersion')), 60)}, "
                f"the kubeconfig asks for {self.api_version}"
            )
        status: dict[str, Any] = credential["status"]
        if not status.get("token") and not (status.get("clientCertificateData") and status.get("clientKeyData")):
            raise self._failure("its answer holds neither a token nor a certificate with its key")
        return status

    def _output(self) -> str:
        try:
            process = subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.cwd,
                env={**self.env, "KUBERNETES_EXEC_INFO": self._exec_info()},
                text=True,
                errors="replace",
                start_new_session=True,  # no controlling terminal to prompt on, and one group to end
            )
        except OSError as error:
            raise PreflightError(
                f"the credential plugin of {self.place} cannot be run",
                why=f"{self.args[0]}: {error.strerror or error}",
                next_step=f"install {self.args[0]}, or use another context",
            ) from error
        with process:
            try:
                stdout, stderr = process.communicate(timeout=self.deadline)
            except subprocess.TimeoutExpired:
                raise self._failure(f"it did not finish within {self.deadline:g} s") from None
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        if process.returncode != 0:
            words = _last_words(stderr)
            raise self._failure(f"exit status {process.returncode}" + (f": {words}" if words else ""))
        return stdout

    def _exec_info(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self.cluster is not None:
            cluster = dict(self.cluster.value)
            for extension in cluster.pop("extensions", None) or ():
                if extension.get("name") == "client.authentication.k8s.io/exec":
                    cluster["config"] = extension.get("extension")
            spec["cluster"] = cluster
        return json.dumps({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec})

    def _failure(self, why: str) -> AuthError:
        return AuthError(
            f"the credential plugin {self.args[0]} of {self.place} gave no credentials",
            why=why,
            next_step=f"see that this works: {self.place.kubectl('version')}",
        )


def _last_words(stderr: str) -> str:
    """The last lines a plugin wrote. Plugins print tokens when they fail; what looks like one is not repeated."""
    masked = _SECRET_LOOKING.sub(lambda match: (match.group("key") or "") + "***", stderr)
    kept: list[str] = []
    for line in reversed(masked.splitlines()):
        if kept and len(" ".join([line, *kept])) > _WORDS_SHOWN:
            break
        kept.insert(0, line)
    return shortened(" ".join(kept), _WORDS_SHOWN)
