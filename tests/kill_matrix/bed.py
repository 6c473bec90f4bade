"""A bed whose API server and manager dfmc reaches through fault proxies alone, and whose helm is counted."""

from __future__ import annotations

import http.client
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from bed_tools import BedTools
from bed_world import NODE_PORT, World
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.faults import Authority, HttpProxy, redirected
from dfmc.testbed.layout import BedRequest
from kill_matrix.positions import Blow, Case, PositionPlan

EXAMPLE = Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml"
THIRD = {
    "name": "c",
    "context": "kind-kind",
    "namespace": "cluster-c",
    "nodeSelector": {"cluster": "c"},
    "scopes": {"idc": "cluster-3"},
}
RUN_SECONDS = 240.0
HELM_SECONDS = 40
"""What a helm may take in the matrix: a hanging one is waited for at dozens of positions."""

# dfmc is the parent: between it and helm there is only a program that becomes this one. The kernel kills this one, too,
# when dfmc is killed, so what comes after the kill never happens.
_HELM = """\
#!/bin/sh
namespace= wanted=
for word in "$@"; do
  [ -n "$wanted" ] && namespace=$word
  wanted=
  [ "$word" = --namespace ] && wanted=1
done
name="helm $1${{namespace:+ $namespace}}"
echo "$name" >> {directory}/calls
turn=$(grep -cxF "$name" {directory}/calls)
[ "$turn" -gt 1 ] && name="$name #$turn"
if [ "$(cat {directory}/case 2>/dev/null)" = "kill-before $name" ]; then
  : > {directory}/struck; kill -9 $PPID; exec sleep 20
elif [ "$(cat {directory}/case 2>/dev/null)" = "kill-after $name" ]; then
  {helm} "$@"
  : > {directory}/struck; kill -9 $PPID; exec sleep 20
fi
exec {helm} "$@"
"""


@dataclass(frozen=True)
class Run:
    """How one run of dfmc ended.

    Attributes:
        code: -9 when it was killed.
        text: Everything it said.
        seconds: How long it took.
        positions: What it changed, and the helms it started, in order.
        struck: Whether the blow fell.
    """

    code: int
    text: str
    seconds: float
    positions: tuple[str, ...]
    struck: bool


@dataclass
class MatrixBed:
    """One bed, the proxies before it, and the runs on it."""

    world: World
    plan: PositionPlan
    helm_directory: Path
    outputs: list[str] = field(default_factory=list)

    def dfmc(self, *arguments: str, case: Case | None = None, seconds: float = RUN_SECONDS) -> Run:
        """Run dfmc to its end, or to that which the case brings about.

        Raises:
            subprocess.TimeoutExpired: It hangs; it has been killed.
        """
        self._arm_helm(case)
        begun = time.monotonic()
        process: subprocess.Popen[str] | None = None

        def kill() -> None:
            assert process is not None
            process.kill()
            process.wait()

        self.plan.begin(case, kill)
        process = subprocess.Popen(
            [sys.executable, "-m", "dfmc", *arguments],
            env=self.world.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=seconds)
        finally:
            process.kill()
            process.wait()
        took = time.monotonic() - begun
        struck = self.plan.has_struck or (self.helm_directory / "struck").exists()
        positions = (*self.plan.positions, *self.helm_calls())
        self.plan.begin()
        self._arm_helm(None)
        self.outputs.append(stdout + stderr)
        return Run(process.returncode, stdout + stderr, took, positions, struck)

    def _arm_helm(self, case: Case | None) -> None:
        for name in ("case", "struck", "calls"):
            (self.helm_directory / name).unlink(missing_ok=True)
        if case is not None and case.is_of_helm:
            assert case.blow in (Blow.KILL_BEFORE, Blow.KILL_AFTER)
            (self.helm_directory / "case").write_text(f"{case.blow} {case.position}")

    def helm_calls(self) -> list[str]:
        """Return the helms that the last run started, each with the number of its turn."""
        calls = self.helm_directory / "calls"
        found: list[str] = []
        names = calls.read_text().splitlines() if calls.exists() else []
        for index, name in enumerate(names):
            turn = names[: index + 1].count(name)
            found.append(name if turn == 1 else f"{name} #{turn}")
        return found

    def processes(self) -> list[int]:
        """Return the ids of every process that works with this matrix's kubeconfig: dfmc, helm, what they started."""
        mark = f"KUBECONFIG={self.world.secrets['KUBECONFIG']}".encode()
        found = []
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    if mark in (directory / "environ").read_bytes().split(b"\0"):
                        found.append(int(directory.name))
                except OSError:  # it has ended meanwhile, or is somebody else's
                    continue
        return found


def _three_clusters(directory: Path) -> Path:
    document: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    document["clusters"].append(THIRD)
    file = directory / "three.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


@contextmanager
def matrix_bed(directory: Path, helm: int, report: Callable[[str], None], *, keep: bool = False) -> Iterator[MatrixBed]:
    """A bed with a central cluster and two members to come, in one Kubernetes cluster.

    Args:
        directory: Of the bed and everything else; one that stands there already is used.
        helm: Major version.
        report: Told what is being made.
        keep: Leave the bed as it is at the end.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    bed_directory = directory / "kwok"
    topology = _three_clusters(directory)
    request = BedRequest(topology=topology, directory=bed_directory, helm=4 if helm == 4 else 3, clients="simulated")
    try:
        tools = BedTools(kwok_bed.up(request, report))
        yield from _through_proxies(tools, directory)
    finally:
        if not keep:
            kwok_bed.down(bed_directory, report)


def _through_proxies(tools: BedTools, directory: Path) -> Iterator[MatrixBed]:
    state, context = tools.state, tools.context
    authority = Authority(state.cluster_layout(context).kwok / "pki")
    server = ("127.0.0.1", state.plan.cluster(context).block.ports.api_server)
    tls = authority.server_context(directory / "tls")
    manager = (tools.node_address(), NODE_PORT)
    plan = PositionPlan(lambda: _is_healthy(*manager))
    with (
        HttpProxy(server, plan, tls=tls, target_tls=authority.client_context()) as before_api_server,
        HttpProxy(manager, plan) as before_manager,
    ):
        secrets = {
            "KUBECONFIG": str(redirected(state.kubeconfig, {context: before_api_server.url}, directory / "kubeconfig")),
            "DFMC_HELM": str(_counted_helm(directory / "helm", tools.environment["DFMC_HELM"])),
            "DFMC_HELM_TIMEOUT": f"{HELM_SECONDS}s",
        }
        home = directory / "state"
        home.mkdir(exist_ok=True)
        world = World(tools, home, secrets)
        world.edit(lambda document: document["manager"].update(access=before_manager.url))
        yield MatrixBed(world, plan, directory / "helm")


def _is_healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/healthy")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _counted_helm(directory: Path, helm: str) -> Path:
    directory.mkdir(exist_ok=True)
    program = directory / "helm"
    program.write_text(_HELM.format(directory=directory, helm=os.path.realpath(helm)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program
