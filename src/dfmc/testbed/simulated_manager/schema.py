"""Which request bodies the manager takes, and the words in which it refuses the others (manager/types/*.go).

It decodes JSON first (encoding/json stops at the first wrong type) and then checks all rules (go-playground/validator
names every field that breaks one), so the two kinds of refusal never mix.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_KINDS: Mapping[str, tuple[type, ...]] = {"string": (str,), "bool": (bool,), "strings": (list,), "object": (dict,)}
_GO_TYPES = {"string": "string", "bool": "bool", "strings": "[]string"}


class RefusedBodyError(Exception):
    """422; the message is what the manager says under ``errors``."""


@dataclass(frozen=True)
class Field:
    """One field of a request body.

    Attributes:
        name: In JSON.
        go: Name of the Go field, which messages use.
        kind: ``uint32`` and ``uint`` are numbers without a sign; ``json`` takes anything.
        required: Absent, null and the empty text are refused.
        least: Smallest number, or shortest text, except that zero and absence pass.
        most: Largest number, or longest text.
        fields: Of an object.
        struct: Go's name of an object.
    """

    name: str
    go: str
    kind: Literal["string", "bool", "strings", "object", "uint32", "uint", "int32", "json"] = "string"
    required: bool = False
    least: int | None = None
    most: int | None = None
    fields: Sequence[Field] = ()
    struct: str = ""


def decoded(raw: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return a body's JSON; RefusedBodyError in the words of encoding/json where it is none."""
    if not raw.strip():
        raise RefusedBodyError("EOF")
    try:
        return json.loads(raw)
    except UnicodeDecodeError as error:
        raise RefusedBodyError("invalid UTF-8") from error
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc.rstrip()):
            raise RefusedBodyError("unexpected EOF") from error
        character = error.doc[error.pos]
        raise RefusedBodyError(f"invalid character {character!r} looking for beginning of value") from error


def bound(struct: str, fields: Sequence[Field], raw: bytes) -> dict[str, Any]:
    """Return the body's known fields; absent ones are left out.

    Args:
        struct: Go's name of the request, e.g. ``CreateClusterRequest``.
        fields: What it knows; everything else is ignored.
        raw: The request's body.

    Raises:
        RefusedBodyError: It is no JSON, a field has the wrong type, or one breaks a rule.
    """
    body = decoded(raw)
    if body is None:
        body = {}
    elif not isinstance(body, dict):
        raise RefusedBodyError(f"json: cannot unmarshal {_json_kind(body)} into Go value of type types.{struct}")
    known = _typed(struct, (), fields, body)
    if broken := list(_broken((struct,), fields, known)):
        raise RefusedBodyError("\n".join(broken))
    return known


def _typed(struct: str, path: tuple[str, ...], fields: Sequence[Field], body: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for field in fields:
        value = body.get(field.name)
        if value is None:
            continue
        where = f"Go struct field {struct}.{'.'.join((*path, field.name))}"
        if field.kind == "object":
            if not isinstance(value, dict):
                raise _wrong_type(_json_kind(value), where, f"types.{field.struct}")
            known[field.name] = _typed(field.struct, (*path, field.name), field.fields, value)
        elif field.kind in ("uint32", "uint", "int32"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _wrong_type(_json_kind(value), where, field.kind)
            if isinstance(value, float) or (value < 0 and field.kind != "int32"):
                raise _wrong_type(f"number {value}", where, field.kind)
            known[field.name] = value
        elif field.kind == "json":
            known[field.name] = value
        else:
            if not isinstance(value, _KINDS[field.kind]):
                raise _wrong_type(_json_kind(value), where, _GO_TYPES[field.kind])
            for one in value if isinstance(value, list) else ():
                if not isinstance(one, str):
                    raise _wrong_type(_json_kind(one), where, "string")
            known[field.name] = value
    return known


def _wrong_type(found: str, where: str, wanted: str) -> RefusedBodyError:
    return RefusedBodyError(f"json: cannot unmarshal {found} into {where} of type {wanted}")


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    names: tuple[tuple[type, str], ...] = ((str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _broken(path: tuple[str, ...], fields: Sequence[Field], known: Mapping[str, Any]) -> Iterator[str]:
    for field in fields:
        value = known.get(field.name)
        here = (*path, field.go)
        if value is None or value == "" or (value == 0 and not isinstance(value, bool)):  # Go's zero values
            if field.required:
                yield violation(here, "required")
        elif field.kind == "object":
            yield from _broken(here, field.fields, value)
        elif tag := _broken_tag(field, value):
            yield violation(here, tag)


def _broken_tag(field: Field, value: Any) -> str:  # noqa: ANN401 - JSON
    is_text = isinstance(value, str)
    measured = len(value) if is_text else value
    if not isinstance(measured, int):
        return ""
    if field.least is not None and measured < field.least:
        return "min" if is_text else "gte"
    if field.most is not None and measured > field.most:
        return "max" if is_text else "lte"
    return ""


def violation(path: Sequence[str], tag: str) -> str:
    """Return the validator's sentence about one field, e.g. ``("CreateClusterRequest", "Name"), "required"``."""
    return f"Key: '{'.'.join(path)}' Error:Field validation for '{path[-1]}' failed on the '{tag}' tag"


def _number(name: str, go: str, least: int, most: int) -> Field:
    return Field(name, go, "uint32", least=least, most=most)


SCHEDULER_CLUSTER_CONFIG = (
    _number("candidate_parent_limit", "CandidateParentLimit", 1, 20),
    _number("filter_parent_limit", "FilterParentLimit", 10, 1000),
    _number("job_rate_limit", "JobRateLimit", 1, 1_000_000),
)
_BLOCK_LIST = Field("block_list", "BlockList", "json")
SEED_PEER_CLUSTER_CONFIG = (_number("load_limit", "LoadLimit", 1, 50_000), _BLOCK_LIST)
PEER_CLUSTER_CONFIG = (_number("load_limit", "LoadLimit", 1, 2000), _BLOCK_LIST)
SCOPES = (
    Field("idc", "IDC"),
    Field("location", "Location"),
    Field("cidrs", "CIDRs", "strings"),
    Field("hostnames", "Hostnames", "strings"),
)


def _cluster(*, required: bool) -> tuple[Field, ...]:
    configs = (
        ("scheduler_cluster_config", "SchedulerClusterConfig", SCHEDULER_CLUSTER_CONFIG),
        ("seed_peer_cluster_config", "SeedPeerClusterConfig", SEED_PEER_CLUSTER_CONFIG),
        ("peer_cluster_config", "PeerClusterConfig", PEER_CLUSTER_CONFIG),
    )
    structs = ("SchedulerClusterConfig", "SeedPeerClusterConfig", "SchedulerClusterClientConfig")
    return (
        Field("name", "Name", required=required),
        Field("bio", "BIO"),
        *(
            Field(name, go, "object", required=required, fields=fields, struct=struct)
            for (name, go, fields), struct in zip(configs, structs, strict=True)
        ),
        Field("scopes", "Scopes", "object", fields=SCOPES, struct="SchedulerClusterScopes"),
        Field("is_default", "IsDefault", "bool"),
    )


CREATE_CLUSTER = _cluster(required=True)
UPDATE_CLUSTER = _cluster(required=False)
CREATE_SCHEDULER = (
    Field("host_name", "Hostname", required=True),
    Field("idc", "IDC"),
    Field("location", "Location"),
    Field("ip", "IP", required=True),
    Field("port", "Port", "int32", required=True),
    Field("scheduler_cluster_id", "SchedulerClusterID", "uint", required=True),
)
CREATE_SEED_PEER = (
    Field("host_name", "Hostname", required=True),
    Field("type", "Type", required=True),
    Field("idc", "IDC"),
    Field("location", "Location"),
    Field("ip", "IP", required=True),
    Field("port", "Port", "int32", required=True),
    Field("download_port", "DownloadPort", "int32", required=True),
    Field("object_storage_port", "ObjectStoragePort", "int32"),
    Field("seed_peer_cluster_id", "SeedPeerClusterID", "uint", required=True),
)
CREATE_TOKEN = (
    Field("name", "Name", required=True),
    Field("bio", "BIO"),
    Field("scopes", "Scopes", "strings"),
    Field("expired_at", "ExpiredAt", required=True),
    Field("user_id", "UserID", "uint", required=True),
)
RESET_PASSWORD = (
    Field("old_password", "OldPassword", required=True, least=8, most=20),
    Field("new_password", "NewPassword", required=True, least=8, most=20),
)
SIGN_IN = (
    Field("name", "Name", required=True, least=3, most=10),
    Field("password", "Password", required=True, least=8, most=20),
)
CREATE_JOB = (
    Field("type", "Type", required=True),
    Field("args", "Args", "json"),
    Field("scheduler_cluster_ids", "SchedulerClusterIDs", "json"),
)
