"""How `validate` and `render` grow with the number of clusters, and how they stand beside helmfile.

    python tests/bench/offline.py [--helmfile PATH] [--runs 5]

Prints tables in Markdown; docs/benchmarks.md holds one run of them. With a helmfile (the option, DFMC_HELMFILE or
PATH; it needs helm beside it) it writes the values of the same releases with both, in turn, and compares the files.
helmfile gets the least work that this can be: one file, the chart on disk, no dependencies, no templates.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.measuring import DFMC, Taken, ids, measure, middle, topology_text

SIZES = (10, 100, 1000)
PASSWORD = {"BENCH_REDIS_PASSWORD": "Bench-pw_1"}


def growth(work: Path, runs: int) -> None:
    """Measure both commands for each size."""
    print("| command | clusters | wall s | processor s | peak MiB | processor ms for each further cluster |")
    print("|---|---|---|---|---|---|")
    for command in ("validate", "render"):
        before: tuple[int, Taken] | None = None
        for size in SIZES:
            file = work / f"{size}.yaml"
            file.write_text(topology_text(size))
            words = [*DFMC, "-q", command, file]
            if command == "render":
                words += ["-d", work / f"values-{size}", *ids(size)]
            taken = middle([measure(words, work, PASSWORD) for _ in range(runs)])
            each = ""
            if before is not None:
                each = f"{(taken.processor - before[1].processor) / (size - before[0]) * 1000:.2f}"
            print(f"| {command} | {size} | {taken.wall:.2f} | {taken.processor:.2f} | {taken.memory:.0f} | {each} |")
            before = (size, taken)


def against_helmfile(work: Path, helmfile: str, runs: int) -> None:
    """Write the values of the same releases with both, in turn, and compare the files."""
    print("\n| writes the same values | releases | wall s | processor s | peak MiB | ms for each further |")
    print("|---|---|---|---|---|---|")
    each: dict[str, float] = {}
    before: dict[str, tuple[int, float]] = {}
    for count in SIZES:
        taken = both(work / str(count), helmfile, runs, count)
        for name, one in taken.items():
            further = ""
            if name in before:
                size, seconds = before[name]
                each[name] = (one.processor - seconds) / (count - size) * 1000
                further = f"{each[name]:.2f}"
            before[name] = (count, one.processor)
            print(f"| {name} | {count} | {one.wall:.2f} | {one.processor:.2f} | {one.memory:.0f} | {further} |")
        us, them = taken.values()
        print(f"| ratio | {count} | {us.wall / them.wall:.2f} | {us.processor / them.processor:.2f} | | |")
    us_each, their_each = each.values()
    print(f"\nFor each further release, from 100 to 1,000, dfmc takes {us_each / their_each:.2f} of helmfile's time.")


def both(work: Path, helmfile: str, runs: int, count: int) -> dict[str, Taken]:
    """Return what each took for that many releases; the files say the same."""
    work.mkdir()
    source, ours, theirs = work / "topology.yaml", work / "ours", work / "theirs"
    source.write_text(topology_text(count))
    render: list[str | Path] = [*DFMC, "-q", "render", source, "-d", ours, *ids(count)]
    measure(render, work, PASSWORD)
    write_helmfile(work, ours, count)
    write: list[str | Path] = [helmfile, "-f", work / "helmfile.yaml", "--quiet", "write-values", "--skip-deps"]
    write += ["--output-file-template", f"{theirs}/{{{{ .Release.Name }}}}.yaml"]
    homes = {f"HELM_{kind}_HOME": str(work / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    mine, other = [], []
    for _ in range(runs):
        mine.append(measure(render, work, PASSWORD))
        other.append(measure(write, work, homes))
    for number in range(count):
        name = f"c{number:04d}.yaml"
        if yaml.safe_load((ours / name).read_text()) != yaml.safe_load((theirs / name).read_text()):
            raise SystemExit(f"{name} differs: the comparison would mean nothing")
    return {"dfmc render -d": middle(mine), "helmfile write-values": middle(other)}


def environments(work: Path, helmfile: str, count: int = 100) -> None:
    """The other way to lay out clusters in helmfile: an environment for each, and a run for each."""
    names = [f"c{number:04d}" for number in range(count)]
    state = work / str(count)
    release = {
        "name": "dragonfly",
        "namespace": "dragonfly-system",
        "chart": "./chart",
        "values": ["ours/{{ .Environment.Name }}.yaml"],
    }
    text = yaml.safe_dump({"environments": {name: {} for name in names}})
    (state / "environments.yaml.gotmpl").write_text(f"{text}---\n{yaml.safe_dump({'releases': [release]})}")
    homes = {f"HELM_{kind}_HOME": str(state / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    command: list[str | Path] = [helmfile, "-f", state / "environments.yaml.gotmpl", "--quiet"]
    rest = ["write-values", "--skip-deps", "--output-file-template"]
    rest.append(f"{state}/environments/{{{{ .Environment.Name }}}}.yaml")
    takes = [measure([*command, "-e", name, *rest], state, homes) for name in names]
    wall, processor = sum(take.wall for take in takes), sum(take.processor for take in takes)
    print(
        f"\nWith an environment and a run for each of {count} clusters helmfile takes {wall:.1f} s\n"
        f"({processor:.1f} s of the processor) to write them."
    )


def write_helmfile(work: Path, ours: Path, count: int) -> None:
    """Write a helmfile that says the same: what all releases share once, and each one's own beside it."""
    chart = work / "chart"
    chart.mkdir(exist_ok=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: dragonfly\nversion: 1.7.4\n")
    trees = {f"c{n:04d}": yaml.safe_load((ours / f"c{n:04d}.yaml").read_text()) for n in range(count)}
    shared = _common(list(trees.values())[1:])
    (work / "shared.yaml").write_text(yaml.safe_dump(shared))
    releases = [
        {
            "name": name,
            "namespace": "dragonfly-system",
            "kubeContext": f"context-{name[1:]}",
            "chart": "./chart",
            "values": [tree] if name == "c0000" else ["shared.yaml", _without(tree, shared)],
        }
        for name, tree in trees.items()
    ]
    (work / "helmfile.yaml").write_text(yaml.safe_dump({"releases": releases}, sort_keys=False))


def _common(trees: list[dict[str, Any]]) -> dict[str, Any]:
    first = trees[0]
    common: dict[str, Any] = {}
    for key, value in first.items():
        held = [tree.get(key) for tree in trees]
        if all(isinstance(item, dict) for item in held):
            if below := _common([item for item in held if isinstance(item, dict)]):
                common[key] = below
        elif all(item == value for item in held):
            common[key] = value
    return common


def _without(tree: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    for key, value in tree.items():
        if key in shared and isinstance(value, dict):
            if below := _without(value, shared[key]):
                rest[key] = below
        elif key not in shared:
            rest[key] = value
    return rest


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--helmfile", default=os.environ.get("DFMC_HELMFILE") or shutil.which("helmfile"))
    options.add_argument("--runs", type=int, default=5, help="of each command; medians are shown")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="dfmc-bench-") as name:
        growth(Path(name), given.runs)
        if given.helmfile:
            against_helmfile(Path(name), given.helmfile, given.runs)
            environments(Path(name), given.helmfile)
        else:
            print("\nno helmfile: name one with --helmfile, or install it")


if __name__ == "__main__":
    main()
