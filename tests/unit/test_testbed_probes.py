"""dfmc's own short-lived pods: their script runs once, sees the cluster's names, and its end is the pod's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bed_tools import free_port, wait_until
from dfmc.testbed.addressing import AddressBlock
from dfmc.testbed.binaries.system import find_program
from dfmc.testbed.processes import is_alive
from dfmc.testbed.supervisor.cluster_dns import ClusterDns
from dfmc.testbed.supervisor.container_log import ContainerLog
from dfmc.testbed.supervisor.environment import MissingReferenceError
from dfmc.testbed.supervisor.name_service import answer, open_name_service
from dfmc.testbed.supervisor.origin_server import serve_origin
from dfmc.testbed.supervisor.probe_worker import ProbeWorker, refusal, write_probe_tools
from dfmc.testbed.supervisor.proxies import ProxyLoop

BLOCK = AddressBlock(5)
SERVICES = [
    {"metadata": {"namespace": "a", "name": "web"}, "spec": {"clusterIP": "127.133.0.10"}},
    {"metadata": {"namespace": "a", "name": "local"}, "spec": {"clusterIP": "127.0.0.1"}},
]


def outside(name: str) -> tuple[str, ...]:
    return {"registry.example": ("192.0.2.7",)}.get(name, ())


def dns() -> ClusterDns:
    return ClusterDns(SERVICES, [], outside)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("nslookup a web", '{"name": "web.a.svc.cluster.local", "addresses": [["127.133.0.10", "127.133.0.10"]]}'),
        ("nslookup b web", '{"name": "web", "addresses": []}'),
        ("nslookup a 10.69.0.7", '{"name": "10.69.0.7", "addresses": []}'),
        ("resolve b web.a", '{"name": "web.a", "addresses": [["127.133.0.10", "127.133.0.10"]]}'),
        ("resolve a 10.69.0.7", '{"name": "10.69.0.7", "addresses": [["10.69.0.7", "127.69.0.7"]]}'),
        # On the node's own resolver the cluster's names do not exist.
        ("resolve - web.a", '{"name": "web.a", "addresses": []}'),
        ("nslookup - registry.example", '{"name": "registry.example", "addresses": [["192.0.2.7", "192.0.2.7"]]}'),
        ("", '{"name": "", "addresses": []}'),
        ("a b c d", '{"name": "", "addresses": []}'),
    ],
)
def test_names_are_those_of_the_cluster_and_addresses_lead_to_processes(question: str, expected: str) -> None:
    assert answer(question, dns(), BLOCK, outside) == expected


@dataclass
class Tools:
    """The directory of ``nc`` and ``nslookup``, with a name service behind them."""

    directory: Path
    environment: dict[str, str]

    def run(self, script: str) -> tuple[int, str]:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    write_probe_tools(tmp_path / "tools")
    ProxyLoop().run(open_name_service(tmp_path / "names.sock", lambda line: answer(line, dns(), BLOCK, outside)))
    path = os.pathsep.join([str(tmp_path / "tools"), "/usr/bin", "/bin"])
    names = {"DFMC_BED_NAMES": str(tmp_path / "names.sock"), "DFMC_BED_NAMESPACE": "a"}
    return Tools(tmp_path, {"PATH": path, **names})


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[int]:
    server = serve_origin(0, tmp_path / "origin.log")
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_nslookup_finds_what_the_cluster_has(tools: Tools) -> None:
    code, said = tools.run("nslookup web.a.svc.cluster.local")
    assert (code, "Address: 127.133.0.10" in said) == (0, True)
    code, said = tools.run("nslookup nothing.a.svc.cluster.local")
    assert (code, "can't find nothing.a.svc.cluster.local: NXDOMAIN" in said) == (1, True)
    assert tools.run("nslookup")[0] == 1


def test_nc_tells_an_open_port_from_a_closed_one_and_from_no_host(tools: Tools, origin: int) -> None:
    assert tools.run(f"nc -vz local {origin}") == (0, f"local (127.0.0.1:{origin}) open\n")
    assert tools.run(f"nc -zvw2 local.a {origin}")[0] == 0
    assert tools.run(f"nc -z -w 2 local {free_port()}")[0] == 1
    code, said = tools.run(f"nc -vz web {origin}")
    assert (code, said) == (1, f"nc: web (127.133.0.10:{origin}): Connection refused\n")
    assert tools.run("nc -vz nothing 80") == (1, "nc: bad address 'nothing'\n")
    for wrong in ("nc", "nc web", "nc web port", "nc -q web 80", "nc -w x web 80"):
        assert tools.run(wrong)[0] == 1


def test_nc_carries_a_conversation(tools: Tools, origin: int) -> None:
    code, said = tools.run(f"printf 'GET /v2/ HTTP/1.0\\r\\n\\r\\n' | nc -w 20 local {origin}")
    assert code == 0
    assert said.startswith("HTTP/1.1 200 OK")


def probe(script: str = "", **spec: Any) -> dict[str, Any]:
    container = {"name": "probe", "image": "busybox", "command": ["sh", "-c", script]}
    return {
        "metadata": {"namespace": "a", "name": "p", "uid": "01234567-89ab"},
        "spec": {"nodeName": "node", "containers": [container], **spec},
        "status": {"phase": "Pending"},
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"hostPID": True}, "none to enter"),
        ({"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}, "no files"),
        ({"initContainers": [{"name": "i"}]}, "one container only"),
        ({"containers": [{"name": "a"}, {"name": "b"}]}, "one container only"),
        ({"containers": [{"name": "a", "command": ["sh"], "securityContext": {"privileged": True}}]}, "none to enter"),
        ({"containers": [{"name": "a", "command": ["crictl"]}]}, "not crictl"),
        ({"containers": [{"name": "a"}]}, "an image of its own choice"),
    ],
)
def test_what_would_need_a_node_is_refused(change: dict[str, Any], why: str) -> None:
    assert why in refusal(probe(**change))
    assert bool(refusal(probe(**change))) is bool(why)


@dataclass
class Host:
    """A cluster that remembers what it was told."""

    directory: Path
    missing: str = ""
    statuses: list[dict[str, Any]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def pod_address(self, pod: dict[str, Any]) -> str:
        return "10.69.0.7"

    def release_address(self, address: str) -> None:
        self.released.append(address)

    def pod_directory(self, pod: dict[str, Any]) -> Path:
        return self.directory

    def publish_status(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        self.statuses.append(status)

    def publish_endpoints(
        self, pod: dict[str, Any], address: str, pod_log: ContainerLog, ports: tuple[int, ...] = ()
    ) -> None:
        pass

    def remove_pod(self, pod: dict[str, Any]) -> None:
        self.removed.append(pod["metadata"]["name"])

    def set_pid(self, pod: dict[str, Any], pid: int | None) -> None:
        pass

    def probe_environment(self, pod: dict[str, Any]) -> Mapping[str, str]:
        if self.missing:
            raise MissingReferenceError(self.missing)
        return {"PATH": "/usr/bin:/bin", "GREETING": "hello"}

    @property
    def phase(self) -> str:
        return str(self.statuses[-1]["phase"]) if self.statuses else ""

    @property
    def ended(self) -> dict[str, Any]:
        return dict(self.statuses[-1]["containerStatuses"][0]["state"]["terminated"])

    def said(self) -> str:
        return "\n".join(ContainerLog(self.directory).last_lines(20))


Start = Callable[..., tuple[Host, ProbeWorker]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    workers: list[ProbeWorker] = []

    def begin(pod: dict[str, Any], **settings: Any) -> tuple[Host, ProbeWorker]:
        host = Host(tmp_path / "pod", **settings)
        worker = ProbeWorker(host, pod, str(find_program("setpriv")))
        workers.append(worker)
        worker.start()
        return host, worker

    yield begin
    for worker in workers:
        worker.stop("bed", 0.0)
        worker.join(30)
        assert not worker.is_alive()


def finished(host: Host) -> str:
    return str(wait_until("the end of the script", lambda: host.phase if host.phase in ("Succeeded", "Failed") else ""))


def test_a_script_runs_once_and_its_end_is_the_pods(start: Start) -> None:
    host, worker = start(probe('echo "$GREETING"; echo problem >&2'))
    assert finished(host) == "Succeeded"
    assert [status["phase"] for status in host.statuses] == ["Running", "Succeeded"]
    assert (host.ended["exitCode"], host.ended["reason"]) == (0, "Completed")
    assert host.said() == "hello\nproblem"
    worker.stop("deleted", 0.0)
    worker.join(30)
    assert (host.removed, host.released, host.directory.exists()) == (["p"], ["10.69.0.7"], False)


def test_a_failing_script_fails_its_pod_with_its_own_code(start: Start) -> None:
    host, _ = start(probe("exit 7"))
    assert finished(host) == "Failed"
    assert (host.ended["exitCode"], host.ended["reason"]) == (7, "Error")
    assert host.statuses[-1]["conditions"][2]["status"] == "False"


def test_a_script_that_does_not_end_has_a_deadline(start: Start) -> None:
    host, _ = start(probe("sleep 600", activeDeadlineSeconds=1))
    assert finished(host) == "Failed"
    assert (host.statuses[-1]["reason"], host.ended["exitCode"]) == ("DeadlineExceeded", 137)


def test_deleting_a_pod_ends_its_script_and_what_it_started(start: Start, tmp_path: Path) -> None:
    host, worker = start(probe(f"sleep 600 & echo $! > {tmp_path}/pid; wait"))
    pid = int(wait_until("the script's child", lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    worker.stop("deleted", 0.0)
    worker.join(30)
    wait_until("the end of the child", lambda: not is_alive(pid))
    assert host.removed == ["p"]


def test_a_refused_pod_says_why_in_its_status_and_its_log(start: Start) -> None:
    host, _ = start(probe("touch /tmp/never", hostPID=True))
    assert finished(host) == "Failed"
    assert (host.ended["exitCode"], host.ended["reason"]) == (128, "StartError")
    assert host.said() == host.ended["message"]


def test_a_missing_secret_is_named(start: Start) -> None:
    host, _ = start(probe("true"), missing='secret "db" not found')
    assert finished(host) == "Failed"
    assert host.ended["message"] == 'secret "db" not found'


def test_a_supervisor_that_starts_again_runs_no_script_twice(start: Start, tmp_path: Path) -> None:
    again = {**probe(f"touch {tmp_path}/ran"), "status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z"}}
    host, _ = start(again)
    assert finished(host) == "Failed"
    assert host.ended["exitCode"] == 137
    assert not (tmp_path / "ran").exists()


def test_a_pod_that_has_ended_stays_as_it_is(start: Start) -> None:
    host, worker = start({**probe("false"), "status": {"phase": "Succeeded"}})
    worker.stop("gone", 0.0)
    worker.join(30)
    assert (host.statuses, host.removed) == ([], [])
