"""What differs between two trees of values, field by field, with secrets masked and unknowns kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dfmc.planning.steps import FieldChange
from dfmc.redaction import MASK
from dfmc.state import EditedConfigMap
from dfmc.symbols import Pending, SecretRef, Symbol
from dfmc.values.secret_keys import holds_secret, is_secret_path

# Under this name dfmc's fields are known to the API server (clients/kube/calls.py).
FIELD_MANAGER = "dfmc"

Lookup = Callable[[Symbol], Any]
_MOST_FIELDS = 8


def value_differences(old: Any, new: Any, known: Lookup, path: str = "") -> tuple[FieldChange, ...]:  # noqa: ANN401
    """Return every leaf in which the wanted tree differs from the present one, credentials masked.

    Args:
        old: What is there (no symbols).
        new: What should be there; may hold symbols.
        known: Returns what a symbol stands for, or the symbol itself while that is not known. An unknown id always
            counts as a difference; an unknown secret too.
        path: Where both stand, for the result.
    """
    if isinstance(new, SecretRef):
        return () if known(new) == old else (FieldChange(path, None if old is None else MASK, MASK),)
    if isinstance(new, Pending):
        value = known(new)
        return () if not isinstance(value, Pending) and value == old else (FieldChange(path, old, value),)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return _in_maps(old, new, known, path)
    if _is_list(old) and _is_list(new) and len(old) == len(new):
        found: tuple[FieldChange, ...] = ()
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            found += value_differences(before, after, known, f"{path}[{index}]")
        return found
    if isinstance(new, Mapping) and new:
        return _in_maps({}, new, known, path) + (() if old is None else (_change(path, old, None),))
    if isinstance(old, Mapping) and old and new is None:
        return _in_maps(old, {}, known, path)
    return () if _plain(old) == _plain(new) else (_change(path, old, new),)


def _change(path: str, old: Any, new: Any) -> FieldChange:  # noqa: ANN401
    """Return a difference in which a credential that somebody wrote into values is masked as well."""
    place = tuple(re.sub(r"\[\d+\]", "", path).split("."))
    return FieldChange(path, _hidden(place, old), _hidden(place, new))


def _hidden(place: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401
    is_given = value is not None and value != "" and not isinstance(value, bool)
    return MASK if (is_given and is_secret_path(place)) or holds_secret(value) else value


def _in_maps(old: Mapping[str, Any], new: Mapping[str, Any], known: Lookup, path: str) -> tuple[FieldChange, ...]:
    found: tuple[FieldChange, ...] = ()
    for key in [*new, *(key for key in old if key not in new)]:
        below = f"{path}.{key}" if path else key
        if key in new and key not in old and new[key] is None:
            # An explicit null deletes a chart's default: helm keeps it in the release's values, so its absence counts.
            found += (FieldChange(below, "(chart's default)", None),)
        else:
            found += value_differences(old.get(key), new.get(key), known, below)
    return found


def missing_from(live: Any, wanted: Any, path: str = "") -> tuple[FieldChange, ...]:  # noqa: ANN401
    """Return what ``wanted`` asks for and ``live`` lacks; what live has beyond that is the API server's.

    Lists are compared by position and length, which fits the short lists of a Service.
    """
    if isinstance(wanted, Mapping):
        have = live if isinstance(live, Mapping) else {}
        found: tuple[FieldChange, ...] = ()
        for key, value in wanted.items():
            found += missing_from(have.get(key), value, f"{path}.{key}" if path else key)
        return found
    if _is_list(wanted) and _is_list(live) and len(wanted) == len(live):
        found = ()
        for index, (have_item, want_item) in enumerate(zip(live, wanted, strict=True)):
            found += missing_from(have_item, want_item, f"{path}[{index}]")
        return found
    return () if _plain(live) == _plain(wanted) else (FieldChange(path, live, wanted),)


def edit_changes(edit: EditedConfigMap) -> Iterator[FieldChange]:
    """Yield what making an edited ConfigMap anew changes: setting by setting, or key by key where nothing is finer."""
    for key in edit.keys:
        fields = [field for field in edit.fields if field.path.startswith(f"{key}: ")]
        if not fields:
            yield FieldChange(f"{edit}, {key}", "(edited by hand)", "(as the chart has it)")
        for field in fields[:_MOST_FIELDS]:
            wanted = "(not in the chart)" if field.wanted is None else field.wanted
            yield FieldChange(f"{edit}, {field.path}", f"{field.seen or '(removed)'} (edited by hand)", wanted)
        more = len(fields) - _MOST_FIELDS
        if more > 0:
            yield FieldChange(f"{edit}, {key}: {more} more settings", "(edited by hand)", "(as the chart has them)")


def given_up_annotations(live: Mapping[str, Any], wanted: Mapping[str, Any], path: str) -> tuple[FieldChange, ...]:
    """Return the annotations that dfmc has put on an object and wants no more; those of others stay.

    Args:
        live: The object's metadata; its ``managedFields`` say who has written what by server-side apply.
        wanted: The annotations that it shall have.
        path: Where they stand, for the result.
    """
    own: set[str] = set()
    for entry in live.get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            fields = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
            own |= {key.removeprefix("f:") for key in fields if key.startswith("f:")}
    annotations = live.get("annotations") or {}
    gone = sorted(key for key in own - set(wanted) if key in annotations)
    return tuple(FieldChange(f"{path}.{key}", annotations[key], None) for key in gone)


def _is_list(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _plain(value: Any) -> Any:  # noqa: ANN401
    return [_plain(item) for item in value] if _is_list(value) else value
