"""How long `up` takes beside a shell script of helm and curl, and beside helmfile, on the embedded bed.

    python tests/bench/online.py [--members 1 2 4 8] [--helmfile PATH [--helm-diff DIRECTORY]]

One bed, one chart, one set of values: dfmc brings A and its members up first, and what its releases hold is what the
others install. In turn each starts from nothing, and is then run again with nothing to do. The script is the shortest
there is: it waits for the manager alone, registers the members, installs all of them at once, and waits for their
rollouts; it proves nothing. helmfile waits for A (its `needs`), registers the members in a hook, and installs them at
once. Prints tables in Markdown; docs/benchmarks.md holds one run of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bed_tools import BedTools
from bench.measuring import DFMC, Taken, measure
from dfmc.testbed import bed as kwok_bed
from dfmc.testbed.layout import BedRequest

CONTEXT = "kind-bench"
HEAD = f"""\
apiVersion: dfmc.io/v1alpha1
kind: Topology
metadata: {{name: bench}}
chart: {{version: 1.7.4}}
manager: {{cluster: c0, expose: {{type: NodePort, restNodePort: 30950, grpcNodePort: 30951, redisNodePort: 30952}}}}
defaults:
  context: {CONTEXT}
  runtime: {{type: containerd, registries: ['https://ghcr.io']}}
  replicas: {{manager: 1, scheduler: 1, seedPeer: 1}}
clusters:
"""


def topology_text(members: int) -> str:
    """Return A and that many members, each in a namespace of its own and with nodes of its own."""
    entries = (
        f"- name: c{number}\n  namespace: c{number}\n  nodeSelector: {{cluster: c{number}}}\n"
        + (f"  scopes: {{idc: idc-{number}}}\n" if number else "")
        for number in range(members + 1)
    )
    return HEAD + "".join(entries)


@dataclass
class Bench:
    """The bed, and what all three install."""

    tools: BedTools
    work: Path
    chart: Path

    def values(self, members: int) -> None:
        """Keep what the releases that are there hold."""
        for number in range(members + 1):
            said = self.tools.helm("get", "values", "dragonfly", "-n", f"c{number}", "-o", "json")
            (self.work / f"c{number}.json").write_text(said)

    def clear(self, members: int) -> None:
        """Take everything away."""
        self.tools.remove_namespaces(*(f"c{number}" for number in range(members + 1)))

    def timed(self, command: list[str | Path], name: str) -> Taken:
        """Run a command that must end with 0, in the bed's environment."""
        sys.stderr.write(f"{name} …\n")
        return measure(command, self.work, {**self.tools.environment, "CI": "true"})


def script(bench: Bench, members: int) -> Path:
    """Write the shell script: what the guide says, with everything that may run at once at once."""
    register = registration(bench, members)
    names = [f"c{number}" for number in range(members + 1)]
    chart = shlex.quote(str(bench.chart))
    lines = [
        "#!/bin/sh",
        "set -e",
        f"install() {{ helm upgrade --install dragonfly {chart} -n $1 --create-namespace -f $1.json >/dev/null; }}",
        "install c0",
        f"sh {register}",
        *(f'install {name} & pids="$pids $!"' for name in names[1:]),
        "for pid in $pids; do wait $pid; done",
        "for name in " + " ".join(names) + "; do",
        "  for kind in deployment statefulset daemonset; do",
        "    for one in $(kubectl -n $name get $kind -o name); do",
        '      kubectl -n $name rollout status $one --timeout=300s >/dev/null & waits="$waits $!"',
        "    done",
        "  done",
        "done",
        "for pid in $waits; do wait $pid; done",
    ]
    path = bench.work / "install.sh"
    path.write_text("\n".join(lines) + "\n")
    return path


def registration(bench: Bench, members: int) -> Path:
    """Write the part of it that speaks with the manager, which is helmfile's hook as well."""
    asks = "curl -fsS -H 'Content-Type: application/json'"
    lines = [
        "set -e",
        "address=$(kubectl -n c0 get service dragonfly-manager -o jsonpath='{.spec.clusterIP}')",
        "url=http://$address:8080/api/v1",
        f"until {asks} -o answer --max-time 5 -d '{json.dumps({'name': 'root', 'password': 'dragonfly'})}' "
        f"$url/users/signin 2>/dev/null; do sleep 0.3; done",
        "token=$(jq -r .token answer)",
        'bearer="Authorization: Bearer $token"',
        f'known=$({asks} -H "$bearer" "$url/clusters?per_page=100" | jq -r \'.[].name\')',
    ]
    for number in range(1, members + 1):
        body = {"name": f"c{number}", "scopes": {"idc": f"idc-{number}"}}
        body |= {"scheduler_cluster_config": {"candidate_parent_limit": 4, "filter_parent_limit": 15}}
        body |= {"seed_peer_cluster_config": {"load_limit": 300}}
        body |= {"peer_cluster_config": {"load_limit": 50, "concurrent_piece_count": 4}}
        made = f"{asks} -H \"$bearer\" -d '{json.dumps(body)}' $url/clusters | jq .id"
        lines.append(f'echo "$known" | grep -qx c{number} || test $({made}) = {number + 1}')
    path = bench.work / "register.sh"
    path.write_text("\n".join(lines) + "\n")
    return path


def helmfile_state(bench: Bench, members: int) -> Path:
    """Write the helmfile of the same releases."""
    register = registration(bench, members)
    releases = []
    for number in range(members + 1):
        release: dict[str, Any] = {"name": "dragonfly", "namespace": f"c{number}", "chart": str(bench.chart)}
        release |= {"createNamespace": True, "values": [f"c{number}.json"], "kubeContext": CONTEXT}
        if number:
            release["needs"] = [f"{CONTEXT}/c0/dragonfly"]
        else:
            hook = {"events": ["postsync"], "command": "sh", "args": [str(register)], "showlogs": False}
            release["hooks"] = [hook]
        releases.append(release)
    path = bench.work / "helmfile.yaml"
    path.write_text(yaml.safe_dump({"helmDefaults": {"wait": True, "timeout": 600}, "releases": releases}))
    return path


def compare(bench: Bench, members: int, helmfile: str, *, diffs: bool) -> None:
    """Bring the same releases up with each, from nothing, and once more with nothing to do."""
    topology = bench.work / "topology.yaml"
    document = yaml.safe_load(bench.tools.state.topology.read_text())  # the bed's: its chart comes from there
    document["clusters"] = document["clusters"][: members + 1]
    topology.write_text(yaml.safe_dump(document))
    up: list[str | Path] = [*DFMC, "up", topology, "--yes"]
    report = bench.work / "report.json"
    ours = bench.timed(["sh", "-c", f"{shlex.join(map(str, [*up, '-o', 'json']))} > {report}"], f"dfmc, {members}")
    ours_again = bench.timed(up, "dfmc again")
    seconds = {one["name"]: one["seconds"] for one in json.loads(report.read_text())["clusters"]}
    bench.values(members)
    bench.clear(members)
    theirs = bench.timed(["sh", script(bench, members)], f"script, {members}")
    bench.clear(members)
    row(members, "dfmc", ours, ours_again)
    row(members, "script", theirs, None)
    print(f"|  | ratio to the script | {ours.wall / theirs.wall:.2f} | | | |")
    print(f"|  | a alone, slowest member | {seconds['c0']:.1f}, {max(list(seconds.values())[1:]):.1f} | | | |")
    if not helmfile:
        return
    state = helmfile_state(bench, members)
    run: list[str | Path] = [helmfile, "-f", state, "--quiet"]
    first = bench.timed([*run, "sync", "--concurrency", "8"], f"helmfile, {members}")
    again = bench.timed([*run, "apply" if diffs else "sync", "--concurrency", "8"], "helmfile again")
    bench.clear(members)
    row(members, "helmfile", first, again)
    print(
        f"|  | ratio to helmfile | {ours.wall / first.wall:.2f} | {ours.processor / first.processor:.2f} "
        f"| {ours_again.wall / again.wall:.2f} | {ours_again.processor / again.processor:.2f} |"
    )


def row(members: int, name: str, first: Taken, again: Taken | None) -> None:
    """Print one line of the table."""
    second = f"{again.wall:.2f} | {again.processor:.2f}" if again else " | "
    print(f"| {members} | {name} | {first.wall:.1f} | {first.processor:.1f} | {second} |", flush=True)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--helmfile", default=os.environ.get("DFMC_HELMFILE", ""))
    parser.add_argument("--helm-diff", type=Path, help="directory of the plugin: the second run is `helmfile apply`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        work = Path(name)
        topology = work / "topology.yaml"
        topology.write_text(topology_text(max(given.members)))
        if given.helm_diff:
            os.environ["HELM_PLUGINS"] = str(given.helm_diff.resolve().parent)
        report: Callable[[str], None] = lambda line: print(line, file=sys.stderr)  # noqa: E731
        request = BedRequest(topology=topology, directory=work / "bed", clients="simulated")
        try:
            tools = BedTools(kwok_bed.up(request, report))
            chart = next((work / "bed").rglob("dragonfly-1.7.4.tgz"))
            print("| members | tool | first: wall s | first: processor s | again: wall s | again: processor s |")
            print("|---|---|---|---|---|---|", flush=True)
            for members in given.members:
                compare(Bench(tools, work, chart), members, given.helmfile, diffs=bool(given.helm_diff))
                time.sleep(2)
        finally:
            kwok_bed.down(work / "bed", report)


if __name__ == "__main__":
    main()
