"""What hostile files cost: seconds and memory to answer each.

    python tests/bench/hostile.py

The files are those of tests/unit/test_topology_hostile.py, which holds the loader to its limits by counting.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.measuring import ROOT, measure

PROGRAM = """\
import pathlib, sys
from dfmc.errors import TopologyError
from dfmc.topology.load import load_file
try:
    load_file(sys.argv[1])
except TopologyError:
    pass
"""


def write_texts(folder: Path) -> None:
    """Write a file for each text."""
    from hostile_texts import BOMBS, MEBIBYTE_FILES, MIB

    texts = {"(empty)": "", **{name: text[:MIB] for name, text in MEBIBYTE_FILES.items()}, **BOMBS}
    for number, (name, text) in enumerate(texts.items()):
        (folder / f"{number:02}-{name}").write_text(text)


def main() -> None:
    """Measure and print; the first line is what starting costs."""
    if len(sys.argv) > 1:
        write_texts(Path(sys.argv[1]))
        return
    print("| file | processor s | peak MiB |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="dfmc-bench-") as folder:
        # In a process of its own: a child's peak begins with the memory of whoever starts it.
        subprocess.run([sys.executable, __file__, folder], check=True)
        for file in sorted(Path(folder).iterdir()):
            taken = measure([sys.executable, "-c", PROGRAM, file], ROOT)
            print(f"| {file.name[3:]} | {taken.processor:.2f} | {taken.memory:.0f} |")


if __name__ == "__main__":
    main()
