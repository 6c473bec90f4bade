"""One process and what it took: shared by the benchmarks, which are scripts and no tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
DFMC = [sys.executable, "-m", "dfmc"]


@dataclass(frozen=True)
class Taken:
    """What one process took: wall and processor seconds, and resident memory at its highest in MiB."""

    wall: float
    processor: float
    memory: float


def measure(command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str] | None = None) -> Taken:
    """Run a command that must end with 0."""
    variables = os.environ | {"PYTHONPATH": str(ROOT / "src")} | dict(environment or {})
    started = time.monotonic()
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(list(map(str, command)), cwd=cwd, env=variables, stdout=nowhere, stderr=nowhere)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    memory = usage.ru_maxrss * scale / 1024**2
    return Taken(time.monotonic() - started, usage.ru_utime + usage.ru_stime, memory)


def middle(takes: Sequence[Taken]) -> Taken:
    """Return the medians of several runs, and the highest memory."""
    return Taken(
        median(take.wall for take in takes),
        median(take.processor for take in takes),
        max(take.memory for take in takes),
    )


def topology_text(count: int, version: str = "1.7.4") -> str:
    """Return a topology of that many clusters, each with names, networks and scopes of its own."""
    head = f"""\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {{name: bench}}
chart: {{version: {version}}}
manager:
  cluster: c0000
  address: manager.example
  expose: {{type: LoadBalancer}}
  redisPassword: {{env: BENCH_REDIS_PASSWORD}}
defaults:
  namespace: dragonfly-system
  runtime: {{type: containerd, registries: ['https://ghcr.io']}}
  replicas: {{manager: 1, scheduler: 1, seedPeer: 1}}
  values: {{scheduler: {{podAnnotations: {{team: images}}}}}}
clusters:
"""
    entries = (
        f"- name: c{number:04d}\n  context: context-{number:04d}\n"
        f"  scopes: {{idc: idc-{number:04d}, cidrs: ['10.{number // 256}.{number % 256}.0/24']}}\n"
        for number in range(count)
    )
    return head + "".join(entries)


def ids(count: int) -> list[str]:
    """Return the options that give every member its id."""
    return [word for number in range(1, count) for word in ("--ids", f"c{number:04d}={number + 1}")]
