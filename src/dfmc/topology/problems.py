"""What the model refuses, in words a user can act on: where it stands, what is wrong, what was probably meant."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dfmc.errors import Diagnostic
from dfmc.topology.document import Document
from dfmc.topology.model import (
    API_VERSION,
    KIND,
    NAME_PATTERN,
    REFERENCE_PATTERN,
    SHA256_PATTERN,
    VERSION_PATTERN,
    SecretSource,
    Topology,
)
from dfmc.topology.nodes import Node, Path, ScalarNode, SequenceNode, child, find, shorten
from dfmc.topology.scalars import describe, quoted

_PATTERN_WORDS = {
    NAME_PATTERN: "must be lower-case letters, digits and '-', with a letter or digit at both ends",
    VERSION_PATTERN: "must be a whole version like 1.7.4",
    SHA256_PATTERN: "must be 64 hexadecimal digits, lower-case",
    REFERENCE_PATTERN: "must be NAMESPACE/NAME#KEY",
}


def model_problems(error: ValidationError, document: Document) -> list[Diagnostic]:
    """Turn pydantic's errors into diagnostics, without what parsing reported; an inherited mistake comes once."""
    found: dict[Diagnostic, None] = {}
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(step for step in detail["loc"] if step != "[key]")
        node = find(document.merged, path)
        # pydantic counts only the items that are right: a list of wrong ones is not empty.
        is_short_only_of_valid = detail["type"] == "too_short" and isinstance(node, SequenceNode) and node.items
        if not is_short_only_of_valid and not _is_broken(document, path, node):
            found[document.diagnose(path, _message(detail, path, node, document))] = None
    return list(found)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that ``word`` probably stands for; case, ``-`` and ``_`` do not count."""
    folded = {_fold(candidate): candidate for candidate in known}
    close = difflib.get_close_matches(_fold(word), list(folded), n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def _fold(word: str) -> str:
    return word[:80].replace("_", "").replace("-", "").casefold()


def _is_broken(document: Document, path: Path, node: Node | None) -> bool:
    """Parsing has refused this value already (or one of those that hold it)."""
    if node is not None:
        return isinstance(node, ScalarNode) and node.broken
    inner: Node = document.merged
    for step in path:
        held = child(inner, step)
        if held is None:
            break
        inner = held.value
    return isinstance(inner, ScalarNode) and inner.broken


def _message(detail: ErrorDetails, path: Path, node: Node | None, document: Document) -> str:
    if path == ("apiVersion",):
        return _version_message(detail, node)
    if path == ("kind",) and detail["type"] != "missing":
        return f"must be {KIND}, not {_described(node)}"
    if detail["type"] == "missing" and find(document.raw, path) is not None:
        return "is empty: give it a value"
    word = _WORDS.get(detail["type"])
    return word(detail, path, node) if word else shorten(detail["msg"], 200)


def _version_message(detail: ErrorDetails, node: Node | None) -> str:
    if detail["type"] == "missing":
        return f"is missing: add apiVersion: {API_VERSION}"
    given = node.text if isinstance(node, ScalarNode) else ""
    newer = ", or use a newer dfmc" if given.startswith("dfmc.io/") else ""
    return f"{quoted(given)} is not supported: this dfmc reads {API_VERSION}{newer}"


def _described(node: Node | None) -> str:
    if isinstance(node, ScalarNode):
        return describe(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def _missing(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    return "is missing"


def _unknown(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    *holder, key = path
    model = _model_at(tuple(holder))
    if model is None:
        return "unknown key"
    known = dict(_fields(model))
    meant = did_you_mean(str(key), known)
    if meant:
        return f"unknown key: did you mean {meant}?"
    homes = [name for name, inner in known.items() if inner is not None and key in dict(_fields(inner))]
    if homes:
        return f"unknown key here: it belongs into {homes[0]}"
    return f"unknown key: known are {', '.join(known)}"


def _text(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    if _model_at(path[:-1]) is SecretSource:
        return "must be text"  # what stands there may be the password itself
    if isinstance(node, ScalarNode) and node.text:
        return f"must be text, but unquoted this is {describe(node.value)}: quote it: {quoted(node.text)}"
    return f"must be text, not {_described(node)}"


def _pattern(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    words = _PATTERN_WORDS.get(detail["ctx"]["pattern"], "has the wrong form")
    if detail["ctx"]["pattern"] == REFERENCE_PATTERN:
        return words  # what stands there may be the password itself
    return f"{words}, not {_described(node)}"


def _whole_number(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    unquote = isinstance(node, ScalarNode) and not node.plain and node.text.isdecimal()
    return f"must be a whole number, not {_described(node)}" + (": remove the quotes" if unquote else "")


def _boolean(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    return f"must be true or false, not {_described(node)}"


def _choice(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    one_of = f"must be {known[0]}" if len(known) == 1 else f"must be one of {', '.join(known)}"
    given = node.value if isinstance(node, ScalarNode) else None
    meant = did_you_mean(given, known) if isinstance(given, str) else None
    return f"{one_of}, not {_described(node)}" + (f": did you mean {meant}?" if meant else "")


def _mapping(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    if _model_at(path) is SecretSource:
        return "must say where it comes from, such as {env: NAME}: the file itself never holds a credential"
    return f"must be a mapping (key: value), not {_described(node)}"


def _list(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    example = ""
    if isinstance(node, ScalarNode) and node.value is not None:
        example = f": write [{shorten(node.text) if node.plain else quoted(node.text)}]"
    return f"must be a list, not {_described(node)}{example}"


def _too_short(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    return "must not be empty"


def _too_long(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    things = "characters" if detail["type"] == "string_too_long" else "items"
    return f"must be at most {detail['ctx']['max_length']} {things} long"


def _bound(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    context = detail["ctx"]
    side = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
    return f"must be {side}, not {_described(node)}"


def _rule(detail: ErrorDetails, path: Path, node: Node | None) -> str:
    return str(detail["ctx"]["error"])


_WORDS: dict[str, Callable[[ErrorDetails, Path, Node | None], str]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _text,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _too_short,
    "string_too_long": _too_long,
    "int_type": _whole_number,
    "int_from_float": _whole_number,
    "bool_type": _boolean,
    "literal_error": _choice,
    "model_type": _mapping,
    "mapping_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": _list,
    "too_short": _too_short,
    "too_long": _too_long,
    "greater_than_equal": _bound,
    "less_than_equal": _bound,
    "value_error": _rule,
}


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel] | None]]:
    """Yield each key of a part of the file with the model behind it, None for scalars, lists and open maps."""
    for name, info in model.model_fields.items():
        inner = _unwrapped(info.annotation)
        yield info.alias or name, inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _model_at(path: Path) -> type[BaseModel] | None:
    annotation: Any = Topology
    for step in path:
        if isinstance(step, int):
            annotation = _unwrapped((get_args(annotation) or (None,))[0])
            continue
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return None
        named = {info.alias or name: info.annotation for name, info in annotation.model_fields.items()}
        annotation = _unwrapped(named.get(step))
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _unwrapped(annotation: Any) -> Any:  # noqa: ANN401 - whatever typing makes of an annotation
    """Return what is inside ``X | None`` and ``Annotated[X, …]``."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            annotation = next(part for part in get_args(annotation) if part is not types.NoneType)
        else:
            return annotation
