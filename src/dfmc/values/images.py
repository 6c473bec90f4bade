"""Images: repository, tag, digest, pull policy and secrets, and a registry in front of everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dfmc.topology.model import ImageSpec
from dfmc.values.context import RenderContext
from dfmc.values.layouts import Component
from dfmc.values.settings import brings_jaeger

# What the charts up to 1.1.37 start beside the components: they have no key for a common registry.
_LEGACY_INIT_IMAGE = "busybox"
_LEGACY_RUNTIME_IMAGE = "dragonflyoss/openssl"
_LEGACY_JAEGER_IMAGE = "jaegertracing/all-in-one"


def images(ctx: RenderContext) -> Mapping[str, Any]:
    """Return the image settings in the form of the layout."""
    return {**_FORMS[ctx.layout.images](ctx), **_jaeger_image(ctx), **_database_images(ctx)}


def split_repository(repository: str) -> tuple[str | None, str]:
    """Return registry and path of a repository, by the rule of image references.

    The first part is a registry when it has a dot or a port or is ``localhost``: ``ghcr.io/a/b`` has one, ``a/b`` none.
    """
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return None, repository


def _spec(ctx: RenderContext, component: Component) -> ImageSpec:
    spec: ImageSpec = getattr(ctx.cluster.images, component.name)
    return spec


def _secrets(ctx: RenderContext) -> list[dict[str, str]]:
    return [{"name": name} for name in ctx.cluster.images.pull_secrets]


def _prefixed(ctx: RenderContext, repository: str) -> str:
    """Return a repository with the cluster's registry, where it has one, in the place of its own."""
    registry = ctx.cluster.images.registry
    return f"{registry}/{split_repository(repository)[1]}" if registry else repository


def _strings(ctx: RenderContext) -> dict[str, Any]:
    """Layouts up to 1.1.37: ``image`` is the repository, and the templates write ``image:tag``."""
    registry = ctx.cluster.images.registry
    values: dict[str, Any] = {}
    for component in ctx.components:
        spec, key = _spec(ctx, component), component.key
        repository = _prefixed(ctx, spec.repository or component.image)
        if spec.digest:
            # repo@sha256 and the digest's hex as "tag" give the template's image:tag the form of a digest.
            algorithm, _, hexadecimal = spec.digest.partition(":")
            values |= {f"{key}.image": f"{repository}@{algorithm}", f"{key}.tag": hexadecimal}
        else:
            values |= {f"{key}.image": repository} if spec.repository or registry else {}
            values |= {f"{key}.tag": spec.tag} if spec.tag else {}
        values |= {f"{key}.pullPolicy": spec.pull_policy} if spec.pull_policy else {}
        values |= {f"{key}.pullSecrets": _secrets(ctx)} if _secrets(ctx) else {}
        values |= {f"{key}.initContainer.image": _prefixed(ctx, _LEGACY_INIT_IMAGE)} if registry else {}
    if registry:
        values["containerRuntime.initContainerImage"] = _prefixed(ctx, _LEGACY_RUNTIME_IMAGE)
    return values


def _maps(ctx: RenderContext) -> dict[str, Any]:
    """Layouts from 1.1.38 on: ``image`` is a map, and ``global.imageRegistry`` overrides every registry."""
    values: dict[str, Any] = {}
    specs = [(f"{component.key}.image", _spec(ctx, component)) for component in ctx.components]
    if ctx.layout.runtime == "dfinit":
        specs.append(("client.dfinit.image", ctx.cluster.images.dfinit))
    for key, spec in specs:
        registry, path = split_repository(spec.repository) if spec.repository else (None, None)
        fields = {
            "registry": registry,
            "repository": path,
            "tag": spec.tag,
            "digest": spec.digest,
            "pullPolicy": spec.pull_policy,
        }
        values |= {f"{key}.{field}": value for field, value in fields.items() if value is not None}
    if ctx.cluster.images.registry:
        values["global.imageRegistry"] = ctx.cluster.images.registry
    if _secrets(ctx):
        values |= {f"{component.key}.image.pullSecrets": _secrets(ctx) for component in ctx.components}
    return values


def _jaeger_image(ctx: RenderContext) -> dict[str, Any]:
    """The chart's own Jaeger: a chart inside the chart, which knows no common registry in any layout."""
    if not (brings_jaeger(ctx) and ctx.cluster.images.registry):
        return {}
    return {"jaeger.allInOne.image": _prefixed(ctx, _LEGACY_JAEGER_IMAGE)}


def _database_images(ctx: RenderContext) -> dict[str, Any]:
    """The bundled databases: bitnami's charts take a registry, and names of secrets as plain strings.

    Maps in ``global.imagePullSecrets``, as the Dragonfly templates want them, come out as ``map[name:x]`` in the
    databases of old charts, so each part gets its own list.
    """
    values: dict[str, Any] = {}
    images_spec = ctx.cluster.images
    for name in ctx.bundled:
        if images_spec.registry:
            values[f"{name}.image.registry"] = images_spec.registry
        if images_spec.pull_secrets:
            values[f"{name}.image.pullSecrets"] = list(images_spec.pull_secrets)
    return values


_FORMS: Mapping[str, Callable[[RenderContext], dict[str, Any]]] = {"strings": _strings, "maps": _maps}
