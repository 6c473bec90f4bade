"""The guide on real nodes, from nothing to nothing: `make test-kind`.

Not collected with the other tests (the file's name is no test's name): it needs Docker, and every image the topology
names must be in the engine (`make kind-images`, or pulled). Figures go to the path in DFMC_KIND_FIGURES, if it is set.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dfmc.testbed.binaries import default_directory
from dfmc.testbed.kind.images.node import NODE_IMAGE

EXAMPLE = Path(__file__).parents[2] / "examples" / "guide" / "topology.yaml"
REGISTRY = "dfmc-test-registry"
RUNS = int(os.environ.get("DFMC_KIND_RUNS", "5"))

# What docker-registry writes of a request, in the combined log format.
ACCESS = re.compile(r'"GET /v2/proof/blobs/(?P<digest>sha256:[0-9a-f]{64})\S* HTTP/1\.1" (?P<status>\d+) (?P<sent>\d+)')


class Figures:
    """Seconds of each step, and what else was measured."""

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
            Path(path).write_text(text + "\n")


def run(*argv: str, environment: dict[str, str], seconds: float = 900.0) -> str:
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    sys.stderr.write(done.stderr)
    assert done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
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


class KindWorld:
    """dfmc, docker and the registry, for one kind bed."""

    def __init__(self, directory: Path, figures: Figures) -> None:
        self.figures = figures
        self.bed = directory / "bed"
        path = f"{default_directory() / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "XDG_STATE_HOME": str(directory / "state")}
        self.topology = directory / "guide.yaml"
        self.topology.write_text(EXAMPLE.read_text().replace("https://ghcr.io", f"http://{REGISTRY}:5000"))

    def dfmc(self, *arguments: str) -> str:
        return run(sys.executable, "-m", "dfmc", *arguments, environment=self.environment)

    def docker(self, *arguments: str) -> str:
        return run("docker", *arguments, environment=self.environment)

    def testbed(self, command: str, *arguments: str) -> str:
        return self.dfmc("testbed", command, "--provider", "kind", "--directory", str(self.bed), *arguments)

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

    def verify(self) -> dict[str, Any]:
        push = ["--push", f"{REGISTRY}:5000/proof", "--push-url", self.registry_url()]
        report: dict[str, Any] = json.loads(self.dfmc("verify", *push, "-o", "json"))
        return report

    def blob_requests(self) -> list[re.Match[str]]:
        argv = ["docker", "logs", REGISTRY]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
        return [*ACCESS.finditer(done.stdout + done.stderr)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindWorld]:
    figures = Figures()
    world = KindWorld(tmp_path_factory.mktemp("kind"), figures)
    try:
        world.up()
        yield world
    finally:
        world.down()
        figures.write()


@pytest.mark.parametrize("number", range(1, RUNS + 1))
def test_each_clusters_seed_fetches_the_content_once(world: KindWorld, number: int) -> None:
    seen = len(world.blob_requests())
    with world.figures.seconds(f"verify {number}"):
        report = world.verify()
    assert [cluster["name"] for cluster in report["clusters"]] == ["a", "b"]
    assert report["proven"] is True
    for cluster in report["clusters"]:
        assert [pull["source"] for pull in cluster["pulls"]] == ["seed", "peers"]
        assert [bool(pull["bytesFromRegistry"]) for pull in cluster["pulls"]] == [True, False]
    assert report["bytesAcrossClusters"] == 0
    # The registry has its own word: what it served in parts is one copy for each cluster. It also sees requests for
    # whole blobs, which clients and seeds break off as soon as they know the size.
    copies = [cluster["pulls"][0]["bytesReceived"] for cluster in report["clusters"]]
    parts = [int(found["sent"]) for found in world.blob_requests()[seen:] if found["status"] == "206"]
    assert sum(parts) == sum(copies)
    assert len(set(copies)) == 1


def test_a_second_run_changes_nothing(world: KindWorld) -> None:
    with world.figures.seconds("second up"):
        assert "nothing to do" in world.dfmc("up", "--yes").lower()
    with world.figures.seconds("second images --load kind"):
        world.dfmc("images", "--load", "kind")
