"""A kind bed with a registry beside its nodes, driven as its users drive it: dfmc, kubectl and docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bed_tools import wait_until
from dfmc.testbed.binaries import default_directory
from dfmc.testbed.kind.images.node import NODE_IMAGE

EXAMPLE = Path(__file__).parents[1] / "examples" / "guide" / "topology.yaml"
REGISTRY = "dfmc-test-registry"
REPOSITORY = "proof"
STEADY_SECONDS = 8.0
# Nodes are to pull from the registry beside them.
GUIDE = EXAMPLE.read_text().replace("https://ghcr.io", f"http://{REGISTRY}:5000")

# What docker-registry writes of a request, in the combined log format.
_ACCESS = re.compile(
    rf'"GET /v2/{REPOSITORY}/blobs/(?P<digest>sha256:[0-9a-f]{{64}})\S* HTTP/1\.1" (?P<status>\d+) (?P<sent>\d+)'
)


class Figures:
    """Seconds of each step, and what else was measured; they go to the path in DFMC_KIND_FIGURES, if it is set."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    @contextmanager
    def seconds(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.values[name] = round(time.monotonic() - started, 1)

    def write(self) -> None:
        text = json.dumps(self.values, indent=2)
        sys.stderr.write(text + "\n")
        if path := os.environ.get("DFMC_KIND_FIGURES"):
            with Path(path).open("a") as file:
                file.write(text + "\n")


def run(*argv: str, environment: dict[str, str], seconds: float = 900.0, code: int | None = 0) -> str:
    """Return what a program printed; it must end with that exit code, None takes any."""
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    sys.stderr.write(done.stderr)
    assert code is None or done.returncode == code, (
        f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def exports(text: str, environment: dict[str, str]) -> dict[str, str]:
    """Return the environment after what ``testbed env`` prints, by a shell as its users do."""
    argv = ["sh", "-c", f"{text}\nenv -0"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=True)
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if "=" in pair)


def memory_used() -> int:
    """Return how many MiB of this machine are not available."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE))
    return (int(found["MemTotal"]) - int(found["MemAvailable"])) // 1024


@dataclass(frozen=True)
class Access:
    """One request for a blob, by the registry's own log."""

    digest: str
    status: int
    sent: int


class KindWorld:
    """One kind bed.

    Args:
        directory: For the bed, the topology and dfmc's state.
        figures: Get the seconds of each step.
        topology: Text of the file.
    """

    def __init__(self, directory: Path, figures: Figures, topology: str) -> None:
        self.figures = figures
        self.bed = directory / "bed"
        path = f"{default_directory() / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "XDG_STATE_HOME": str(directory / "state")}
        self.topology = directory / "topology-as-given.yaml"
        self.topology.write_text(topology)

    def dfmc(self, *arguments: str, code: int | None = 0) -> str:
        return run(sys.executable, "-m", "dfmc", *arguments, environment=self.environment, code=code)

    def docker(self, *arguments: str) -> str:
        return run("docker", *arguments, environment=self.environment)

    def kubectl(self, *arguments: str) -> str:
        return run("kubectl", *arguments, environment=self.environment)

    def testbed(self, command: str, *arguments: str) -> str:
        return self.dfmc("testbed", command, "--provider", "kind", "--directory", str(self.bed), *arguments)

    @property
    def file(self) -> Path:
        """The topology that the commands use: the bed's copy."""
        return Path(self.environment["DFMC_FILE"])

    def up(self) -> None:
        node_image = os.environ.get("DFMC_KIND_NODE_IMAGE", NODE_IMAGE)
        before = memory_used()
        with self.figures.seconds("testbed up"):
            flags = ["--chart", os.environ.get("DFMC_TEST_CHART", "stand-in"), "--console-port", "0"]
            self.testbed("up", *flags, "--node-image", node_image, str(self.topology))
        self.environment = exports(self.testbed("env"), self.environment)
        self.docker(
            "run", "--detach", "--name", REGISTRY, "--network", "kind", "--publish", "127.0.0.1::5000", "registry:2"
        )
        with self.figures.seconds("images --load kind"):
            self.dfmc("images", "--load", "kind")
        with self.figures.seconds("up"):
            self.dfmc("up", "--yes", "--timeout", "10m")
        self.figures.values["memory MiB"] = memory_used() - before

    def down(self) -> None:
        self.docker("rm", "--force", "--volumes", REGISTRY)
        with self.figures.seconds("testbed down"):
            self.testbed("down")

    def registry_url(self) -> str:
        return "http://" + self.docker("port", REGISTRY, "5000/tcp").splitlines()[0]

    def verify(self, *options: str, code: int | None = 0) -> dict[str, Any]:
        push = ["--push", f"{REGISTRY}:5000/{REPOSITORY}", "--push-url", self.registry_url()]
        report: dict[str, Any] = json.loads(self.dfmc("verify", *push, "-o", "json", *options, code=code))
        return report

    def doctor(self, *options: str, code: int | None = 0) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.dfmc("doctor", "-o", "json", *options, code=code))
        return report

    def findings(self) -> list[dict[str, Any]]:
        """Return what doctor finds, each with its check's ``id``; nothing would be a failure."""
        checks = self.doctor(code=1)["checks"]
        return [{"id": check["id"], **finding} for check in checks for finding in check["findings"]]

    def blob_requests(self) -> list[Access]:
        argv = ["docker", "logs", REGISTRY]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        found = _ACCESS.finditer(done.stdout + done.stderr)
        return [Access(one["digest"], int(one["status"]), int(one["sent"])) for one in found]

    def nodes(self, cluster: str) -> list[str]:
        """Return the names of a cluster's nodes, which are those of their containers."""
        text = self.kubectl("get", "nodes", "-l", f"cluster={cluster}", "-o", "jsonpath={.items[*].metadata.name}")
        return sorted(text.split())

    @contextmanager
    def rejected(self, node: str, chain: str, *match: str) -> Iterator[None]:
        """Put a firewall's rule into a node: TCP that matches is refused, as where nothing listens."""
        rule = (chain, "-p", "tcp", *match, "-j", "REJECT", "--reject-with", "tcp-reset")
        self.docker("exec", node, "iptables", "-I", *rule)
        try:
            yield
        finally:
            self.docker("exec", node, "iptables", "-D", *rule)

    def pods(self, namespace: str, component: str) -> list[dict[str, Any]]:
        text = self.kubectl("-n", namespace, "get", "pods", "-l", f"component={component}", "-o", "json")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found

    def restart(self, namespace: str, component: str) -> None:
        """Delete a component's pods, and wait for new ones that are ready."""
        old = {pod["metadata"]["uid"] for pod in self.pods(namespace, component)}
        self.kubectl("-n", namespace, "delete", "pods", "-l", f"component={component}", "--wait=true")
        self.wait_ready(namespace, component, len(old), without=old)

    def wait_ready(self, namespace: str, component: str, count: int, without: set[str] | None = None) -> None:
        """Wait until pods are ready, and stay so: a seed that finds no scheduler is ready for a moment, and ends."""
        since: dict[tuple[str, int], float] = {}

        def holds() -> bool:
            pods = [one for one in self.pods(namespace, component) if one["metadata"]["uid"] not in (without or set())]
            now, ready = time.monotonic(), [run_of(pod) for pod in pods if is_ready(pod)]
            for run in since.keys() - set(ready):
                del since[run]
            steady = [run for run in ready if now - since.setdefault(run, now) >= STEADY_SECONDS]
            return len(pods) == count == len(steady)

        wait_until(f"{count} ready {component} in {namespace}", holds, 240)

    def scale(self, namespace: str, component: str, replicas: int) -> None:
        name = f"statefulset/dragonfly-{component}"
        self.kubectl("-n", namespace, "scale", name, f"--replicas={replicas}")
        if replicas:
            self.wait_ready(namespace, component, replicas)
        else:
            wait_until(f"the end of {component}", lambda: not self.pods(namespace, component), 120)

    def config(self, namespace: str, component: str) -> dict[str, str]:
        name = f"dragonfly-{component}"
        text = self.kubectl("-n", namespace, "get", "configmap", name, "-o", "json")
        data: dict[str, str] = json.loads(text)["data"]
        return data

    def write_config(self, namespace: str, component: str, data: dict[str, str]) -> None:
        patch = json.dumps({"data": data})
        name = f"dragonfly-{component}"
        self.kubectl("-n", namespace, "patch", "configmap", name, "--type", "merge", "-p", patch)


def run_of(pod: dict[str, Any]) -> tuple[str, int]:
    """Return what is another one after each restart of a pod's containers."""
    restarts = sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))
    return pod["metadata"]["uid"], restarts


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether Kubernetes calls a pod ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


@contextmanager
def kind_world(directory: Path, topology: str) -> Iterator[KindWorld]:
    """Make a bed, bring the topology (its text) up on it, and leave nothing."""
    figures = Figures()
    world = KindWorld(directory, figures, topology)
    try:
        world.up()
        yield world
    finally:
        world.down()
        figures.write()


def assert_proven(world: KindWorld, number: int) -> None:
    """Verify, and hold what is reported against the registry's own log.

    In each cluster the seed fetches the content once, the second pull has it from peers, and nothing crosses. What the
    registry served in parts is one copy for each cluster. It also sees requests for whole blobs, which clients and
    seeds break off as soon as they know the size.
    """
    seen = len(world.blob_requests())
    with world.figures.seconds(f"verify {number}"):
        report = world.verify()
    assert [cluster["name"] for cluster in report["clusters"]] == ["a", "b"]
    assert report["proven"] is True
    for cluster in report["clusters"]:
        assert [pull["source"] for pull in cluster["pulls"]] == ["seed", "peers"]
        assert [bool(pull["bytesFromRegistry"]) for pull in cluster["pulls"]] == [True, False]
    assert report["bytesAcrossClusters"] == 0
    copies = [cluster["pulls"][0]["bytesReceived"] for cluster in report["clusters"]]
    parts = [one.sent for one in world.blob_requests()[seen:] if one.status == 206]
    assert sum(parts) == sum(copies)
    assert len(set(copies)) == 1
