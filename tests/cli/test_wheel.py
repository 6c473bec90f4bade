"""The wheel alone, outside the checkout: it has the presets, the key facts and the schema, and needs no source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, unpacked as an installer does."""
    built = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = built.glob("*.whl")
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    program = "import sys, dfmc, dfmc.cli; sys.stderr.write(dfmc.__file__ + '\\n'); sys.exit(dfmc.cli.main())"
    # -S keeps the editable installation's .pth out; the libraries come by path.
    path = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"], "HOME": str(cwd), "DFMC_REDIS_PASSWORD": "dragonfly"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == str(installed / "dfmc" / "__init__.py")
    return done.stdout


def test_it_validates_and_renders_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    for example in ("guide", "guide-legacy"):
        text = (ROOT / "examples" / example / "topology.yaml").read_text()
        (tmp_path / "topology.yaml").write_text(text)
        run(installed, tmp_path, "validate")
        documents = list(yaml.safe_load_all(run(installed, tmp_path, "render", "--ids", "b=2", "--allow-pending")))
        assert [document["manager"]["enable"] for document in documents] == [True, False]


def test_it_carries_the_bed_and_the_schema(installed: Path, tmp_path: Path) -> None:
    assert '"$id"' in run(installed, tmp_path, "schema")
    names = {path.name for path in (installed / "dfmc" / "testbed").rglob("*")}
    assert {"go.mod", "Chart.yaml", "values.yaml", "changes.yaml", "_history.tpl"} <= names
    assert (installed / "dfmc" / "py.typed").is_file()
