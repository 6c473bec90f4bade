"""Changes of the chart's values that are more than a new path; data/moves.yaml names them.

Two sorts: conversions of one value (``VALUES``, each with its way back), and changes that look at several keys
(``CHANGES``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from dfmc.values.images import split_repository
from dfmc.values.names import GRPC_PORT
from dfmc.values.rewriting import CannotConvert, Conversion, Rewriting, key_path
from dfmc.values.runtime_changes import ONLY_CLIENTS, container_runtime

# What a change is applied to: the words of moves.yaml in braces, and the keys that they stand for.
Names = Mapping[str, str]
Change = Callable[[Rewriting, Names], None]

_BOTH_PROGRAMS = (1, 1, 12)
_OTHER_PROGRAM = "the client is another program, with an image and versions of its own"
_NAME_FIELDS = ("registry", "repository", "digest")
_IMAGE_FIELDS = ("tag", "pullPolicy", "pullSecrets")
_OWN_IMAGES = ("dragonflyoss/dfdaemon", "dragonflyoss/client")


def _level(value: Any) -> str:  # noqa: ANN401 - whatever stands in the file
    if not isinstance(value, bool):
        raise CannotConvert("only true and false have a log level")
    return "debug" if value else "info"


def _verbose(value: Any) -> bool:  # noqa: ANN401
    if value not in ("debug", "info"):
        raise CannotConvert("the chart knows verbose or not, no other level")
    return bool(value == "debug")


def _rust_size(value: Any) -> str:  # noqa: ANN401
    """Turn Go's ``1024Mi`` into the Rust client's ``1024MiB``."""
    if not re.fullmatch(r"\d+(\.\d+)?[KMGT]?i?", str(value)):
        raise CannotConvert("the client reads sizes like 512MiB")
    return f"{value}B"


def _go_size(value: Any) -> str:  # noqa: ANN401
    if not re.fullmatch(r"\d+(\.\d+)?[KMGT]?i?B", str(value)):
        raise CannotConvert("dfdaemon reads sizes like 512Mi")
    return str(value).removesuffix("B")


def _renamed_rules(value: Any, names: Mapping[str, str], unknown: str) -> list[dict[str, Any]]:  # noqa: ANN401
    if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
        raise CannotConvert("this is no list of rules")
    for rule in value:
        if extra := next((key for key, held in rule.items() if key not in names and held), None):
            raise CannotConvert(f"{unknown} has nothing like a rule's {extra}")
    return [{names[key]: held for key, held in rule.items() if key in names} for rule in value]


def _client_rules(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    names = {"regx": "regex", "useHTTPS": "useTLS", "redirect": "redirect"}
    return _renamed_rules(value, names, "the client's proxy")


def _dfdaemon_rules(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    names = {"regex": "regx", "useTLS": "useHTTPS", "redirect": "redirect"}
    return _renamed_rules(value, names, "dfdaemon's proxy")


# By the word of moves.yaml: forwards and backwards.
VALUES: Mapping[str, tuple[Conversion, Conversion]] = {
    "level": (_level, _verbose),
    "rate": (_rust_size, _go_size),
    "proxy_rules": (_client_rules, _dfdaemon_rules),
}


def _image_map(work: Rewriting, names: Names) -> None:
    """``image: repository`` with ``tag`` beside it, and the map of 1.1.38; a digest was ``repository@sha256``."""
    at, image = names["x"], f"{names['x']}.image"
    held = work.get(image)
    if not work.is_forward:
        if isinstance(held, dict):
            _image_string(work, at, held, names.get("repository", ""))
        return
    if held == "":
        work.drop(image, "it is empty")
    elif isinstance(held, str):
        registry, path = split_repository(held)
        repository, _, algorithm = path.partition("@")
        fields = {"registry": registry, "repository": repository}
        if algorithm:
            fields["digest"] = f"{algorithm}:{work.take(f'{at}.tag')}"
        work.put(image, {})
        for field, value in fields.items():
            if value:
                work.put(f"{image}.{field}", value, image)
    for field in _IMAGE_FIELDS:
        work.move(f"{at}.{field}", f"{image}.{field}")


def _image_string(work: Rewriting, at: str, held: Mapping[str, Any], own: str) -> None:
    """Write registry, repository and digest of a map as one text, the rest beside it."""
    image = f"{at}.image"
    for key, value in list(held.items()):
        if key not in (*_NAME_FIELDS, *_IMAGE_FIELDS) or (key in _NAME_FIELDS and not isinstance(value, str)):
            work.lose((*key_path(image), key), "this is no part of an image's name")
    if held.get("digest"):
        work.drop(f"{image}.tag", "the digest decides")
    for field in _IMAGE_FIELDS:
        work.move(f"{image}.{field}", f"{at}.{field}")
    registry, repository, digest = (held.get(field) for field in _NAME_FIELDS)
    repository = repository or own
    if not held:
        work.lose(image, "it is empty")
    elif registry and not repository:
        work.lose(image, "the chart wants registry and repository as one text")
    else:
        text = f"{registry}/{repository}" if registry else str(repository)
        if digest:
            # The template writes image:tag, which this way has the form of a digest.
            algorithm, _, hexadecimal = str(digest).partition(":")
            text = f"{text}@{algorithm}"
            work.put(f"{at}.tag", hexadecimal, f"{image}.digest")
        work.put(image, text, image)


def _second_program(work: Rewriting, names: Names) -> None:
    """Charts 1.1.12 to 1.1.65 have both programs: forwards the settings of the one that runs are carried on."""
    old, new = names["old"], names["new"]
    if not work.is_forward:
        if work.target >= _BOTH_PROGRAMS:
            if not work.has(f"{new}.enable"):
                work.add(f"{new}.enable", True, f"charts below 1.1.66 start {old} by default, not {new}")
            if work.get(f"{new}.enable") is True:
                work.add(f"{old}.enable", False, f"{new} runs in its place")
        return
    if work.get(f"{new}.enable") is True:
        work.drop(old, f"{new} is switched on and has settings of its own")
    else:
        work.drop(new, f"it is switched off: the file runs {old}, whose settings become {new}'s")


def _only_program(work: Rewriting, names: Names) -> None:
    """One program takes the other's place: its image means nothing for the other, and there is one of each key."""
    old, new = names["old"], names["new"]
    if work.is_forward:
        for field in ("repository", "tag", "digest"):
            _drop_image(work, f"{old}.image.{field}")
        return
    if work.get(f"{new}.enable", work.source >= ONLY_CLIENTS) is True:
        work.drop(old, "it is switched off: the file runs the Rust client, whose settings become its own")
    else:
        work.drop(new, "it is switched off, and the chart does not have it")
    _drop_image(work, f"{new}.image")
    _drop_image(work, f"{new}.tag")


def _drop_image(work: Rewriting, path: str) -> None:
    held = str(work.get(path, ""))
    is_repository = path.endswith(("image", "repository"))
    if is_repository and held and not any(held.endswith(own) for own in _OWN_IMAGES):
        work.lose(path, f"{_OTHER_PROGRAM}: name your copy of the client's")
    else:
        work.drop(path, _OTHER_PROGRAM)


def _manager_address(work: Rewriting, names: Names) -> None:
    """Addresses of the manager that single components were given: externalManager, where all of them look."""
    path = names["at"]
    given = work.get(path)
    if not given:
        work.drop(path, "it is empty")
        return
    first = given[0] if isinstance(given, list) else given
    text = str(first.get("addr", "")) if isinstance(first, dict) else str(first)
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port or GRPC_PORT
    except ValueError:
        host, port = None, GRPC_PORT
    if not host:
        work.lose(path, "this is no address")
        return
    if isinstance(given, list) and len(given) > 1:
        work.note(path, "of several addresses the first one is carried over: externalManager has one host", "check")
    if not work.get("externalManager.host"):
        work.drop("externalManager.host", "it is empty")
        work.drop("externalManager.grpcPort", "the address has a port")
        work.put("externalManager.host", host, path)
        work.put("externalManager.grpcPort", port, path)
        work.take(path)
    elif (work.get("externalManager.host"), work.get("externalManager.grpcPort", GRPC_PORT)) == (host, port):
        work.drop(path, "externalManager says the same")
    else:
        work.lose(path, "externalManager says something else, and all components go by that")
        return
    if work.get("manager.enable") is not False:
        work.note("externalManager", "counts only with manager.enable: false", "check")


_HOST_ID = "config.host.schedulerClusterID"
_SEED_ID = "seedClient.config.seedPeer.clusterID"


def _host_ids(work: Rewriting, names: Names) -> None:
    """From 1.4.5 on peers say which cluster they belong to: the scheduler cluster's id, which defaults to 1."""
    scheduler_id = work.get("scheduler.config.manager.schedulerClusterID")
    if not work.is_forward:
        seed_id = work.get(f"seedClient.{_HOST_ID}")
        work.move(f"seedClient.{_HOST_ID}", _SEED_ID)
        if seed_id is not None:
            work.note(_SEED_ID, "is the seed peer cluster's id here, which can be another: see the manager", "check")
        work.lose(f"client.{_HOST_ID}", "clients find their cluster by client.config.host.idc: give the scope's")
        return
    if scheduler_id is None:
        work.move(_SEED_ID, f"seedClient.{_HOST_ID}")
        scheduler_id = work.get(f"seedClient.{_HOST_ID}")
        if scheduler_id is not None:
            work.note(f"seedClient.{_HOST_ID}", "is the scheduler cluster's id now, which can be another", "check")
    elif work.get(_SEED_ID) == scheduler_id:
        work.move(_SEED_ID, f"seedClient.{_HOST_ID}")
    else:
        work.drop(_SEED_ID, "seed peers say the scheduler cluster's id now")
    for component in ("seedClient", "client"):
        if scheduler_id is not None and not work.has(f"{component}.{_HOST_ID}"):
            why = "peers say their cluster's id from chart 1.4.5 on, and the default is 1"
            work.add(f"{component}.{_HOST_ID}", scheduler_id, why)


CHANGES: Mapping[str, Change] = {
    "image_map": _image_map,
    "container_runtime": container_runtime,
    "second_program": _second_program,
    "only_program": _only_program,
    "manager_address": _manager_address,
    "host_ids": _host_ids,
}
