"""Makes the images, step by step; what is current is skipped, so a broken-off run goes on where it was."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dfmc.errors import PreflightError
from dfmc.testbed.binaries.build import ensure, ensure_programs
from dfmc.testbed.binaries.cache import BinaryCache, Report
from dfmc.testbed.binaries.catalogue import BY_NAME
from dfmc.testbed.binaries.client import CRATE_PROGRAMS, ensure_client
from dfmc.testbed.binaries.download import go_architecture
from dfmc.testbed.binaries.go_toolchain import find_go
from dfmc.testbed.binaries.node_catalogue import NODE_BY_NAME
from dfmc.testbed.binaries.system import SystemProgram, ensure_system_programs
from dfmc.testbed.kind.images import commands, node
from dfmc.testbed.kind.images.archive import LayerFile, image_config, write_archive
from dfmc.testbed.kind.images.catalogue import CLIENT_IMAGES, IMAGES, NODE_IMAGES, Image
from dfmc.testbed.kind.images.debian import DebianTree, mmdebstrap_command
from dfmc.testbed.kind.images.layers import Entry, file_sha256, pack, write_layer
from dfmc.testbed.kind.images.running import CommandError, Feed, Runner

NODE = "node"
NAMES = (NODE, *(image.name for image in IMAGES))
"""What can be asked for, in the order in which it is made: the images that take longest are last."""

_CRATES = {program.name: program for program in CRATE_PROGRAMS}
_BUILDERS = (SystemProgram("mmdebstrap", ("mmdebstrap", "debian-archive-keyring")),)
_TREE_SECONDS = 1800.0


@dataclass(frozen=True)
class Workshop:
    """Where images are made and with what.

    Attributes:
        cache: The programs; layers lie beside them.
        runner: Runs docker, mmdebstrap and go.
        report: Told one line before each step.
    """

    cache: BinaryCache
    runner: Runner
    report: Report

    @property
    def layers(self) -> Path:
        """Where finished trees of packages lie."""
        return self.cache.directory / "images"


def ensure_images(names: Iterable[str], shop: Workshop) -> list[str]:
    """Make the images called ``names`` present in the Docker engine and current.

    Returns:
        Every name the images have now.

    Raises:
        PreflightError: No engine, a program or package is missing, or a step failed; what was done before it stays.
    """
    wanted = set(names)
    _check_engine(shop)
    images = [image for image in IMAGES if image.name in wanted]
    with shop.cache.locked(shop.report, "images.lock"):
        if NODE in wanted:
            _ensure_node(shop)
        for late in (False, True):
            batch = [image for image in images if (image in CLIENT_IMAGES) is late]
            missing = [image for image in batch if not _is_current(shop, image)]
            _ensure_programs(shop, missing)
            for number, image in enumerate(missing, start=1):
                shop.report(f"[{number}/{len(missing)}] image {image.tags[0]} (seconds, once)")
                _load(shop, image, [])
    return [*([node.NODE_IMAGE] if NODE in wanted else []), *(tag for image in images for tag in image.tags)]


def _check_engine(shop: Workshop) -> None:
    try:
        shop.runner.run(["docker", "version", "--format", "{{.Server.Version}}"], seconds=30.0)
    except CommandError as error:
        raise PreflightError(
            "no Docker engine answers",
            why=str(error),
            next_step="start Docker; on a machine with root but without an init system: make kind-docker",
        ) from error


def _program_digest(name: str) -> str:
    catalogue = (BY_NAME, NODE_BY_NAME, _CRATES)
    return next(programs[name].digest() for programs in catalogue if name in programs)


def _ensure_programs(shop: Workshop, images: Sequence[Image]) -> None:
    names = dict.fromkeys(name for image in images for name, _ in image.programs)
    ensure([name for name in BY_NAME if name in names], shop.cache, shop.report)
    ensure_programs([each for name, each in NODE_BY_NAME.items() if name in names], shop.cache, shop.report)
    if any(name in _CRATES for name in names):
        ensure_client(shop.cache, shop.report)


def _inputs_in_engine(shop: Workshop, name: str) -> str:
    try:
        return shop.runner.run(commands.inspect_inputs(name), seconds=60.0).strip()
    except CommandError:
        return ""


def _is_current(shop: Workshop, image: Image) -> bool:
    inputs = image.inputs(_program_digest)
    return all(_inputs_in_engine(shop, tag) == inputs for tag in image.tags)


def _load(shop: Workshop, image: Image, more: list[Entry]) -> None:
    with _replacing(shop, image.tags[0]), _archive(shop, image, more) as feed:
        _step(shop, commands.load(), f"image {image.tags[0]}", feed=feed)


@contextmanager
def _replacing(shop: Workshop, name: str) -> Iterator[None]:
    """Remove the image that had a name before, when another has it now and nothing else uses it."""
    try:
        before = shop.runner.run(commands.inspect_id(name), seconds=60.0).strip()
    except CommandError:
        before = ""
    yield
    if before and shop.runner.run(commands.inspect_id(name), seconds=60.0).strip() != before:
        with suppress(CommandError):  # a container may use it still
            shop.runner.run(commands.remove_image(before), seconds=120.0)


@contextmanager
def _archive(shop: Workshop, image: Image, more: list[Entry], *, packed: bool = False) -> Iterator[Feed]:
    """Give what writes the image's archive; its scratch files live as long as the context.

    Docker unpacks what it is given; containerd keeps it beside what it unpacks, on every node, hence ``packed``.
    """
    with ExitStack() as scratch_files:
        layers = [_ensure_tree(shop, image.tree)] if image.tree else []
        layers.append(_files_layer(shop, image, more, scratch_files))
        if packed:
            layers = [_packed(shop, layer, scratch_files) for layer in layers]
        config = image_config(image.settings, layers, go_architecture(), image.inputs(_program_digest))
        yield lambda out: write_archive(config, layers, image.tags, out)


def _files_layer(shop: Workshop, image: Image, more: list[Entry], scratch_files: ExitStack) -> LayerFile:
    scratch = _scratch(shop, scratch_files)
    write_layer([*more, *image.entries(shop.cache.path)], scratch)
    scratch.flush()
    return LayerFile(Path(scratch.name), file_sha256(Path(scratch.name)))


def _packed(shop: Workshop, layer: LayerFile, scratch_files: ExitStack) -> LayerFile:
    scratch = _scratch(shop, scratch_files)
    pack(layer.path, scratch)
    scratch.flush()
    return LayerFile(Path(scratch.name), layer.sha256)


def _scratch(shop: Workshop, scratch_files: ExitStack) -> IO[bytes]:
    shop.layers.mkdir(parents=True, exist_ok=True)
    return scratch_files.enter_context(tempfile.NamedTemporaryFile(dir=shop.layers, prefix="layer-", suffix=".part"))


def _ensure_tree(shop: Workshop, tree: DebianTree) -> LayerFile:
    path = shop.layers / f"debian-{tree.name}-{tree.digest()[:16]}.tar"
    stamp = path.with_suffix(".sha256")
    if path.is_file() and stamp.is_file():
        return LayerFile(path, stamp.read_text().strip())
    programs = ensure_system_programs(shop.report, _BUILDERS)
    shop.report(f"unpacking Debian packages: {tree.name} ({tree.minutes}, once)")
    shop.layers.mkdir(parents=True, exist_ok=True)
    for old in shop.layers.glob(f"debian-{tree.name}-*"):
        old.unlink()
    partial = path.with_suffix(".part.tar")
    argv = mmdebstrap_command(str(programs["mmdebstrap"]), tree, partial, root=os.geteuid() == 0)
    _step(shop, argv, f"Debian packages {tree.name}", seconds=_TREE_SECONDS)
    partial.replace(path)
    stamp.write_text(file_sha256(path) + "\n")
    return LayerFile(path, stamp.read_text().strip())


def _ensure_node(shop: Workshop) -> None:
    ensure_programs([NODE_BY_NAME["kind"]], shop.cache, shop.report)
    inputs = node.node_inputs(_program_digest)
    if _inputs_in_engine(shop, node.NODE_IMAGE) == inputs:
        return
    _ensure_programs(shop, [node.BASE, *NODE_IMAGES])
    for image in (node.BASE, *NODE_IMAGES):
        if image.tree:
            _ensure_tree(shop, image.tree)
    shop.report(f"node image {node.NODE_IMAGE} (about 2 min, once)")
    _load(shop, node.BASE, node.kind_entries(_kind_files(shop)))
    base = node.BASE.tags[0]
    # A container of a run that was killed would hold the name.
    shop.runner.run(commands.remove_container(), seconds=120.0)
    try:
        _step(shop, commands.start_container(base), "node image")
        _step(shop, commands.start_containerd(), "node image")
        _step(shop, commands.await_containerd(), "node image")
        for image in NODE_IMAGES:
            with _archive(shop, image, [], packed=True) as feed:
                _step(shop, commands.import_image(), f"node image: {image.name}", feed=feed)
        _step(shop, commands.in_container("sh", "-c", node.CRI_BASE), "node image")
        _step(shop, commands.stop_containerd(), "node image")
        _step(shop, commands.clean_container(), "node image")
        with _replacing(shop, node.NODE_IMAGE):
            _step(shop, commands.commit(node.NODE_IMAGE, node.ENTRYPOINT, inputs), "node image")
    finally:
        shop.runner.run(commands.remove_container(), seconds=120.0)
        with suppress(CommandError):
            shop.runner.run(commands.remove_image(base), seconds=120.0)


def _kind_files(shop: Workshop) -> Path:
    go = find_go(NODE_BY_NAME["kind"].go, shop.cache.directory, shop.report)
    answer = json.loads(_step(shop, commands.download_kind_module(str(go)), "kind's module"))
    return Path(answer["Dir"]) / node.KIND_FILES


def _step(shop: Workshop, argv: Sequence[str], what: str, *, feed: Feed | None = None, seconds: float = 900.0) -> str:
    try:
        return shop.runner.run(argv, feed=feed, seconds=seconds)
    except CommandError as error:
        raise PreflightError(
            f"{what} could not be made",
            why=str(error),
            left="what was made before is kept",
            next_step="put right what it says and run the command again; it goes on from here",
        ) from error
