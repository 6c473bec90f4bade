"""The life of one of dfmc's own short-lived pods: its script is run once, for real.

What a script asks (names, connections) is answered as inside the cluster: ``nc`` and ``nslookup`` are the bed's own
(`probe_tools`), first on its PATH. A script that wants a node is refused: the bed's nodes are simulated, and this
machine is not one of them.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from dfmc.errors import DfmcError
from dfmc.testbed.layout import write_if_changed
from dfmc.testbed.supervisor import probe_tools
from dfmc.testbed.supervisor.container_log import ContainerLog, log_line
from dfmc.testbed.supervisor.environment import MissingReferenceError
from dfmc.testbed.supervisor.pod_status import Report, running, status_of, terminated
from dfmc.testbed.supervisor.pod_worker import Ending, PodLife, now

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

_SHELLS = ("sh", "/bin/sh", "ash", "/bin/ash")
_POLL_SECONDS = 0.05
_LONGEST_SECONDS = 3600.0
_KILLED = -int(signal.SIGKILL)
_NOT_STARTED = 128


class ProbeHost(PodLife, Protocol):
    """What a probe's worker needs of its cluster (`ClusterSupervisor`)."""

    def probe_environment(self, pod: JsonObject) -> Mapping[str, str]:
        """Return the whole environment of the script; MissingReferenceError where something is missing."""
        ...


def refusal(pod: Mapping[str, Any]) -> str:
    """Return why the bed does not run a probe; empty where it does."""
    spec = pod["spec"]
    containers = spec["containers"]
    if len(containers) != 1 or spec.get("initContainers"):
        return "the bed runs probes of one container only"
    if (containers[0].get("securityContext") or {}).get("privileged") or spec.get("hostPID"):
        return "the bed's nodes are simulated: there is none to enter"
    if any(volume.get("hostPath") for volume in spec.get("volumes") or []):
        return "the bed's nodes are simulated: they have no files"
    command = containers[0].get("command") or [""]
    if command[0] not in _SHELLS:
        return f"the bed runs shell scripts only, not {command[0] or 'an image of its own choice'}"
    return ""


def write_probe_tools(directory: Path) -> None:
    """Put ``nc`` and ``nslookup`` into a directory that scripts have first on their PATH."""
    for tool in ("nc", "nslookup"):
        start = shlex.join([sys.executable, "-I", "-S", str(probe_tools.__file__), tool])
        write_if_changed(directory / tool, f'#!/bin/sh\nexec {start} "$@"\n', mode=0o755)


class ProbeWorker(threading.Thread):
    """One thread per probe; its process ends with it."""

    def __init__(self, host: ProbeHost, pod: JsonObject, setpriv: str) -> None:
        metadata = pod["metadata"]
        super().__init__(name=f"probe {metadata['namespace']}/{metadata['name']}", daemon=True)
        self.pod = pod
        self._host = host
        self._setpriv = setpriv
        self._container: JsonObject = pod["spec"]["containers"][0]
        self._halt = threading.Event()
        self._ending: Ending = "bed"
        self._report = Report(address="", started=now(), init_done=0)

    def stop(self, why: Ending, grace: float) -> None:
        """Let the pod end; see `PodWorker.stop`."""
        self._ending = why
        self._halt.set()

    def run(self) -> None:
        """Run the script, say how it ended, and wait until the pod is deleted."""
        address = self._host.pod_address(self.pod)
        directory = self._host.pod_directory(self.pod)
        directory.mkdir(parents=True, exist_ok=True)
        self._report = replace(self._report, address=address)
        try:
            self._live(ContainerLog(directory), address)
        except DfmcError as error:
            log.warning("%s: %s", self.name, error)
        except Exception:
            # The edge of a thread, as in PodWorker: whoever waits for the pod has a deadline.
            log.exception("%s", self.name)
        self._halt.wait()
        self._host.release_address(address)
        if self._ending != "bed":
            shutil.rmtree(directory, ignore_errors=True)
        if self._ending == "deleted":
            try:
                self._host.remove_pod(self.pod)
            except DfmcError as error:
                log.warning("%s: %s", self.name, error)

    def _live(self, pod_log: ContainerLog, address: str) -> None:
        before = self.pod.get("status") or {}
        if before.get("phase") in ("Succeeded", "Failed"):
            return
        self._host.publish_endpoints(self.pod, address, pod_log)
        since = now()
        if before.get("phase") == "Running":  # when the last supervisor was killed, so was the script
            self._finished(terminated(_KILLED, before.get("startTime") or since, since))
            return
        problem = refusal(self.pod)
        if not problem:
            try:
                environment = self._host.probe_environment(self.pod)
            except MissingReferenceError as error:
                problem = str(error)
        if problem:
            pod_log.path.write_text(log_line(problem, datetime.now(UTC)))
            state = terminated(_NOT_STARTED, since, since)
            state["terminated"].update(reason="StartError", message=problem)
            self._finished(state)
            return
        self._say(replace(self._report, state=running(since), ready=True))
        code, reason = self._run_script(environment, pod_log)
        if not self._halt.is_set():
            self._finished(terminated(code, since, now()), reason)

    def _run_script(self, environment: Mapping[str, str], pod_log: ContainerLog) -> tuple[int, str]:
        words = [*(self._container.get("command") or [])[1:], *(self._container.get("args") or [])]
        process = subprocess.Popen(
            [self._setpriv, "--pdeathsig", "KILL", "--", "/bin/sh", *words],
            cwd=pod_log.path.parent,
            env={**environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101
        copier = pod_log.begin_run(process.stdout)
        deadline = self.pod["spec"].get("activeDeadlineSeconds")
        waited, reason = 0.0, ""
        while process.poll() is None and not self._halt.wait(_POLL_SECONDS):
            waited += _POLL_SECONDS
            if waited >= min(deadline or _LONGEST_SECONDS, _LONGEST_SECONDS):
                reason = "DeadlineExceeded"
                break
        # What the script left in the background ends with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        copier.join(2.0)
        return process.returncode, reason

    def _finished(self, state: JsonObject, reason: str = "") -> None:
        self._say(replace(self._report, state=state, ready=False, finished=True, reason=reason))

    def _say(self, report: Report) -> None:
        self._report = report
        self._host.publish_status(self.pod, status_of(self.pod, report, now(), self._container["name"]))
