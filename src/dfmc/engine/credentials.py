"""Credentials at the edge: read from where the file says, generated, kept in the Secret ``dfmc-<release>``."""

from __future__ import annotations

import base64
import os
import secrets
import stat
import string
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfmc.clients.protocols import KubeClient
from dfmc.errors import ConflictError, PreflightError
from dfmc.planning.credentials import (
    JWT_KEY,
    ROOT_PASSWORD,
    ROOT_PASSWORD_PREVIOUS,
    CredentialNeed,
    CredentialPlan,
    check_given,
    needed_credentials,
    root_passwords_to_keep,
    secret_name,
)
from dfmc.planning.ownership import TOPOLOGY_LABEL, UID_LABEL, object_metadata
from dfmc.redaction import Redactor
from dfmc.state import StoredCredentials
from dfmc.topology.model import Topology
from dfmc.values.passwords import PUBLIC_DEFAULTS

_ROOT_PASSWORD_SET = "root-password-set"  # noqa: S105 - a key of the Secret
_PASSWORD_LENGTH = 20  # the manager takes at most 20 characters for root
_LARGEST_FILE = 4096


async def read_given(topology: Topology, kube: KubeClient, base: Path, redactor: Redactor) -> dict[str, str]:
    """Return the credentials that the file refers to, by key.

    Args:
        topology: The file.
        kube: Of the central cluster, for ``secret:`` references.
        base: Directory that relative ``file:`` paths start from: the topology file's own.
        redactor: Learns every value.

    Raises:
        PreflightError: A source is missing, unreadable or holds what the chart would mangle.
    """
    given: dict[str, str] = {}
    for need in needed_credentials(topology):
        if need.source is None:
            continue
        value = await _read(need, kube, base)
        _remember(redactor, value)
        check_given(need, value)
        given[need.key] = value
    return given


async def secret_versions(topology: Topology, kube: KubeClient) -> dict[str, str]:
    """Return the version of each Secret that the file takes a credential from, by what it is for; values stay there."""
    found: dict[str, str] = {}
    for need in needed_credentials(topology):
        if need.source is None or need.source.secret is None:
            continue
        namespace, _, rest = need.source.secret.partition("/")
        secret = await kube.get("v1", "Secret", rest.partition("#")[0], namespace)
        metadata = (secret or {}).get("metadata") or {}
        found[f"Secret of {need.field}"] = f"version {metadata.get('uid')}/{metadata.get('resourceVersion')}"
    return found


async def _read(need: CredentialNeed, kube: KubeClient, base: Path) -> str:
    source = need.source
    assert source is not None  # noqa: S101 - read_given skips the others
    if source.env is not None:
        return read_environment(need, source.env)
    if source.file is not None:
        return read_file(need, base / source.file)
    namespace, _, rest = (source.secret or "").partition("/")
    name, _, key = rest.partition("#")
    found = await kube.get("v1", "Secret", name, namespace)
    data = (found or {}).get("data") or {}
    if key not in data:
        what = f"Secret {namespace}/{name}" + (f" has no key {key}" if found else " does not exist")
        raise PreflightError(
            f"{need.field} cannot be read", where=need.field, why=what, next_step="create it, then run again"
        )
    return _text(data[key], f"Secret {namespace}/{name}, key {key}", need.field).rstrip("\n")


def _text(encoded: str, what: str, where: str) -> str:
    """Return a value of a Secret; PreflightError when it is no text."""
    try:
        return base64.b64decode(encoded).decode()
    except ValueError as error:  # of both decoders
        raise PreflightError(
            f"{what} cannot be read",
            where=where,
            why="its value is not text in UTF-8",
            next_step="put text there, then run again",
        ) from error


def read_environment(need: CredentialNeed, name: str) -> str:
    """Return an environment variable's value; PreflightError when it is not set or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise PreflightError(
            f"{need.field} cannot be read",
            where=need.field,
            why=f"the environment variable {name} is not set",
            next_step=f"export {name}=..., then run again",
        )
    return value


def read_file(need: CredentialNeed, path: Path) -> str:
    """Return a small regular file's content without the last line break; PreflightError when that is impossible."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PreflightError(f"{need.field} cannot be read", where=need.field, why=f"{path} is not a regular file")
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
        if len(raw) > _LARGEST_FILE:
            raise PreflightError(f"{need.field} cannot be read", where=need.field, why=f"{path} is larger than 4 KiB")
        return raw.decode().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "not text in UTF-8"
        raise PreflightError(f"{need.field} cannot be read", where=need.field, why=f"{path}: {why}") from error


def _remember(redactor: Redactor, *values: str) -> None:
    # Root's previous passwords stand in one value, one a line.
    redactor.add(*(word for value in values for word in value.split() if word not in PUBLIC_DEFAULTS))


def generate(key: str) -> str:
    """Return a new credential: for the JWT key 256 bits, for passwords 20 characters the chart cannot mangle."""
    if key == JWT_KEY:
        return secrets.token_urlsafe(32)
    first = secrets.choice(string.ascii_letters)
    return first + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_PASSWORD_LENGTH - 1))


async def read_stored(topology: Topology, kube: KubeClient, redactor: Redactor) -> StoredCredentials | None:
    """Return what the credentials' Secret holds; None before the first run.

    Raises:
        ConflictError: A Secret of that name is there that dfmc did not write.
    """
    central = topology.central
    found = await kube.get("v1", "Secret", secret_name(topology), central.namespace)
    if found is None:
        return None
    annotations = found["metadata"].get("annotations") or {}
    if TOPOLOGY_LABEL not in annotations or UID_LABEL not in annotations:
        raise ConflictError(
            f"Secret {central.namespace}/{secret_name(topology)} exists and dfmc did not write it",
            where=central.name,
            why=f"it has no annotation {TOPOLOGY_LABEL}",
            next_step="delete or rename it, then run again",
        )
    name = f"Secret {central.namespace}/{secret_name(topology)}"
    data = {key: _text(value, f"{name}, key {key}", central.name) for key, value in (found.get("data") or {}).items()}
    is_set = data.pop(_ROOT_PASSWORD_SET, "") == "true"
    _remember(redactor, *data.values())
    return StoredCredentials(
        topology=annotations[TOPOLOGY_LABEL],
        uid=annotations[UID_LABEL],
        values=data,
        root_password_set=is_set,
        resource_version=found["metadata"]["resourceVersion"],
    )


async def write(
    topology: Topology, kube: KubeClient, stored: StoredCredentials | None, plan: CredentialPlan, redactor: Redactor
) -> StoredCredentials:
    """Write the Secret as planned and return what it holds now; generated values come into being here.

    Raises:
        ConflictError: Somebody else wrote it meanwhile.
    """
    values = dict(plan.known)
    for key in plan.generate:
        values[key] = generate(key)
    _remember(redactor, *values.values())
    root_set = stored.root_password_set if stored else False
    if stored and ROOT_PASSWORD in plan.replaced:
        # The old one stays beside the new one until the manager has taken the new one: a crash between must not
        # leave a manager whose password nobody knows.
        values[ROOT_PASSWORD_PREVIOUS] = root_passwords_to_keep(stored, values[ROOT_PASSWORD])
        root_set = False
    return await _save(topology, kube, stored, values, root_password_set=root_set)


async def mark_root_password_set(topology: Topology, kube: KubeClient, stored: StoredCredentials) -> StoredCredentials:
    """Note in the Secret that the manager's root user has the stored password now."""
    values = {key: value for key, value in stored.values.items() if key != ROOT_PASSWORD_PREVIOUS}
    return await _save(topology, kube, stored, values, root_password_set=True)


async def _save(
    topology: Topology,
    kube: KubeClient,
    stored: StoredCredentials | None,
    values: Mapping[str, str],
    *,
    root_password_set: bool,
) -> StoredCredentials:
    uid = stored.uid if stored else str(uuid.uuid4())
    metadata: dict[str, Any] = object_metadata(
        secret_name(topology), topology.central.namespace, topology.metadata.name, uid
    )
    data = {**values, _ROOT_PASSWORD_SET: "true" if root_password_set else "false"}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": metadata,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
    if stored:
        metadata["resourceVersion"] = stored.resource_version
        saved = await kube.replace(body)
    else:
        saved = await kube.create(body)
    if saved is None:
        raise ConflictError(
            f"Secret {topology.central.namespace}/{secret_name(topology)} changed while dfmc was about to write it",
            where=topology.central.name,
            next_step="run again",
        )
    return StoredCredentials(
        topology.metadata.name, uid, dict(values), root_password_set, saved["metadata"]["resourceVersion"]
    )
