"""A fresh image in a registry: made of random bytes, pushed, and deleted again (OCI distribution specification 1.1)."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from dfmc import __version__
from dfmc.clients.foreign_text import readable
from dfmc.errors import AuthError, DfmcError, UnreachableError, UsageError
from dfmc.state import PushedImage

_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
_ARCHITECTURES = ("amd64", "arm64")
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
TAG = "fresh"


@dataclass(frozen=True)
class FreshImage:
    """An image that never was before, for every architecture in use, of one layer that does not compress.

    Attributes:
        blobs: Layer and configurations by digest.
        manifests: One for each architecture, by digest.
        index: What the tag stands for.
        layer: Digest of the layer.
    """

    blobs: Mapping[str, bytes] = field(repr=False)
    manifests: Mapping[str, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    layer: str


def make_image(size: int) -> FreshImage:
    """Return an image with a layer of about that many bytes."""
    layer = _layer(size)
    diff = digest_of(layer)
    blobs = {diff: layer}
    manifests: dict[str, bytes] = {}
    entries = []
    for architecture in _ARCHITECTURES:
        platform = {"architecture": architecture, "os": "linux"}
        config = _json({**platform, "rootfs": {"type": "layers", "diff_ids": [diff]}, "config": {}})
        blobs[digest_of(config)] = config
        layers = [_descriptor(_LAYER, layer)]
        manifest = _json(
            {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(_CONFIG, config), "layers": layers}
        )
        manifests[digest_of(manifest)] = manifest
        entries.append({**_descriptor(_MANIFEST, manifest), "platform": platform})
    index = _json({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries})
    return FreshImage(blobs, manifests, index, diff)


def _layer(size: int) -> bytes:
    content = secrets.token_bytes(size)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("dfmc-verify")
        member.size = size
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def digest_of(content: bytes) -> str:
    """Return ``sha256:`` and the digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode()


class OciRegistry:
    """Implements ``clients.pull_protocols.ImageRegistry`` for one registry.

    Args:
        url: Its address from here, such as ``http://127.0.0.1:5000``.
        mask: Replaces secrets in what it says.

    Raises:
        UsageError: The address is none.
    """

    def __init__(self, url: str, mask: Callable[[str], str] = str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.path.strip("/"):
            raise UsageError("the address of the registry is none", next_step="write it like http://127.0.0.1:5000")
        self._url = url.rstrip("/")
        self._mask = mask

    async def push(self, repository: str, size: int) -> PushedImage:
        """Push a fresh image under a tag of its own; see ImageRegistry."""
        image = make_image(size)
        tag = f"{TAG}-{secrets.token_hex(6)}"
        async with self._client() as client:
            for digest, content in image.blobs.items():
                await self._push_blob(client, repository, digest, content)
            for digest, manifest in image.manifests.items():
                await self._put(client, f"/v2/{repository}/manifests/{digest}", manifest, _MANIFEST)
            await self._put(client, f"/v2/{repository}/manifests/{tag}", image.index, _INDEX)
        kept = (digest_of(image.index), *image.manifests)
        return PushedImage(repository, tag, image.layer, kept, tuple(image.blobs))

    async def delete(self, image: PushedImage) -> bool:
        """Delete what was pushed; False where the registry does not let anybody; see ImageRegistry."""
        is_gone = True
        async with self._client() as client:
            kinds = [("manifests", digest) for digest in image.manifests] + [("blobs", one) for one in image.blobs]
            for kind, digest in kinds:
                answer = await self._send(client, "DELETE", f"/v2/{image.repository}/{kind}/{digest}")
                is_gone = is_gone and answer.status_code in (200, 202, 404)
        return is_gone

    def _client(self) -> httpx2.AsyncClient:
        headers = {"User-Agent": f"dfmc/{__version__}"}
        return httpx2.AsyncClient(timeout=_TIMEOUT, headers=headers, follow_redirects=False)

    async def _push_blob(self, client: httpx2.AsyncClient, repository: str, digest: str, content: bytes) -> None:
        path = f"/v2/{repository}/blobs/uploads/"
        started = await self._send(client, "POST", path)
        location = started.headers.get("Location", "")
        if started.status_code != 202 or not location:
            raise self._refused(started, f"to begin an upload to {repository}")
        # A registry behind a mapped port names itself as others see it: the way there stays ours.
        target = urlsplit(urljoin(self._url + path, location))
        query = f"{target.query}&digest={digest}" if target.query else f"digest={digest}"
        await self._put(client, f"{target.path}?{query}", content, "application/octet-stream")

    async def _put(self, client: httpx2.AsyncClient, target: str, content: bytes, media_type: str) -> None:
        answer = await self._send(client, "PUT", target, content=content, headers={"Content-Type": media_type})
        if answer.status_code != 201:
            raise self._refused(answer, "to take what was pushed")

    async def _send(self, client: httpx2.AsyncClient, method: str, target: str, **rest: Any) -> httpx2.Response:  # noqa: ANN401
        try:
            return await client.request(method, self._url + target, **rest)
        except httpx2.HTTPError as error:
            why = readable(str(error).encode(), self._mask, 200) or type(error).__name__
            raise UnreachableError(f"the registry at {self._url} does not answer", why=why) from error

    def _refused(self, answer: httpx2.Response, what: str) -> DfmcError:
        kind = AuthError if answer.status_code in (401, 403) else DfmcError
        words = readable(answer.content[:4096], self._mask, 200)
        return kind(f"the registry at {self._url} refuses {what}", why=f"HTTP {answer.status_code} {words}".strip())
