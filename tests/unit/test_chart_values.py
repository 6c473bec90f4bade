"""Default values of the stand-in charts: whole, or as what differs from another version's."""

from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from dfmc.testbed.chart_repository import standin_versions
from dfmc.testbed.chart_values import default_values

BASE = """
# a comment
kept: {a: 1, b: [1, 2]}
left: {here: x, gone: y}
nothing: null
"""


def charts(directory: Path, changes: str, base: str = BASE) -> Path:
    for version, name, text in (("1.0.0", "values.yaml", base), ("2.0.0", "changes.yaml", changes)):
        folder = directory / f"dragonfly-{version}"
        folder.mkdir()
        (folder / name).write_text(text)
    return directory


def test_whole_values_are_packaged_with_their_comments(tmp_path: Path) -> None:
    assert default_values(charts(tmp_path, "base: 1.0.0\nvalues: {}\n"), "1.0.0") == BASE


def test_changes_add_replace_and_take_away_and_null_is_a_value(tmp_path: Path) -> None:
    changes = "base: 1.0.0\ngone: [left.gone]\nvalues: {kept: {b: [], c: null}, more: {d: '1e10'}}\n"
    text = default_values(charts(tmp_path, changes), "2.0.0")
    assert text.startswith("# Every path of chart 2.0.0")
    assert yaml.safe_load(text) == {
        "kept": {"a": 1, "b": [], "c": None},
        "left": {"here": "x"},
        "nothing": None,
        "more": {"d": "1e10"},
    }
    assert "d: '1e10'" in text  # bare, helm would read a number


def test_changes_can_build_on_changes(tmp_path: Path) -> None:
    directory = charts(tmp_path, "base: 1.0.0\nvalues: {kept: {a: 2}}\n")
    third = directory / "dragonfly-3.0.0"
    third.mkdir()
    (third / "changes.yaml").write_text("base: 2.0.0\ngone: [left]\nvalues: {kept: {b: [3]}}\n")
    assert yaml.safe_load(default_values(directory, "3.0.0")) == {"kept": {"a": 2, "b": [3]}, "nothing": None}


def test_a_path_that_is_not_there_to_take_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        default_values(charts(tmp_path, "base: 1.0.0\ngone: [left.other]\nvalues: {}\n"), "2.0.0")


@pytest.mark.parametrize("version", standin_versions())
def test_no_changes_say_what_their_base_says_already(version: str) -> None:
    folder = files("dfmc.testbed") / "charts"
    source = folder / f"dragonfly-{version}" / "changes.yaml"
    if not source.is_file():
        return
    changes = yaml.safe_load(source.read_text())
    base = yaml.safe_load(default_values(folder, changes["base"]))

    def repeated(over: object, below: object, path: str = "") -> list[str]:
        if isinstance(over, dict) and isinstance(below, dict) and over:
            return [found for key in over if key in below for found in repeated(over[key], below[key], f"{path}.{key}")]
        return [path] if over == below else []

    assert repeated(changes["values"], base) == []
