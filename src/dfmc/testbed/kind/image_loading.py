"""Images into kind's nodes: saved once, loaded into all nodes at once, and only what a node does not have."""

from __future__ import annotations

import asyncio
import json
import tarfile
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfmc.errors import PreflightError
from dfmc.testbed.kind import commands
from dfmc.testbed.kind.clusters import find_containers
from dfmc.testbed.kind.programs import Engine, ProgramError, Programs
from dfmc.values.pod_images import full_name

Report = Callable[[str], None]
Place = tuple[str, str]
"""A kind cluster and one of its nodes."""

_PULL_SECONDS = 1800.0
_SAVE_SECONDS = 1800.0
_LOAD_SECONDS = 1800.0
_PULLS_AT_ONCE = 3
# kind's proxy in front of several control planes; it has no kubelet.
_LOAD_BALANCER_SUFFIX = "-external-load-balancer"


@dataclass(frozen=True)
class LoadedNode:
    """What became of a node: images as they were asked for, sorted."""

    cluster: str
    node: str
    loaded: tuple[str, ...]
    present: tuple[str, ...]


def load(images: Collection[str], clusters: Sequence[str], report: Report) -> tuple[LoadedNode, ...]:
    """Make the images present on every node of the kind clusters.

    Args:
        images: Their names.
        clusters: What kind calls the clusters.
        report: Told what begins.

    Raises:
        PreflightError: Docker or kind is missing, an image cannot be had, or a cluster or its nodes do not run.
        ProgramError: Saving or loading failed.
        NotReadyError: It took too long.
    """
    programs = Programs()
    programs.require("docker", "kind")
    return asyncio.run(_load(images, clusters, programs, report))


def save(images: Collection[str], archive: Path, report: Report) -> None:
    """Write the images into one archive for ``docker load`` or ``kind load image-archive``.

    Raises:
        PreflightError: Docker is missing, or an image cannot be had.
        ProgramError: The archive cannot be written.
    """
    programs = Programs()
    programs.require("docker")
    asyncio.run(_save_present(images, archive, programs, report))


def lacking(images: Mapping[str, str], listing: str) -> tuple[str, ...]:
    """Return which images a node does not have, sorted.

    Args:
        images: The engine's id of each.
        listing: What ``crictl images --output json`` says on the node.
    """
    held: dict[str, set[str]] = {}
    content: dict[str, Any] = json.loads(listing)
    for entry in content.get("images") or ():
        digests = entry.get("repoDigests") or ()
        # Where the engine keeps images as containerd does, its id is the manifest's digest and not the configuration's.
        ids = {entry["id"], *(digest.rpartition("@")[2] for digest in digests)}
        for name in (*(entry.get("repoTags") or ()), *digests):
            held.setdefault(full_name(name), set()).update(ids)
    return tuple(
        sorted(
            name
            for name, identity in images.items()
            if not (held.get(full_name(name)) if is_by_digest(name) else identity in held.get(full_name(name), ()))
        )
    )


def is_by_digest(image: str) -> bool:
    """Tell whether a name has a digest, which archives do not carry."""
    return "@" in image


def archive_ids(archive: Path) -> dict[str, str]:
    """Return the configuration's id of each image in an archive of ``docker save``, by its full name.

    That is what a node's runtime calls the image's id, however the engine that saved it keeps images.
    """
    with tarfile.open(archive) as tar:
        file = tar.extractfile("manifest.json")
        entries: list[dict[str, Any]] = json.load(file) if file is not None else []
    # Either ``blobs/sha256/HEX`` or, of engines before 25, ``HEX.json``.
    return {
        full_name(tag): f"sha256:{entry['Config'].rpartition('/')[2].removesuffix('.json')}"
        for entry in entries
        for tag in entry.get("RepoTags") or ()
    }


async def _load(
    images: Collection[str], clusters: Sequence[str], programs: Programs, report: Report
) -> tuple[LoadedNode, ...]:
    engine = await programs.engine()
    nodes = await _nodes(clusters, programs)
    known = await _present(images, programs, report)
    texts = await asyncio.gather(*(programs.run(commands.node_images(node)) for _, node in nodes))
    listings = dict(zip(nodes, texts, strict=True))
    absent = _absent(known, listings)
    wanted = {name for names in absent.values() for name in names}
    for name in sorted(filter(is_by_digest, wanted)):
        report(f"{name} has a digest, which no archive carries: the nodes will pull it")
    wanted = {name for name in wanted if not is_by_digest(name)}
    if wanted:
        with tempfile.TemporaryDirectory(prefix="dfmc-images-") as directory:
            archive = Path(directory) / "images.tar"
            report(f"saving {_counted(len(wanted), 'image')}")
            await _save(wanted, archive, engine, programs)
            if engine.keeps_platforms:  # its ids are of manifests, and the nodes may have it all
                ids = await asyncio.to_thread(archive_ids, archive)
                absent = _absent({name: ids.get(full_name(name), known[name]) for name in known}, listings)
            await _load_archive(archive, wanted, absent, programs, report)
    return tuple(
        LoadedNode(
            cluster,
            node,
            tuple(name for name in names if name in wanted),
            tuple(sorted(set(known) - set(names))),
        )
        for (cluster, node), names in absent.items()
    )


def _absent(known: Mapping[str, str], listings: Mapping[Place, str]) -> dict[Place, tuple[str, ...]]:
    return {place: lacking(known, listing) for place, listing in listings.items()}


async def _nodes(clusters: Sequence[str], programs: Programs) -> list[Place]:
    containers = await find_containers(programs)
    found = []
    for cluster in clusters:
        nodes = containers.get(cluster, {})
        stopped = sorted(node for node, state in nodes.items() if state != "running")
        if not nodes or stopped:
            raise PreflightError(
                f"the kind cluster {cluster} does not run",
                why=f"{', '.join(stopped)} stopped" if nodes else "Docker has no containers of it",
                next_step=f"docker start {' '.join(stopped)}" if nodes else "dfmc testbed up --provider kind",
            )
        found += [(cluster, node) for node in sorted(nodes) if not node.endswith(_LOAD_BALANCER_SUFFIX)]
    return found


async def _present(images: Collection[str], programs: Programs, report: Report) -> dict[str, str]:
    """Return the engine's id of each image, pulling those that it does not have.

    Raises:
        PreflightError: Names every image that cannot be had.
    """
    at_once = asyncio.Semaphore(_PULLS_AT_ONCE)
    failures: dict[str, str] = {}

    async def one(image: str) -> str:
        try:
            return (await programs.run(commands.image_id(image))).strip()
        except ProgramError:
            async with at_once:
                report(f"pulling {image}")
                try:
                    await programs.run(commands.pull_image(image), deadline=_PULL_SECONDS)
                except ProgramError as error:
                    failures[image] = error.why
                    return ""
            return (await programs.run(commands.image_id(image))).strip()

    ids = await asyncio.gather(*(one(image) for image in sorted(images)))
    if failures:
        names = sorted(failures)
        raise PreflightError(
            f"{len(names)} of {len(images)} images cannot be had",
            why="\n".join(f"{name}: {failures[name]}" for name in names),
            next_step=f"docker pull {names[0]} (or docker load, or images in the topology file)",
        )
    return dict(zip(sorted(images), ids, strict=True))


async def _load_archive(
    archive: Path, wanted: Set[str], absent: Mapping[Place, tuple[str, ...]], programs: Programs, report: Report
) -> None:
    targets: dict[str, list[str]] = {}
    for (cluster, node), names in absent.items():
        if wanted & frozenset(names):
            targets.setdefault(cluster, []).append(node)
    if targets:
        report(f"loading into {_counted(sum(map(len, targets.values())), 'node')}")
    # kind itself loads into all nodes of a cluster at once.
    async with asyncio.TaskGroup() as group:
        for cluster, nodes in targets.items():
            line = commands.load_archive(archive, cluster, nodes)
            what = f"kind cannot load images into {cluster}"
            left = "nodes may have some of the images; run it again"
            group.create_task(programs.run(line, deadline=_LOAD_SECONDS, what=what, left=left))


async def _save_present(images: Collection[str], archive: Path, programs: Programs, report: Report) -> None:
    engine = await programs.engine()
    await _present(images, programs, report)
    report(f"saving {_counted(len(images), 'image')}")
    await _save(images, archive, engine, programs)


async def _save(images: Collection[str], archive: Path, engine: Engine, programs: Programs) -> None:
    # Such an engine also saves the names of platforms that it never pulled, and importing the archive fails for them.
    platform = engine.platform if engine.keeps_platforms else ""
    line = commands.save_images(archive, sorted(images), platform)
    await programs.run(line, deadline=_SAVE_SECONDS, what=f"the images cannot be saved to {archive}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
