"""Creates, heals and removes the Kubernetes clusters of a bed, with kwokctl."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import yaml

from dfmc.errors import ConflictError, DfmcError, NotReadyError
from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.binaries import BinaryCache, Report
from dfmc.testbed.binaries.catalogue import KUBERNETES_VERSION
from dfmc.testbed.control_plane_config import audit_policy, egress_selector, kwokctl_configuration
from dfmc.testbed.kube_api import KubeApi
from dfmc.testbed.layout import ClusterLayout, write_if_changed
from dfmc.testbed.plan import ClusterPlan
from dfmc.testbed.processes import end_processes, port_is_free, runs_program, started_from

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")
_PROGRAMS = {"kwok-controller": "kwok"}

_CREATE_SECONDS = 120
_READY_SECONDS = 90.0


class ControlPlane:
    """One Kubernetes cluster of a bed: its processes belong to kwokctl, its files lie under the bed's directory."""

    def __init__(self, plan: ClusterPlan, layout: ClusterLayout, cache: BinaryCache) -> None:
        self.plan = plan
        self._layout = layout
        self._cache = cache

    @property
    def api(self) -> KubeApi:
        """The API server; its certificates exist once the cluster was created."""
        return KubeApi(self.plan.block.ports.api_server, self._layout.kwok / "pki")

    def stopped_components(self) -> list[str]:
        """Return the programs that should run and do not."""
        return [name for name in COMPONENTS if not self._runs(name)]

    def exists(self) -> bool:
        """Tell whether it was created to the end; what an interrupted creation left does not count."""
        return self._layout.created.exists()

    def ensure(self, report: Report) -> None:
        """Make the cluster run: create it, start what died, or do nothing.

        Raises:
            NotReadyError: It did not become ready in time.
            ConflictError: Its ports are used by something that is not this bed.
        """
        if self.exists() and not self.stopped_components() and self.api.ready():
            return
        self._write_configuration()
        if self.exists():
            report(f"{self.plan.context}: starting Kubernetes again (about 5 s)")
            self._start()
        else:
            report(f"{self.plan.context}: creating Kubernetes {KUBERNETES_VERSION} (about 10 s)")
            self._create()
        self._wait_until_ready()
        self._layout.created.touch()

    def delete(self) -> None:
        """End every process of the cluster and remove what kwokctl keeps of it. Fine where nothing is there.

        Not by `kwokctl delete`, which knows only the processes whose ids an interrupted creation came to write down.
        """
        self._layout.created.unlink(missing_ok=True)
        end_processes(started_from(self._layout.kwok), signal.SIGKILL, seconds=5.0)
        if self._layout.kwok.is_dir():
            shutil.rmtree(self._layout.kwok)

    def _create(self) -> None:
        self.delete()
        self._check_ports()
        configuration = str(self._layout.directory / "kwok.yaml")
        options = ["--config", configuration, "--kubeconfig", str(self._layout.kubeconfig), "--wait", "60s"]
        self._kwokctl("create", "cluster", "--name", self.plan.name, *options)

    def _start(self) -> None:
        # After a reboot a recorded pid may be another program's: kwokctl would neither start nor spare it.
        for name in self.stopped_components():
            self._pid_file(name).unlink(missing_ok=True)
        if len(self.stopped_components()) == len(COMPONENTS):
            self._check_ports()
        self._kwokctl("start", "cluster", "--name", self.plan.name, "--wait", "60s")

    def _write_configuration(self) -> None:
        directory = self._layout.directory
        directory.mkdir(parents=True, exist_ok=True)
        write_if_changed(directory / "audit-policy.yaml", yaml.safe_dump(audit_policy()))
        write_if_changed(directory / "egress.yaml", yaml.safe_dump(egress_selector(self._layout.egress_socket)))
        configuration = kwokctl_configuration(self.plan.block, self._cache.bin, directory)
        write_if_changed(directory / "kwok.yaml", yaml.safe_dump(configuration, sort_keys=False))

    def _check_ports(self) -> None:
        if not block_is_free(self.plan.block):
            raise ConflictError(
                f"ports of the bed's cluster {self.plan.context} are in use by another program",
                where=f"127.0.0.1:{self.plan.block.ports.etcd}-{self.plan.block.ports.repository}",
                next_step="`dfmc testbed down` and `dfmc testbed up` choose other ports",
            )

    def _runs(self, component: str) -> bool:
        return runs_program(_read_pid(self._pid_file(component)), _PROGRAMS.get(component, component))

    def _pid_file(self, component: str) -> Path:
        return self._layout.kwok / "pids" / f"{component}.pid"

    def _wait_until_ready(self) -> None:
        api = self.api
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if api.ready():
                return
            time.sleep(0.1)
        raise NotReadyError(
            f"the API server of {self.plan.context} did not become ready within {_READY_SECONDS:.0f} s",
            why=_last_lines(self._layout.kwok / "logs" / "kube-apiserver.log"),
            next_step="dfmc testbed down && dfmc testbed up",
        )

    def _kwokctl(self, *arguments: str) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("KWOK_") and k != "KUBECONFIG"},
            "KWOK_WORKDIR": str(self._layout.bed.kwok),
        }
        argv = [str(self._cache.path("kwokctl")), *arguments]
        try:
            done = subprocess.run(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_CREATE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed(arguments[0], f"it took longer than {_CREATE_SECONDS} s") from error
        if done.returncode != 0:
            raise self._failed(arguments[0], "\n".join(done.stderr.splitlines()[-6:]))

    def _failed(self, verb: str, why: str) -> DfmcError:
        return NotReadyError(
            f"kwokctl could not {verb} the Kubernetes cluster of {self.plan.context}",
            why=why,
            next_step="dfmc testbed up (goes on), or dfmc testbed down (removes it)",
        )


def block_is_free(block: AddressBlock) -> bool:
    """Tell whether nothing on this machine listens on a cluster's ports."""
    ports = block.ports
    return all(
        port_is_free(port)
        for port in (
            ports.etcd,
            ports.etcd_peer,
            ports.api_server,
            ports.controller_manager,
            ports.scheduler,
            ports.kwok,
        )
    )


def _read_pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _last_lines(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-4:])
    except FileNotFoundError:
        return "it wrote no log"
