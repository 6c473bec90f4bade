"""Checks of images: those that are known to be gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfmc.planning.checks.facts import Facts, Need, Object
from dfmc.planning.checks.model import Check, Finding
from dfmc.topology.model import ClusterSpec
from dfmc.values.images import split_repository

GROUP = "images"
_DOCKER_HUB = frozenset({None, "docker.io", "index.docker.io", "registry-1.docker.io"})
# Since August 2025 (bitnami/containers#83267); charts from 1.4.9 on, and dfmc's own presets, use bitnamilegacy/*.
_GONE, _INSTEAD = "bitnami/", "bitnamilegacy/"


def images_of(manifest: tuple[Object, ...]) -> dict[str, str]:
    """Return every image of a release's pods, with the object that uses it first."""
    found: dict[str, str] = {}
    for obj in manifest:
        name = f"{obj.get('kind')} {(obj.get('metadata') or {}).get('name')}"
        for container in containers_of(obj):
            if image := container.get("image"):
                found.setdefault(str(image), name)
    return found


def pod_spec(obj: Object) -> Mapping[str, Any]:
    """Return the pod's spec in a pod or in whatever makes pods; empty for anything else."""
    spec = obj.get("spec")
    if obj.get("kind") == "Pod":
        return spec or {}
    if obj.get("kind") == "CronJob":
        spec = ((spec or {}).get("jobTemplate") or {}).get("spec")
    template = spec.get("template") if isinstance(spec, Mapping) else None
    inner = template.get("spec") if isinstance(template, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def containers_of(obj: Object) -> Iterator[Mapping[str, Any]]:
    """Yield the containers of an object's pods, those of initialisation first."""
    spec = pod_spec(obj)
    for key in ("initContainers", "containers"):
        yield from (one for one in spec.get(key) or () if isinstance(one, Mapping))


def gone(facts: Facts, cluster: ClusterSpec) -> Iterator[Finding]:
    """Find images that their registry has withdrawn."""
    for image, used_by in sorted(images_of(facts.of(cluster).manifest).items()):
        registry, path = split_repository(image)
        if registry in _DOCKER_HUB and path.removeprefix("library/").startswith(_GONE):
            name = path.removeprefix(_GONE).partition("@")[0].partition(":")[0]
            yield Finding(
                cluster.name,
                f"{image} does not exist any more",
                "Docker Hub has no bitnami/* since August 2025; nodes that have pulled it before still start it",
                f"set values.{name}.image.repository to {_INSTEAD}{name} in the entry {cluster.name}",
                used_by,
            )


CHECKS = (
    Check(
        "DF331",
        "no image is one that its registry has withdrawn",
        GROUP,
        "Bitnami removed its images from Docker Hub in August 2025; charts up to 1.4.8 name them for the bundled MySQL "
        "and Redis. Pods that use one never start on a node that has not pulled it before.",
        "Use bitnamilegacy/* (no updates), a registry of your own that has them, or external databases.",
        needs=(Need.MANIFEST,),
        of_cluster=gone,
    ),
)
