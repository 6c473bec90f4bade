"""Worlds: clusters and hosts as data, answered as the manager would. Their form is that of the recorded answers.

{"manager": "2.5.1", "worlds": [{"clusters": [{"id", "scopes", "is_default", "active"}],
                                 "answers": [{"host": {"ip", "hostname", "idc", "location"}, "order": [ids]}]}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dfmc.errors import TopologyError
from dfmc.matching.formula import Candidate, ClusterScopes, Host, order
from dfmc.matching.hostnames import PatternTooLargeError
from dfmc.matching.versions import Generation, generation_of

MAX_BYTES = 64 * 1024 * 1024
_HOST = ("ip", "hostname", "idc", "location")


def read_world(data: bytes, file: str) -> Mapping[str, Any]:
    """Return the document in a file's bytes.

    Raises:
        TopologyError: It is no JSON object.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise TopologyError(f"{file} is no JSON", why=reason) from None
    return _mapping(document, file)


def answered(document: Mapping[str, Any], file: str, version: str | None = None) -> dict[str, Any]:
    """Return the document with every host's ``order`` computed; whatever else it holds stays.

    Args:
        document: A world file; orders it holds already are not looked at.
        file: Its name, for messages.
        version: Of the manager; None: what the document says, else the newest formula.

    Raises:
        TopologyError: Something in it has another form.
        UsageError: The version is unknown.
    """
    said = document.get("manager")
    generation = generation_of(version if version is not None else (str(said) if said is not None else None))
    worlds = _list(document.get("worlds"), f"{file}: worlds")
    return {
        **document,
        "worlds": [_world(world, generation, f"{file}: worlds[{index}]") for index, world in enumerate(worlds)],
    }


def _world(world: object, generation: Generation, where: str) -> dict[str, Any]:
    given = _mapping(world, where)
    clusters = _list(given.get("clusters"), f"{where}.clusters")
    candidates = [_candidate(cluster, f"{where}.clusters[{index}]") for index, cluster in enumerate(clusters)]
    answers = []
    for index, answer in enumerate(_list(given.get("answers"), f"{where}.answers")):
        place = f"{where}.answers[{index}]"
        held = _mapping(answer, place)
        host = _host(held.get("host"), f"{place}.host")
        try:
            ranked = order(host, candidates, generation)
        except PatternTooLargeError as error:
            raise TopologyError(f"{where} cannot be answered", why=str(error)) from None
        answers.append({**held, "order": [one.candidate.id for one in ranked]})
    return {**given, "answers": answers}


def _candidate(cluster: object, where: str) -> Candidate:
    given = _mapping(cluster, where)
    number = given.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise _refusal(f"{where}.id", "a whole number")
    scopes = _mapping(given.get("scopes") or {}, f"{where}.scopes")
    idc, location = (_text(scopes.get(key), f"{where}.scopes.{key}") for key in ("idc", "location"))
    cidrs, hostnames = (_texts(scopes.get(key), f"{where}.scopes.{key}") for key in ("cidrs", "hostnames"))
    return Candidate(
        id=number,
        name=str(given.get("name") or number),
        scopes=ClusterScopes(idc, location, cidrs, hostnames),
        is_default=_flag(given.get("is_default", False), f"{where}.is_default"),
        is_active=_flag(given.get("active", True), f"{where}.active"),
    )


def _host(host: object, where: str) -> Host:
    given = _mapping(host, where)
    return Host(**{key: _text(given.get(key), f"{where}.{key}") for key in _HOST})


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refusal(where, "an object")
    return value


def _list(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _refusal(where, "a list")
    return value


def _text(value: object, where: str) -> str:
    if value is not None and not isinstance(value, str):
        raise _refusal(where, "a text")
    return value or ""


def _texts(value: object, where: str) -> tuple[str, ...]:
    items = _list([] if value is None else value, where)
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(items))


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise _refusal(where, "true or false")
    return value


def _refusal(where: str, wanted: str) -> TopologyError:
    return TopologyError(f"{where} must be {wanted}", next_step="see the form in `dfmc match --help`")
