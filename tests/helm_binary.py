"""Where tests that run helm find one."""

import os
import shutil
from pathlib import Path

import pytest

from dfmc.testbed.binaries import BinaryCache, default_directory, ensure


def helm_binary() -> Path:
    """``DFMC_HELM``, else helm on PATH, else the one that the test bed has in its cache.

    Skips the calling test where there is none, or fails it where ``DFMC_REQUIRE_HELM=1`` says that there must be one.
    A ``DFMC_HELM`` that names no program fails it always: it is a typing error, not an absence.
    """
    named = os.environ.get("DFMC_HELM")
    if named:
        found = shutil.which(named)
        if not found:
            pytest.fail(f"DFMC_HELM={named} is no program")
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = shutil.which("helm") or shutil.which(cache / "dfmc" / "bed" / "bin" / "helm")
    if found:
        return Path(found)
    reason = "no helm on PATH nor in the test bed's cache (DFMC_HELM names another)"
    if os.environ.get("DFMC_REQUIRE_HELM") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def helm_of_major(major: int) -> Path:
    """The test bed's helm of that major version.

    Skips the calling test where the cache has none, or makes it first where ``DFMC_REQUIRE_HELM=1``.
    """
    cache = BinaryCache(default_directory())
    name = {3: "helm", 4: "helm4"}[major]
    if os.environ.get("DFMC_REQUIRE_HELM") == "1":
        ensure([name], cache, lambda line: None)
    found = shutil.which(cache.path(name))
    if found:
        return Path(found)
    pytest.skip(f"no helm {major} in the test bed's cache")
