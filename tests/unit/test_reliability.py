"""docs/reliability.md says what the marks in the tests say, and counts right."""

import os
import re
from pathlib import Path

import pytest

from scenario_table import PAGE, Mark, catalogue, marks, rows, table, with_table
from scenarios import scenario


def test_the_page_is_what_the_marks_say() -> None:
    wanted = with_table(PAGE.read_text(), table(rows(marks())))
    if os.environ.get("DFMC_UPDATE_GOLDEN") == "1":
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "DFMC_UPDATE_GOLDEN=1 writes the table anew"


def test_the_catalogue_has_132_failures_numbered_without_gaps() -> None:
    keys = [key for section in catalogue().values() for key in section]
    assert len(keys) == len(set(keys)) == 132
    letters = {"I": 17, "P": 15, "C": 8, "N": 15, "W": 7, "S": 8, "R": 12, "M": 8, "V": 6, "U": 14, "X": 10, "K": 12}
    assert keys == [f"{letter}{number}" for letter, count in letters.items() for number in range(1, count + 1)]


def test_the_page_counts_its_own_rows() -> None:
    text = PAGE.read_text()
    lines = re.findall(r"^\| ([A-Z]\d+) \| .* \| (.*) \| .* \|$", text, re.MULTILINE)
    covered = sum(on != "not yet" for _, on in lines)
    real = sum(on == "real parts" for _, on in lines)
    assert len(lines) == 132
    assert f"\n{covered} of 132 failures have a test, {real} of them on real parts.\n" in text


SAMPLE = """
from scenarios import scenario

WHY = "a stand-in"
CASES = [pytest.param(1, marks=scenario("R2", real=WHY)), 2]


@scenario("I1", "I2", real=True)
def test_one(): ...


@pytest.mark.parametrize("case", CASES)
@scenario("K1", real="half of it")
def test_two(case): ...


@scenario("I3", real=True)
def no_test(): ...
"""


def test_marks_are_found_on_functions_and_on_single_parameters(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    assert sorted(marks(tmp_path), key=lambda mark: mark.ids) == [
        Mark(("I1", "I2"), True, "", "test_sample.py", "test_one"),
        Mark(("K1",), False, "half of it", "test_sample.py", "test_two"),
        Mark(("R2",), False, "a stand-in", "test_sample.py", "test_two"),
    ]


@pytest.mark.parametrize(
    "mark", ["scenario(real=True)", 'scenario("I1")', 'scenario("I1", real=False)', "scenario(ID, real=True)"]
)
def test_a_mark_that_cannot_be_read_is_an_error_that_names_the_test(mark: str, tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(f"@{mark}\ndef test_one(): ...\n")
    with pytest.raises(ValueError, match=r"test_sample\.py: test_one"):
        marks(tmp_path)


def test_a_mark_of_no_known_failure_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scenario I99"):
        rows([Mark(("I99",), True, "", "unit/test_x.py", "test_y")])


def test_one_test_on_real_parts_makes_the_row_real() -> None:
    half, real = Mark(("I1",), False, "paper", "a.py", "test_a"), Mark(("I1",), True, "", "b.py", "test_b_c")
    (row,) = (row for row in rows([half, real])["Input"] if row.id == "I1")
    assert row.real
    assert row.line() == "| I1 | a key stands twice in the file | real parts | `b.py`: b c |"
    (row,) = (row for row in rows([half])["Input"] if row.id == "I1")
    assert row.line().endswith("| paper | `a.py`: a |")


def test_the_mark_carries_what_it_was_given() -> None:
    mark = scenario("I1", real="why").mark
    assert (mark.name, mark.args, mark.kwargs) == ("scenario", ("I1",), {"real": "why"})
