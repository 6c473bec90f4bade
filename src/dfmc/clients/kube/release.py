"""A helm release read from its Secret. Pure.

Format: helm's ``pkg/storage/driver`` keeps one Secret ``sh.helm.release.v1.NAME.vN`` per revision, labelled owner,
name, status and version; ``data.release`` is JSON, gzipped, in base64, in the Secret's own base64 (both helm 3 and 4).
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from dfmc.errors import RecoveryError
from dfmc.state import ReleaseState

HELM_LABELS = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})
_GZIP_MAGIC = b"\x1f\x8b"
_PAYLOAD_LIMIT = 64 << 20  # a Secret holds 1 MiB; its content may unpack to a thousand times that


def newest(secrets: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the Secret (or its metadata alone) of the highest revision; None when there is none.

    Only the newest counts: pending records of older revisions stay in the history after a rollback.
    """
    return max(secrets, key=revision_of, default=None)


def revision_of(secret: Mapping[str, Any]) -> int:
    """Return the revision in the label ``version``; 0 when it is not a number."""
    version = str((secret["metadata"].get("labels") or {}).get("version", ""))
    return int(version) if version.isascii() and version.isdigit() else 0


def decoded(secret: Mapping[str, Any]) -> ReleaseState:
    """Return what a release Secret says.

    Raises:
        RecoveryError: The payload cannot be read; it is never guessed at.
    """
    name = str(secret["metadata"].get("name", ""))
    namespace = str(secret["metadata"].get("namespace", ""))
    try:
        payload = _payload(str((secret.get("data") or {})["release"]))
        return _state(payload, secret)
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error, zlib.error, RecursionError) as error:
        raise RecoveryError(
            f"the release record {name} in namespace {namespace} cannot be read",
            # The error's own text may quote the payload, which holds passwords.
            why=f"its payload is not what helm writes ({type(error).__name__})",
            next_step=f"see `helm history` of the release; a broken newest record is removed with "
            f"`kubectl -n {namespace} delete secret {name}`",
        ) from None


def unlocked(secret: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the Secret with its revision marked ``failed`` in label and payload; None when it is not pending.

    Helm refuses to touch a release whose newest revision is pending, and upgrades one that is failed. The
    resourceVersion stays, so that replacing the Secret fails if anybody else has written it since.

    Raises:
        RecoveryError: The payload cannot be read.
    """
    state = decoded(secret)
    if not state.is_pending:
        return None
    payload = dict(_payload(str(secret["data"]["release"])))
    description = f"dfmc: unlocked from stale '{state.status}'"
    payload["info"] = {**payload["info"], "status": "failed", "description": description}
    metadata = {**secret["metadata"], "labels": {**(secret["metadata"].get("labels") or {}), "status": "failed"}}
    return {**secret, "metadata": metadata, "data": {**secret["data"], "release": encoded(payload)}}


def encoded(payload: Mapping[str, Any]) -> str:
    """Return a payload as it stands in ``data.release``."""
    packed = gzip.compress(json.dumps(payload).encode(), mtime=0)
    return base64.b64encode(base64.b64encode(packed)).decode()


def secret_name(release: str, revision: int) -> str:
    """Return the name of a revision's Secret."""
    return f"sh.helm.release.v1.{release}.v{revision}"


def _payload(data: str) -> Mapping[str, Any]:
    packed = base64.b64decode(base64.b64decode(data, validate=True), validate=True)
    if packed.startswith(_GZIP_MAGIC):  # helm reads records of its earliest versions, which were not packed
        unpacker = zlib.decompressobj(wbits=31)
        packed = unpacker.decompress(packed, _PAYLOAD_LIMIT)
        if not unpacker.eof:
            raise ValueError
    payload: Mapping[str, Any] = json.loads(packed)
    return payload


def _state(payload: Mapping[str, Any], secret: Mapping[str, Any]) -> ReleaseState:
    chart = payload["chart"]["metadata"]
    labels: Mapping[str, str] = secret["metadata"].get("labels") or {}
    return ReleaseState(
        name=str(payload["name"]),
        namespace=str(payload.get("namespace") or secret["metadata"].get("namespace", "")),
        revision=int(payload["version"]),
        status=str(payload["info"]["status"]),
        chart_name=str(chart["name"]),
        chart_version=str(chart["version"]),
        app_version=str(chart.get("appVersion") or ""),
        values=dict(payload.get("config") or {}),
        labels={key: value for key, value in labels.items() if key not in HELM_LABELS},
        description=str(payload["info"].get("description") or ""),
        manifest=str(payload.get("manifest") or ""),
        version="/".join(str(secret["metadata"].get(key, "")) for key in ("uid", "resourceVersion")),
    )
