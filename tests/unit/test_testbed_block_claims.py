"""Beds that start at the same moment never choose the same ports."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dfmc.errors import PreflightError
from dfmc.testbed.block_claims import block_claims, claims_file


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep these tests' claims apart from those of beds that run."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def first_free(directory: Path) -> int:
    """Claim the lowest block that nobody has."""
    with block_claims() as claims:
        index = next(index for index in range(62) if claims.is_free(index, directory))
        claims.keep(directory, [index])
        return index


def test_beds_that_start_at_once_get_different_blocks(tmp_path: Path) -> None:
    directories = [tmp_path / f"bed{number}" for number in range(20)]
    for directory in directories:
        directory.mkdir()
    with ThreadPoolExecutor(max_workers=20) as pool:
        assert sorted(pool.map(first_free, directories)) == list(range(20))


def test_a_beds_own_block_stays_free_for_itself_and_a_bed_that_is_gone_claims_nothing(tmp_path: Path) -> None:
    bed, other = tmp_path / "bed", tmp_path / "other"
    bed.mkdir()
    other.mkdir()
    assert (first_free(bed), first_free(bed), first_free(other)) == (0, 0, 1)
    bed.rmdir()
    assert first_free(other) == 0


def test_a_list_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    claims_file().write_text('{"/bed": [1, 2')
    assert first_free(tmp_path) == 0


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    claims_file().symlink_to(target)
    with pytest.raises(PreflightError, match="address blocks") as caught:
        first_free(tmp_path)
    assert str(claims_file()) in str(caught.value)
    assert target.read_text() == "kept"
