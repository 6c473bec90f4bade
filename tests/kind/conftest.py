"""The bed that the files about faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kind_world import GUIDE, KindWorld, kind_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KindWorld]:
    """The guide, up; every test leaves it whole."""
    with kind_world(tmp_path_factory.mktemp("kind"), GUIDE) as made:
        yield made
