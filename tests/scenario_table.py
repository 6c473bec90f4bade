"""docs/reliability.md's table of failures, made from the marks in the tests' source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- scenarios: begin -->\n", "<!-- scenarios: end -->\n"
_SHOWN = 3


@dataclass(frozen=True)
class Mark:
    """One mark on one test.

    Attributes:
        ids: Of the catalogue.
        real: Whether the parts that fail are real.
        instead: What stands in for them otherwise.
        file: Below ``tests``.
        test: Name of the function.
    """

    ids: tuple[str, ...]
    real: bool
    instead: str
    file: str
    test: str

    @property
    def shown(self) -> str:
        """File and what the test says, for the table."""
        return f"`{self.file}`: {self.test.removeprefix('test_').replace('_', ' ')}"


def catalogue() -> dict[str, dict[str, str]]:
    """Return the failures by section and id."""
    sections: dict[str, dict[str, str]] = yaml.safe_load((TESTS / "data" / "scenarios.yaml").read_text())
    return sections


def marks(directory: Path = TESTS) -> list[Mark]:
    """Return every mark in the tests' source, by file and line; nothing is imported.

    Those for kind are not collected with the others, and have other names.
    """
    found: list[Mark] = []
    for file in sorted({*directory.rglob("test_*.py"), *directory.rglob("*_on_kind.py")}):
        source = file.read_text()
        if "scenario(" in source:
            tree = ast.parse(source, str(file))
            found += _of_file(tree, file.relative_to(directory).as_posix())
    return found


def _of_file(tree: ast.Module, name: str) -> Iterator[Mark]:
    texts = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        decorators = list(node.decorator_list)
        calls = [one for one in decorators if isinstance(one, ast.Call)]
        # Marks of single parameters may stand in a list of the module's own.
        named = {part.id for one in calls for part in ast.walk(one) if isinstance(part, ast.Name)}
        lists = [
            one.value
            for one in tree.body
            if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id in named for t in one.targets)
        ]
        for part in (part for one in (*decorators, *lists) for part in ast.walk(one)):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == "scenario":
                yield _mark(part, texts, name, node.name)


def _mark(call: ast.Call, texts: Mapping[str, str], file: str, test: str) -> Mark:
    where = f"tests/{file}: {test}"
    ids = tuple(str(one.value) for one in call.args if isinstance(one, ast.Constant))
    value = next((one.value for one in call.keywords if one.arg == "real"), None)
    if isinstance(value, ast.Name) and value.id in texts:
        real: object = texts[value.id]
    elif isinstance(value, ast.Constant):
        real = value.value
    else:
        raise ValueError(f"{where}: real= must be True, a text, or a text's name")
    if len(ids) != len(call.args) or not ids or not (real is True or (isinstance(real, str) and real)):
        raise ValueError(f"{where}: ids must be literals, and real= True or what stands in for the real part")
    return Mark(ids, real is True, "" if real is True else str(real), file, test)


@dataclass(frozen=True)
class Row:
    """One failure and the tests that plant it."""

    id: str
    text: str
    marks: Sequence[Mark]

    @property
    def real(self) -> bool:
        """Whether at least one test does so on real parts."""
        return any(mark.real for mark in self.marks)

    def line(self) -> str:
        """Return the row of the table."""
        best = [mark for mark in self.marks if mark.real] or list(self.marks)
        names = list(
            dict.fromkeys(f"`{mark.file}`: {mark.test.removeprefix('test_').replace('_', ' ')}" for mark in best)
        )
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        on = "real parts" if self.real else best[0].instead if best else "not yet"
        return f"| {self.id} | {self.text} | {on} | {'<br>'.join(names[:_SHOWN])}{more} |"


def rows(all_marks: Sequence[Mark]) -> dict[str, list[Row]]:
    """Return the rows by section.

    Raises:
        ValueError: A mark names no failure of the catalogue.
    """
    sections = catalogue()
    known = {key for section in sections.values() for key in section}
    by_id: dict[str, list[Mark]] = {}
    for mark in all_marks:
        for key in mark.ids:
            if key not in known:
                raise ValueError(f"tests/{mark.file}: {mark.test}: there is no scenario {key}")
            by_id.setdefault(key, []).append(mark)
    return {
        section: [Row(key, text, by_id.get(key, ())) for key, text in entries.items()]
        for section, entries in sections.items()
    }


def table(sections: Mapping[str, Sequence[Row]]) -> str:
    """Return what stands between the page's two comments."""
    every = [row for section in sections.values() for row in section]
    covered, real = sum(bool(row.marks) for row in every), sum(row.real for row in every)
    parts = [BEGIN, f"\n{covered} of {len(every)} failures have a test, {real} of them on real parts.\n"]
    for section, entries in sections.items():
        head = ["| | what goes wrong | on | tests |", "|---|---|---|---|"]
        parts.append(f"\n### {section}\n\n" + "\n".join([*head, *(row.line() for row in entries)]) + "\n")
    return "".join([*parts, "\n", END])


def with_table(page: str, made: str) -> str:
    """Return the page with the table in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost {BEGIN.strip()} or {END.strip()}")
    return before + made + after
