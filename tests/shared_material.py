"""Where tests find the reference material that lies beside the checkout and is not committed with it."""

import os
from pathlib import Path

import pytest


def shared_material() -> Path:
    """The directory of the reference material: ``DFMC_SHARED``, else ``shared`` beside the checkout.

    Skips the calling test where it is absent, or fails it where ``DFMC_REQUIRE_SHARED=1`` says that it must be there.
    """
    beside = Path(__file__).resolve().parents[2] / "shared"
    directory = Path(os.environ.get("DFMC_SHARED") or beside)
    if directory.is_dir():
        return directory
    reason = f"no reference material at {directory} (DFMC_SHARED names another place)"
    if os.environ.get("DFMC_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
