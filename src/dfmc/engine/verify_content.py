"""What ``verify`` pulls: something that is named, or a fresh image in a registry."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import quote, urlsplit

from dfmc.engine.events import Note
from dfmc.engine.session import Session
from dfmc.engine.verify_report import Content
from dfmc.errors import AuthError, PreflightError, UnreachableError, UsageError
from dfmc.state import KIND_PROVIDER, LocalRegistry

Method = Literal["auto", "image", "blob"]

_REPOSITORY = "dfmc-verify"
_BLOB_PATH = "/v2/dfmc-verify/blobs/sha256:{digest}"
_IMAGE_BYTES = 32 << 20


@dataclass(frozen=True)
class VerifyOptions:
    """What the command line says of a verification.

    Attributes:
        method: ``auto`` takes an image where one is named, else a blob.
        image: Its reference.
        url: Of a blob. ``{digest}`` in it becomes 64 fresh hexadecimal digits; a URL without a path is an origin that
            serves any such blob.
        push: Repository, as the nodes name it (``registry:5000/verify``), that a fresh image is pushed to.
        push_url: The same registry's address from here; empty takes ``http://`` and the host of ``push``.
        jaeger: Address of Jaeger's query service from here; empty leaves traces out.
        pull_timeout: Seconds that one pull may take.
        settle_timeout: Seconds that may be waited, in each cluster, until its peers know all its schedulers.
    """

    method: Method = "auto"
    image: str = ""
    url: str = ""
    push: str = ""
    push_url: str = ""
    jaeger: str = ""
    pull_timeout: float = 300.0
    settle_timeout: float = 900.0


@asynccontextmanager
async def content_of(session: Session, options: VerifyOptions) -> AsyncIterator[Content]:
    """Yield what to pull.

    A fresh image is pushed first where a repository is named, and deleted afterwards. Where nothing at all is named
    and the nodes are kind's, a registry of its own runs beside them meanwhile.

    Raises:
        PreflightError: Nothing is named.
        UsageError: The options do not fit together.
        UnreachableError, AuthError, DfmcError: The registry does not take the image.
    """
    is_named = options.image or options.url or options.push
    node = "" if is_named else await _kind_node(session)
    if node:
        async with session.factory.registry_beside(node) as registry:
            if registry is not None:
                async with _pushed(session, _beside(session, options, registry)) as content:
                    yield content
                return
    if options.push and not options.image and not (options.url and options.method == "blob"):
        async with _pushed(session, options) as content:
            yield content
        return
    yield named_content(options)


async def _kind_node(session: Session) -> str:
    """Return the name of a node of the central cluster that kind has made with docker; empty where there is none."""
    try:
        nodes = await session.kube_of(session.topology.central).list("v1", "Node")
    except AuthError:  # nodes are kind's only where we are their administrator
        return ""
    names = [
        str(node["metadata"]["name"])
        for node in nodes
        if str((node.get("spec") or {}).get("providerID") or "").startswith(KIND_PROVIDER)
    ]
    return min(names, default="")


def _beside(session: Session, options: VerifyOptions, registry: LocalRegistry) -> VerifyOptions:
    """Return the options with that registry: an image where the nodes' runtimes are told of it, else a blob."""
    told = all(f"http://{registry.host}" in cluster.runtime.registries for cluster in session.topology.clusters)
    method = options.method if options.method != "auto" else ("image" if told else "blob")
    host = registry.host if method == "image" else registry.address
    return replace(options, method=method, push=f"{host}/{_REPOSITORY}", push_url=registry.url)


@asynccontextmanager
async def _pushed(session: Session, options: VerifyOptions) -> AsyncIterator[Content]:
    host, _, repository = options.push.partition("/")
    if not host or not re.fullmatch(r"[a-z0-9][a-z0-9._/-]*", repository):
        raise UsageError(f"--push: {options.push!r} is no repository", next_step="write it like registry:5000/verify")
    url = options.push_url or f"http://{host}"
    registry = session.factory.registry(url)
    image = await registry.push(repository, _IMAGE_BYTES)
    layer = f"/v2/{repository}/blobs/{image.layer}"
    try:
        if options.method == "blob":
            yield Content("blob", f"{urlsplit(url).scheme}://{host}{layer}", True, layer)
        else:
            # containerd tells a mirror which registry is meant (containerd, docs/hosts.md)
            yield Content("image", f"{options.push}:{image.tag}", True, f"{layer}?ns={quote(host)}")
    finally:
        try:
            why = "" if await registry.delete(image) else "it lets nobody delete"
        except UnreachableError as error:
            why = str(error)
        if why:
            session.observer(Note("", f"the registry keeps {options.push}:{image.tag}: {why}", "warning"))


def named_content(options: VerifyOptions) -> Content:
    """Return what the options name.

    Raises:
        PreflightError: Nothing is named.
        UsageError: The method needs what is not given.
    """
    method = options.method
    if method == "auto":
        method = "image" if options.image else "blob"
        if not options.image and not options.url:
            raise PreflightError(
                "there is nothing to pull",
                why="neither an image nor a blob is named",
                next_step="give --image with one that no node has, --push with a repository for a fresh one, or --url",
            )
    if method == "image":
        if not options.image:
            raise UsageError("--method image needs --image or --push")
        return Content("image", options.image, is_fresh=False)
    if not options.url:
        raise UsageError("--method blob needs --url or --push")
    url = options.url
    if re.fullmatch(r"https?://[^/?#]+/?", url):
        url = url.rstrip("/") + _BLOB_PATH
    if urlsplit(url).path in ("", "/"):
        raise UsageError(
            f"--url: {url!r} is no URL of a blob", next_step="write it like http://HOST or http://HOST/v2/…"
        )
    fresh = url.replace("{digest}", secrets.token_hex(32))
    parts = urlsplit(fresh)
    return Content("blob", fresh, fresh != url, parts.path + (f"?{parts.query}" if parts.query else ""))
