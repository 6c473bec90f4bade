"""The life of one real pod: init waits, process, probe, restarts, deletion."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from dfmc.errors import DfmcError
from dfmc.testbed.roles import Role
from dfmc.testbed.supervisor.backoff import HEALTHY_SECONDS, restart_delay
from dfmc.testbed.supervisor.container_log import ContainerLog
from dfmc.testbed.supervisor.environment import MissingReferenceError
from dfmc.testbed.supervisor.init_waits import Check, checks_of
from dfmc.testbed.supervisor.pod_status import Report, earlier_run, running, status_of, terminated, waiting
from dfmc.testbed.supervisor.process_plan import ProcessPlan
from dfmc.testbed.supervisor.programs import main_container

JsonObject = dict[str, Any]

Ending = Literal["deleted", "gone", "bed"]

log = logging.getLogger(__name__)

_INIT_POLL_SECONDS = 0.2
_STARTING_POLL_SECONDS = 0.1
_READY_POLL_SECONDS = 5.0
_MISSING_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_FAILURES_TO_UNREADY = 2
# The manager takes its full ten seconds to end while schedulers hold streams; nobody at a bed gains by that.
_LONGEST_GRACE_SECONDS = 3.0


class PodLife(Protocol):
    """What the worker of any pod needs of its cluster (`ClusterSupervisor`); DfmcError where the API server fails."""

    def pod_address(self, pod: JsonObject) -> str:
        """Return the pod's address, the one it had where it had one."""
        ...

    def release_address(self, address: str) -> None:
        """Give a pod's address back."""
        ...

    def pod_directory(self, pod: JsonObject) -> Path:
        """Return the working directory of the pod's process."""
        ...

    def publish_status(self, pod: JsonObject, status: JsonObject) -> None:
        """Write the pod's status."""
        ...

    def publish_endpoints(
        self, pod: JsonObject, address: str, pod_log: ContainerLog, ports: tuple[int, ...] = ()
    ) -> None:
        """Make port-forwards (to declared ports and ``ports``) and logs of the pod lead to its process."""
        ...

    def remove_pod(self, pod: JsonObject) -> None:
        """Remove the object of a deleted pod."""
        ...


class PodHost(PodLife, Protocol):
    """What the worker of a pod with a long-running process needs besides."""

    def holds(self, check: Check, namespace: str) -> bool:
        """Tell whether a command of an init container would succeed now."""
        ...

    def plan_process(self, role: Role, pod: JsonObject, address: str) -> ProcessPlan:
        """Write the process's files and return how to start it; MissingReferenceError where something is missing."""
        ...

    def event(self, pod: JsonObject, kind: str, reason: str, message: str) -> None:
        """Record an event of the pod."""
        ...

    def set_pid(self, pod: JsonObject, pid: int | None) -> None:
        """Note the process id of the pod's process."""
        ...


class PodWorker(threading.Thread):
    """One thread per real pod.

    The process is started from this thread on purpose: its parent-death signal follows the thread that forked it, so
    it ends with the supervisor and with this worker, whatever kills either.
    """

    def __init__(self, host: PodHost, pod: JsonObject, role: Role, setpriv: str) -> None:
        metadata = pod["metadata"]
        super().__init__(name=f"pod {metadata['namespace']}/{metadata['name']}", daemon=True)
        self.pod = pod
        self._host = host
        self._role = role
        self._setpriv = setpriv
        self._main = main_container(role, pod)
        self._halt = threading.Event()
        self._ending: Ending = "bed"
        self._grace = _LONGEST_GRACE_SECONDS
        self._process: subprocess.Popen[bytes] | None = None
        self._report = Report(address="", started=now(), init_done=0)
        self._status: JsonObject = dict(pod.get("status") or {})

    def stop(self, why: Ending, grace: float) -> None:
        """Let the pod end.

        Args:
            why: It is being deleted (its object goes once the process ended), it is gone from the API server
                already, or the bed stops (everything of it stays).
            grace: Seconds between SIGTERM and SIGKILL.
        """
        self._ending = why
        self._grace = min(grace, _LONGEST_GRACE_SECONDS)
        self._halt.set()

    def run(self) -> None:
        """Live until stopped."""
        address = self._host.pod_address(self.pod)
        directory = self._host.pod_directory(self.pod)
        (directory / "log").mkdir(parents=True, exist_ok=True)
        pod_log = ContainerLog(directory)
        restarts, last = earlier_run(self.pod, self._main["name"], now())
        started = (self.pod.get("status") or {}).get("startTime") or now()
        self._report = Report(address=address, started=started, init_done=0, restarts=restarts, last=last)
        while not self._halt.is_set():
            try:
                self._host.publish_endpoints(self.pod, address, pod_log)
                if self._wait_for_init_containers():
                    self._keep_running(address, pod_log)
            except DfmcError as error:
                # The API server is away, say: begin again, as a restarted kubelet would.
                log.warning("%s: %s", self.name, error)
            except Exception:
                # The edge of a thread: a pod that nobody thought of is tried again, in sight of who reads the log.
                log.exception("%s", self.name)
            finally:
                self._end_process()
            self._halt.wait(_RETRY_SECONDS)
        self._host.release_address(address)
        if self._ending != "bed":
            shutil.rmtree(directory, ignore_errors=True)
        if self._ending == "deleted":
            self._deleted()

    def _wait_for_init_containers(self) -> bool:
        containers = self.pod["spec"].get("initContainers") or []
        for index, container in enumerate(containers):
            self._say(replace(self._report, init_done=index, state=waiting("PodInitializing")))
            checks = checks_of(container)
            while not all(self._host.holds(check, self.pod["metadata"]["namespace"]) for check in checks):
                if self._halt.wait(_INIT_POLL_SECONDS):
                    return False
        self._report = replace(self._report, init_done=len(containers))
        return not self._halt.is_set()

    def _keep_running(self, address: str, pod_log: ContainerLog) -> None:
        failures = 0
        while not self._halt.is_set():
            plan = self._plan(address)
            if plan is None:
                return
            if plan.ports:
                self._host.publish_endpoints(self.pod, address, pod_log, plan.ports)
            since, begun = now(), time.monotonic()
            try:
                code = self._run_once(plan, pod_log, since)
            except OSError as error:  # the program cannot be executed
                self._host.event(self.pod, "Warning", "Failed", f"Error: failed to create containerd task: {error}")
                code = 128
            if code is None:
                return
            failures = 1 if time.monotonic() - begun > HEALTHY_SECONDS else failures + 1
            self._back_off(code, since, failures)

    def _plan(self, address: str) -> ProcessPlan | None:
        said = ""
        while not self._halt.is_set():
            try:
                return self._host.plan_process(self._role, self.pod, address)
            except MissingReferenceError as error:
                if str(error) != said:
                    said = str(error)
                    self._say(replace(self._report, state=waiting("CreateContainerConfigError", said)))
                    self._host.event(self.pod, "Warning", "Failed", f"Error: {said}")
                self._halt.wait(_MISSING_POLL_SECONDS)
        return None

    def _run_once(self, plan: ProcessPlan, pod_log: ContainerLog, since: str) -> int | None:
        """Run the process until it ends; return its exit code, or None when the pod shall end."""
        # A pod's process must not see the supervisor's own settings, nor a proxy on its way to loopback.
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(pod_log.path.parent), **plan.env}
        self._process = subprocess.Popen(
            [self._setpriv, "--pdeathsig", "KILL", "--", *plan.argv],
            cwd=pod_log.path.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101
        copier = pod_log.begin_run(self._process.stdout)
        self._host.set_pid(self.pod, self._process.pid)
        log.info("%s: started %s as process %d", self.name, self._role, self._process.pid)
        self._say(replace(self._report, state=running(since), ready=False))
        self._host.event(self.pod, "Normal", "Started", f"Started container {self._main['name']}")
        self._probe_until_end(plan)
        if self._halt.is_set():
            return None
        copier.join(2.0)
        self._host.set_pid(self.pod, None)
        return self._process.returncode

    def _probe_until_end(self, plan: ProcessPlan) -> None:
        assert self._process is not None  # noqa: S101
        failures, ready_before = 0, False
        while self._process.poll() is None and not self._halt.is_set():
            if plan.probe():
                failures = 0
                if not self._report.ready:
                    if not ready_before:
                        ready_before = True
                        plan.on_ready()
                    self._say(replace(self._report, ready=True))
            else:
                failures += 1
                if self._report.ready and failures >= _FAILURES_TO_UNREADY and self._process.poll() is None:
                    self._say(replace(self._report, ready=False))
                    self._host.event(self.pod, "Warning", "Unhealthy", "Readiness probe failed")
            self._sleep(_READY_POLL_SECONDS if self._report.ready and not failures else _STARTING_POLL_SECONDS)

    def _sleep(self, seconds: float) -> None:
        # In short steps, so that the end of the process is seen at once.
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            if self._halt.wait(min(0.1, seconds)):
                return

    def _back_off(self, code: int, since: str, failures: int) -> None:
        ended = terminated(code, since, now())
        log.info("%s: ended with %d", self.name, code)
        self._say(replace(self._report, state=ended, ready=False))
        delay = restart_delay(failures)
        report = replace(self._report, restarts=self._report.restarts + 1, last=ended)
        if delay:
            metadata = self.pod["metadata"]
            message = (
                f"back-off {delay:.0f}s restarting failed container={self._main['name']} "
                f"pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
            )
            self._say(replace(report, restarts=report.restarts - 1, state=waiting("CrashLoopBackOff", message)))
            self._host.event(
                self.pod, "Warning", "BackOff", f"Back-off restarting failed container {self._main['name']}"
            )
        self._halt.wait(delay)
        self._report = report

    def _end_process(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(self._grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._host.set_pid(self.pod, None)

    def _deleted(self) -> None:
        try:
            self._host.remove_pod(self.pod)
        except DfmcError as error:
            log.warning("%s: %s", self.name, error)

    def _say(self, report: Report) -> None:
        self._report = report
        self._status = status_of({**self.pod, "status": self._status}, report, now(), self._main["name"])
        self._host.publish_status(self.pod, self._status)


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
