import pytest

from dfmc.errors import TopologyError
from dfmc.values.layouts import breakpoints, layout_name, layout_of, parse_version


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0.5.60", None),
        ("0.5.61", "L1"),
        ("1.1.11", "L1"),
        ("1.1.12", "L2"),
        ("1.1.37", "L2"),
        ("1.1.38", "L3"),
        ("1.1.65", "L3"),
        ("1.1.66", "M1"),
        ("1.4.4", "M1"),
        ("1.4.5", "M2"),
        ("1.7.4", "M2"),
        ("1.7.5", "M3"),
        ("2.0.0", "M3"),
    ],
)
def test_every_breakpoint_starts_a_layout_and_the_version_before_has_the_older_one(version: str, name: str) -> None:
    assert layout_name(version) == name


@pytest.mark.parametrize(("version", "name"), [("1.0.0", "L1"), ("1.1.1", "L1"), ("1.4.5", "M2"), ("1.7.4", "M2")])
def test_supported_versions_give_their_layout(version: str, name: str) -> None:
    assert layout_of(version).name == name


@pytest.mark.parametrize("version", ["0.5.0", "0.5.61", "0.10.9", "1.1.12", "1.1.60", "1.4.4", "1.7.5", "3.0.0"])
def test_other_versions_are_refused_with_a_sentence_that_names_those_that_work(version: str) -> None:
    with pytest.raises(TopologyError) as refused:
        layout_of(version)
    assert version in refused.value.what
    assert "1.0.0 to 1.1.11 and 1.4.5 to 1.7.4" in refused.value.what
    assert refused.value.exit_code == 3


def test_versions_compare_as_numbers_and_ignore_what_follows() -> None:
    assert parse_version("1.10.0") > parse_version("1.9.12")
    assert parse_version("1.7.4-rc.1+build") == (1, 7, 4)
    with pytest.raises(TopologyError, match="no chart version"):
        parse_version("latest")


def test_the_table_is_in_order() -> None:
    firsts = [row.first for row in breakpoints()]
    assert firsts == sorted(firsts)
    assert all(row.rendered is None or row.rendered >= row.first for row in breakpoints())
