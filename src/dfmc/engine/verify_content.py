"""What ``verify`` pulls: something that is named, or a fresh image in a registry."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from dfmc.engine.events import Note
from dfmc.engine.session import Session
from dfmc.engine.verify_report import Content
from dfmc.errors import PreflightError, UnreachableError, UsageError

Method = Literal["auto", "image", "blob"]

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
    """

    method: Method = "auto"
    image: str = ""
    url: str = ""
    push: str = ""
    push_url: str = ""
    jaeger: str = ""
    pull_timeout: float = 300.0


@asynccontextmanager
async def content_of(session: Session, options: VerifyOptions) -> AsyncIterator[Content]:
    """Yield what to pull; a fresh image is pushed first where a repository is named, and deleted afterwards.

    Raises:
        PreflightError: Nothing is named.
        UsageError: The options do not fit together.
        UnreachableError, AuthError, DfmcError: The registry does not take the image.
    """
    if not options.push or options.image or (options.url and options.method == "blob"):
        yield named_content(options)
        return
    host, _, repository = options.push.partition("/")
    if not host or not re.fullmatch(r"[a-z0-9][a-z0-9._/-]*", repository):
        raise UsageError(f"--push: {options.push!r} is no repository", next_step="write it like registry:5000/verify")
    url = options.push_url or f"http://{host}"
    registry = session.factory.registry(url)
    image = await registry.push(repository, _IMAGE_BYTES)
    layer = f"/v2/{repository}/blobs/{image.layer}"
    try:
        if options.method == "blob":
            scheme = urlsplit(url).scheme
            yield Content("blob", f"{scheme}://{host}{layer}", True, layer)
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
