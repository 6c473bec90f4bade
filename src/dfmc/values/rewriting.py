"""A tree of values being rewritten: every part remembers where it stood, and nothing leaves without a note."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dfmc.values.key_facts import KeyPath
from dfmc.values.layouts import Version
from dfmc.values.merge import Tree, merge

NoteKind = Literal["moved", "added", "dropped", "lost", "check"]
# Returns a value in its new form; raises CannotConvert where there is none.
Conversion = Callable[[Any], Any]
_MISSING = object()


class CannotConvert(ValueError):  # noqa: N818 - control flow inside values; the text is the reason a user reads
    """A value has no counterpart; the text says why."""


@dataclass(frozen=True)
class Note:
    """What happened to one part of a values file.

    Attributes:
        path: Where it stood in the file; of something added, where it stands now.
        message: What happened, and why; never a value.
        kind: ``moved``, ``added`` and ``dropped`` lose nothing; ``lost`` could not be carried over; ``check`` was
            carried over, but may not mean the same.
    """

    path: KeyPath
    message: str
    kind: NoteKind

    @property
    def is_warning(self) -> bool:
        """Whether somebody has to look at it."""
        return self.kind in ("lost", "check")


def key_path(dotted: str) -> KeyPath:
    """Return a table's dotted path as keys."""
    return tuple(dotted.split("."))


class Rewriting:
    """A copy of a file's values on its way from one chart version to another.

    Args:
        values: Not changed.
        source: Version they are written for.
        target: Version they shall be written for.
    """

    def __init__(self, values: Mapping[str, Any], source: Version, target: Version) -> None:
        self.tree: Tree = merge({}, values)
        self.source = source
        self.target = target
        self.notes: list[Note] = []
        self._origins: dict[KeyPath, KeyPath] = {}

    @property
    def is_forward(self) -> bool:
        """Whether the target is newer than the source."""
        return self.source <= self.target

    def get(self, path: str, default: Any = None) -> Any:  # noqa: ANN401 - a JSON-like tree
        """Return what is at a dotted path, or ``default``."""
        found = self._at(key_path(path))
        return default if found is _MISSING else found

    def has(self, path: str) -> bool:
        """Whether a dotted path is set, if only to null."""
        return self._at(key_path(path)) is not _MISSING

    def origin(self, path: KeyPath) -> KeyPath:
        """Return where in the file something stood that is at ``path`` now."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return (*self._origins[path[:length]], *path[length:])
        return path

    def note(self, path: str | KeyPath, message: str, kind: NoteKind) -> None:
        """Say what happened to what is at ``path`` now."""
        keys = key_path(path) if isinstance(path, str) else path
        self.notes.append(Note(self.origin(keys), message, kind))

    def put(self, path: str, value: Any, came_from: str = "") -> None:  # noqa: ANN401
        """Set a dotted path; ``came_from`` is where its value stood until now, empty for a new one."""
        origin = self.origin(key_path(came_from)) if came_from else None
        self._set(key_path(path), value)
        if origin is not None:
            self._origins[key_path(path)] = origin

    def add(self, path: str, value: Any, why: str) -> None:  # noqa: ANN401
        """Set a dotted path that the file does not set, and say so."""
        self._set(key_path(path), value)
        self.notes.append(Note(key_path(path), f"added: {why}", "added"))

    def take(self, path: str) -> Any:  # noqa: ANN401
        """Remove what is at a dotted path, and maps that are empty without it; return it, or None."""
        found = self._at(key_path(path))
        if found is _MISSING:
            return None
        self._remove(key_path(path))
        return found

    def drop(self, path: str, why: str) -> None:
        """Remove a dotted path, if it is there, of which nothing is lost."""
        if self.has(path):
            self._note_leaving(key_path(path), why, "dropped")
            self.take(path)

    def lose(self, path: str | KeyPath, why: str) -> None:
        """Remove a path, if it is there, that cannot be carried over; what is switched off or empty is no loss."""
        keys = key_path(path) if isinstance(path, str) else path
        held = self._at(keys)
        if held is not _MISSING:
            is_off = held in (None, "", False, [], {}) or (isinstance(held, dict) and held.get("enable") is False)
            self._note_leaving(keys, why, "dropped" if is_off else "lost")
            self._remove(keys)

    def move(self, old: str, new: str, convert: Conversion | None = None) -> None:
        """Move what is at ``old`` to ``new``, key by key; what stands at ``new`` already stays.

        A map's keys are moved one by one even where ``new`` is not there yet, so that each is reported by itself.
        """
        held = self.get(old)
        if self.has(old) and self.get(new) == {}:
            self.lose(new, "it is empty")
        if isinstance(held, dict) and held and convert is None and isinstance(self.get(new, {}), dict):
            for key in list(held):
                self._move((*key_path(old), key), (*key_path(new), key), None)
        elif self.has(old):
            self._move(key_path(old), key_path(new), convert)

    def moved(self) -> list[Note]:
        """Return a note for each part that stands somewhere else than in the file."""
        return [
            Note(old, f"is {'.'.join(new)} now", "moved")
            for new, old in self._origins.items()
            if new != old and self._at(new) is not _MISSING
        ]

    def _note_leaving(self, path: KeyPath, why: str, kind: NoteKind) -> None:
        """Say why a part leaves; what came into it from elsewhere is told where it stood."""
        own = self.origin(path)
        origins = [self.origin(leaf) for leaf in _leaves(self._at(path), path)]
        places = dict.fromkeys(own if origin[: len(own)] == own else origin for origin in origins)
        self.notes += [Note(place, f"left out: {why}", kind) for place in places]

    def _move(self, old: KeyPath, new: KeyPath, convert: Conversion | None) -> None:
        held, there = self._at(old), self._at(new)
        if isinstance(held, dict) and isinstance(there, dict) and convert is None:
            if not held:
                self.lose(old, "it is empty")
            for key in list(held):
                self._move((*old, key), (*new, key), None)
            return
        try:
            value = held if convert is None or held is None else convert(held)
        except CannotConvert as reason:
            self.lose(old, str(reason))
            return
        if there is not _MISSING:
            stands = f"left out: {'.'.join(new)} stands in the file as well"
            same = there == value
            self.note(old, f"{stands}, and says the same" if same else stands, "dropped" if same else "lost")
            self._remove(old)
            return
        origin = self.origin(old)
        for path in [path for path in self._origins if path[: len(old)] == old]:
            self._origins[(*new, *path[len(old) :])] = self._origins.pop(path)
        self._origins[new] = origin
        self._remove(old)
        self._set(new, value)

    def _at(self, path: KeyPath) -> Any:  # noqa: ANN401
        node: Any = self.tree
        for key in path:
            if not isinstance(node, dict) or key not in node:
                return _MISSING
            node = node[key]
        return node

    def _set(self, path: KeyPath, value: Any) -> None:  # noqa: ANN401
        node = self.tree
        for length, key in enumerate(path[:-1], 1):
            if key in node and not isinstance(node[key], dict):
                self.note(
                    path[:length], "left out: keys below it are set now", "dropped" if node[key] is None else "lost"
                )
                node[key] = {}
            node = node.setdefault(key, {})
        node[path[-1]] = value

    def _remove(self, path: KeyPath) -> None:
        holders = [self.tree]
        for key in path[:-1]:
            holders.append(holders[-1][key])
        del holders[-1][path[-1]]
        for depth in range(len(holders) - 1, 0, -1):
            if holders[depth]:
                break
            del holders[depth - 1][path[depth - 1]]


def _leaves(node: Any, path: KeyPath) -> Iterator[KeyPath]:  # noqa: ANN401
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path
