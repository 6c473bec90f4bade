"""Package data as files of a layer."""

from __future__ import annotations

from importlib.resources import files

from dfmc.testbed.kind.images.layers import File

_DATA = files("dfmc.testbed.kind.images") / "data"


def text(name: str) -> str:
    """Return a data file's text by its path below ``data``."""
    return _DATA.joinpath(*name.split("/")).read_text()


def data_file(path: str, name: str, mode: int = 0o644) -> File:
    """Return the data file ``name`` as the file ``path`` of a layer."""
    return File(path, text(name).encode(), mode)
