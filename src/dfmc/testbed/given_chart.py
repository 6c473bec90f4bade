"""A real chart for the bed: used as it is, or completed where it is a source tree without its subcharts.

A checkout of the chart's repository declares MySQL and Redis as dependencies but does not hold them, and helm refuses
such a chart even where they are switched off. The bed's stand-in subcharts have the same value paths and object names.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from dfmc.errors import PreflightError


def chart_to_use(given: Path, directory: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the chart that the topology's copy shall name, and which subcharts were filled in.

    Args:
        given: A packaged chart, or a chart directory; it is never changed.
        directory: Where a completed copy goes; kept as it is while its content is right.

    Raises:
        PreflightError: There is no chart there, or it lacks a subchart that the bed has no stand-in for.
    """
    if not given.exists():
        raise PreflightError("there is no such chart", where=str(given))
    if given.is_file():
        return given.absolute(), ()
    try:
        metadata = yaml.safe_load((given / "Chart.yaml").read_text())
    except FileNotFoundError as error:
        raise PreflightError("this directory is no chart", where=str(given), why="it has no Chart.yaml") from error
    names = [str(dependency["name"]) for dependency in metadata.get("dependencies") or []]
    missing = tuple(name for name in names if not _holds(given / "charts", name))
    if not missing:
        return given.absolute(), ()
    subcharts = files("dfmc.testbed") / "charts" / "subcharts"
    unknown = [name for name in missing if not (subcharts / name).is_dir()]
    if unknown:
        raise PreflightError(
            "the chart lacks subcharts that it depends on",
            where=str(given),
            why=f"there is no {', '.join(unknown)} in its charts directory, and the bed has no stand-in for it",
            next_step=f"helm dependency build {given}",
        )
    wanted = dict(_content(given, ""))
    for name in missing:
        wanted.update(_content(subcharts / name, f"charts/{name}/"))
    _write_tree(directory, wanted)
    return directory.absolute(), missing


def _holds(charts: Path, name: str) -> bool:
    return (charts / name / "Chart.yaml").exists() or any(charts.glob(f"{name}-[0-9]*.tgz"))


def _content(source: Path | Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in source.iterdir():
        if entry.is_dir():
            yield from _content(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.read_bytes()


def _write_tree(directory: Path, wanted: dict[str, bytes]) -> None:
    present = dict(_content(directory, "")) if directory.is_dir() else {}
    for name in present.keys() - wanted.keys():
        (directory / name).unlink()
    for name, content in wanted.items():
        if present.get(name) != content:
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
