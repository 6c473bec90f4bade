"""Which images manifests name, and when two names mean one image. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_DEFAULT_REGISTRY = "docker.io"
# What ``helm template`` also prints and ``helm install`` does not create.
_TEST_HOOKS = frozenset({"test", "test-success", "test-failure"})
_HOOK_ANNOTATION = "helm.sh/hook"


def pod_images(manifests: str) -> frozenset[str]:
    """Return the images of every pod that the manifests lead to, as they are written there.

    Init containers, images mounted as volumes, and pod templates inside objects of any kind count; helm's tests do not.

    Args:
        manifests: YAML documents, as ``helm template`` prints them.

    Raises:
        yaml.YAMLError: They are not YAML.
    """
    found: set[str] = set()
    for document in yaml.load_all(manifests, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(document, dict) and not _is_test(document):
            found.update(_images(document))
    return frozenset(found)


def full_name(image: str) -> str:
    """Return an image's name with the registry, the path and the tag that are understood where they are left out.

    The rule of Docker and containerd (distribution/reference, normalize.go): ``busybox`` and ``docker.io/busybox`` are
    ``docker.io/library/busybox:latest``; the first part is a registry when it has a dot or a port or is ``localhost``.
    Beside a digest a tag says nothing.
    """
    first, slash, rest = image.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if is_registry else (_DEFAULT_REGISTRY, image)
    if registry == f"index.{_DEFAULT_REGISTRY}":
        registry = _DEFAULT_REGISTRY
    if registry == _DEFAULT_REGISTRY and "/" not in path:
        path = f"library/{path}"
    name, at, digest = path.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, "latest"
    return f"{registry}/{repository}@{digest}" if at else f"{registry}/{repository}:{tag}"


def _is_test(document: dict[str, Any]) -> bool:
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    hooks = {hook.strip() for hook in str(annotations.get(_HOOK_ANNOTATION, "")).split(",")}
    return bool(hooks & _TEST_HOOKS)


def _images(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _images(item)
    if not isinstance(node, dict):
        return
    for key in _CONTAINERS:
        for container in _maps(node.get(key)):
            if isinstance(image := container.get("image"), str) and image:
                yield image
    for volume in _maps(node.get("volumes")):
        source = volume.get("image")
        if isinstance(source, dict) and isinstance(reference := source.get("reference"), str) and reference:
            yield reference
    for value in node.values():
        yield from _images(value)


def _maps(items: object) -> Iterator[dict[str, Any]]:
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))
