"""An image as the archive that ``docker load`` and ``ctr images import`` read.

The format is that of ``docker save``: ``manifest.json`` names a configuration and the layers, each a file of its own.
Writing it here needs no engine, no base image to pull, and gives the same image on every machine.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

INPUTS_LABEL = "io.dfmc.inputs"

# Times would make two builds of the same content different images.
_CREATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class LayerFile:
    """A finished layer.

    Attributes:
        path: Its tar archive, or that archive compressed.
        sha256: Of the uncompressed archive, whatever the file holds.
    """

    path: Path
    sha256: str


@dataclass(frozen=True)
class RunSettings:
    """What a container of an image runs.

    Attributes:
        entrypoint: Program and first arguments.
        command: Arguments that a container may replace.
        environment: Variables beside PATH.
        stop_signal: Empty for SIGTERM.
        labels: Labels beside the one for the image's inputs.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def image_config(settings: RunSettings, layers: Sequence[LayerFile], architecture: str, inputs: str) -> bytes:
    """Return the image's configuration; its sha256 is the image's id.

    Args:
        settings: What a container runs.
        layers: From the lowest to the highest.
        architecture: In Go's words (``amd64``).
        inputs: Digest of what the image is made from; kept as a label, to see later whether it is current.
    """
    config: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in {"PATH": _PATH, **settings.environment}.items()],
        "Labels": {INPUTS_LABEL: inputs, **settings.labels},
    }
    for key, value in (("Entrypoint", settings.entrypoint), ("Cmd", settings.command)):
        if value:
            config[key] = list(value)
    if settings.stop_signal:
        config["StopSignal"] = settings.stop_signal
    document = {
        "architecture": architecture,
        "os": "linux",
        "created": _CREATED,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
        "history": [{"created": _CREATED, "created_by": "dfmc"} for _ in layers],
    }
    return json.dumps(document, sort_keys=True).encode()


def write_archive(config: bytes, layers: Sequence[LayerFile], names: Sequence[str], out: IO[bytes]) -> None:
    """Write the archive to a stream, the manifest first.

    Args:
        config: See `image_config`.
        layers: From the lowest to the highest.
        names: Every ``repository:tag`` of the image.
        out: Need not be seekable.
    """
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    files = [f"{layer.sha256}/layer.tar" for layer in layers]
    manifest = [{"Config": config_name, "RepoTags": list(names), "Layers": files}]
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        _add(tar, config_name, config)
        for name, layer in dict(zip(files, layers, strict=True)).items():
            info = tarfile.TarInfo(name)
            info.size = layer.path.stat().st_size
            with layer.path.open("rb") as source:
                tar.addfile(info, source)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, BytesIO(content))
